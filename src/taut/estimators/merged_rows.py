"""The rows of a fit: what counts nothing is left out, equal rows are one of their summed weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from taut.engine import Split
from taut.errors import InputError


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
    parts = [np.asarray(a, order="C") + a.dtype.type(0) for a in (x, y, sides)]  # −0 is 0
    wide = [part.reshape(len(x), -1).view(np.uint8).reshape(len(x), -1) for part in parts]
    joined = np.ascontiguousarray(np.concatenate(wide, axis=1))
    keys = joined.view(np.dtype((np.void, joined.shape[1]))).ravel()
    _, first, merged = np.unique(keys, return_index=True, return_inverse=True)
    counts = np.bincount(merged, weight)
    alike = bool((counts == counts[0]).all())
    return MergedRows(
        x[first],
        y[first],
        None if alike else (counts * (len(counts) / counts.sum())).astype("float32"),
        None if splits is None else _splits(sides[first]),
    )


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
