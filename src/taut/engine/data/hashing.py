"""A row's fold, from what is in the row: the same wherever and in whatever order it is read."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from taut.errors import InputError

_VALUES = 1 << 16  # values hashed at once, so that what is made on the way stays in the cache


def row_hash(x: Any, y: Any = None) -> np.ndarray:
    """A number for each row that depends on the row's content alone.

    Rows of equal content have equal numbers in every process, on every platform and in whatever
    order, file or chunk they are read. Numbers are compared as a model sees them: floating point
    as float32, with one NaN and one zero; whole numbers of any width, and booleans, by value.
    Rows that differ have different numbers but for a chance of about 2^-40 a pair.

    Args:
        x: Inputs, an array [rows, …] or a tree of these.
        y: Targets, likewise; None hashes the inputs alone.

    Returns:
        [rows] of uint64.

    Raises:
        InputError: For an array that holds no numbers.
    """
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves((x, y))]
    total = np.zeros(len(leaves[0]), np.uint64)
    for k, leaf in enumerate(leaves):
        if leaf.dtype.kind not in "biuf" and leaf.dtype.name != "bfloat16":
            raise InputError(f"Rows must hold numbers. Received: an array of type {leaf.dtype}.")
        flat = leaf.reshape(len(leaf), -1)
        # Multilinear hashing: a sum over columns of value times a constant of the column.
        columns = (np.uint64(k) << np.uint64(40)) + np.arange(flat.shape[1], dtype=np.uint64)
        constants = _mixed(columns) | np.uint64(1)
        step = max(_VALUES // max(flat.shape[1], 1), 1)
        for at in range(0, len(flat), step):
            total[at : at + step] += _words(flat[at : at + step]) @ constants
    return _mixed(total)


def fold_of(hashes: np.ndarray, folds: int, seed: int = 0) -> np.ndarray:
    """Which of `folds` equally likely folds each row is in, another division for each seed.

    Args:
        hashes: [rows], from `row_hash`.
        folds: How many, at least 1.
        seed: An integer >= 0.

    Returns:
        [rows] of int32, from 0 to `folds` - 1.
    """
    salt = _mixed(np.asarray([seed], np.uint64))
    return (_mixed(hashes ^ salt) % np.uint64(folds)).astype(np.int32)


def _words(values: np.ndarray) -> np.ndarray:
    """Values as uint64, equal where a model sees equal numbers."""
    if values.dtype.kind in "biu":
        return (
            values.astype(np.int64).view(np.uint64)
            if values.dtype.kind == "i"
            else (values.astype(np.uint64))
        )
    with np.errstate(over="ignore"):
        single = values.astype(np.float32) + np.float32(0)  # -0.0 + 0.0 is 0.0
    single[np.isnan(single)] = np.nan
    return single.view(np.uint32).astype(np.uint64)


def _mixed(values: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64: every bit of the result depends on every bit of the value."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
