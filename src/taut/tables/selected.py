"""Which inputs the sparse models read, and how much."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from taut.tables.committee import Trained

SHARE = 0.5


def input_weights(trained: Trained, lane: int, sources: Sequence[str], numbers: int) -> pd.Series:
    """The norm of all weights of a lane that read an input column, by input.

    A weight counts if the part of the network behind it is there (its gate is 1).
    """
    model, record = trained.model, trained.record
    trainable = {_key(v): a for v, a in zip(model.trainable_variables, record.trainable)}
    fixed = {_key(v): a for v, a in zip(model.non_trainable_variables, record.non_trainable)}
    linear, hidden = fixed["combine/gates"][lane, 0]
    squares = linear * (trainable["skip/kernel"][lane, 0].astype(float) ** 2).sum(axis=1)
    squares = squares + hidden * (trainable["first/kernel"][lane, 0].astype(float) ** 2).sum(axis=1)
    # A column that is constant in the fold reaches nothing, whatever its weights.
    columns = len(sources)
    squares[:columns] *= fixed["inputs/multiplier"][lane, 0] != 0
    of = list(sources)
    if "inputs/slope" in fixed:
        slope = fixed["inputs/slope"][lane, 0]
        squares[columns:] *= (slope != 0).ravel()
        of += [name for name in sources[:numbers] for _ in range(slope.shape[1])]
    return pd.Series(squares).groupby(np.asarray(of, object), sort=False).sum().pow(0.5)


def nonzero_weights(trained: Trained, lane: int) -> int:
    """Penalised weights that are not exactly zero."""
    return sum(
        int(np.count_nonzero(a[lane]))
        for v, a in zip(trained.model.trainable_variables, trained.record.trainable)
        if v.name == "kernel"
    )


def feature_table(
    trained: Trained,
    setting: int | None,
    features: Sequence[str],
    sources: Sequence[str],
    numbers: int,
) -> pd.DataFrame:
    """One line an input: whether it is kept, its share of the weights, and in how many folds.

    An input is kept if at least half of the models of a setting read it by a weight that is
    not exactly zero. Its importance is the norm of the weights that read it (the inputs are
    standardised), averaged over those models, as a share of all.

    Args:
        trained: The trained lanes.
        setting: Number of the setting to read; None keeps everything, as no L1 was trained.
        features: Input columns.
        sources: Input column of each encoded column.
        numbers: How many of the first encoded columns are numeric.
    """
    if setting is None:
        lanes = trained.lanes(0)
    else:
        lanes = trained.lanes(setting)
    lanes = [k for k in lanes if trained.record.status[k] != "diverged"]
    weights = pd.concat(
        [input_weights(trained, int(k), sources, numbers) for k in lanes], axis=1
    ).reindex(list(features), fill_value=0.0)
    share = (weights > 0).mean(axis=1)
    kept = share >= SHARE if setting is not None else share >= 0
    mean = weights.mean(axis=1)
    count = len(lanes)
    reasons = [
        "no L1 penalty was trained, so nothing is left out"
        if setting is None
        else f"read by {round(s * count)} of {count} sparse models"
        for s in share
    ]
    return pd.DataFrame(
        {
            "feature": list(features),
            "kept": kept.to_numpy(),
            "importance": (mean / (mean.sum() or 1.0)).to_numpy(),
            "folds_kept": share.to_numpy(),
            "reason": reasons,
        }
    ).sort_values(["kept", "importance"], ascending=False, ignore_index=True)


def _key(variable: object) -> str:
    return "/".join(variable.path.split("/")[-2:])  # type: ignore[attr-defined]
