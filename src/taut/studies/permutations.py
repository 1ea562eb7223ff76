"""Labels dealt anew to rows, as groups of rows allow it: pure functions."""

from __future__ import annotations

import numpy as np


def dealt(rows: np.ndarray, draw: np.random.Generator, groups: np.ndarray | None) -> np.ndarray:
    """The row whose label each row gets: a random order, in which groups stay together.

    The labels are lined up group after group, and dealt to the rows lined up group after group in
    another random order. So a label that is the same in all rows of a group stays so, but where
    groups of different sizes meet. Without groups each row is one.

    Args:
        rows: [n] row numbers among which labels are dealt.
        draw: Draws the orders.
        groups: [all rows] group numbers, or None.

    Returns:
        [n] row numbers, a permutation of `rows`.

    References:
        Winkler et al., Multi-level block permutation, 2015.
    """
    if groups is None:
        return draw.permutation(rows)
    source, place = (_in_line(groups[rows], draw) for _ in range(2))
    result = np.empty_like(rows)
    result[place] = rows[source]
    return result


def _in_line(groups: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """The rows, group after group in a random order, at random inside each."""
    codes = np.unique(groups, return_inverse=True)[1]
    rank = draw.permutation(codes.max() + 1)[codes]
    return np.lexsort((draw.random(len(codes)), rank))


def half_epoch(removed: np.ndarray, kept: int) -> float:
    """The first epoch, from 1, that has removed half of what is removed in the end.

    Args:
        removed: [epochs] the share of the base rate's loss that is removed by each epoch.
        kept: The epoch, from 0, that is the end.

    Returns:
        NaN where less than a hundredth is removed: then there is no half of it.
    """
    end = removed[kept]
    if not end > 0.01:
        return np.nan
    return float(np.argmax(removed[: kept + 1] >= end / 2) + 1)


def mean_error(values: np.ndarray) -> tuple[float, float]:
    """The mean of what is known, and its standard error; NaN of fewer than one, or two."""
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    if not len(known):
        return np.nan, np.nan
    error = known.std(ddof=1) / np.sqrt(len(known)) if len(known) > 1 else np.nan
    return float(known.mean()), float(error)
