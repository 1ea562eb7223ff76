"""Splits into folds, and the layers that learn their statistics inside each fold."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import pandas as pd

from taut._data import group_labels
from taut.engine import Split
from taut.engine.lanes import check_splits
from taut.errors import InputError
from taut.studies.adaptive import Adaptive, in_pieces, joined, learned, rows_of_calls

MANY_GROUPS = 2000
"""More than this are dealt at random: alike by their number, where stratifying takes long."""


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
    y: Any,
    cv: Any,
    *,
    seed: int = 0,
    x: Any = None,
    classes: bool | None = None,
    groups: Any = None,
) -> list[Split]:
    """Split the rows: an integer makes that many folds, shuffled, stratified by class.

    Args:
        y: Targets, [rows, …].
        cv: Number of folds, a scikit-learn splitter, or pairs of (train, held-out) rows.
        seed: Seeds the shuffle.
        x: Inputs, for splitters that need them.
        classes: Whether `y` holds classes; judged by its values unless given.
        groups: [rows] the group of each row, none of which is on both sides of a fold: an integer
            makes `group_folds`, a splitter is given them, and what it or pairs make is checked.

    Raises:
        InputError: If there are fewer rows, rows of one class, or groups, than folds; if rows or
            groups are on both sides of one.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    y = np.asarray(y)
    groups = None if groups is None else group_numbers(groups, len(y))
    pairs: Any
    placeholder = np.zeros(len(y)) if x is None else x
    if isinstance(cv, (int, np.integer)):
        if cv < 2:
            raise InputError(f"`cv` must be at least 2 folds. Received: cv={cv}.")
        if cv > len(y):
            raise InputError(f"`cv` must not exceed the rows. Received: cv={cv}, {len(y)} rows.")
        if groups is not None:
            return group_folds(y, groups, int(cv), seed=seed, classes=classes)
        if is_classification(y) if classes is None else classes:
            labels, codes, counts = np.unique(
                y.reshape(-1), return_inverse=True, return_counts=True
            )
            if counts.min() < cv:
                raise InputError(
                    f"Each class needs at least as many rows as there are folds, {cv}. "
                    f"Received: {counts.min()} of class {labels.tolist()[counts.argmin()]!r}. "
                    "Use fewer folds, or merge the class."
                )
            splitter: Any = StratifiedKFold(cv, shuffle=True, random_state=draw_of(seed))
            pairs = splitter.split(placeholder, codes)  # any two numbers are classes
        else:
            pairs = KFold(cv, shuffle=True, random_state=draw_of(seed)).split(placeholder)
    elif hasattr(cv, "split") and not isinstance(cv, str):
        pairs = _by_splitter(cv, placeholder, y, groups)
    elif isinstance(cv, str) or not isinstance(cv, Iterable):
        raise InputError(
            "`cv` must be a number of folds, a splitter of scikit-learn, or pairs of (train, "
            f"held-out) rows. Received: cv={cv!r}. One split that holds out a share is "
            "`cv=sklearn.model_selection.ShuffleSplit(1, test_size=0.2)`."
        )
    else:
        pairs = cv
    splits = [Split(*pair) for pair in map(_pair, pairs)]
    if not splits or not all(len(s.train) and len(s.held_out) for s in splits):
        raise InputError(
            "`cv` must give at least one fold, each with rows to train on and rows held out. "
            f"Received: {cv!r}."
        )
    check_splits(splits, len(y))
    for number, split in enumerate(splits):
        both = np.intersect1d(split.train, split.held_out)
        if len(both):
            raise InputError(
                "A fold's held-out rows must not be trained on. Received: fold "
                f"{number} with {len(both)} rows on both sides, such as row {both[0]}. Take them "
                "out of one of the two."
            )
        _check_apart(split, number, groups)
    return splits


def draw_of(seed: int) -> int:
    """What scikit-learn draws by: it takes seeds of 32 bits, where ours are any."""
    return int(seed) % 2**32


def group_numbers(groups: Any, rows: int | None = None) -> np.ndarray:
    """The number of each row's group, [rows].

    Raises:
        InputError: If there is not one label a row, or one is missing.
    """
    return pd.factorize(group_labels(groups, rows))[0]


def _by_splitter(cv: Any, x: Any, y: Any, groups: np.ndarray | None) -> Any:
    try:
        if groups is None:
            return list(cv.split(x, y))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The groups parameter is ignored")  # it is checked
            return list(cv.split(x, y, groups))
    except (TypeError, ValueError) as error:  # what a splitter says of rows that it cannot split
        raise InputError(
            "`cv` must be able to split the rows (a splitter of groups needs `groups`). Received: "
            f"{cv!r}, which raises {type(error).__name__}: {error}"
        ) from error


def _check_apart(split: Split, number: int, groups: np.ndarray | None) -> None:
    if groups is None:
        return
    both = np.intersect1d(groups[split.train], groups[split.held_out])
    if len(both):
        row = np.flatnonzero(groups == both[0])[0]
        raise InputError(
            "A group must be on one side of each fold. Received: "
            f"fold {number} with {len(both)} groups on both sides, such as that of row {row}. Use "
            "a number for `cv`, or a splitter of groups such as `GroupKFold`."
        )


