"""How plausible a row's label is to networks that were not trained on it: pure functions."""

from __future__ import annotations

import numpy as np

LEAST = 1e-7
"""The least probability that is told from 0: single precision has no more."""
ROBUST = 1.4826
"""Median absolute deviation × this is the standard deviation of a normal distribution."""


def mean_log_probabilities(predicted: np.ndarray) -> np.ndarray:
    """[rows, classes] mean logarithms over repeats, of what each row has.

    Args:
        predicted: [repeats, rows, classes] probabilities; NaN where a repeat has none for a row.
    """
    logs = np.log(np.clip(predicted, LEAST, 1.0))
    there = ~np.isnan(predicted)
    count = there.sum(axis=0)
    total = np.where(there, logs, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def label_margins(logs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The log odds of each row's label against its strongest rival, and that rival.

        s = ℓ_y − max_{k ≠ y} ℓ_k

    Of two classes this orders rows as the probability of the label does (self-confidence); of more
    it asks in addition whether the networks know better.

    Args:
        logs: [rows, classes] (mean) logarithms of probabilities.
        labels: [rows] class numbers.

    Returns:
        [rows] margins, in nats, and [rows] class numbers.
    """
    rows = np.arange(len(labels))
    others = logs.copy()
    others[rows, labels] = -np.inf
    rival = others.argmax(axis=1)
    return logs[rows, labels] - others[rows, rival], rival


def studentised(
    y: np.ndarray, predicted: np.ndarray, *, neighbours: int = 50
) -> tuple[np.ndarray, np.ndarray]:
    r"""Out-of-fold residuals in units of what is usual for rows predicted alike.

        z = e / √(σ² + v),    e = y − mean of the predictions,

    with σ the robust scale of the residuals (1.4826 × median |e|) and v the variance of
    the row's predictions over repeats: where the networks disagree, a residual says less.
    σ² is the mean of that of all rows and that of the `neighbours` rows whose predictions are
    nearest, so that noise that grows with the target makes no suspects.

    Args:
        y: [rows] numbers.
        predicted: [repeats, rows]; NaN where a repeat has none for a row.
        neighbours: How many rows have one local scale.

    Returns:
        [rows] z, and [rows] the mean predictions.
    """
    known = ~np.isnan(predicted).all(axis=0)
    mean = np.full(len(y), np.nan)
    spread = np.zeros(len(y))
    mean[known] = np.nanmean(predicted[:, known], axis=0)
    spread[known] = np.nanvar(predicted[:, known], axis=0)
    error = y - mean
    size = np.abs(error[known])
    tiny = 1e-12 * max(float(np.std(y)), 1e-300)
    scale = max(ROBUST * float(np.median(size)), tiny)
    local = np.full(len(y), scale)
    local[known] = ROBUST * _running_median(mean[known], size, neighbours)
    return error / np.sqrt((scale**2 + local**2) / 2 + spread), mean


def _running_median(place: np.ndarray, size: np.ndarray, neighbours: int) -> np.ndarray:
    """The median size of the rows that are nearest in the order of their places."""
    count = len(size)
    width = min(neighbours, count)
    order = np.argsort(place, kind="stable")
    windows = np.lib.stride_tricks.sliding_window_view(size[order], width)
    medians = np.median(windows, axis=1)
    first = np.clip(np.arange(count) - width // 2, 0, count - width)
    result = np.empty(count)
    result[order] = medians[first]
    return result
