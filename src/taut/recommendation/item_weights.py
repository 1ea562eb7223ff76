r"""Item-to-item weights B with an empty diagonal, from what users met: scores are X·B.

EASE is a linear autoencoder with L2: the minimum of ½|X − XB|² + (λ/2)|B|² with B_jj = 0 is, with
P = (X'X + λI)⁻¹,

    B_ij = −P_ij / P_jj,   i ≠ j

Where there are fewer rows than items, P is not made: with A = (XX' + λI)⁻¹ and a_j = x_j'A x_j,
B_ij = x_i'A x_j / (1 − a_j).

SLIM is one with L1: for each item j the minimum of ½|x_j − Xb|² + (λ₂/2)|b|² + λ₁|b|₁ with b ≥ 0
and b_j = 0, which has exact zeros. As X and b are not negative, x_i'(x_j − Xb) ≤ x_i'x_j: item i
can only have weight in column j where they were met together more than λ₁ times, which is checked
first.

References:
    Steck, Embarrassingly shallow autoencoders for sparse data, WWW 2019.
    Ning and Karypis, SLIM: sparse linear methods for top-N recommender systems, ICDM 2011.
    Lawson and Hanson, Solving least squares problems, 1974 (the active set).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from taut._read_only import ReadOnly

ENTERING = 16
"""Weights that may leave 0 at a time."""


@dataclass(frozen=True, eq=False)
class MatrixWeights(ReadOnly):
    """B itself, [items, items], dense or sparse."""

    matrix: Any

    def scores(self, met: Any) -> np.ndarray:
        """X·B for rows of X, [rows, items] sparse."""
        product = met @ self.matrix
        return product.toarray() if hasattr(product, "toarray") else np.asarray(product)

    def row(self, item: int) -> np.ndarray:
        """What having met the item adds to each other's score, [items]."""
        line = self.matrix[[item]]
        return (line.toarray() if hasattr(line, "toarray") else np.asarray(line)).ravel()

    def column(self, item: int) -> np.ndarray:
        """What each item adds to this one's score, [items]."""
        line = self.matrix[:, [item]]
        return (line.toarray() if hasattr(line, "toarray") else np.asarray(line)).ravel()


@dataclass(frozen=True, eq=False)
class FactoredWeights(ReadOnly):
    """B_ij = r_i'·d_j for i ≠ j, for as many rows as were learned from.

    Attributes:
        rows: X, [rows, items] sparse.
        dual: [rows, items] A·x_j/(1 − a_j).
    """

    rows: Any
    dual: np.ndarray

    @property
    def _diagonal(self) -> np.ndarray:
        return np.asarray(self.rows.multiply(self.dual).sum(axis=0)).ravel()

    def scores(self, met: Any) -> np.ndarray:
        """X·B for rows of X, [rows, items] sparse."""
        common = (met @ self.rows.T).toarray()
        return common @ self.dual - met.multiply(self._diagonal[None]).toarray()

    def row(self, item: int) -> np.ndarray:
        """What having met the item adds to each other's score, [items]."""
        line = self.rows[:, [item]].toarray().ravel() @ self.dual
        line[item] = 0.0
        return line

    def column(self, item: int) -> np.ndarray:
        """What each item adds to this one's score, [items]."""
        line = self.rows.T @ self.dual[:, item]
        line[item] = 0.0
        return line


def ease(rows: Any) -> Callable[[float], MatrixWeights | FactoredWeights]:
    """The L2 autoencoder of X: a function from λ to its weights. X'X or XX' is made once.

    Args:
        rows: X, [rows, items] sparse.
    """
    count, items = rows.shape
    if count < items:
        kernel = (rows @ rows.T).toarray()

        def of_rows(strength: float) -> FactoredWeights:
            dual = np.linalg.solve(_plus(kernel, strength), rows.toarray())
            explained = np.asarray(rows.multiply(dual).sum(axis=0)).ravel()
            return FactoredWeights(rows, dual / (1 - explained))

        return of_rows
    gram = (rows.T @ rows).toarray()

    def of_items(strength: float) -> MatrixWeights:
        weights = -_inverse(_plus(gram, strength))
        weights /= -np.diag(weights)
        weights[np.diag_indices(items)] = 0.0
        return MatrixWeights(weights)

    return of_items


def _plus(square: np.ndarray, strength: float) -> np.ndarray:
    larger = square.copy()
    larger[np.diag_indices(len(square))] += strength
    return larger


