"""What checks are given: arrays of rows, losses, groups and names; and the answer "not checked"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from taut._data import group_labels
from taut.checks import is_number
from taut.errors import InputError


@dataclass(frozen=True)
class NotChecked:
    """The answer of a check that could not be made: the reason, and no numbers. It is false.

    Attributes:
        reason: Why not, in one sentence.

    Example:
        >>> from taut.diagnosis import NotChecked
        >>> result = NotChecked("There is one class among the held-out rows.")
        >>> bool(result)
        False
    """

    reason: str

    def __bool__(self) -> bool:
        return False


def numbers(name: str, values: Any, *, finite: bool = True) -> np.ndarray:
    """An array of numbers as float64, whatever its shape.

    Args:
        name: What the error calls it.
        values: Numbers or truth values.
        finite: Whether NaN and infinity break the rule; NaN is allowed otherwise, infinity never.

    Raises:
        InputError: If it holds text or objects, or numbers that are not finite.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"`{name}` must be an array of numbers. Received: dtype {array.dtype}. Encode text "
            "and categories as numbers first, the way the model reads them."
        )
    array = array.astype(float)
    wrong = ~np.isfinite(array) if finite else np.isinf(array)
    if wrong.any():
        rule = "finite" if finite else "finite or NaN"
        raise InputError(
            f"`{name}` must be {rule}. Received: {wrong.sum()} of {wrong.size} values that are not."
        )
    return array


def columns(name: str, x: Any) -> np.ndarray | NotChecked:
    """An array [rows, inputs] as float64, NaN allowed; "not checked" for images and sequences.

    Raises:
        InputError: If it is no array of numbers, or has no axis of rows.
    """
    array = numbers(name, x, finite=False)
    if array.ndim == 0:
        raise InputError(f"`{name}` must have an axis of rows. Received: a single number.")
    if array.ndim > 2:
        shape = ", ".join(map(str, array.shape[1:]))
        return NotChecked(
            f"`{name}` has rows of shape ({shape}): this check is one of columns, [rows, inputs]."
        )
    return array[:, None] if array.ndim == 1 else array


def losses(name: str, values: Any) -> np.ndarray:
    """An array [rows] of losses as float64.

    Raises:
        InputError: If it is not one number a row, is empty, or is not finite.
    """
    array = numbers(name, values)
    if array.ndim != 1 or not array.size:
        raise InputError(
            f"`{name}` must be one loss a row, [rows], of one row at least. Received: shape "
            f"{array.shape}. Losses by output are averaged within each row first."
        )
    return array


def group_numbers(name: str, values: Any, rows: int) -> np.ndarray | None:
    """Groups, of any kind that can be compared, as numbers from 0: [rows], or None."""
    return None if values is None else labels_as_numbers(group_labels(values, rows, name=name))


def labels_as_numbers(array: np.ndarray) -> np.ndarray:
    """The distinct values of an array as numbers from 0, in their order."""
    keys = array.astype(str) if array.dtype.kind == "O" else array
    return np.unique(keys, return_inverse=True)[1].reshape(array.shape)


def same_rows(**arrays: np.ndarray) -> None:
    """Raise unless all arrays have as many rows."""
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name}: {count}" for name, count in counts.items())
        raise InputError(f"These must have as many rows as one another. Received: {told}.")


def same_columns(**arrays: np.ndarray) -> None:
    """Raise unless all arrays agree in all axes but the first."""
    shapes = {name: array.shape[1:] for name, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        told = ", ".join(
            f"{name}: [rows, {str(s)[1:-1].rstrip(',')}]" for name, s in shapes.items()
        )
        raise InputError(f"These must have the same columns. Received: {told}.")


def check_level(level: float) -> None:
    """Raise unless a level of confidence lies between 0.5 and 1."""
    if not (is_number(level) and 0.5 <= float(level) < 1):
        raise InputError(
            f"`level` must be at least 0.5 and below 1. Received: level={level!r}. "
            "0.95 is a 95% interval."
        )


def sampled(rows: int, most: int, seed: int) -> np.ndarray:
    """All row numbers, or `most` of them drawn by `seed`, sorted."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def middle_and_spread(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of what is there in each column; 1 where nothing varies."""
    there = ~np.isnan(x)
    count = np.maximum(there.sum(axis=0), 1)
    middle = np.where(there, x, 0).sum(axis=0) / count
    spread = np.sqrt((np.where(there, x - middle, 0) ** 2).sum(axis=0) / count)
    # A sum of equal numbers is not always so many times the number.
    return middle, np.where(spread > 1e-12 * np.abs(middle), spread, 1.0)
