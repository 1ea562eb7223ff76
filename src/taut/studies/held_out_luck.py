"""How far a mean held-out loss may be off because of which rows there were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from taut._mean_loss import mean_and_error
from taut.engine import Record, predict_lanes
from taut.engine.lanes import DIVERGED
from taut.errors import UnsupportedError
from taut.objective.row_losses import RowLosses
from taut.studies.as_compiled import AsCompiled
from taut.studies.power_law import Luck

ANOTHER_TABLE = 1.25
"""Times the error of given networks on other rows. Another table would have trained others, and
chosen other epochs: measured at twice and four times the rows of 41 tables, beside those of
benchmarks/learning_curves.py."""


def held_out_luck(
    study: AsCompiled, record: Record, splits: Sequence[int], groups: np.ndarray | None = None
) -> Luck | None:
    """The standard error of the mean loss of the rows that some splits hold out.

    Each row's loss is that of the trainings that did not see it. Rows are independent, or groups
    of them are. A quarter is added for what else another table would change.

    Args:
        study: What was trained.
        record: Of its lanes.
        splits: Numbers of the splits, one a fold.
        groups: [rows] group numbers.

    Returns:
        None where the loss has no value for each row, or weights differ by output.
    """
    x, y = study.rows.first()
    weight = study.rows.weight
    if weight is not None and not isinstance(weight, np.ndarray):
        return None
    try:
        losses_of = RowLosses(study.copy, x, y)
    except UnsupportedError:
        return None
    steps = weight if weight is not None and weight.ndim > 1 else None
    total, times = np.zeros((2, len(keras.tree.flatten(y)[0])))
    for split in splits:
        rows = study.rows.splits[split].held_out
        lanes = [
            k
            for k, lane in enumerate(record.lanes)
            if lane.split == split and record.status[k] != DIVERGED
        ]
        if not lanes:
            continue
        held_x, held_y = _rows(x, rows), _rows(y, rows)
        outputs = predict_lanes(study.copy, record, held_x, lanes=lanes)
        of_rows = None if steps is None else steps[rows]
        total[rows] += losses_of.of_lanes(held_y, outputs, of_rows).sum(axis=0)
        times[rows] += len(lanes)
    there = np.flatnonzero(times)
    if weight is not None:
        weight = weight.reshape(len(weight), -1).mean(axis=1)[there]
    return luck_of(total[there] / times[there], weight, None if groups is None else groups[there])


def luck_of(
    losses: np.ndarray, weight: np.ndarray | None, groups: np.ndarray | None
) -> Luck | None:
    """The same, from the out-of-fold losses of the rows; None of a single row or group."""
    units = len(losses) if groups is None else len(np.unique(groups))
    if units < 2:
        return None
    _, error = mean_and_error(losses, weight, groups)
    few = np.sqrt(units / (units - 1))
    return Luck(float(ANOTHER_TABLE * error * few), float(units - 1))


def _rows(tree: Any, rows: np.ndarray) -> Any:
    return keras.tree.map_structure(lambda a: np.asarray(a)[rows], tree)
