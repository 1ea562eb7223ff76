"""The rows of a table's fit: equal rows are one row of their summed weight, or counted anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from taut.frames.understand import MINIMUM_ROWS

MOST_COUNTED = 20_000
"""A table of counts is written out in about so many rows at most."""


@dataclass(frozen=True)
class MergedTable:
    """Rows that are the same however often, with what weight and in what order they were given.

    Attributes:
        rows: [merged] the place, among the rows that were given, of one of those that each is.
        weight: [merged] what each counts; None where all count alike.
        together: [merged] numbers of the groups that stay on one side of each fold; None where
            every row is one by itself.
    """

    rows: np.ndarray
    weight: np.ndarray | None
    together: np.ndarray | None


def merge_table(
    frame: pd.DataFrame,
    weight: np.ndarray,
    facts: Mapping[str, np.ndarray],
    *,
    classes: bool = False,
    placed: bool = False,
) -> MergedTable:
    """Make equal rows one row whose weight W is the sum of theirs.

    So a row of weight 2 is a row that is given twice, and one of weight 0 is none. The folds can
    tell neither from the other: a row is wholly on one side of each. Rows of equal inputs and
    different targets stay together, or what is held out would be those targets of an input that
    training did not see.

    A table of counts is the exception: one of fewer than `MINIMUM_ROWS` different inputs, or one
    most of whose weight is on inputs that have several classes. New rows are of the inputs that
    are there already, so that folds need not leave any out. Each W is written out as round(W)
    rows, at least one, after a factor that is common to all where the least W is below 1, or
    where there would be more than `MOST_COUNTED` rows.

    Args:
        frame: Inputs, [rows, columns].
        weight: [rows] numbers >= 0.
        facts: [rows] what else rows differ by: the target, groups, times.
        classes: Whether the targets are classes.
        placed: Whether groups or times say by themselves which rows stay together.

    Example:
        >>> x = pd.DataFrame({"a": np.r_[np.arange(20), 3]})
        >>> merged = merge_table(x, np.ones(21), {"y": np.zeros(21)})
        >>> len(merged.rows), sorted(merged.weight.tolist())[-2:], merged.together
        (20, [1.0, 2.0], None)
    """
    counted = np.flatnonzero(weight > 0)
    inputs = _numbered([frame.iloc[counted, k] for k in range(frame.shape[1])])
    others = [pd.Series(values).iloc[counted] for values in facts.values()]
    cells = _numbered([pd.Series(inputs), *others])
    _, first, cell_of = np.unique(cells, return_index=True, return_inverse=True)
    totals = np.bincount(cell_of, weight[counted])
    patterns = inputs[first]
    number = len(np.unique(patterns))
    merged = len(first) < len(counted)
    counts = not placed and (
        number < MINIMUM_ROWS or (classes and _mostly_several(patterns, totals))
    )
    times = _times(totals) if counts else np.ones(len(first), int)
    alike = np.allclose(totals / times, (totals / times)[0], rtol=1e-12, atol=0)
    if merged or not alike or (times > 1).any():
        kept = pd.concat([frame.iloc[counted].reset_index(drop=True), *_plain(others)], axis=1)
        order = np.argsort(_hashes(kept.iloc[first]), kind="stable")
    else:
        order = np.argsort(first, kind="stable")  # the rows as they were given
    order = np.repeat(order, times[order])
    alone = placed or counts or number == len(first)
    return MergedTable(
        counted[first[order]],
        None if alike else (totals / times)[order],
        None if alone else pd.factorize(patterns[order])[0],
    )


def _mostly_several(patterns: np.ndarray, totals: np.ndarray) -> bool:
    """Whether most of the weight is on inputs of more than one cell."""
    _, of_cell, cells = np.unique(patterns, return_inverse=True, return_counts=True)
    return bool(totals[cells[of_cell] > 1].sum() > totals.sum() / 2)


def _times(totals: np.ndarray) -> np.ndarray:
    """[cells] in how many rows each is written out."""
    factor = 1 / min(totals.min(), 1.0)
    factor = min(factor, MOST_COUNTED / totals.sum())
    return np.maximum(np.rint(totals * factor), 1).astype(int)


def _numbered(columns: list[pd.Series]) -> np.ndarray:
    """[rows] numbers that are equal where all values are; a missing value equals a missing one."""
    numbers = np.zeros(len(columns[0]) if columns else 0, int)
    for column in columns:
        codes, distinct = pd.factorize(_exact(column), use_na_sentinel=False)
        numbers = pd.factorize(numbers * len(distinct) + codes)[0]
    return numbers


def _exact(column: pd.Series) -> pd.Series:
    """A column whose values are equal only where they are the same: True is not 1."""
    if column.dtype != object:
        return column
    return column.map(lambda value: f"{type(value).__name__}:{value!r}")


def _hashes(frame: pd.DataFrame) -> np.ndarray:
    """[rows] by which rows are put in an order that is not the one they were given in."""
    columns = [_exact(frame.iloc[:, k]) for k in range(frame.shape[1])]
    hashed = [pd.util.hash_pandas_object(column, index=False).to_numpy() for column in columns]
    return pd.util.hash_pandas_object(pd.DataFrame(dict(enumerate(hashed))), index=False).to_numpy()


def _plain(columns: list[pd.Series]) -> list[pd.Series]:
    return [column.reset_index(drop=True) for column in columns]
