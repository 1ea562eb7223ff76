"""A grid of candidates, folds and seeds, and the lane of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from taut.engine import Lane


@dataclass(frozen=True)
class Candidate:
    """What may be chosen: strengths, and what else sets its trainings apart.

    Attributes:
        strengths: α for each of the optimizer's strengths, in their order.
        values: Initial values by path, such as a gate that shuts a part of the network; they go
            before what is learned of a fold's rows.
    """

    strengths: tuple[float, ...]
    values: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Grid:
    """Candidates × folds × seeds: each is trained on what every fold leaves, from every seed.

    Attributes:
        candidates: Listed by the user, found from the data, or a list that was measured before.
        folds: How many folds.
        seeds: Seeds of initial weights and of the order of rows.
    """

    candidates: Sequence[Candidate]
    folds: int
    seeds: Sequence[int]

    def __len__(self) -> int:
        return len(self.candidates) * self.folds * len(self.seeds)

    def lanes(
        self, values: Sequence[Mapping[str, np.ndarray]], *, present: bool = False
    ) -> list[Lane]:
        """The lane of each: by fold, then by seed, then in the order of the candidates.

        Args:
            values: For each fold, initial values by path, such as what layers learned of its rows.
            present: Whether lanes start from the present weights.
        """
        return [
            Lane(c.strengths, fold, seed, {**values[fold], **c.values}, present=present)
            for fold in range(self.folds)
            for seed in self.seeds
            for c in self.candidates
        ]

    def candidate_of(self) -> list[int]:
        """The number of the candidate of each lane, as `Halving` and groups of lanes take it."""
        return [k % len(self.candidates) for k in range(len(self))]
