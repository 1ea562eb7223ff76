r"""Factors, biases and what the side features say of them, by closed forms in turn.

With ratings in units of their standard deviation, and z_u = (1, p_u), z_i = (1, q_i):

    r̂ = mean + b_u + b_i + p_u·q_i + s_(u, day)
    (b_u, p_u) = A'x_u + δ_u,    (b_i, q_i) = F'x_i + δ_i

    n·J' = Σ_ratings [ (r − r̂)² + Σ_f ( p_uf²·V_if + q_if²·V_uf + V_uf·V_if ) ]
           + α·Σ_rows (|δ|² + Σ_f V_f) − noise·Σ_rows Σ_f log V_f + α·ρ·(|A|² + |F|²) + σ·Σ s²

V is the variance of a row's factors: how little is known of it. The L2 of a rating, p_u²·V_i +
q_u²·V_u, is counted once per rating, with a strength that the other side's row sets: factors are
shrunk where they would rest on what is not known. With V given, n·J' is a square in each block of
the others, and the best V is noise / (α + Σ_ratings (z² + V)): each step is a closed form, none
makes n·J' larger, and where they come to rest its gradient is 0. It is the free energy of a
variational posterior whose factors are independent.

References:
    Lim and Teh, Variational Bayesian approach to movie rating prediction, KDD Cup 2007.
    Zhou, Wilkinson, Schreiber and Pan, Large-scale parallel collaborative filtering, 2008.
    Koren, Factorization meets the neighborhood, KDD 2008 (who rated what).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from taut._read_only import ReadOnly
from taut.recommendation.ratings import Ratings

MAP_STEPS = 6
"""Of conjugate gradients a sweep; they begin where the last sweep's ended."""
START = 0.1


@dataclass(frozen=True)
class Strengths:
    """Of each part of the penalty; ratings are in units of their standard deviation.

    Attributes:
        rows: α, of what a user's or an item's own ratings add to what its features say: it
            counts like so many ratings of the row.
        noise: Of the ratings around the model: the share of their variance that is not explained.
        maps: ρ, of the features' coefficients, as a multiple of `rows`.
        sessions: σ, of a user's offset on a day.
    """

    rows: float
    noise: float = 0.7
    maps: float = 3.0
    sessions: float = 10.0


@dataclass(frozen=True, eq=False)
class Side(ReadOnly):
    """The users, or the items.

    Attributes:
        rows: [rows, 1 + rank] biases, then factors.
        variance: [rows, 1 + rank].
        maps: [features, 1 + rank] coefficients of the features: A, or F.
        design: [rows, features] sparse.
        unknown: [1 + rank] the row of somebody of whom nothing is known: that of mean features.
    """

    rows: np.ndarray
    variance: np.ndarray
    maps: np.ndarray
    design: Any
    unknown: np.ndarray

    @property
    def centre(self) -> np.ndarray:
        """What the features say, [rows, 1 + rank]."""
        return self.design @ self.maps


@dataclass(frozen=True, eq=False)
class Factors(ReadOnly):
    """What is fitted, in units of the ratings' standard deviation.

    Attributes:
        mean: The constant.
        user, item: The two sides.
        sessions: [sessions] offsets; empty without times.
        sweeps: How many it took.
        change: By how much the last one changed the fitted ratings, a root mean square.
    """

    mean: float
    user: Side
    item: Side
    sessions: np.ndarray
    sweeps: int = 0
    change: float = np.inf


def scores(factors: Factors, user: np.ndarray, item: np.ndarray) -> np.ndarray:
    """mean + b_u + b_i + p_u·q_i for pairs of codes."""
    p, q = factors.user.rows[user], factors.item.rows[item]
    return factors.mean + p[:, 0] + q[:, 0] + np.einsum("nf,nf->n", p[:, 1:], q[:, 1:])


