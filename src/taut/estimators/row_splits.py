"""The folds of an estimator: scikit-learn's splitters, groups, and one part that is held out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from taut.checks import is_whole
from taut.engine import Split
from taut.errors import InputError
from taut.studies.folds import folds, group_folds


def splits_of(
    x: np.ndarray,
    y: np.ndarray,
    cv: Any,
    *,
    kept: np.ndarray,
    total: int,
    groups: Any,
    seed: int,
    classes: bool,
) -> list[Split]:
    """The folds that `cv` means.

    Args:
        x: Inputs, [rows, inputs].
        y: Class numbers, or values [rows] or [rows, outputs].
        cv: How many, a scikit-learn splitter, or pairs of row numbers.
        kept: [rows] the numbers of these rows among all that were given, to which pairs refer.
        total: How many were given.
        groups: [rows] numbers of what stays on one side of every fold, or None.
        seed: Draws folds that are given by their number.
        classes: Whether `y` holds class numbers, by which these are stratified.
    """
    if is_whole(cv, 0):
        cv = int(cv)
    elif isinstance(cv, Iterable) and not isinstance(cv, str) and not hasattr(cv, "split"):
        cv = [_among(kept, total, pair) for pair in cv]
    return folds(y, cv, seed=seed, x=x, classes=classes, groups=groups)


def held_out_split(
    y: np.ndarray, fraction: float, *, groups: Any, seed: int, classes: bool
) -> Split:
    """One part of the rows held out: by class where each has rows enough, or of whole groups."""
    count = max(round(1 / fraction), 2)
    if groups is not None:
        count = min(count, len(np.unique(groups)))
        return group_folds(y, groups, max(count, 2), seed=seed, classes=classes)[0]
    count = min(count, len(y))
    if count < 2:
        raise InputError(
            "`patience` holds rows out, of which there must be at least 2. Received: "
            f"n_samples = {len(y)}. Leave `patience` out."
        )
    stratify = classes and bool(np.unique(y, return_counts=True)[1].min() >= count)
    return folds(y, count, seed=seed, classes=stratify)[0]


def _among(kept: np.ndarray, total: int, pair: Any) -> Any:
    """A pair of rows, numbered among all or by masks, as the places of those in `kept`."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        return pair  # which `folds` refuses
    places = np.full(total, -1)
    places[kept] = np.arange(len(kept))
    sides = []
    for side in map(np.asarray, pair):
        numbers = np.flatnonzero(side) if side.dtype == bool else side
        if numbers.dtype.kind not in "iu" or (len(numbers) and not numbers.min() >= 0):
            raise InputError(
                "`cv` must hold row numbers >= 0. Received: "
                f"{numbers.ravel()[:3].tolist()} of type {numbers.dtype}."
            )
        if len(numbers) and numbers.max() >= total:
            raise InputError(
                f"`cv` must hold numbers of the {total} rows, from 0. Received: {numbers.max()}."
            )
        sides.append(places[numbers][places[numbers] >= 0])
    return tuple(sides)
