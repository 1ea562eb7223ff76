"""Columns that tell no more than another: copies, other units, other names of the same levels."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from taut.frames.columns import Column

SAME = "says the same as"
DIGITS = 6
"""Of standardised numbers, beyond which they are taken for equal: units are computed in floats."""


def leave_out_repeats(
    columns: Sequence[Column], values: Mapping[str, np.ndarray], asked: Collection[str]
) -> tuple[Column, ...]:
    """Leave out every input that is known from an earlier one, and the reverse, unless asked for.

    That is so for numbers a + b·x of numbers x, for levels that stand for each other row by row,
    and for equal dates; with values missing in the same rows. Beside such a column neither is
    needed, so that no measure of importance and no selection finds either.

    Args:
        columns: What was understood of each column.
        values: Of the inputs, by name, as they are read.
        asked: Columns that the user named as inputs.
    """
    alike: dict[tuple[int, int], list[Column]] = {}
    for column in columns:
        if column.used:
            alike.setdefault((column.missing, column.levels), []).append(column)
    reasons: dict[str, str] = {}
    for group in alike.values():
        first: dict[bytes, str] = {}
        # Of those that are the same, one that was asked for stays.
        for column in sorted(group, key=lambda c: c.name not in asked) if len(group) > 1 else ():
            told = first.setdefault(_told(column, values[column.name]), column.name)
            if told != column.name and column.name not in asked:
                reasons[column.name] = f"{SAME} {told!r}"
    return tuple(
        dataclasses.replace(column, used=False, reason=reasons[column.name])
        if column.name in reasons
        else column
        for column in columns
    )


def _told(column: Column, values: np.ndarray) -> bytes:
    """A digest of what a column tells, which is the same for another that tells the same."""
    if values.dtype == object or column.levels == 2:
        kind, told = "levels", pd.factorize(values)[0]
    elif column.kind in ("date", "time"):
        kind, told = column.kind, np.where(np.isnan(values), np.nan, values)
    else:
        kind, told = "numbers", _standardised(values)
    return hashlib.blake2b(kind.encode() + told.tobytes(), digest_size=16).digest()


def _standardised(x: np.ndarray) -> np.ndarray:
    """Of mean 0 and deviation 1, the first that is not 0 above it; NaN where it is missing."""
    scale = np.nanmax(np.abs(x)) or 1.0  # squares of large numbers overflow
    x = x / scale
    x = x - np.nanmean(x)
    z = np.round(x / (np.sqrt(np.nanmean(x**2)) or 1.0), DIGITS)
    signs = np.sign(z[np.isfinite(z) & (z != 0)])
    # 0 is added for there is a negative one, too.
    return np.where(np.isnan(z), np.nan, z * (signs[0] if len(signs) else 1.0)) + 0.0