def first_factors(
    user_design: Any, item_design: Any, rank: int, sessions: int, seed: int
) -> Factors:
    """Small random factors of the items, and nothing else."""
    draw = np.random.default_rng(seed)
    sides = []
    for design in (user_design, item_design):
        rows = np.zeros((design.shape[0], rank + 1))
        rows[:, 1:] = START * draw.normal(size=(len(rows), rank))
        maps = np.zeros((design.shape[1], rank + 1))
        variance = np.full(rows.shape, START)
        sides.append(Side(rows, variance, maps, design, np.zeros(rank + 1)))
    return Factors(0.0, sides[0], sides[1], np.zeros(sessions))


def solve(
    ratings: Ratings,
    target: np.ndarray,
    session: np.ndarray,
    start: Factors,
    strengths: Strengths,
    *,
    sweeps: int,
    tolerance: float,
) -> Factors:
    """Sweep through the blocks until the fitted ratings change by less than `tolerance`.

    Args:
        ratings: Who rated what.
        target: [ratings] in units of their standard deviation, the mean subtracted.
        session: [ratings] codes of user and day; empty without times.
        start: Where to begin; that of another strength saves sweeps.
        strengths: Of the penalty.
        sweeps: At most.
        tolerance: In standard deviations of the ratings.
    """
    u, i = ratings.user, ratings.item
    forth = _Pattern(ratings, transposed=False)
    back = _Pattern(ratings, transposed=True)
    met = len(ratings.items), len(ratings.users)
    user_map = _MapSolver(start.user.design, ratings.by_user > 0, met[0], strengths.maps)
    item_map = _MapSolver(start.item.design, ratings.by_item > 0, met[1], strengths.maps)
    now, fitted = start, scores(start, u, i)
    count = np.bincount(session, minlength=len(start.sessions))
    offset = start.sessions[session] if len(session) else 0.0
    for sweep in range(sweeps):
        left = target - now.mean - offset
        user = user_map.update(update_rows(forth, left, now.user, now.item, strengths))
        item = item_map.update(update_rows(back, left, now.item, user, strengths))
        now = replace(now, user=user, item=item)
        new = scores(now, u, i)
        mean = now.mean + float((target - new - offset).mean())
        new += mean - now.mean
        now = replace(now, mean=mean)
        if len(session):
            sums = np.bincount(session, target - new, minlength=len(count))
            now = replace(now, sessions=sums / (count + strengths.sessions))
            offset = now.sessions[session]
        change = float(np.sqrt(np.mean((new - fitted) ** 2)))
        fitted = new
        now = replace(now, sweeps=sweep + 1, change=change)
        if change < tolerance:
            break
    return now


def update_rows(
    pattern: _Pattern, left: np.ndarray, side: Side, other: Side, strengths: Strengths
) -> Side:
    """The best rows of one side and then their variances, the other side and the maps given."""
    gram, moment = normal_equations(pattern, left, other)
    diagonal = np.arange(gram.shape[1])
    gram[:, diagonal, diagonal] += strengths.rows
    moment += strengths.rows * side.centre
    rows = np.linalg.solve(gram, moment[:, :, None])[:, :, 0]
    return replace(side, rows=rows, variance=strengths.noise / gram[:, diagonal, diagonal])


def normal_equations(
    pattern: _Pattern, left: np.ndarray, other: Side
) -> tuple[np.ndarray, np.ndarray]:
    """Σ (z z' + diag(0, V)) [rows, d, d] and Σ z·(left − b) [rows, d], over each row's ratings."""
    z = other.rows.copy()
    z[:, 0] = 1.0
    d = z.shape[1]
    first, second = np.triu_indices(d)
    products = z[:, first] * z[:, second]
    products[:, np.flatnonzero(first == second)[1:]] += other.variance[:, 1:]
    packed = pattern.ones @ products
    gram = np.empty((len(packed), d, d))
    gram[:, first, second] = packed
    gram[:, second, first] = packed
    return gram, pattern.matrix(left) @ z - pattern.ones @ (z * other.rows[:, :1])