def _inverse(square: np.ndarray) -> np.ndarray:
    """Of a positive definite matrix, by Cholesky's factor: half the work of a general one."""
    from scipy.linalg.lapack import dpotrf, dpotri

    factor, failed = dpotrf(square, lower=True)
    if failed:
        return np.linalg.inv(square)  # rounding has made it indefinite
    lower = np.tril(dpotri(factor, lower=True)[0])
    return lower + np.tril(lower, -1).T


def slim(rows: Any, l2: float) -> Callable[[float], MatrixWeights]:
    """The L1 autoencoder of X: a function from λ₁ to its weights, sparse.

    X'X is made once, and each strength starts from the weights of the one before: what is found is
    the same, since there is one minimum.

    Args:
        rows: X, [rows, items] sparse, not negative.
        l2: λ₂, > 0.
    """
    from scipy.sparse import csc_array

    items = rows.shape[1]
    met = np.asarray(rows.power(2).sum(axis=0)).ravel()
    gram = (rows.T @ rows).toarray()
    before: list[tuple[np.ndarray, np.ndarray]] = [(np.empty(0, int), np.empty(0))] * items

    def of_strength(l1: float) -> MatrixWeights:
        able = np.flatnonzero(met > l1)  # no other can have met anything more than λ₁ times
        some = gram[np.ix_(able, able)]
        square = _plus(some, l2)
        for item in np.flatnonzero(met <= l1):
            before[item] = np.empty(0, int), np.empty(0)
        for j, item in enumerate(able):
            right = some[j] - l1
            right[j] = -np.inf
            start = np.zeros(items)
            start[before[item][0]] = before[item][1]
            weights = nonnegative_minimum(square, right, start[able])
            kept = np.flatnonzero(weights)
            before[item] = able[kept], weights[kept]
        data = np.concatenate([values for _, values in before])
        places = np.concatenate([where for where, _ in before])
        ends = np.r_[0, np.cumsum([len(where) for where, _ in before])]
        return MatrixWeights(csc_array((data, places, ends), shape=(items, items)))

    return of_strength


def nonnegative_minimum(
    square: np.ndarray, right: np.ndarray, start: np.ndarray | None = None
) -> np.ndarray:
    """The b ≥ 0 that minimises ½b'Hb − c'b, exactly, with an active set.

    Those that would gain most come in, several at a time while that makes the value less, and one
    otherwise; on the way to the minimum of those inside, what reaches 0 goes out.

    Args:
        square: H, [n, n] positive definite.
        right: c, [n]; −inf keeps one at 0.
        start: [n] ≥ 0, weights near the minimum; 0 unless given.
    """
    b = np.zeros(len(right)) if start is None else np.where(np.isfinite(right), start, 0.0)
    free = np.isfinite(right)
    bound = 1e-10 * max(float(np.abs(right[free]).max(initial=0.0)), 1e-300)
    inside = np.flatnonzero(b)
    several, value = ENTERING, 0.0
    gain = right.copy()
    if len(inside):
        inside = _minimum_inside(square, right, b, inside)
        value, gain = _reached(square, right, b, inside)
    while True:
        gain[inside] = 0.0
        most = np.argpartition(-gain, min(several, len(gain) - 1))[:several]
        most = most[gain[most] > bound]
        if not len(most):
            return b
        inside = _minimum_inside(square, right, b, np.union1d(inside, most))
        reached, gain = _reached(square, right, b, inside)
        several = ENTERING if reached < value else 1
        value = reached


def _reached(
    square: np.ndarray, right: np.ndarray, b: np.ndarray, inside: np.ndarray
) -> tuple[float, np.ndarray]:
    """The value at the minimum of those inside, and what each would gain."""
    # Rows of H lie together in memory; its columns, which are the same, do not.
    return -0.5 * float(right[inside] @ b[inside]), right - b[inside] @ square[inside]


def _minimum_inside(
    square: np.ndarray, right: np.ndarray, b: np.ndarray, inside: np.ndarray
) -> np.ndarray:
    """Move b to the minimum of those inside, of which only the positive ones are left."""
    while True:
        aim = np.linalg.solve(square[np.ix_(inside, inside)], right[inside])
        low = aim <= 0
        if not low.any():
            b[inside] = aim
            return inside
        now = b[inside]
        shares = np.full(len(now), np.inf)
        shares[low] = now[low] / np.maximum(now[low] - aim[low], np.finfo(float).tiny)
        out = shares == shares.min()
        now = now + shares.min() * (aim - now)
        b[inside] = np.where(out, 0.0, now)
        inside = inside[~out]
        if not len(inside):
            return inside
