"""How important each input is, and whether the sparse models read it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import softmax

from taut.engine import afterwards, predict_lanes
from taut.studies import choose
from taut.tables.lane_weights import input_weights
from taut.tables.trained import Trained, row_loss

SHARE = 0.5
"""Of a setting's models that must read an input for it to be kept."""
MOST_SETTINGS = 3
LEAST_ROWS, CELLS = 32, 1 << 23
"""Rows of a fold that inputs are shuffled in: as many as make so many cells, 32 at least."""
MOST_INPUTS = 1000
"""Inputs whose importance is measured, those of the largest weights: each costs a prediction of
rows of all columns, so that all of them cost the square of their number."""
PIECE = 1 << 22
"""Cells of shuffled rows that are in memory at a time."""


def shuffled(
    trained: Trained, chosen: Sequence[int], inputs: Sequence[str], sources: Sequence[str]
) -> np.ndarray:
    r"""How much the out-of-fold loss rises when one input is shuffled, by input.

    In each fold, the held-out rows (a sample of them in large tables) get the input's values
    of other held-out rows, and the mean of the chosen settings' models of that fold predicts
    them. What two inputs both tell can be read from either, so each of them seems unimportant.

    Args:
        trained: The trained lanes.
        chosen: Settings whose mean predicts.
        inputs: Input columns.
        sources: Input column of each encoded column.

    Returns:
        [inputs] mean rise of the loss by the weights of the rows; below zero by chance where an
        input is of no use.

    References:
        Breiman, Random forests, 2001, section 10.
    """
    draw = np.random.default_rng(0)
    columns = [np.flatnonzero(np.asarray(sources, object) == name) for name in inputs]
    columns.append(np.empty(0, np.int64))  # last comes the loss where nothing is shuffled
    width, outputs = trained.rows.encoded.shape[1], trained.model.output_shape[-1]
    rise, total = np.zeros(len(inputs)), 0.0
    longest = max(len(split.held_out) for split in trained.splits)
    room = max(CELLS // (len(inputs) * trained.rows.encoded.shape[1]), LEAST_ROWS)
    count = int(min(longest, room))
    for fold, split in enumerate(trained.splits):
        rows = np.resize(draw.permutation(split.held_out), count)
        orders = [draw.permutation(count) for _ in inputs]
        orders.append(np.arange(count))
        counted = trained.rows.counted(rows)
        healthy = trained.cross.healthy(chosen, fold)
        if not healthy:
            continue
        # Of many inputs a few at a time: all of them together take 4·32·columns² bytes.
        at_once = max(PIECE // (count * max(width, len(healthy) * outputs)), 1)
        losses = np.empty(len(columns))
        for start in range(0, len(columns), at_once):
            part = slice(start, min(start + at_once, len(columns)))
            x = np.repeat(trained.rows.encoded[rows][None], part.stop - start, axis=0)
            for k, (own_columns, order) in enumerate(zip(columns[part], orders[part], strict=True)):
                x[k, :, own_columns] = x[k, order][:, own_columns].T
            raw = predict_lanes(
                trained.model, trained.record, x.reshape(-1, width), lanes=healthy
            ).astype(float)
            mean = (softmax(raw, axis=-1) if raw.shape[-1] > 1 else raw).mean(axis=0)
            mean = mean.reshape(len(x), count, -1)
            losses[part] = np.average(row_loss(mean, trained.rows.y[rows]), axis=1, weights=counted)
        worth = count if counted is None else float(counted.sum())
        rise += worth * (losses[:-1] - losses[-1])
        total += worth
    return rise / (total or 1.0)


def feature_table(
    trained: Trained,
    chosen: Sequence[int],
    features: Sequence[str],
    sources: Sequence[str],
    numbers: int,
) -> pd.DataFrame:
    """One line an input: whether it is kept, how important it is, and in how many models.

    Kept inputs are read from the sparsest L1 setting whose out-of-fold loss is within one
    standard error (over folds) of the best L1 setting's: an input is kept if at least half of
    that setting's models read it by a weight that is not exactly zero. The importance is
    measured (see `shuffled`), as a share of all; `loss_increase` is the measured rise. Of more than
    1,000 inputs it is that of those with the largest weights; of the others it is not known.

    Args:
        trained: The trained lanes.
        chosen: The settings that predict, best first.
        features: Input columns.
        sources: Input column of each encoded column.
        numbers: How many of the first encoded columns are numeric.
    """

    def weights(setting: int) -> pd.DataFrame:
        healthy = trained.cross.healthy([setting]) or trained.cross.lanes(setting).tolist()
        series = [input_weights(trained, k, sources, numbers) for k in healthy]
        return pd.concat(series, axis=1).reindex(list(features), fill_value=0.0)

    sparse = [i for i, s in enumerate(trained.settings) if s.penalty == "L1"]
    near: list[int] = []
    if sparse:
        by_fold = np.array([trained.fold_losses(i) for i in sparse])
        choice = choose(by_fold, np.array([trained.settings[i].strength for i in sparse]))
        near = np.array(sparse)[choice.near].tolist()
    if near:
        sparsest = min((weights(i) for i in near), key=lambda w: int((w > 0).to_numpy().sum()))
        share, models = (sparsest > 0).mean(axis=1), sparsest.shape[1]
        kept = share >= SHARE
        reasons = [f"read by {round(s * models)} of {models} models" for s in share]
    else:
        share = (weights(0) > 0).mean(axis=1)
        kept = share >= 0
        reasons = ["no L1 penalty was trained, so nothing is left out"] * len(share)
    predicting, measured = list(chosen[:MOST_SETTINGS]), np.arange(len(features))
    if len(features) > MOST_INPUTS:
        heaviest = sum(weights(i).mean(axis=1).to_numpy() for i in predicting)
        measured = np.sort(np.argsort(-heaviest, kind="stable")[:MOST_INPUTS])
        for place in np.setdiff1d(np.arange(len(features)), measured):
            reasons[place] += f"; importance not measured: {MOST_INPUTS} inputs have larger weights"
    rise = np.full(len(features), np.nan)
    rise[measured] = afterwards(
        "The importance of inputs",
        lambda: shuffled(trained, predicting, [features[i] for i in measured.tolist()], sources),
        np.nan,
    )
    useful = np.maximum(np.nan_to_num(rise, nan=np.nan, posinf=0.0), 0.0)  # not known is not 0
    return pd.DataFrame(
        {
            "feature": list(features),
            "kept": kept.to_numpy(),
            "importance": useful / (np.nansum(useful) or 1.0),
            "loss_increase": rise,
            "folds_kept": share.to_numpy(),
            "reason": reasons,
        }
    ).sort_values(["kept", "importance"], ascending=False, ignore_index=True)
