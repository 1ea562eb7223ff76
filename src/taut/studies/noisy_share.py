"""The share of wrong labels, with an interval: by likelihood, from out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import expit, xlogy
from scipy.stats import chi2

BINS = 100
"""Rows of about equal confidence are counted together: as many as the likelihood can tell apart."""
SPREAD = 3.0
"""A wrong number is drawn from a distribution at least so many times as wide as the noise."""
ROUNDS, POINTS = 4, 7
"""Grids of shares, each around the best of the one before."""
MOST = 0.5
"""No share above one half can be told from labels that were swapped."""


@dataclass(frozen=True)
class Share:
    """An estimated share, from 0 to 1, with the ends of its interval."""

    share: float
    low: float
    high: float


def flipped_share(
    confidence: np.ndarray,
    agrees: np.ndarray,
    classes: int,
    *,
    groups: np.ndarray | None = None,
    level: float = 0.95,
) -> Share:
    r"""The share of flipped labels: of the disagreement that stays where networks are sure.

    Networks that were not trained on a row predict its true class with probability q(c), which
    rises to 1 with their confidence c; a label is flipped, to any other class alike, with
    probability η. So the predicted class is the label with probability

        (1 − η)·q + η·(1 − q)/(K − 1),    q(c) = σ(a + b·c),  b ≥ 0.

    What is hard to tell apart makes q small where c is small, and leaves η alone: a classification
    error of 20% is no sign of 20% noise. η, a and b are of greatest likelihood, and the interval
    is that of the profile likelihood of η. The model takes flips to be independent of the inputs.

    Args:
        confidence: [rows] how sure the prediction is, by any monotone measure.
        agrees: [rows] whether the predicted class is the label.
        classes: K.
        groups: [rows] group numbers; groups, not rows, are then taken to be independent.
        level: Of the interval.

    References:
        Wichmann and Hill, The psychometric function, 2001 (lapses).
        Northcutt, Jiang and Chuang, Confident learning, 2021.
    """
    agrees = np.asarray(agrees, float)
    spread = float(np.std(confidence)) or 1.0
    c = (confidence - np.median(confidence)) / spread
    order = np.argsort(c, kind="stable")
    parts = np.array_split(order, min(BINS, len(order)))
    middle = np.array([c[part].mean() for part in parts])
    hits = np.array([agrees[part].sum() for part in parts])
    misses = np.array([len(part) for part in parts]) - hits

    def probability(share: float, free: np.ndarray, at: np.ndarray) -> np.ndarray:
        q = expit(free[0] + np.exp(free[1]) * at)
        return (1 - share) * q + share * (1 - q) / (classes - 1)

    def loss(share: float, free: np.ndarray) -> float:
        p = np.clip(probability(share, free, middle), 1e-9, 1 - 1e-9)
        # A weak prior: where the classes are told apart without error, the slope has no maximum.
        weak = 0.02 * (free[1] - 1.0) ** 2
        return -float((xlogy(hits, p) + xlogy(misses, 1 - p)).sum()) + weak

    starts = [np.array([a, b]) for a in (0.0, 2.0, 5.0) for b in (0.0, 1.5)]
    profile = _Profile(loss, starts)
    share = profile.least(0.0, MOST)
    factor = 1.0
    if groups is not None:
        p = probability(share, profile.free(share), c)
        factor = _design(agrees - p, groups)
    return profile.interval(share, MOST, factor, level)


def wide_share(z: np.ndarray, *, groups: np.ndarray | None = None, level: float = 0.95) -> Share:
    r"""The share of wrong numbers: of residuals that belong to a much wider distribution.

        z ∼ (1 − η)·N(0, σ²) + η·N(0, σ²·k²),  k ≥ 3,

    by greatest likelihood, with the interval of the profile likelihood of η. Heavy tails of
    correct numbers count as wrong: the residuals cannot tell them apart.

    Args:
        z: [rows] studentised out-of-fold residuals.
        groups: [rows] group numbers; groups, not rows, are then taken to be independent.
        level: Of the interval.

    References:
        Tukey, A survey of sampling from contaminated distributions, 1960.
    """
    z = np.asarray(z, float)
    scale = max(1.4826 * float(np.median(np.abs(z))), 1e-12)
    squares = (z / scale) ** 2

    def densities(free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sigma = np.exp(np.clip(free[0], -5, 5))
        wide = sigma * (SPREAD + np.exp(np.clip(free[1], -8, 8)))
        return tuple(np.exp(-0.5 * squares / s**2) / s for s in (sigma, wide))  # type: ignore[return-value]

    def loss(share: float, free: np.ndarray) -> float:
        core, wide = densities(free)
        return -float(np.log((1 - share) * core + share * wide + 1e-300).sum())

    profile = _Profile(loss, [np.array([0.0, b]) for b in (-1.0, 1.0, 2.0)])
    share = profile.least(0.0, MOST)
    factor = 1.0
    if groups is not None:
        core, wide = densities(profile.free(share))
        mixed = (1 - share) * core + share * wide + 1e-300
        factor = _design(share * wide / mixed - share, groups)
    return profile.interval(share, MOST, factor, level)


class _Profile:
    """A loss of a share and of free parameters, minimised over these."""

    def __init__(self, loss: Callable[[float, np.ndarray], float], starts: list[np.ndarray]):
        self._loss, self._starts = loss, starts
        self._known: dict[float, tuple[float, np.ndarray]] = {}

    def __call__(self, share: float) -> float:
        return self._at(share)[0]

    def free(self, share: float) -> np.ndarray:
        return self._at(share)[1]

    def least(self, low: float, high: float) -> float:
        """The share of least loss: the best of a grid, and of finer ones around it."""
        for _ in range(ROUNDS):
            grid = np.linspace(low, high, POINTS)
            best = int(np.argmin([self(float(s)) for s in grid]))
            low, high = grid[max(best - 1, 0)], grid[min(best + 1, POINTS - 1)]
        return min(self._known, key=lambda s: self._known[s][0])

    def interval(self, share: float, most: float, factor: float, level: float) -> Share:
        """Where the loss is not above its least by more than chance, `factor` times as much."""
        bound = self(share) + factor * float(chi2.ppf(level, 1)) / 2

        def end(limit: float) -> float:
            if share == limit or self(limit) <= bound:
                return limit
            return float(brentq(lambda s: self(float(s)) - bound, share, limit, xtol=1e-4))

        return Share(float(share), end(0.0), end(most))

    def _at(self, share: float) -> tuple[float, np.ndarray]:
        if share not in self._known:
            # From what is known nearby, so that the profile is smooth.
            near = sorted(self._known, key=lambda s: abs(s - share))[:1]
            starts = [self._known[s][1] for s in near] or self._starts
            found = [minimize(lambda f: self._loss(share, f), s, method="BFGS") for s in starts]
            best = min(found, key=lambda f: f.fun)
            self._known[share] = float(best.fun), best.x
        return self._known[share]


def _design(residuals: np.ndarray, groups: np.ndarray) -> float:
    """How many times the variance of a sum of residuals is that of independent rows."""
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], weights=residuals)
    return max(float((sums**2).sum() / max((residuals**2).sum(), 1e-300)), 1.0)
