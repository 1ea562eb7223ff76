"""Out-of-fold predictions: each row by networks that were not trained on it, several times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from taut.engine import Lane, Record, predict_lanes
from taut.engine.lanes import DIVERGED
from taut.studies.as_compiled import AsCompiled, with_splits
from taut.studies.folded import splits_of


def repeated(
    study: AsCompiled, model: Any, *, cv: Any, groups: Any, seeds: int, seed: int
) -> tuple[AsCompiled, list[Lane]]:
    """The study on folds that are drawn anew for each seed, and a lane of each.

    Args:
        study: With the folds of the first seed.
        model: The user's.
        cv: A number is drawn anew; a splitter or pairs stay as they are.
        groups: [rows] labels of groups, or None.
        seeds: How many repeats.
        seed: The first.
    """
    splits = list(study.rows.splits)
    if isinstance(cv, (int, np.integer)):
        x, y = study.rows.first()
        for other in range(seed + 1, seed + seeds):
            splits += splits_of(model, x, y, cv=cv, seed=other, groups=groups)
        study = with_splits(study, splits)
        folds = len(splits) // seeds
        return study, [study.lane(k, seed + k // folds) for k in range(len(splits))]
    lanes = [study.lane(k, seed + s) for s in range(seeds) for k in range(len(splits))]
    return study, lanes


def out_of_fold(
    study: AsCompiled,
    record: Record,
    repeats: int,
    read: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """[repeats, rows, …] what networks predict of the rows that were held out from them.

    Args:
        study: What was trained.
        record: Of lanes, repeat by repeat.
        repeats: How many.
        read: What is kept of a network's output, [rows, …].

    Returns:
        NaN where a repeat has no prediction: a row that no fold holds out, or networks that
        diverged. Where several folds hold a row out, the mean.
    """
    x, _ = study.rows.first()
    each = len(record.lanes) // repeats
    total: np.ndarray | None = None
    count = np.zeros((repeats, len(keras.tree.flatten(x)[0])))
    # One shape for all folds, so that one program predicts.
    longest = max(len(split.held_out) for split in study.rows.splits)
    for lane, (of_lane, status) in enumerate(zip(record.lanes, record.status, strict=True)):
        if status == DIVERGED:
            continue
        held = study.rows.splits[of_lane.split].held_out
        at = np.resize(held, longest)
        rows = keras.tree.map_structure(lambda a, at=at: a[at], x)
        outputs = keras.tree.flatten(predict_lanes(study.copy, record, rows, lanes=[lane]))[0]
        values = read(np.asarray(outputs[0, : len(held)], float))
        if total is None:
            total = np.zeros((*count.shape, *values.shape[1:]))
        total[lane // each, held] += values
        count[lane // each, held] += 1
    if total is None:
        return np.full((*count.shape, 1), np.nan)
    with np.errstate(invalid="ignore"):
        return total / count.reshape(*count.shape, *[1] * (total.ndim - 2))
