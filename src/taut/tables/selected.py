"""Which inputs the sparse models read, and how much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from taut.engine import afterwards, predict_lanes
from taut.tables.committee import Trained, row_loss, softmax

SHARE = 0.5
"""Of a setting's models that must read an input for it to be kept."""
MOST_SETTINGS = 3
LEAST_ROWS, CELLS = 32, 1 << 23
"""Rows of a fold that inputs are shuffled in: as many as make so many cells, 32 at least."""
PIECE = 1 << 22
"""Cells of shuffled rows that are in memory at a time."""


def input_weights(trained: Trained, lane: int, sources: Sequence[str], numbers: int) -> pd.Series:
    """The norm of all weights of a lane that read an input column, by input.

    A weight counts if the part of the network behind it is there (its gate is 1).
    """
    model, record = trained.model, trained.record
    trainable = _by_name(model.trainable_variables, record.trainable)
    live, (linear, hidden) = live_columns(trained, lane)
    squares = linear * (trainable["skip/kernel"][lane, 0].astype(float) ** 2).sum(axis=1)
    squares = squares + hidden * (trainable["first/kernel"][lane, 0].astype(float) ** 2).sum(axis=1)
    # A column that is constant in the fold reaches nothing, whatever its weights.
    squares = squares * live
    pieces = (len(live) - len(sources)) // numbers if numbers else 0
    of = [*sources, *(name for name in sources[:numbers] for _ in range(pieces))]
    return pd.Series(squares).groupby(np.asarray(of, object), sort=False).sum().pow(0.5)


def live_columns(trained: Trained, lane: int) -> tuple[np.ndarray, tuple[float, float]]:
    """Which columns behind the inputs layer vary in a lane's fold, and the gates (0 or 1) of its
    linear part and of its hidden part."""
    fixed = _by_name(trained.model.non_trainable_variables, trained.record.non_trainable)
    live = [fixed["inputs/multiplier"][lane, 0] != 0]
    if "inputs/slope" in fixed:
        live.append((fixed["inputs/slope"][lane, 0] != 0).ravel())
    linear, hidden = fixed["combine/gates"][lane, 0]
    return np.concatenate(live), (float(linear), float(hidden))


def importance(
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
        [inputs] mean rise of the loss; below zero by chance where an input is of no use.

    References:
        Breiman, Random forests, 2001, section 10.
    """
    draw = np.random.default_rng(0)
    every = np.asarray(sources, object)
    columns = [np.flatnonzero(every == name) for name in inputs]
    columns.append(np.empty(0, np.int64))  # last comes the loss where nothing is shuffled
    width, outputs = trained.encoded.shape[1], trained.model.output_shape[-1]
    rise, total = np.zeros(len(inputs)), 0
    longest = max(len(split.held_out) for split in trained.splits)
    room = max(CELLS // (len(inputs) * trained.encoded.shape[1]), LEAST_ROWS)
    count = int(min(longest, room))
    for fold, split in enumerate(trained.splits):
        rows = np.resize(draw.permutation(split.held_out), count)
        orders = [draw.permutation(count) for _ in inputs]
        orders.append(np.arange(count))
        healthy = trained.healthy(chosen, fold)
        if not healthy:
            continue
        # Of many inputs a few at a time: all of them together take 4·32·columns² bytes.
        at_once = max(PIECE // (count * max(width, len(healthy) * outputs)), 1)
        losses = np.empty(len(columns))
        for start in range(0, len(columns), at_once):
            some = slice(start, min(start + at_once, len(columns)))
            x = np.repeat(trained.encoded[rows][None], some.stop - start, axis=0)
            for k, (own, order) in enumerate(zip(columns[some], orders[some], strict=True)):
                x[k, :, own] = x[k, order][:, own].T
            raw = predict_lanes(
                trained.model, trained.record, x.reshape(-1, width), lanes=healthy
            ).astype(float)
            mean = (softmax(raw) if raw.shape[-1] > 1 else raw).mean(axis=0)
            mean = mean.reshape(len(x), count, -1)
            losses[some] = row_loss(mean, trained.y[rows]).mean(axis=1)
        rise += count * (losses[:-1] - losses[-1])
        total += count
    return rise / max(total, 1)


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
    measured (see `importance`), as a share of all; `loss_increase` is the measured rise.

    Args:
        trained: The trained lanes.
        chosen: The settings that predict, best first.
        features: Input columns.
        sources: Input column of each encoded column.
        numbers: How many of the first encoded columns are numeric.
    """

    def weights(setting: int) -> pd.DataFrame:
        healthy = trained.healthy([setting]) or trained.lanes(setting).tolist()
        series = [input_weights(trained, k, sources, numbers) for k in healthy]
        return pd.concat(series, axis=1).reindex(list(features), fill_value=0.0)

    sparse = [i for i, s in enumerate(trained.settings) if s.penalty == "L1"]
    near = _within_one_standard_error(trained, sparse) if sparse else []
    if near:
        found = min((weights(i) for i in near), key=lambda w: int((w > 0).to_numpy().sum()))
        share = (found > 0).mean(axis=1)
        kept = share >= SHARE
        reasons = [f"read by {round(s * found.shape[1])} of {found.shape[1]} models" for s in share]
    else:
        found = weights(0)
        share = (found > 0).mean(axis=1)
        kept = share >= 0
        reasons = ["no L1 penalty was trained, so nothing is left out"] * len(share)
    rise = afterwards(
        "The importance of inputs",
        lambda: importance(trained, list(chosen[:MOST_SETTINGS]), features, sources),
        np.full(len(features), np.nan),
    )
    useful = np.maximum(np.nan_to_num(rise, posinf=0.0), 0.0)
    if np.isnan(rise).all():
        useful = rise  # not known, which is not 0
    return pd.DataFrame(
        {
            "feature": list(features),
            "kept": kept.to_numpy(),
            "importance": useful / (useful.sum() or 1.0),
            "loss_increase": rise,
            "folds_kept": share.to_numpy(),
            "reason": reasons,
        }
    ).sort_values(["kept", "importance"], ascending=False, ignore_index=True)


def _within_one_standard_error(trained: Trained, chosen: Sequence[int]) -> list[int]:
    by_fold = np.array([trained.fold_losses(i) for i in chosen])
    mean = by_fold.mean(axis=1)
    best = int(np.argmin(mean))
    if not np.isfinite(mean[best]):
        return []
    bound = mean[best] + by_fold[best].std(ddof=1) / np.sqrt(by_fold.shape[1])
    return [i for i, loss in zip(chosen, mean, strict=True) if loss <= bound]


def _by_name(variables: Sequence[Any], arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    names = ("/".join(variable.path.split("/")[-2:]) for variable in variables)
    return dict(zip(names, arrays, strict=True))
