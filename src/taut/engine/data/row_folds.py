"""Which fold each row of a source is in: by what is in it, or by the group it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taut.engine.data.hashing import fold_of, row_hash
from taut.engine.data.sources import Rows, Source, first_rows
from taut.errors import InputError

COUNTED_ROWS = 4096
"""Rows whose groups are counted at once."""
MOST_GROUPS = 1 << 16
"""More than these are divided by their hash: alike by their number, in memory that is bounded."""


@dataclass(frozen=True)
class RowFolds:
    """Folds of rows, equal rows or rows of one group in one of them.

    Attributes:
        number: How many.
        seed: Another divides otherwise.
        groups: [groups] of uint32, ascending, that were dealt; None where the hash says the fold.
        dealt: [groups] the fold of each.
    """

    number: int
    seed: int
    groups: np.ndarray | None = None
    dealt: np.ndarray | None = None

    @classmethod
    def of(cls, source: Source, number: int, seed: int = 0) -> RowFolds:
        """The folds of a source's rows; where these have groups, they are read once to count them.

        Groups are dealt from the largest on, those of one size in a drawn order, to the fold that
        has fewest rows. Of more than `MOST_GROUPS` each is in a fold by its hash.

        Raises:
            InputError: If there are fewer groups than folds.
        """
        if number == 1 or first_rows(source, 1).group is None:
            return cls(number, seed)
        groups, counts = np.empty(0, np.uint32), np.empty(0, np.int64)
        for part in range(source.parts(COUNTED_ROWS)):
            for piece in source.pieces(part, COUNTED_ROWS):
                both = np.concatenate([groups, _groups(piece)])
                ones = np.concatenate([counts, np.ones(len(piece), np.int64)])
                groups, of_both = np.unique(both, return_inverse=True)
                counts = np.bincount(of_both, ones, len(groups)).astype(np.int64)
                if len(groups) > MOST_GROUPS:
                    return cls(number, seed)
        if len(groups) < number:
            raise InputError(
                f"There must be at least as many groups as folds, {number}. Received: "
                f"{len(groups)} groups. Use fewer folds, or add groups."
            )
        drawn = np.random.default_rng(seed).permutation(len(groups))
        sizes = np.zeros(number, np.int64)
        dealt = np.empty(len(groups), np.int32)
        for k in drawn[np.argsort(-counts[drawn], kind="stable")]:
            dealt[k] = sizes.argmin()
            sizes[dealt[k]] += counts[k]
        return cls(number, seed, groups, dealt)

    def __call__(self, rows: Rows) -> np.ndarray:
        """[rows] of int32, the fold of each."""
        if self.number == 1:
            return np.zeros(len(rows), np.int32)
        if rows.group is None:
            return fold_of(row_hash(rows.x, rows.y), self.number, self.seed)
        groups = _groups(rows)
        if self.groups is None or self.dealt is None:
            return fold_of(groups.astype(np.uint64), self.number, self.seed)
        places = np.minimum(np.searchsorted(self.groups, groups), len(self.groups) - 1)
        if (self.groups[places] != groups).any():
            raise InputError(
                "A source must hold the same rows each time it is read. Received: rows of groups "
                "that were not there when they were counted."
            )
        return self.dealt[places]


def _groups(rows: Rows) -> np.ndarray:
    groups = np.asarray(rows.group)
    if groups.dtype != np.uint32 or groups.shape != (len(rows),):
        raise InputError(
            "A source's `group` must be uint32 [rows]. Received: "
            f"{groups.dtype} {list(groups.shape)}. Make it by `taut.engine.group_hash`."
        )
    return groups
