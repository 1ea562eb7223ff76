"""A power law of the loss against rows, with what its few points leave open."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.special import chdtri, ndtr, ndtri, stdtrit

from taut._read_only import ReadOnly

EXPONENTS = np.geomspace(0.05, 2.0, 40)
"""The exponents c that are thought possible."""
USUAL, SPREAD = 0.7, 0.7
"""The median of c beforehand, and the standard deviation of its logarithm."""
MISFIT = 0.8
"""The law is taken to hold to so large a share of how far a size is above the least loss: what is
near the rows that there are counts most. Networks fall faster or slower than their later law at
a few dozen rows."""
DESCRIBED = 0.02
"""The same share for the law's own numbers, which describe all sizes."""
DRIFT = 0.15
"""Standard deviation of the logarithm of the fall beyond the data, at twice the rows."""
NOISE_DF = 4.0
"""How sure the errors are of themselves: degrees of freedom of their scale beforehand."""
FALLS, LEVELS, SCALES, DRIFTS = 24, 5, 5, 5
"""Nodes of the fall, of the present loss given it, of the scale of the errors, of the drift."""
BINS, LUCKS = 400, 41
"""Nodes are counted in so many bins before luck is added, of so many nodes."""


@dataclass(frozen=True)
class Luck:
    """How far a mean held-out loss may be off because of the rows that were held out.

    Attributes:
        error: Its standard error.
        degrees: Degrees of freedom of that.
    """

    error: float
    degrees: float


@dataclass(frozen=True, eq=False)
class PowerLaw(ReadOnly):
    r"""L(n) = a + b·n^(−c), as a posterior over (a, b, c).

    `loss` and `gain` say what lies beyond, by a posterior that trusts the larger sizes. The numbers
    of the law describe the sizes that there are, as if it held at all of them.

    Attributes:
        rows: N, the rows of the largest size.
        asymptote: a, the posterior median: the loss of infinitely many rows.
        factor: b, which goes with the other two through the present loss.
        exponent: c, the posterior median.
        exponent_interval: Its 80% interval.
        asymptote_interval: That of a.
        luck: How far off all sizes may be because of the rows that were held out.
    """

    rows: float
    asymptote: float
    factor: float
    exponent: float
    exponent_interval: tuple[float, float]
    asymptote_interval: tuple[float, float]
    luck: Luck
    _weight: np.ndarray = field(repr=False)
    _present: np.ndarray = field(repr=False)
    _fall: np.ndarray = field(repr=False)
    _exponent: np.ndarray = field(repr=False)
    _floor: float = field(repr=False)

    def loss(self, rows: np.ndarray, level: float) -> np.ndarray:
        """[rows, 3] the median, and the ends of the interval, of the loss on fresh rows."""
        return np.array([self._quantiles(float(n), level, gain=False) for n in rows])

    def gain(self, rows: np.ndarray, level: float) -> np.ndarray:
        """[rows, 3] the same of L(N) − L(n), in which the error common to all sizes cancels."""
        return np.array([self._quantiles(float(n), level, gain=True) for n in rows])

    def _quantiles(self, rows: float, level: float, *, gain: bool) -> tuple[float, float, float]:
        fall = self._fall * (1 - (rows / self.rows) ** -self._exponent)
        # Beyond the data the law need not go on as it did: the more doublings, the less sure.
        octaves = max(np.log2(rows / self.rows), 0.0)
        drift = np.exp(DRIFT * np.sqrt(octaves) * _normal_nodes(DRIFTS))
        falls = (fall[:, None] * drift).ravel()
        weight = np.repeat(self._weight / DRIFTS, DRIFTS)
        if gain:
            middle, low, high = weighted_quantiles(falls, weight, (0.5, *_ends(level)))
            return middle, low, high
        centre = np.repeat(self._present, DRIFTS) - falls
        counts, edges = np.histogram(centre, BINS if np.ptp(centre) else 1, weights=weight)
        centre, weight = (edges[1:] + edges[:-1]) / 2, counts
        off = _luck(centre, self.luck, skewed=self._floor == 0)
        both = (centre[:, None] + off).ravel()
        found = weighted_quantiles(both, np.repeat(weight / LUCKS, LUCKS), (0.5, *_ends(level)))
        middle, low, high = (max(v, self._floor) for v in found)
        return middle, low, high


