"""The cross-validation of a grid: all of its lanes as one program, and their held-out losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from taut.engine import Halving, Race, Record
from taut.studies.folded import FoldedRows
from taut.studies.grid import Grid
from taut.studies.training_settings import Settings
from taut.studies.warm import chains

_OUT = ("diverged", "dropped")


@dataclass(frozen=True)
class CrossValidation:
    """Every candidate of a grid, trained on what each fold leaves.

    Attributes:
        grid: What was trained.
        record: Of the lanes.
        candidate_of: [lanes] the number of the candidate that each lane trains.
        directions: [lanes] "cold"; "down" or "up" with warm starts, where "both" trains each twice.
    """

    grid: Grid
    record: Record
    candidate_of: np.ndarray
    directions: list[str]

    def lanes(self, candidate: int, fold: int | None = None) -> np.ndarray:
        """Numbers of the lanes of a candidate, by fold."""
        wanted = self.candidate_of == candidate
        if fold is not None:
            wanted &= self._fold_of == fold
        return np.flatnonzero(wanted)

    def healthy(self, candidates: Sequence[int], fold: int | None = None) -> list[int]:
        """Numbers of the lanes of some candidates that were trained and did not diverge."""
        lanes = [int(k) for candidate in candidates for k in self.lanes(candidate, fold)]
        return [k for k in lanes if self.record.status[k] not in _OUT]

    def losses(self) -> np.ndarray:
        """[candidates, folds] held-out losses, the mean of seeds and directions.

        Infinite where a lane diverged or was dropped.
        """
        out = np.isin(self.record.status, _OUT)
        held_out = np.where(out, np.inf, self.record.kept_losses()[1].astype(float))
        total = np.zeros((len(self.grid.candidates), self.grid.folds))
        lanes = np.zeros_like(total)
        np.add.at(total, (self.candidate_of, self._fold_of), held_out)
        np.add.at(lanes, (self.candidate_of, self._fold_of), 1)
        return total / lanes

    @property
    def _fold_of(self) -> np.ndarray:
        return np.array([lane.split for lane in self.record.lanes])


def crossvalidate(
    model: Any,
    rows: FoldedRows,
    grid: Grid,
    settings: Settings,
    *,
    values: Sequence[Mapping[str, np.ndarray]],
    name: str = "lanes",
    present: bool = False,
    warm_start: str | None = None,
    warm_epochs: int | None = None,
    rungs: Sequence[int] = (),
    common_epoch: bool = False,
    race: Race | None = None,
) -> CrossValidation:
    """Train every candidate × fold × seed as one program.

    Args:
        model: Compiled with the penalties whose strengths the candidates give.
        rows: The rows, in folds.
        grid: What to train.
        settings: How.
        values: For each fold, initial values by path: what layers learn of its rows.
        name: Under which checkpoints are saved.
        present: Whether lanes start from the present weights.
        warm_start: The direction of warm starts, from candidate to candidate; None for none.
        warm_epochs: Epochs of a warm lane.
        rungs: Epochs after which hopeless candidates are dropped.
        common_epoch: Whether all lanes of a candidate keep the epoch at which their mean held-out
            loss is least, in place of one for each.
        race: By which only the better candidates are trained on each further fold, of a common
            epoch.
    """
    cold = grid.lanes(values, present=present)
    lanes, numbers, directions = chains(cold, len(grid.candidates), warm_start, warm_epochs)
    candidate_of = np.array(grid.candidate_of())[numbers]
    record = rows.train(
        model,
        lanes,
        settings,
        name,
        halving=Halving(candidate_of.tolist(), tuple(rungs)) if rungs else None,
        groups=candidate_of.tolist() if common_epoch else None,
        race=race,
    )
    return CrossValidation(grid, record, candidate_of, directions)
