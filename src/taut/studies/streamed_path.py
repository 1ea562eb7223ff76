"""The regularization path of rows that need not fit into memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from taut.engine import Callback, Lane, Record, Source, Split, train_lanes, width_for
from taut.engine.copies import ROWS
from taut.engine.hashing import fold_of, row_hash
from taut.engine.reading import Layout
from taut.engine.sources import MEMORY, Rows, first_rows, rows_of
from taut.engine.stream import check_backend, room_for, train_streamed
from taut.errors import InputError
from taut.objective import Stationarity
from taut.objective.stationarity import BATCH_ROWS, stationarity_over
from taut.penalties import Penalty
from taut.studies.copies import study_copy
from taut.studies.range import strength_range
from taut.studies.result import PathResult, make_result, warn_of_diverged
from taut.studies.streamed_folds import drawn_rows, streamed_fold_values, training_batches

PILOT_ROWS = 8192
PILOT_EPOCHS = 30
SHARE = 16
"""Of the memory: what the pilot lanes' rows, and the rows read at a time, may each take."""


def check_streamed(cv: Any, refused: Mapping[str, Any]) -> None:
    """Raise one error for all that a path of streamed rows cannot do.

    Args:
        cv: The folds wanted.
        refused: Arguments by name; what is not None or False was given.
    """
    given = [f"{name}={value!r}" for name, value in refused.items() if value not in (None, False)]
    whole = isinstance(cv, (int, np.integer)) and not isinstance(cv, bool)
    if not whole:
        given.append(f"cv={type(cv).__name__}")
    if given:
        raise InputError(
            "A path of streamed rows trains all lanes side by side, in folds by a hash of the row: "
            "it has no warm starts, halving, class weights or splitters. Received: "
            f"{', '.join(given)}. Leave them out, give sample weights with the rows, and a number "
            "for `cv`."
        )
    if cv < 2:
        raise InputError(f"`cv` must be at least 2 folds. Received: cv={cv}.")


def streamed_path(
    model: Any,
    source: Source,
    kind: Penalty,
    strengths: int | np.ndarray,
    *,
    cv: int,
    present: bool,
    seeds: int,
    epochs: int,
    batch_size: int,
    patience: int | None,
    seed: int,
    memory: int | None,
    width: int | None,
    folder: Path | None,
    checkpoint_seconds: float,
    callbacks: Sequence[Callback],
) -> PathResult:
    """`regularization_path` on a source: what its arguments mean is said there.

    The strengths, if a number is given, are found by pilot lanes in memory on the first
    `PILOT_ROWS` rows of the shuffled order (fewer where a sixteenth of the memory does not hold
    them), with their first fold held out; these train for `PILOT_EPOCHS` epochs at least, if there
    are more rows than that.

    Args:
        model: A compiled and built Keras model.
        source: Where the rows are.
        kind: The penalty.
        strengths: How many, or the strengths themselves from strong to weak.
        present: Whether trainings start from the model's present weights.
        folder: Where checkpoints are written.

    Raises:
        InputError: For folds or memory that do not suffice; before any training.
    """
    check_backend()
    memory = MEMORY if memory is None else memory
    count = int(strengths) if isinstance(strengths, (int, np.integer)) else len(strengths)
    copy = study_copy(model, kind, first_rows(source, ROWS).x)
    total = count * cv * seeds
    layout, budget = room_for(copy, source, [Lane((0.0,))] * total, cv, batch_size, memory)
    rows = max(memory // SHARE // layout.row_bytes, 1)
    at_once = min(rows, BATCH_ROWS)
    values = streamed_fold_values(copy, source, cv, seed, at_once)
    some = drawn_rows(source, layout, budget, seed, min(rows, PILOT_ROWS))
    fold = fold_of(row_hash(some.x, some.y), cv, seed)
    penalised = [i for i, a in enumerate(copy.optimizer.assignments()) if a.parts]

    def checkpoint(name: str) -> Path | None:
        return None if folder is None else folder / f"{name}.npz"

    if isinstance(strengths, (int, np.integer)):
        _check_pilot(fold, cv)
        split = Split(np.flatnonzero(fold != 0), np.flatnonzero(fold == 0))
        whole = rows_of(source) == len(some)
        slots = width or width_for(copy, total)

        def pilot(lanes: list[Lane]) -> Record:
            return train_lanes(
                copy,
                some.x,
                some.y,
                lanes,
                splits=[split],
                sample_weight=some.weight,
                epochs=epochs if whole else max(epochs, PILOT_EPOCHS),
                batch_size=batch_size,
                patience=patience,
                width=slots,
                checkpoint=checkpoint("range"),
                checkpoint_seconds=checkpoint_seconds,
                callbacks=callbacks,
            )

        first = Lane((0.0,), 0, seed, values[0], present=present)
        ends = strength_range(copy, some.x, some.y, first, split.train, pilot, 2 * slots, penalised)
        strengths = np.geomspace(*ends, count)
    lanes = [
        Lane((float(s),), fold, seed + repeat, values[fold], present=present)
        for fold in range(cv)
        for repeat in range(seeds)
        for s in strengths
    ]
    record = train_streamed(
        copy,
        source,
        lanes,
        folds=cv,
        fold_seed=seed,
        seed=seed,
        epochs=epochs,
        batch_size=batch_size,
        patience=patience,
        memory=memory,
        width=width,
        checkpoint=checkpoint("lanes"),
        checkpoint_seconds=checkpoint_seconds,
        callbacks=callbacks,
    )

    def certify(best: Any, of: int) -> Stationarity:
        return _certificate(best, source, layout, some, fold, of, cv, seed, at_once)

    cold = ["cold"] * len(lanes)
    result = make_result(copy, kind, strengths, record, cold, penalised, cv, {}, certify)
    warn_of_diverged(record)
    return result


def _certificate(
    model: Any,
    source: Source,
    layout: Layout,
    some: Rows,
    folds_of_some: np.ndarray,
    fold: int,
    folds: int,
    seed: int,
    rows: int,
) -> Stationarity:
    """On all rows that are not in the fold; its scale on some of them, drawn from everywhere."""
    drawn = some[folds_of_some != fold]
    batches = training_batches(source, layout, fold, folds, seed, rows)
    return stationarity_over(model, batches, (drawn.x, drawn.y, drawn.weight))


def _check_pilot(fold: np.ndarray, cv: int) -> None:
    if not 0 < (fold == 0).sum() < len(fold):
        raise InputError(
            "The range of strengths is found on rows in memory, of which some must be held out and "
            f"others not. Received: {len(fold)} rows in memory, cv={cv}. Use fewer folds or more "
            "`memory`, or list the strengths."
        )