def fit_power_law(rows: np.ndarray, losses: np.ndarray, luck: Luck | None = None) -> PowerLaw:
    r"""Fit L(n) = a + b·n^(−c) to losses of several sizes on several folds.

    With N the largest size, L(n) = ℓ + d·((n/N)^(−c) − 1): ℓ is the present loss, d = ℓ − a what
    is above the asymptote. Beforehand ℓ is flat, a uniform between 0 and ℓ (where losses are
    negative, down to twice the fall that was seen), log c normal around log 0.7. The means over
    folds are taken to be normal around the law. Their variance is that of a fold's deviation at
    this size after what is common to all sizes of the fold, smoothed by a power of n, times

        1/F + (n/N)/(F − 1)

    for F folds, since larger subsets of several folds share rows (Nadeau and Bengio), plus the
    square of 0.8 times how far the size is above the least loss: small sizes need not follow
    the law, and the large ones decide. The scale of these errors is uncertain too, so a misfit
    widens all intervals. For each c and scale ℓ and d are normal given the data, and d is
    truncated: the posterior is a sum over nodes, the same every time.

    Args:
        rows: [sizes] n, three different ones at least.
        losses: [folds, sizes] held-out losses; NaN where a training diverged, which counts not.
        luck: How far off all sizes may be because of the rows that were held out; from the folds'
            spread unless given.

    References:
        Nadeau and Bengio, Inference for the generalization error, 2003.
        Domhan, Springenberg and Hutter, Speeding up automatic hyperparameter optimization of deep
        neural networks by extrapolation of learning curves, 2015.
    """
    order = np.argsort(rows)
    rows, losses = np.asarray(rows, float)[order], np.asarray(losses, float)[:, order]
    means, error, common = _means(rows, losses)
    folds, largest = len(losses), rows[-1]
    floor = 0.0 if np.nanmin(losses) >= 0 else means[-1] - 2 * np.ptp(means)
    described = _posterior(rows / largest, means, error, DESCRIBED, floor)
    eighty = (0.5, 0.1, 0.9)
    c, *of_c = weighted_quantiles(described[3], described[0], eighty)
    a, *of_a = weighted_quantiles(described[1] - described[2], described[0], eighty)
    now = float(described[0] @ described[1])
    weight, present, fall, exponent = _posterior(rows / largest, means, error, MISFIT, floor)
    return PowerLaw(
        rows=float(largest),
        asymptote=a,
        factor=max(now - a, 0.0) * float(largest) ** c,
        exponent=c,
        exponent_interval=(of_c[0], of_c[1]),
        asymptote_interval=(of_a[0], of_a[1]),
        _weight=weight,
        _present=present,
        _fall=fall,
        _exponent=exponent,
        luck=Luck(common, float(folds - 1)) if luck is None else luck,
        _floor=0.0 if floor == 0 else -np.inf,
    )


def _posterior(
    shares: np.ndarray, means: np.ndarray, error: np.ndarray, misfit: float, floor: float
) -> tuple[np.ndarray, ...]:
    """Nodes of all c and scales: weights that sum to 1, ℓ, d and c."""
    precision = 1 / (error**2 + (misfit * (means - means.min())) ** 2)
    scales = NOISE_DF / _chi_square_nodes(NOISE_DF, SCALES)  # of the variance
    parts = [
        _given(c, scale, shares, means, precision, floor) for c in EXPONENTS for scale in scales
    ]
    logs, *others = (np.concatenate(p) for p in zip(*parts, strict=True))
    weight = np.exp(logs - logs.max())
    keep = weight > 1e-6
    weight = weight[keep] / weight[keep].sum()
    return weight, *(values[keep] for values in others)


