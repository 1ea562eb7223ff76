"""Nested subsets of rows: a larger one contains the smaller, with classes or groups as they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def nested_subsets(
    rows: np.ndarray,
    sizes: Sequence[int],
    *,
    seed: int | Sequence[int] = 0,
    labels: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Subsets of some rows, each contained in those that are larger.

    One random order is drawn; a subset is its beginning. With classes the order takes them in
    turn, so that each beginning has nearly the shares of all rows. With groups it goes group by
    group, and the last group that is begun is taken as a whole.

    Args:
        rows: Row numbers.
        sizes: How many rows; as many or more as there are take all.
        seed: Draws the order.
        labels: [all rows] classes; None for none. Not looked at with groups.
        groups: [all rows] group numbers; None for none.

    Returns:
        For each size its row numbers, sorted.

    Example:
        >>> small, large = nested_subsets(np.arange(8), [2, 4], labels=np.arange(8) % 2)
        >>> len(large), (small % 2).tolist(), set(small) <= set(large)
        (4, [0, 1], True)
    """
    draw = np.random.default_rng(seed)
    rows = np.asarray(rows)
    if groups is not None:
        _, codes = np.unique(np.asarray(groups)[rows], return_inverse=True)
        place = draw.permutation(codes.max() + 1)[codes]
        order = np.argsort(place, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(place[order])) + 1, len(rows))
        return [
            _first(rows, order, int(ends[np.searchsorted(ends, min(n, len(rows)))])) for n in sizes
        ]
    order = draw.permutation(len(rows))
    if labels is not None:
        codes = np.unique(np.asarray(labels)[rows], return_inverse=True)[1][order]
        counts, turn = np.bincount(codes), np.empty(len(rows))
        for code, count in enumerate(counts):
            turn[codes == code] = (np.arange(count) + 0.5) / count
        order = order[np.argsort(turn, kind="stable")]
    return [_first(rows, order, min(n, len(rows))) for n in sizes]


def _first(rows: np.ndarray, order: np.ndarray, count: int) -> np.ndarray:
    return np.sort(rows[order[:count]])
