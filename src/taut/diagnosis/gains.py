"""Differences of losses on the same rows, with an interval that knows of folds and groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from taut.diagnosis.diagnosis_result import Interval
from taut.diagnosis.fold_trainer import Trial

OF_GAIN = 0.1
"""Standard deviation of the gain on all rows around that on the rows that a fold leaves: a tenth of
it, of drawn situations (`docs/benchmarks.md`)."""


def gain_over_folds(
    differences: np.ndarray,
    fold_of: np.ndarray,
    *,
    level: float = 0.95,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> Interval:
    """What a change gains when all rows are learned from: `interval_over_folds`, a little wider.

    A fold leaves fewer rows to learn from, where a change that is good against overfitting gains
    more, and one that frees the network less.

    Args:
        differences: [rows] of losses without the change and with it.
        fold_of: [rows] the fold of each.
        level: Of the interval.
        weights: [rows], or None.
        groups: [rows] labels; the rows of one count as one observation of their mean.
    """
    mean, error, freedom = error_over_folds(differences, fold_of, weights=weights, groups=groups)
    return by_student(mean, float(np.hypot(error, OF_GAIN * mean)), freedom, level)


def interval_over_folds(
    differences: np.ndarray,
    fold_of: np.ndarray,
    *,
    level: float = 0.95,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> Interval:
    r"""The mean of out-of-fold differences, for networks trained on other rows of the same size.

    The variance over rows, s²/n, or over folds, s_f²/k, whichever is more, times 1 + k/(k − 1): the
    training rows of two folds overlap, which neither of the two contains. What the folds have more
    than the rows (seeds, the rows learned from) is known by k − 1 degrees of freedom alone, and
    both together by Satterthwaite's.

    Args:
        differences: [rows].
        fold_of: [rows] the fold of each.
        level: Of the interval.
        weights: [rows], or None.
        groups: [rows] labels; the rows of one count as one observation of their mean.

    References:
        Nadeau and Bengio, Inference for the generalization error, 2003, section 5.
        Satterthwaite, An approximate distribution of estimates of variance components, 1946.
    """
    found = error_over_folds(differences, fold_of, weights=weights, groups=groups)
    return by_student(*found, level)


def error_over_folds(
    differences: np.ndarray,
    fold_of: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> tuple[float, float, float]:
    """The mean, standard error and degrees of freedom of `interval_over_folds`."""
    weights = np.ones(len(differences)) if weights is None else np.asarray(weights, float)
    mean, error, freedom = _over_rows(differences, weights, groups)
    folds = [fold_of == fold for fold in np.unique(fold_of)]
    means = [np.average(differences[f], weights=weights[f]) for f in folds if weights[f].any()]
    k = len(means)
    further = max(float(np.var(means, ddof=1)) / k - error**2, 0.0)
    both = ((error**2, freedom), (further, k - 1))
    return mean, *_together(both, 1 + k / (k - 1))


def interval_over_networks(
    differences: np.ndarray,
    *,
    level: float = 0.95,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> Interval:
    """The mean of differences on rows that no fold has, of the networks of k folds.

    The variance of the networks' mean over rows, and over networks s_f²·(1/k + 1/(k − 1)), since
    the folds that they learned from overlap.

    Args:
        differences: [folds, rows].
        level: Of the interval.
        weights: [rows], or None.
        groups: [rows] labels; the rows of one count as one observation of their mean.
    """
    folds, rows = differences.shape
    weights = np.ones(rows) if weights is None else np.asarray(weights, float)
    mean, error, freedom = _over_rows(differences.mean(axis=0), weights, groups)
    of_network = np.average(differences, axis=1, weights=weights).var(ddof=1)
    of_networks = float(of_network) * (1 / folds + 1 / (folds - 1))
    both = ((error**2, freedom), (of_networks, folds - 1))
    return by_student(mean, *_together(both), level)


def interval_of_mean(
    values: np.ndarray,
    *,
    level: float = 0.95,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> Interval:
    """The mean of independent rows, or of independent groups of them, by Student's distribution.

    Args:
        values: [rows].
        level: Of the interval.
        weights: [rows], or None.
        groups: [rows] labels, or None.
    """
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, float)
    return by_student(*_over_rows(values, weights, groups), level)


def _over_rows(
    values: np.ndarray, weights: np.ndarray, groups: np.ndarray | None
) -> tuple[float, float, int]:
    """The mean, its standard error and the degrees of freedom."""
    keep = weights > 0
    values, weights = values[keep], weights[keep]
    units = np.arange(len(values))
    if groups is not None:
        units = np.unique(np.asarray(groups)[keep], return_inverse=True)[1]
    mean = float(np.average(values, weights=weights))
    of_unit = np.bincount(units, weights * (values - mean))
    count = len(of_unit)
    variance = (of_unit**2).sum() / weights.sum() ** 2 * count / max(count - 1, 1)
    return mean, float(np.sqrt(variance)), max(count - 1, 1)


def _together(parts: Sequence[tuple[float, int]], factor: float = 1.0) -> tuple[float, float]:
    """The standard error of a sum of estimated variances, and its degrees of freedom."""
    whole = sum(variance for variance, _ in parts)
    apart = sum(variance**2 / freedom for variance, freedom in parts)
    return float(np.sqrt(whole * factor)), whole**2 / apart if apart else float(parts[0][1])


def by_student(mean: float, error: float, freedom: float, level: float) -> Interval:
    """Student's interval."""
    from scipy import stats

    half = float(stats.t.ppf((1 + level) / 2, freedom)) * error
    return Interval(mean, mean - half, mean + half, level)


def chosen(
    trials: Sequence[Trial], fold_of: np.ndarray, weights: np.ndarray | None
) -> tuple[Trial, np.ndarray]:
    """The best of some trials, and what choosing among them loses: [rows].

    For the rows of a fold the best is chosen by the other folds. So the choice is not praised for
    its luck. `weights` are those of the rows, or None.
    """
    losses = np.array([trial.losses for trial in trials])
    counted = np.ones(losses.shape[1]) if weights is None else weights
    best = trials[int((losses @ counted).argmin())]
    nested = np.empty(losses.shape[1])
    for fold in np.unique(fold_of):
        inside = fold_of == fold
        pick = int((losses[:, ~inside] @ counted[~inside]).argmin())
        nested[inside] = losses[pick, inside]
    return best, nested
