"""The rows of a fit: what counts nothing is left out, equal rows are one of their summed weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from taut.engine import Split
from taut.errors import InputError
from taut.estimators.merged_table import merge_table


@dataclass(frozen=True)
class MergedRows:
    """Distinct rows, in an order that does not depend on the one they were given in.

    Attributes:
        x: Inputs, float32 [rows, inputs].
        y: Targets, [rows] or [rows, outputs].
        weight: [rows] what each counts, 1 on average; None where all count alike.
        splits: Folds of these rows; None where there are none.
    """

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None
    splits: list[Split] | None


def merge_rows(
    x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray | None = None,
    splits: Sequence[Split] | None = None,
) -> MergedRows:
    r"""Make equal rows one row whose weight is the sum of theirs.

    The objective Σ w·ℓ / Σ w + αR stays the same. So a row of weight 2 is a row that is given
    twice, to the last bit, and the order of the rows does not matter. Equal rows that are in
    different folds stay apart.

    Args:
        x: Inputs, float32 [rows, inputs].
        y: Targets, [rows] or [rows, outputs], numbers.
        weight: [rows] numbers > 0; all 1 unless given.
        splits: Folds of the rows.

    Raises:
        InputError: If a fold names a row twice.

    Example:
        >>> rows = merge_rows(np.float32([[1], [2], [1]]), np.array([0, 1, 0]))
        >>> sorted(zip(rows.x.ravel().tolist(), rows.weight.round(2).tolist()))
        [(1.0, 1.33...), (2.0, 0.67...)]
    """
    sides = _sides(len(x), splits)
    _, first, merged = np.unique(_keys(x, y, sides), return_index=True, return_inverse=True)
    counts = np.bincount(merged, weight)
    alike = bool((counts == counts[0]).all())
    return MergedRows(
        x[first],
        y[first],
        None if alike else (counts * (len(counts) / counts.sum())).astype("float32"),
        None if splits is None else _splits(sides[first]),
    )


def rows_to_split(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray, groups: np.ndarray | None, *, classes: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Rows that folds can be made of: as `merge_table` has them, in an order of their own.

    So folds that are given by their number are the same for a row of weight 2 and for one that is
    given twice, in any order, and no copy of a held-out row is trained on.

    Args:
        x: Inputs, float32 [rows, inputs].
        y: Targets, [rows] or [rows, outputs], numbers.
        weight: [rows] numbers > 0.
        groups: [rows] numbers of the groups, or None.
        classes: Whether `y` holds class numbers.

    Returns:
        The place of each row among those given, what it counts, and the numbers of the groups that
        stay on one side of each fold; None where every row is one by itself.
    """
    inputs, targets = (np.unique(_keys(a), return_inverse=True)[1] for a in (x, y))
    facts = {"y": targets} if groups is None else {"y": targets, "groups": groups}
    rows = merge_table(
        pd.DataFrame({"x": inputs}), weight, facts, classes=classes, placed=groups is not None
    )
    of = rows.rows
    last = np.zeros(len(of), int) if groups is None else groups[of]
    order = np.lexsort((last, targets[of], inputs[of]))
    counts = np.ones(len(of)) if rows.weight is None else rows.weight
    together = rows.together if groups is None else groups[of]
    return of[order], counts[order], None if together is None else together[order]


def _keys(*arrays: np.ndarray) -> np.ndarray:
    """[rows] bytes that are equal where the rows of all arrays are."""
    rows = len(arrays[0])
    parts = [np.asarray(a, order="C") + a.dtype.type(0) for a in arrays]  # −0 is 0
    wide = [part.reshape(rows, -1).view(np.uint8).reshape(rows, -1) for part in parts]
    joined = np.ascontiguousarray(np.concatenate(wide, axis=1))
    return joined.view(np.dtype((np.void, joined.shape[1]))).ravel()


def _sides(rows: int, splits: Sequence[Split] | None) -> np.ndarray:
    """[rows, folds] on which side of a fold a row is: 1 trained on, 2 held out, 0 neither."""
    sides = np.zeros((rows, len(splits or ())), np.uint8)
    for k, split in enumerate(splits or ()):
        for side, numbers in ((1, split.train), (2, split.held_out)):
            if len(np.unique(numbers)) < len(numbers):
                raise InputError(
                    "A fold of `cv` must name each row once: give repeated rows a "
                    f"`sample_weight`. Received: fold {k}, which names some twice."
                )
            sides[numbers, k] = side
    return sides


def _splits(sides: np.ndarray) -> list[Split]:
    return [Split(np.flatnonzero(of == 1), np.flatnonzero(of == 2)) for of in sides.T]
