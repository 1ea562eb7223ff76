"""Splits into folds, and the layers that learn their statistics inside each fold."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from taut.engine import Split
from taut.errors import InputError
from taut.studies.adaptive import Adaptive, in_pieces, joined, learned, rows_of_calls


def is_classification(y: Any) -> bool:
    """Whether `y` holds class numbers (or labels), one a row, rather than measurements."""
    y = np.asarray(y)
    if y.ndim > 1 and y.shape[1] > 1:
        return False
    return y.dtype.kind in "biuOSU" or len(np.unique(y)) == 2


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

    A layer with a method `fold_values(x)`, such as `taut.layers.Standardize`, learns from what
    reaches it of these rows alone, wherever it is in the model; so it is adapted inside each fold.

    Args:
        model: A built Keras model; it is left as it was.
        x: Inputs, a tree of arrays [rows, …].
        splits: The folds.

    Returns:
        For each split, values by the path of the weight.

    Raises:
        InputError: If training changes what reaches such a layer.
        UnsupportedError: If it is not known what reaches it.
    """
    adaptive = Adaptive(model, x)
    values: list[dict[str, np.ndarray]] = [{} for _ in splits]
    if alike := adaptive.independent():
        pieces = [adaptive.reaching(alike, some) for some in in_pieces(x)]
        for layer, *of_layer in zip(alike, *pieces, strict=True):
            calls = joined(of_layer)
            for own, split in zip(values, splits, strict=True):
                own.update(learned(layer, rows_of_calls(calls, split.train)))
    for layer in adaptive.dependent():
        for own, split in zip(values, splits, strict=True):
            some = keras.tree.map_structure(lambda a, at=split.train: np.asarray(a)[at], x)
            pieces = [adaptive.reaching([layer], piece, own)[0] for piece in in_pieces(some)]
            own.update(learned(layer, joined(pieces)))
    return values
