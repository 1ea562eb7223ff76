"""Rows that are divided into folds, and what a study does with them: read as they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from taut._weights import ClassWeight
from taut.checks import is_whole
from taut.engine import (
    Halving,
    Lane,
    Race,
    Record,
    Source,
    Split,
    held_out_metrics_of,
    train_lanes,
)
from taut.engine.data.checked_targets import checked_source
from taut.engine.data.class_weights import WeightedSource
from taut.engine.data.row_folds import RowFolds
from taut.engine.data.sources import MEMORY, first_rows, rows_of
from taut.engine.model_copy import ROWS
from taut.engine.stream import check_backend, room_for, train_streamed
from taut.errors import InputError, UnsupportedError
from taut.objective import Stationarity
from taut.objective.stationarity import BATCH_ROWS, stationarity_over
from taut.studies.folded import Measure, Pilot
from taut.studies.scoring import Scoring
from taut.studies.streamed_folds import (
    drawn_rows,
    held_out_batches,
    streamed_fold_values,
    training_batches,
)
from taut.studies.training_settings import Settings

PILOT_ROWS = 8192
PILOT_EPOCHS = 30
SHARE = 16
"""Of the memory: what the pilot lanes' rows, and the rows read at a time, may each take."""


class FoldedStream:
    """Rows of a source, in folds by a hash of what is in a row, or by its groups.

    Lanes are tried in memory on the first `PILOT_ROWS` rows of the shuffled order (fewer where a
    sixteenth of the memory does not hold them), with their first fold held out, for `PILOT_EPOCHS`
    epochs at least, if there are more rows than that.

    Args:
        source: Where the rows are.
        cv: How many folds.
        seed: Divides the rows, and draws their order.
        class_weight: Weights by class number, or `"balanced"`; the rows are then read once more.
        memory: Bytes for rows and lanes; 1 GiB unless given.
        batch_size: Rows in a batch.
        trainings: Trainings of each fold, all at the same time.
        warm_start: Is refused.

    Raises:
        InputError: For what contradicts reading each row once for all lanes, and for folds or
            memory that do not suffice.
    """

    def __init__(
        self,
        source: Source,
        *,
        cv: Any,
        seed: int,
        class_weight: ClassWeight,
        memory: int | None,
        batch_size: int,
        trainings: int,
        warm_start: str | None,
    ):
        _check_streamed(cv, warm_start)
        check_backend()
        self.folds: int = int(cv)
        self._seed, self._source = seed, source
        self._memory = MEMORY if memory is None else memory
        self._batch_size, self._lanes = batch_size, trainings * self.folds
        self._class_weight = class_weight

    def first(self) -> tuple[Any, Any]:
        rows = first_rows(self._source, ROWS)
        return rows.x, rows.y

    def learned(self, model: Any) -> list[dict[str, np.ndarray]]:
        if self._class_weight is not None:
            # Once, so that the certificate is of the same objective.
            self._source = WeightedSource(self._source, model, self._class_weight)
        self._source = checked_source(self._source, model)
        lanes = [Lane((0.0,) * len(model.optimizer.strengths))] * self._lanes
        self._layout, budget = room_for(
            model, self._source, lanes, self.folds, self._batch_size, self._memory
        )
        rows = max(self._memory // SHARE // self._layout.row_bytes, 1)
        self._at_once = min(rows, BATCH_ROWS)
        self._sample = drawn_rows(
            self._source, self._layout, budget, self._seed, min(rows, PILOT_ROWS)
        )
        self._divided = RowFolds.of(self._source, self.folds, self._seed)
        self._fold = self._divided(self._sample)
        return streamed_fold_values(model, self._source, self._divided, rows=self._at_once)

    def pilot(self, model: Any, settings: Settings, name: str) -> Pilot:
        fold, sample = self._fold, self._sample
        _check_pilot(fold, self.folds)
        split = Split(np.flatnonzero(fold != 0), np.flatnonzero(fold == 0))
        whole = rows_of(self._source) == len(sample)
        epochs = settings.epochs if whole else max(settings.epochs, PILOT_EPOCHS)

        def train(lanes: list[Lane]) -> Record:
            arguments = {**settings.arguments(name), "epochs": epochs}
            return train_lanes(
                model,
                sample.x,
                sample.y,
                lanes,
                splits=[split],
                sample_weight=sample.weight,
                **arguments,
            )

        return Pilot(sample.x, sample.y, split.train, train, sample.weight)

    def train(
        self,
        model: Any,
        lanes: Sequence[Lane],
        settings: Settings,
        name: str,
        *,
        halving: Halving | None = None,
        groups: Sequence[int] | None = None,
        race: Race | None = None,
    ) -> Record:
        if race is not None:
            raise UnsupportedError(
                "Streamed lanes all train at the same time, so none waits for others. Received: "
                f"race={race}. Leave `race` out."
            )
        return train_streamed(
            model,
            self._source,
            lanes,
            folds=self._divided,
            seed=self._seed,
            memory=self._memory,
            halving=halving,
            groups=groups,
            **settings.arguments(name),
        )

    def metrics(self, model: Any, record: Record) -> dict[str, np.ndarray]:
        pieces = held_out_batches(self._source, self._divided, self._at_once)
        return held_out_metrics_of(model, record, pieces)

    def scores(self, model: Any, record: Record, measure: Measure) -> np.ndarray:
        raise UnsupportedError(
            "Streamed rows are measured by compiled metrics: a score of all predictions would need "
            "them in memory. Compile the model with a metric, and name it in `scoring`."
        )

    def check_score(self, model: Any, score: Scoring) -> None:
        del model
        if score.measure is not None:
            raise InputError(
                "Streamed rows are scored by compiled metrics. Received: "
                f"scoring={score.name!r}. Compile the model with a metric, and give its name."
            )

    def certify(self, model: Any, fold: int) -> Stationarity:
        """On all rows that are not in the fold; its scale on some of them, from everywhere."""
        drawn = self._sample[self._fold != fold]
        batches = training_batches(self._source, self._layout, fold, self._divided, self._at_once)
        return stationarity_over(model, batches, (drawn.x, drawn.y, drawn.weight))


def _check_streamed(cv: Any, warm_start: str | None) -> None:
    given = [] if warm_start is None else [f"warm_start={warm_start!r}"]
    if not is_whole(cv, -(10**9)):
        given.append(f"cv={type(cv).__name__}")
    if given:
        raise InputError(
            "A path of streamed rows trains all lanes side by side, in folds by a hash of the row: "
            f"it has no warm starts and no splitters. Received: {', '.join(given)}. Leave them "
            "out, and give a number for `cv`."
        )
    if cv < 2:
        raise InputError(f"`cv` must be at least 2 folds. Received: cv={cv}.")


def _check_pilot(fold: np.ndarray, cv: int) -> None:
    if not 0 < (fold == 0).sum() < len(fold):
        raise InputError(
            "The range of strengths is found on rows in memory, of which some must be held out and "
            f"others not. Received: {len(fold)} rows in memory, cv={cv}. Use fewer folds or more "
            "`memory`, or list the strengths."
        )
