"""The share of wrong labels, with an interval: by likelihood, from out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.stats import chi2

SUREST, FEW = 0.1, 100
"""The share of the rows that are looked at first, and so many of them where there are few."""
SPREAD = 3.0
"""A wrong number is drawn from a distribution at least so many times as wide as the noise."""
ROUNDS, POINTS = 4, 7
"""Grids of shares, each around the best of the one before."""
MOST = 0.5
"""No share above one half can be told from the others."""


@dataclass(frozen=True)
class Share:
    """An estimated share, from 0 to 1, with the ends of its interval."""

    share: float
    low: float
    high: float


def flipped_share(
    confidence: np.ndarray,
    predicted: np.ndarray,
    agrees: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    level: float = 0.95,
) -> Share:
    r"""The share of flipped labels: how often sure networks disagree with the label.

    Where a network that was not trained on a row is sure, it is right, and a disagreement is a
    flip; where it is not, a disagreement may as well be its own error. So the share is the mean of
    the disagreement over the surest rows of each predicted class. These are first the surest tenth
    (a third, up to 100 rows, where there are few), and then as many more, step by step, as disagree
    no more often than these, up to chance: to count all rows would call a hard problem noisy.
    Flips are taken to be as frequent among the sure rows as among the others.

    Where the disagreement falls up to the surest rows, it has no level to be read off; the share is
    then an upper bound, and the interval begins at 0. Its ends are Wilson's.

    Args:
        confidence: [rows] how sure the prediction is, by any monotone measure.
        predicted: [rows] the predicted class.
        agrees: [rows] whether it is the label.
        groups: [rows] group numbers; groups, not rows, are then taken to be independent.
        level: Of the interval.

    References:
        Patrini et al., Making deep neural networks robust to label noise, 2017 (anchor points).
        Northcutt, Jiang and Chuang, Confident learning, 2021.
    """
    rows = len(confidence)
    wrong = 1.0 - np.asarray(agrees, float)
    place = _places(np.asarray(confidence), np.asarray(predicted))
    first = max(SUREST, min(1 / 3, FEW / rows))
    edges = np.append(np.arange(first, 1.0, first / 2), 1.0)
    inside = place <= edges[0]
    level_off = False
    for edge in edges[1:]:
        further = (place <= edge) & ~inside
        if not further.any():
            continue
        error = np.sqrt(_variance(wrong, inside, groups) + _variance(wrong, further, groups))
        if wrong[further].mean() > wrong[inside].mean() + error:
            break
        inside |= further
        level_off = True
    share = float(wrong[inside].mean())
    plain = max(share * (1 - share), 1 / rows) / inside.sum()
    count = inside.sum() * min(1.0, plain / max(_variance(wrong, inside, groups), 1e-12))
    low, high = _wilson(share, count, level)
    return Share(share, low if level_off else 0.0, high)


def _places(confidence: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """[rows] the share of rows of the same predicted class that are as sure, or surer."""
    place = np.empty(len(confidence))
    for number in np.unique(predicted):
        of_class = np.flatnonzero(predicted == number)
        order = of_class[np.argsort(-confidence[of_class], kind="stable")]
        place[order] = (np.arange(len(order)) + 1) / len(order)
    return place


def _variance(wrong: np.ndarray, chosen: np.ndarray, groups: np.ndarray | None) -> float:
    """Of the mean over the chosen rows, or groups of rows; not 0 where all are alike."""
    count = int(chosen.sum())
    share = (wrong[chosen].sum() + 0.5) / (count + 1)
    plain = share * (1 - share) / count
    if groups is None:
        return plain
    apart = wrong[chosen] - wrong[chosen].mean()
    sums = np.bincount(np.unique(groups[chosen], return_inverse=True)[1], weights=apart)
    return max(plain, float((sums**2).sum()) / count**2)


def _wilson(share: float, count: float, level: float) -> tuple[float, float]:
    z2 = float(chi2.ppf(level, 1))
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = np.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2))) / (1 + z2 / count)
    return max(float(middle - half), 0.0), min(float(middle + half), 1.0)


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