def _means(rows: np.ndarray, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Means over folds by size, their errors apart from what is common, and the error of that."""
    folds, sizes = losses.shape
    means = np.nanmean(losses, axis=0)
    of_fold = np.nanmean(losses - means, axis=1)
    rest = losses - means - of_fold[:, None]
    there = np.isfinite(rest).sum(axis=0)
    free = np.maximum(there - 1, 1) * (sizes - 1) / sizes
    variance = np.nansum(rest**2, axis=0) / free
    tiny = (1e-6 * (np.abs(means).max() + np.ptp(means)) + 1e-12) ** 2
    variance = np.maximum(variance, tiny)
    # Of few folds the variance of a single size is a poor guess: a line through their logarithms.
    logs = np.log(rows) - np.log(rows).mean()
    slope = float(np.clip(logs @ np.log(variance) / (logs @ logs), -3.0, 0.5))
    smooth = np.exp(np.log(variance).mean() + slope * logs)
    shared = 1 / np.maximum(there, 1) + rows / rows[-1] / max(folds - 1, 1)
    common = float(np.std(of_fold, ddof=1) / np.sqrt(folds))
    return means, np.sqrt(smooth * shared), common


def _given(
    c: float,
    scale: float,
    shares: np.ndarray,
    means: np.ndarray,
    precision: np.ndarray,
    floor: float,
) -> tuple[np.ndarray, ...]:
    """Nodes given c and the scale: log weights, ℓ, d and c."""
    steep = shares**-c - 1
    design = np.stack([np.ones_like(steep), steep], axis=1)
    information = design.T @ (precision[:, None] * design) / scale
    covariance = np.linalg.inv(information)
    best = covariance @ (design.T @ (precision * means)) / scale
    misfit = float(precision @ (means - design @ best) ** 2) / scale
    sd = np.sqrt(covariance[1, 1])
    most = max(best[0] - floor, 1e-12)
    ends = ndtr((np.array([0.0, most]) - best[1]) / sd)
    if best[1] > most:  # in the other tail, where it is exact
        ends = ndtr(-(np.array([0.0, most]) - best[1]) / sd)[::-1]
    mass = max(ends[1] - ends[0], 1e-300)
    middle = (np.arange(FALLS) + 0.5) / FALLS
    fall = best[1] + sd * ndtri(ends[0] + mass * middle) * (-1 if best[1] > most else 1)
    fall = np.clip(np.nan_to_num(fall, nan=0.0), 0.0, most)
    present = best[0] + covariance[0, 1] / covariance[1, 1] * (fall - best[1])
    error = np.sqrt(max(covariance[0, 0] - covariance[0, 1] ** 2 / covariance[1, 1], 0.0))
    usual = -0.5 * (np.log(c / USUAL) / SPREAD) ** 2
    log_weight = (
        -0.5 * misfit
        - 0.5 * len(means) * np.log(scale)
        + 0.5 * np.linalg.slogdet(covariance)[1]
        + np.log(mass / most)
        + usual
    )
    present = (present[:, None] + error * _normal_nodes(LEVELS)).ravel()
    fall = np.repeat(fall, LEVELS)
    return np.full(len(fall), log_weight), present, fall, np.full(len(fall), c)


def _ends(level: float) -> tuple[float, float]:
    return (1 - level) / 2, (1 + level) / 2


def _normal_nodes(count: int) -> np.ndarray:
    nodes = ndtri((np.arange(count) + 0.5) / count)
    return nodes / nodes.std()


def _chi_square_nodes(df: float, count: int) -> np.ndarray:
    return chdtri(df, 1 - (np.arange(count) + 0.5) / count)


def weighted_quantiles(
    values: np.ndarray, weight: np.ndarray, shares: tuple[float, ...]
) -> list[float]:
    """Quantiles of nodes with weights that sum to 1."""
    order = np.argsort(values)
    cumulated = np.cumsum(weight[order])
    at = np.minimum(np.searchsorted(cumulated, shares), len(values) - 1)
    return [float(v) for v in values[order][at]]


def _luck(centre: np.ndarray, luck: Luck, *, skewed: bool) -> np.ndarray:
    """[nodes, lucks] how far the loss on fresh rows is above what was measured.

    Of a loss that cannot be negative a small mean has a small spread, as of counts: the variance
    of a measured mean m of μ is taken to be e²·μ/m, and (m − μ)² = q²·e²·μ/m is solved for μ.
    """
    q = stdtrit(luck.degrees, (np.arange(LUCKS) + 0.5) / LUCKS) * luck.error
    if not skewed:
        return np.broadcast_to(q, (len(centre), LUCKS))
    half = q**2 / (2 * np.maximum(centre, 1e-12)[:, None])
    return half + q * np.sqrt(1 + half / (2 * np.maximum(centre, 1e-12)[:, None]))