class _Pattern:
    """Where ratings are, [users, items] or the other way, for sparse products."""

    def __init__(self, ratings: Ratings, *, transposed: bool):
        places = np.arange(1.0, len(ratings) + 1)  # 0 would be no entry
        order = ratings.matrix(places)
        order = order.T.tocsr() if transposed else order
        order.sort_indices()
        self._order = order.data.astype(int) - 1
        self.ones = order.copy()
        self.ones.data = np.ones(len(ratings))

    def matrix(self, values: np.ndarray) -> Any:
        """The sparse matrix of values, [ratings]."""
        made = self.ones.copy()
        made.data = values[self._order]
        return made


class _MapSolver:
    """The features' coefficients: those of the ridge regression of the rows on their features.

    (X'X + ρI) A = X'rows, over the rows with ratings, by conjugate gradients. A row without ratings
    is what its features say; whom it will meet is not known, and taken to be the mean of the rows
    that have met somebody, not nobody.

    Args:
        design: X, [rows, features] sparse.
        rated: [rows] which have ratings.
        met: So many features, the last ones, are whom a row met.
        strength: ρ.
    """

    def __init__(self, design: Any, rated: np.ndarray, met: int, strength: float):
        self._rated = rated
        self._x = design[np.flatnonzero(rated)]
        self._xt = self._x.T.tocsr()
        self._strength = strength
        self._mean = np.asarray(self._x.mean(axis=0)).ravel()
        self._mean_met = np.where(np.arange(len(self._mean)) < len(self._mean) - met, 0, self._mean)

    def update(self, side: Side) -> Side:
        rows = side.rows[self._rated]
        maps = conjugate_gradients(
            lambda a: self._xt @ (self._x @ a) + self._strength * a,
            self._xt @ rows,
            side.maps,
            MAP_STEPS,
        )
        moved = replace(side, maps=maps, unknown=self._mean @ maps)
        if self._rated.all():
            return moved
        cold = moved.centre + self._mean_met @ maps
        return replace(moved, rows=np.where(self._rated[:, None], side.rows, cold))


def conjugate_gradients(apply: Any, right: np.ndarray, start: np.ndarray, steps: int) -> np.ndarray:
    """Steps towards the solution of apply(x) = right, each column for itself.

    Args:
        apply: A symmetric positive definite matrix times [rows, columns].
        right: [rows, columns].
        start: [rows, columns].
        steps: How many.
    """
    x = start.copy()
    residual = right - apply(x)
    direction = residual.copy()
    size = (residual**2).sum(axis=0)
    for _ in range(steps):
        image = apply(direction)
        bend = (direction * image).sum(axis=0)
        step = np.divide(size, bend, out=np.zeros_like(size), where=bend > 0)
        x += step * direction
        residual -= step * image
        new = (residual**2).sum(axis=0)
        direction = (
            residual + np.divide(new, size, out=np.zeros_like(size), where=size > 0) * direction
        )
        size = new
    return x


def objective(
    factors: Factors,
    ratings: Ratings,
    target: np.ndarray,
    session: np.ndarray,
    strengths: Strengths,
) -> float:
    """n·J', as it stands at the head of this file; the variances of biases add a constant."""
    s = strengths
    u, i = ratings.user, ratings.item
    offset = factors.sessions[session] if len(session) else 0.0
    error = target - scores(factors, u, i) - offset
    p, q = factors.user.rows[u, 1:], factors.item.rows[i, 1:]
    vp, vq = factors.user.variance[u, 1:], factors.item.variance[i, 1:]
    total = (error**2).sum() + (p**2 * vq + q**2 * vp + vp * vq).sum()
    for side, count in ((factors.user, ratings.by_user), (factors.item, ratings.by_item)):
        rated = count > 0
        apart = (side.rows - side.centre)[rated]
        v = side.variance[rated, 1:]
        total += s.rows * ((apart**2).sum() + v.sum()) - s.noise * np.log(v).sum()
        total += s.rows * s.maps * (side.maps**2).sum()
    return float(total + s.sessions * (factors.sessions**2).sum())
