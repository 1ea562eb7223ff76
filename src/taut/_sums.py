"""Statistics of columns inside folds, of rows that come in pieces, pass after pass."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

MOST_BITS = 11
"""Bits of a float32 that a pass settles of a median at most: three passes settle all 32."""
COUNTS = 1 << 24
"""Counts that a pass keeps, 64 MiB: where columns are many it settles fewer bits."""


class FoldSums(Protocol):
    """What a layer's `fold_sums(folds)` gives, to learn from rows that do not fit into memory.

    Law: with every row given once in every pass, in any pieces and any order, `values` are those
    of the layer's `fold_values` on the training rows of each fold, up to rounding.
    """

    def add(self, x: np.ndarray, folds: np.ndarray) -> None:
        """Take in some rows of inputs, [rows, …], and the fold of each, [rows]."""
        ...

    def end_pass(self) -> bool:
        """Every row was given; whether all are needed once more."""
        ...

    def values(self) -> list[dict[str, np.ndarray]]:
        """For each fold, values by the path of the weight, from the rows that are not in it."""
        ...


def moments(x: np.ndarray) -> np.ndarray:
    """[3, columns] of [rows, columns]: rows without NaN, their mean, and Σ(x−mean)²."""
    there = ~np.isnan(x)
    count = there.sum(axis=0).astype("float64")
    mean = np.where(there, x, 0).sum(axis=0) / np.maximum(count, 1)
    return np.stack([count, mean, (np.where(there, x - mean, 0) ** 2).sum(axis=0)])


def merged(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The moments of two sets of rows together (Chan, Golub and LeVeque 1979).

    Without the cancellation of Σx² − n·mean²: each term is of the size of the result.
    """
    count = one[0] + other[0]
    share = other[0] / np.maximum(count, 1)
    apart = other[1] - one[1]
    return np.stack([count, one[1] + apart * share, one[2] + other[2] + apart**2 * one[0] * share])


class FoldMoments:
    """Moments by fold; those of a fold's training rows are merged from the other folds'."""

    def __init__(self, folds: int):
        self._by_fold: list[np.ndarray | None] = [None] * folds

    def add(self, x: np.ndarray, folds: np.ndarray) -> None:
        """Take in rows, [rows, columns]."""
        for fold in np.unique(folds):
            new, old = moments(x[folds == fold].astype("float64")), self._by_fold[fold]
            self._by_fold[fold] = new if old is None else merged(old, new)

    def of_training(self, fold: int) -> np.ndarray:
        """[3, columns] of the rows that are not in a fold; of all rows if there is one fold."""
        folds = len(self._by_fold)
        others = [m for f, m in enumerate(self._by_fold) if f != fold or folds == 1]
        total, *rest = [m for m in others if m is not None]
        for moments in rest:
            total = merged(total, moments)
        return total


class FoldMedians:
    """The median of each column over each fold's training rows, NaN left out; exact in float32.

    A float32 is a whole number of 32 bits in the same order. Each pass counts how often each next
    digit occurs behind those that are known of the two middle numbers: so three passes settle
    them, whatever the rows, in memory that does not depend on their number. For many columns
    digits are shorter and passes more.
    """

    def __init__(self, folds: int):
        self._folds, self._bits, self._left = folds, 0, 32
        self._counts = np.zeros(0, np.uint32)
        self._known = np.zeros(0, np.uint32)
        self._rank = np.zeros(0, np.int64)
        self._wanted = np.zeros((0, 1), np.uint32)

    @property
    def settled(self) -> bool:
        return self._left == 0

    def add(self, x: np.ndarray, folds: np.ndarray) -> None:
        """Take in rows, [rows, columns]."""
        columns = x.shape[1]
        if not len(self._wanted):
            self._wanted = np.zeros((columns, 1), np.uint32)
        if not self._counts.size:
            shape = self._folds, columns, self._wanted.shape[1]
            fitting = max(COUNTS // max(math.prod(shape), 1), 2).bit_length() - 1
            self._bits = min(MOST_BITS, self._left, fitting)
            self._counts = np.zeros((*shape, 1 << self._bits), np.uint32)
        bits, left = self._bits, self._left - self._bits
        keys = _keys(x)
        digit = (keys >> np.uint32(left)) & np.uint32((1 << bits) - 1)
        # Behind all 32 bits nothing is known yet: a shift by 32 is not defined.
        known = keys >> np.uint32(self._left) if self._left < 32 else np.zeros_like(keys)
        slot = np.zeros(keys.shape, np.int64)
        for other in self._wanted.T[:-1]:
            slot += known > other
        row, column = np.nonzero((self._wanted[np.arange(columns), slot] == known) & ~np.isnan(x))
        slots = self._wanted.shape[1]
        at = (folds[row].astype(np.int64) * columns + column) * slots + slot[row, column]
        np.add.at(self._counts.reshape(-1), (at << bits) + digit[row, column], np.uint32(1))

    def end_pass(self) -> None:
        """Every row was given: the next digit of the middle numbers is known."""
        columns, total = len(self._wanted), self._counts.sum(axis=0, dtype=np.int64)
        if self._left == 32:
            self._known = np.zeros((self._folds, 2, columns), np.uint32)
            self._rank = np.zeros((self._folds, 2, columns), np.int64)
        column_numbers = np.arange(columns)
        for fold, fold_counts in enumerate(self._counts):
            training = total if self._folds == 1 else total - fold_counts
            if self._left == 32:
                numbers = training.sum(axis=(1, 2))
                self._rank[fold] = np.maximum(numbers - 1, 0) // 2, numbers // 2
            for middle in range(2):
                known, rank = self._known[fold, middle], self._rank[fold, middle]
                slot = (known[:, None] > self._wanted[:, :-1]).sum(axis=1)
                below = training[column_numbers, slot].cumsum(axis=1)
                # A column without a number is anywhere.
                digit = np.minimum((below <= rank[:, None]).sum(axis=1), below.shape[1] - 1)
                rank -= np.where(digit > 0, below[column_numbers, digit - 1], 0)
                known[:] = (known << np.uint32(self._bits)) | digit.astype(np.uint32)
        distinct = [np.unique(column) for column in self._known.reshape(-1, columns).T]
        most = max(map(len, distinct))
        self._wanted = np.stack([np.pad(d, (0, most - len(d)), mode="edge") for d in distinct])
        self._counts = np.zeros(0, np.uint32)
        self._left -= self._bits

    def of_training(self, fold: int) -> np.ndarray:
        """[columns] medians over the rows that are not in a fold; anything without a number."""
        return _numbers(self._known[fold]).astype("float64").mean(axis=0)


def _keys(x: np.ndarray) -> np.ndarray:
    """float32 as uint32 in the same order, the two zeros alike."""
    with np.errstate(over="ignore"):
        bits = (x.astype(np.float32) + np.float32(0)).view(np.uint32)
    return np.where(bits >> np.uint32(31), ~bits, bits | np.uint32(1 << 31))


def _numbers(keys: np.ndarray) -> np.ndarray:
    positive = keys >> np.uint32(31) != 0
    return np.where(positive, keys & np.uint32((1 << 31) - 1), ~keys).view(np.float32)
