"""A grid of candidates, folds and seeds, and the lane of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from taut.engine import Lane


@dataclass(frozen=True)
class Grid:
    """Candidates × folds × seeds: each is trained on what every fold leaves, from every seed.

    Attributes:
        candidates: The strengths of each.
        folds: How many folds.
        seeds: Seeds of initial weights and of the order of rows.
    """

    candidates: Sequence[tuple[float, ...]]
    folds: int
    seeds: Sequence[int]

    def __len__(self) -> int:
        return len(self.candidates) * self.folds * len(self.seeds)

    def lanes(
        self, values: Sequence[Mapping[str, np.ndarray]] | None = None, *, present: bool = False
    ) -> list[Lane]:
        """The lane of each: by fold, then by seed, then in the order of the candidates.

        Args:
            values: For each fold, initial values by path, such as what layers learned of its rows.
            present: Whether lanes start from the present weights.
        """
        return [
            Lane(strengths, fold, seed, {} if values is None else values[fold], present=present)
            for fold in range(self.folds)
            for seed in self.seeds
            for strengths in self.candidates
        ]

    def candidate_of(self) -> list[int]:
        """The number of the candidate of each lane, as `Halving` and groups of lanes take it."""
        return [k % len(self.candidates) for k in range(len(self))]
