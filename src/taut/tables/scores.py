"""Scores of predictions, also under many weightings of the rows."""

from __future__ import annotations

import numpy as np

SMALLEST = 1e-7
RARE = 0.4
"""A class of K is rare if its share is below this share of 1/K."""


def metric_names(task: str, *, rare: bool = False) -> list[str]:
    """The scores reported for a task; the first is the one that choices are judged by.

    Args:
        task: "binary", "multiclass" or "regression".
        rare: Whether a class is rare: accuracy then says little.
    """
    names = {
        "binary": ["log_loss", "accuracy", "roc_auc"],
        "multiclass": ["log_loss", "accuracy"],
        "regression": ["rmse", "r2", "mae"],
    }[task]
    more = {
        "binary": ["balanced_accuracy", "average_precision"],
        "multiclass": ["balanced_accuracy"],
    }
    return names + (more.get(task, []) if rare else [])


def is_rare(shares: np.ndarray) -> bool:
    """Whether a class is so rare that accuracy says little: a share below 0.4/K of K classes."""
    return len(shares) > 1 and float(np.min(shares)) < RARE / len(shares)


def score(name: str, y: np.ndarray, predicted: np.ndarray) -> float:
    """One score; `predicted` are probabilities [rows, classes], or values [rows]."""
    return float(weighted_scores(name, y, predicted, np.ones((1, len(y))))[0])


def weighted_scores(
    name: str, y: np.ndarray, predicted: np.ndarray, weights: np.ndarray, *, positive: int = 1
) -> np.ndarray:
    """One score under each of many weightings of the rows, such as a bootstrap's counts.

    Args:
        name: One of `metric_names`.
        y: Class numbers or values [rows].
        predicted: Probabilities [rows, classes], or values [rows].
        weights: How often each row counts [weightings, rows].
        positive: The class that an average precision is of.

    Returns:
        [weightings]; NaN where a score is not defined (the area under the curve of one class,
        R² of a constant).
    """
    if name == "roc_auc":
        return _areas(y == 1, predicted[:, 1], weights)
    if name == "average_precision":
        return _precisions(y == positive, predicted[:, positive], weights)
    if name == "balanced_accuracy":
        return _balanced(y, predicted.argmax(axis=1), weights)
    total = weights.sum(axis=1)
    if name == "log_loss":
        chosen = predicted[np.arange(len(y)), y]
        return weights @ -np.log(np.clip(chosen, SMALLEST, None)) / total
    if name == "accuracy":
        return weights @ (predicted.argmax(axis=1) == y).astype(float) / total
    if name == "mae":
        return weights @ np.abs(predicted - y) / total
    squared = weights @ (predicted - y) ** 2 / total
    if name == "rmse":
        return np.sqrt(squared)
    centred = y - y.mean()  # or the difference of squares would cancel
    variance = weights @ centred**2 / total - (weights @ centred / total) ** 2
    defined = variance > 1e-12 * (centred**2).mean()
    return np.where(defined, 1 - squared / np.where(defined, variance, 1), np.nan)


def _areas(positive: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the curve: the share of pairs of rows in the right order, ties by half."""
    order = np.argsort(scores, kind="stable")
    ties = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))
    weights, positive = weights[:, order], positive[order]
    ours = np.add.reduceat(weights * positive, ties, axis=1)
    others = np.add.reduceat(weights * ~positive, ties, axis=1)
    pairs = ours.sum(axis=1) * others.sum(axis=1)
    below = np.cumsum(others, axis=1) - others / 2
    return np.where(pairs > 0, (ours * below).sum(axis=1) / np.where(pairs > 0, pairs, 1), np.nan)


def _precisions(positive: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average precision: Σ (recallₖ − recallₖ₋₁)·precisionₖ down the scores, ties at once."""
    order = np.argsort(-scores, kind="stable")
    ties = np.flatnonzero(np.diff(scores[order], prepend=np.inf))
    weights, positive = weights[:, order], positive[order]
    hits = np.add.reduceat(weights * positive, ties, axis=1)
    taken = np.cumsum(np.add.reduceat(weights, ties, axis=1), axis=1)
    total = hits.sum(axis=1)
    precision = np.cumsum(hits, axis=1) / np.where(taken > 0, taken, 1)
    area = (hits * precision).sum(axis=1)
    return np.where(total > 0, area / np.where(total > 0, total, 1), np.nan)


def _balanced(y: np.ndarray, chosen: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Balanced accuracy: the mean, over the classes that are there, of the share recognised."""
    recalls = []
    for k in np.unique(y):
        total = weights[:, y == k].sum(axis=1)
        right = weights[:, (y == k) & (chosen == k)].sum(axis=1)
        recalls.append(np.where(total > 0, right / np.where(total > 0, total, 1), np.nan))
    with np.errstate(invalid="ignore"):
        return np.nanmean(np.stack(recalls), axis=0)