def _pair(pair: Any) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2 or np.ndim(pair[0]) != 1:
        raise InputError(
            "`cv` must be a number of folds, a scikit-learn splitter, or pairs of row numbers, "
            "[(train, held_out), …]; one pair is [(train, held_out)]. Received: an item of type "
            f"{type(pair).__name__}."
        )
    return np.asarray(pair[0]), np.asarray(pair[1])


def group_folds(
    y: Any, groups: Any, cv: int, *, seed: int = 0, classes: bool | None = None
) -> list[Split]:
    """Folds that keep all rows of a group on one side, and class shares as groups allow it.

    Args:
        y: Targets, [rows].
        groups: The group of each row, [rows]; no value may be missing.
        cv: Number of folds.
        seed: Seeds the shuffle of the groups.
        classes: Whether `y` holds classes; judged by its values unless given.

    Raises:
        InputError: If there are fewer groups than folds.

    Example:
        >>> splits = group_folds([0, 1] * 4, [1, 1, 2, 2, 3, 3, 4, 4], 2)
        >>> sorted(len(split.held_out) for split in splits)
        [4, 4]
    """
    from sklearn.model_selection import StratifiedGroupKFold

    y, (codes, distinct) = np.asarray(y), pd.factorize(group_labels(groups))
    if len(distinct) < cv:
        raise InputError(
            f"There must be at least as many groups as folds, {cv}. Received: {len(distinct)} "
            "groups. Use fewer folds, or add groups."
        )
    stratify = is_classification(y) if classes is None else classes
    labels = np.unique(y, return_inverse=True)[1] if stratify else np.zeros(len(y), int)
    # scikit-learn refuses where each class has fewer rows than there are folds.
    if len(distinct) > MANY_GROUPS or np.bincount(labels).max() < cv:
        return _in_turn(codes, len(distinct), cv, seed)
    splitter = StratifiedGroupKFold(cv, shuffle=True, random_state=draw_of(seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes with fewer rows than folds: as groups allow
        pairs = list(splitter.split(codes, labels, codes))
    return [Split(train, held_out) for train, held_out in pairs]


def _in_turn(codes: np.ndarray, groups: int, cv: int, seed: int) -> list[Split]:
    """Groups dealt to the folds in a random order: none is empty, and many are alike."""
    turn = (np.random.default_rng(seed).permutation(groups) % cv)[codes]
    return [Split(np.flatnonzero(turn != k), np.flatnonzero(turn == k)) for k in range(cv)]


def forward_folds(time: Any, cv: int) -> list[Split]:
    """Folds from the past to the future: each holds out rows later than all it trains on.

    The later half of the rows, in the order of `time`, is cut into `cv` blocks of about equal
    size. Fold k holds out block k and trains on everything before it, so that each trains on at
    least about half of the rows. Rows of one time stay together. The earlier half is never held
    out.

    Args:
        time: The time of each row, [rows] finite numbers.
        cv: Number of folds.

    Raises:
        InputError: If there are not more different times than folds.

    Example:
        >>> [(len(s.train), len(s.held_out)) for s in forward_folds(range(8), 2)]
        [(4, 2), (6, 2)]
    """
    time = np.asarray(time, float)
    distinct, counts = np.unique(time, return_counts=True)
    if len(distinct) <= cv:
        raise InputError(
            f"Folds in time need more different times than folds, {cv}. Received: "
            f"{len(distinct)}. Use fewer folds, or a finer time."
        )
    before = np.concatenate([[0], np.cumsum(counts)])  # rows before each distinct time
    cuts: list[int] = []
    for k in range(cv):
        wanted = len(time) * (0.5 + 0.5 * k / cv)
        least, most = (cuts[-1] if cuts else 0) + 1, len(distinct) - cv + k
        cuts.append(int(np.clip(np.abs(before - wanted).argmin(), least, most)))
    place = np.searchsorted(distinct, time)
    edges = [*cuts, len(distinct)]
    return [
        Split(
            np.flatnonzero(place < edges[k]),
            np.flatnonzero((place >= edges[k]) & (place < edges[k + 1])),
        )
        for k in range(cv)
    ]


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
        pieces = [adaptive.reaching(alike, piece) for piece in in_pieces(x)]
        for layer, *of_layer in zip(alike, *pieces, strict=True):
            calls = joined(of_layer)
            for statistics, split in zip(values, splits, strict=True):
                statistics.update(learned(layer, rows_of_calls(calls, split.train)))
    for layer in adaptive.dependent():
        for statistics, split in zip(values, splits, strict=True):
            training = keras.tree.map_structure(lambda a, at=split.train: np.asarray(a)[at], x)
            pieces = [
                adaptive.reaching([layer], piece, statistics)[0] for piece in in_pieces(training)
            ]
            statistics.update(learned(layer, joined(pieces)))
    return values
