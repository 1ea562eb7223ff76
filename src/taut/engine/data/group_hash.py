"""A number for the group of a row, from its label alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from taut._data import no_group, one_a_row
from taut.engine.data.hashing import row_hash
from taut.errors import InputError

WHOLE = 2.0**53
"""Floating point numbers below are exact where they are whole."""


def group_hash(labels: Any) -> np.ndarray:
    """A number for each label; equal labels have equal numbers, in whatever piece or file they are.

    Whole numbers are compared by value, whatever their type. Labels that differ have one number by
    a chance of 2^-32 a pair: then these groups are in one fold, and no group is ever in two.

    Args:
        labels: [rows] numbers, text, booleans or dates.

    Returns:
        [rows] of uint32.

    Raises:
        InputError: For a missing label, and for labels of other or of mixed kinds.

    Example:
        >>> one, other = group_hash(["a", "b", "a"]), group_hash(np.array(["b", "a"], object))
        >>> bool(one[0] == one[2] == other[1]), bool(one[1] == other[0])
        (True, True)
    """
    values = np.asarray(labels)
    if values.ndim != 1:
        raise InputError(one_a_row("groups", "label", values.shape))
    if values.dtype.kind in "OUT":
        values = values.astype(object)
        _check_there(pd.isna(values))
        kinds = sorted({type(value).__name__ for value in values if not isinstance(value, str)})
        if kinds:
            raise InputError(
                "`groups` must be numbers, text or dates, one kind for all rows. Received: "
                f"objects of type {', '.join(kinds[:3])}. Convert them."
            )
        return _short(pd.util.hash_array(values, categorize=True))
    if values.dtype.kind == "M":
        _check_there(np.isnat(values))
        values = values.astype("datetime64[ns]").view(np.int64)
    if values.dtype.kind == "f":
        _check_there(np.isnan(values))
        wide = values.astype(np.float64)
        whole = (wide == np.floor(wide)) & (np.abs(wide) < WHOLE)
        values = np.where(whole, np.where(whole, wide, 0).astype(np.int64), wide.view(np.int64))
    if values.dtype.kind not in "biu":
        raise InputError(
            f"`groups` must be numbers, text or dates. Received: an array of {values.dtype}."
        )
    return _short(row_hash(values))


def _check_there(missing: np.ndarray) -> None:
    if missing.any():
        raise InputError(no_group())


def _short(hashes: np.ndarray) -> np.ndarray:
    return (hashes >> np.uint64(32)).astype(np.uint32)
