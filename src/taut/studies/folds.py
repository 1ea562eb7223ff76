"""Splits into folds, and the layers that learn their statistics inside each fold."""

from __future__ import annotations

from typing import Any

import numpy as np

from taut.engine import Split
from taut.errors import InputError


def is_classification(y: Any) -> bool:
    """Whether `y` holds class numbers (or labels), one a row, rather than measurements."""
    y = np.asarray(y)
    if y.ndim > 1 and y.shape[1] > 1:
        return False
    return y.dtype.kind in "biuOSU" or len(np.unique(y)) == 2


def class_labels(y: Any, of_classes: bool | None) -> np.ndarray | None:
    """The class of each row, by which folds are stratified; None where rows have none.

    Args:
        y: Targets, [rows, …]: class numbers, labels, or shares of classes [rows, classes].
        of_classes: Whether the loss is one on classes; None where that is not known: then two
            values are two classes.
    """
    y = np.asarray(y)
    if of_classes and y.ndim == 2 and y.shape[1] > 1 and np.allclose(y.sum(axis=1), 1, atol=1e-3):
        return y.argmax(axis=1)
    if of_classes is False or not is_classification(y):
        return None
    labels = y.reshape(-1)
    return labels if of_classes or len(np.unique(labels)) == 2 else None


def folds(
    y: Any, cv: Any, *, seed: int = 0, x: Any = None, classes: bool | None = None
) -> list[Split]:
    """Split the rows: an integer makes that many folds, shuffled, stratified by class.

    Args:
        y: Targets, [rows, …].
        cv: Number of folds, a scikit-learn splitter, or pairs of (train, held-out) rows.
        seed: Seeds the shuffle.
        x: Inputs, for splitters that need them.
        classes: Whether `y` holds classes; judged by its values unless given.

    Raises:
        InputError: If there are fewer rows, or rows of one class, than folds.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    y = np.asarray(y)
    pairs: Any
    placeholder = np.zeros(len(y)) if x is None else x
    if isinstance(cv, (int, np.integer)):
        if cv < 2:
            raise InputError(f"`cv` must be at least 2 folds. Received: cv={cv}.")
        if cv > len(y):
            raise InputError(f"`cv` must not exceed the rows. Received: cv={cv}, {len(y)} rows.")
        if is_classification(y) if classes is None else classes:
            labels, codes, counts = np.unique(
                y.reshape(-1), return_inverse=True, return_counts=True
            )
            if counts.min() < cv:
                raise InputError(
                    f"Each class needs at least as many rows as there are folds, {cv}. "
                    f"Received: class {labels[counts.argmin()]!r} with {counts.min()} rows. "
                    "Use fewer folds, or merge the class."
                )
            splitter: Any = StratifiedKFold(cv, shuffle=True, random_state=seed)
            pairs = splitter.split(placeholder, codes)  # any two numbers are classes
        else:
            pairs = KFold(cv, shuffle=True, random_state=seed).split(placeholder)
    elif hasattr(cv, "split"):
        pairs = cv.split(placeholder, y)
    else:
        pairs = cv
    splits = [Split(np.asarray(train), np.asarray(held_out)) for train, held_out in pairs]
    if not splits or not all(len(s.train) and len(s.held_out) for s in splits):
        raise InputError(
            "`cv` must give at least one fold, each with rows to train on and rows held out. "
            f"Received: {cv!r}."
        )
    return splits


def fold_values(model: Any, x: Any, splits: list[Split]) -> list[dict[str, np.ndarray]]:
    """For each split, the statistics that the model's layers take from its training rows.

    A layer with a method `fold_values(x)`, such as `taut.layers.Standardize`, learns from the
    rows of `x` alone; so it is adapted inside each fold.
    """
    adaptive = [layer for layer in model._flatten_layers() if hasattr(layer, "fold_values")]
    values: list[dict[str, np.ndarray]] = []
    for split in splits:
        merged: dict[str, np.ndarray] = {}
        for layer in adaptive:
            merged.update(layer.fold_values(x[split.train]))
        values.append(merged)
    return values
