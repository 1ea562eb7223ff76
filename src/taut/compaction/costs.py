"""What a model costs: its size, its file and its latency."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from taut.compaction.equality import fixed_batch, forward
from taut.compaction.multiply_adds import multiply_adds
from taut.compaction.remade import Remaking, remade

BATCHES = 1, 256
REPEATS = 15


@dataclass(frozen=True)
class Costs:
    """One model's costs.

    Attributes:
        weights: Numbers in all its weights.
        multiply_adds: Of one row, see `taut.compaction.multiply_adds`.
        file_bytes: Of the `.keras` file, not compiled; None where it was not measured,
            or Keras cannot save the model.
        seconds_1: Of one row, the median of repeated compiled calls; None where not measured, and
            where the model takes another number of rows at a time.
        seconds_256: Of a batch of 256 rows, as before.
    """

    weights: int
    multiply_adds: int
    file_bytes: int | None = None
    seconds_1: float | None = None
    seconds_256: float | None = None


def costs(models: Sequence[Any], rows: Sequence[list[np.ndarray]], *, measure: bool) -> list[Costs]:
    """The costs of some models, whose calls take turns, so that all meet the same machine.

    Args:
        models: Built models.
        rows: What each is fed, one array an input.
        measure: Whether file and latency are measured too.
    """
    shapes = [[a.shape[1:] for a in arrays] for arrays in rows]
    counted = [
        (model.count_params(), multiply_adds(model, shapes=sizes))
        for model, sizes in zip(models, shapes, strict=True)
    ]
    if not measure:
        return [Costs(*numbers) for numbers in counted]
    seconds = [_latencies(models, rows, batch) for batch in BATCHES]
    return [
        Costs(*numbers, file_bytes(model), *times)
        for numbers, model, times in zip(counted, models, zip(*seconds, strict=True), strict=True)
    ]


def file_bytes(model: Any) -> int | None:
    """The size of the `.keras` file, without the state of an optimizer; None if it cannot be.

    Keras does not save every function that a layer may have.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        # A copy has no optimizer, whose state would be saved too.
        try:
            remade(model, Remaking()).save(path)
        except (TypeError, ValueError, NotImplementedError):
            return None
        return path.stat().st_size


def _latencies(
    models: Sequence[Any], rows: Sequence[list[np.ndarray]], batch: int
) -> list[float] | list[None]:
    if any(fixed_batch(model) not in (None, batch) for model in models):
        return [None] * len(models)
    calls: list[Callable[[], Any]] = []
    for model, arrays in zip(models, rows, strict=True):
        run, part = forward(model), [np.resize(a, (batch, *a.shape[1:])) for a in arrays]
        calls.append(lambda run=run, part=part: run(part))
    for call in calls:
        call()  # compiles
    taken = np.empty((REPEATS, len(calls)))
    for turn in range(REPEATS):
        for place, call in enumerate(calls):
            start = perf_counter()
            call()
            taken[turn, place] = perf_counter() - start
    return [float(np.median(taken[:, place])) for place in range(len(calls))]
