"""Which rows are the test, which make up the folds, and which are on both sides."""

from __future__ import annotations

import numpy as np
import pandas as pd

from taut.engine import Split
from taut.errors import InputError
from taut.frames.enough_rows import rows_for_test
from taut.frames.roles import RowFacts
from taut.studies import folds, forward_folds, group_folds
from taut.studies.folds import draw_of

PARTS = 20, 100
"""The groups are dealt into about so many parts; the test set is some of them."""

MOST_TIMES = 2
"""The test set may be so many times what was asked for, or half of the rows."""


def set_test_aside(
    y: np.ndarray, facts: RowFacts, *, test_size: float, folds: int, seed: int, classes: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Set a test set aside: drawn by class; whole groups; or the latest rows.

    Args:
        y: Class numbers or values [rows].
        facts: Groups or times of the rows.
        test_size: Share of the rows; 0 sets none aside.
        folds: Folds that the other rows must be enough for.
        seed: Seeds the draw.
        classes: Whether `y` holds classes.

    Returns:
        Rows to learn from and rows of the test, both in the table's order.

    Raises:
        InputError: If there are too few groups or too few times.
    """
    rows = np.arange(len(y))
    if facts.groups is not None:
        count = len(np.unique(facts.groups))
        _enough("groups", count, folds + (test_size > 0), folds, test_size)
    if facts.time is not None:
        count = len(np.unique(facts.time))
        _enough("time", count, folds + 1 + (test_size > 0), folds, test_size)
    if not test_size:
        return rows, rows[:0]
    if facts.time is not None:
        test = facts.time >= _first_of_test(facts.time, test_size, folds)
    elif facts.groups is not None:
        test = _of_whole_groups(y, facts.groups, test_size, folds, seed, classes)
    else:
        from sklearn.model_selection import train_test_split

        if classes:
            _a_row_of_each_class(y, test_size)
        stratify = y if classes else None
        rows, drawn = train_test_split(
            rows, test_size=test_size, random_state=draw_of(seed), stratify=stratify
        )
        return np.sort(rows), np.sort(drawn)
    if test.mean() > max(0.5, MOST_TIMES * test_size):
        role = "groups" if facts.time is None else "time"
        what = "no latest rows" if role == "time" else "no whole groups"
        raise InputError(
            f"`{role}` must let about {test_size:.0%} of the rows be set aside. Received: "
            f"{what} but {test.mean():.0%} of them: too many rows have one value. "
            f"Use {'a finer time' if role == 'time' else 'smaller groups'}, or fewer folds."
        )
    return np.flatnonzero(~test), np.flatnonzero(test)


def fold_rows(
    y: np.ndarray, facts: RowFacts, count: int, *, seed: int, classes: bool
) -> list[Split]:
    """The folds: by class; of whole groups; or from past to future.

    Rows of a class of fewer rows than folds are trained on in every fold, and held out in none.
    """
    if facts.time is not None:
        return forward_folds(facts.time, count)
    if facts.groups is not None:
        return group_folds(y, facts.groups, count, seed=seed, classes=classes)
    labels, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    rare = classes & (counts < count)[codes]
    if not rare.any():
        return folds(y, count, seed=seed, classes=classes)
    if rare.all():
        raise InputError(
            f"Some class needs at least {count} rows for {count} folds. Received: "
            f"{counts.max()} rows of the commonest of {len(labels)} classes. Use fewer folds, or "
            "add rows."
        )
    common, always = np.flatnonzero(~rare), np.flatnonzero(rare)
    return [
        Split(np.sort(np.r_[common[split.train], always]), common[split.held_out])
        for split in folds(y[common], count, seed=seed, classes=True)
    ]


def _a_row_of_each_class(y: np.ndarray, test_size: float) -> None:
    """Refuse a test set that is smaller than the number of classes it is drawn by."""
    count, test = len(np.unique(y)), int(np.ceil(test_size * len(y)))
    if not count <= test <= len(y) - count:
        raise InputError(
            f"The test set needs a row of each of {count} classes, and so do the rows to learn "
            f"from. Received: test_size={test_size:g}, which is {test} of {len(y)} rows. "
            f"{rows_for_test(count, len(y))}"
        )


def _enough(role: str, number: int, needed: int, count: int, test_size: float) -> None:
    if number < needed:
        what = "groups" if role == "groups" else "different times"
        test = " and a test set" if test_size else ""
        raise InputError(
            f"`{role}` must hold at least {needed} {what} for {count} folds{test}. "
            f"Received: {number}. Use fewer folds, or {'add' if role == 'groups' else 'a finer'} "
            f"{'groups' if role == 'groups' else 'time'}."
        )


def _first_of_test(time: np.ndarray, test_size: float, folds: int) -> float:
    """The time at which the test begins: rows of one time are all in it, or none is."""
    distinct, counts = np.unique(time, return_counts=True)
    share = np.cumsum(counts[::-1])[::-1] / len(time)  # of rows at this time or later
    latest = folds + 1  # so many different times are left to learn from
    return float(distinct[latest:][np.abs(share[latest:] - test_size).argmin()])


def _of_whole_groups(
    y: np.ndarray, groups: np.ndarray, test_size: float, folds: int, seed: int, classes: bool
) -> np.ndarray:
    """A mask of rows: parts of the groups, alike in size and classes, until it is enough."""
    distinct, count = len(np.unique(groups)), int(np.clip(1 / test_size, *PARTS))
    parts = [
        split.held_out
        for split in group_folds(y, groups, min(count, distinct), seed=seed, classes=classes)
    ]
    order = np.random.default_rng(seed).permutation(len(parts))
    sizes = np.array([len(parts[k]) for k in order])
    reached = np.cumsum(sizes) / len(y)
    taken = int(np.abs(reached - test_size).argmin()) + 1
    test = np.zeros(len(y), bool)
    for k in order[:taken]:
        left = len(np.unique(groups[~test & ~np.isin(np.arange(len(y)), parts[k])]))
        if left < folds:
            break
        test[parts[k]] = True
    return test if test.any() else groups == groups[parts[order[0]][0]]


def copies(
    features: pd.DataFrame, y: np.ndarray, test_features: pd.DataFrame, test_y: np.ndarray
) -> int:
    """Test rows that a row to learn from equals exactly, in all inputs and the target."""
    if not len(test_y):
        return 0
    learned, tested = (
        pd.util.hash_pandas_object(rows.assign(**{_TARGET: target}), index=False).to_numpy()
        for rows, target in ((features, y), (test_features, test_y))
    )
    return int(np.isin(tested, learned).sum())


_TARGET = "\x00target"
