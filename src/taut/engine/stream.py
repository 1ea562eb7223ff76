"""Train many lanes of one model on rows that need not fit into memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import keras
import numpy as np
from jax.sharding import Mesh

from taut._weights import ClassWeight, checked_targets
from taut.checks import check_whole, check_whole_or_none
from taut.engine import loop
from taut.engine.batchwise import ROWS, may_mix_rows, mixes_rows
from taut.engine.block_slots import BlockSlots
from taut.engine.checkpoint.archive import Checkpoint
from taut.engine.checkpoint.identity import identity_of
from taut.engine.data.checked_targets import checked_source
from taut.engine.data.class_weights import WeightedSource
from taut.engine.data.reading import Budget, Layout
from taut.engine.data.row_folds import RowFolds
from taut.engine.data.sources import MEMORY, Source, described, first_rows, rows_of
from taut.engine.initial import InitialValues
from taut.engine.kept_programs import programs_of
from taut.engine.lanes import Lane, Record
from taut.engine.study import Stream, Study, check_model, study_of
from taut.errors import InputError, UnsupportedError


def train_streamed(
    model: Any,
    source: Source,
    lanes: Sequence[Lane],
    *,
    folds: int | RowFolds | None = None,
    fold_seed: int = 0,
    seed: int = 0,
    shuffle: bool = True,
    memory: int = MEMORY,
    class_weight: ClassWeight = None,
    **settings: Any,
) -> Record:
    r"""Train every lane of one Keras model on the rows of a source, each read once for all lanes.

    All lanes advance together over each batch. A row is in one of `folds` folds by a hash of its
    content, or in that of its group where the source has groups; a lane trains on the rows that are
    not in the fold `lane.split`, and its held-out loss is that on the rows that are, measured in a
    second pass after each epoch. The loss of a batch is the mean over the lane's own rows in it; a
    batch without any is no step.

    A lane leaves the program once it has diverged, its patience has run out, or it was dropped;
    the program is made smaller when half of the lanes have left. Lane k of many equals lane k alone
    (to float rounding), given the same `memory`.

    Args:
        model: A compiled and built Keras model; with `taut.Proximal` for strengths. It is left
            as it was.
        source: Where the rows are, see `taut.engine.data.sources`.
        lanes: The trainings; their seeds draw initial weights and dropout, not the order of rows.
        folds: How many, or which row of the source is in which, where that is known already; None
            trains every lane on all rows.
        fold_seed: Another seed divides the rows otherwise; of a number of folds.
        seed: Seeds the order of rows, which is common to all lanes and drawn anew each epoch.
        shuffle: Whether to shuffle. Rows are read in contiguous pieces from many places, and
            shuffled in a buffer of a quarter of `memory`.
        memory: Bytes that rows and the states of lanes may take, beyond what the process holds.
        class_weight: Weights by class number, as in Keras, or `"balanced"`; the rows are read once
            more to count the classes. Not with a source that brings weights.
        **settings: As in `train_lanes`: epochs, batch_size (before held-out rows are taken out),
            patience, keep_best, groups, halving, width, checkpoint, checkpoint_seconds and
            callbacks. A checkpoint is also written within an epoch: of the pass over the rows in
            which that was, what was done is read again, but not trained on. Whether the data are
            the same is judged by their shapes, number and some of the rows (see
            `taut.engine.data.sources.described`). Callbacks are told after each epoch and about
            every second; a part of an epoch counts by its share of rows.

    Returns:
        A `Record`, as `train_lanes`.

    Raises:
        InputError: For sizes, lanes or a checkpoint that cannot be, a memory bound that does not
            hold the lanes, or a fold without rows.
        UnsupportedError: On another backend than JAX.
    """
    check_backend()
    check_model(model)
    counted = folds if isinstance(folds, RowFolds) else None
    number = folds.number if isinstance(folds, RowFolds) else folds
    check_whole_or_none(1, folds=number)
    check_whole(1, memory=memory)
    divided = counted or RowFolds(1 if number is None else number, fold_seed)
    rows = rows_of(source)
    stream = Stream(source, number, seed, shuffle, memory, rows, divided)
    study = study_of(model, stream, lanes, **settings)
    initial = InitialValues(model)
    initial.check(lanes)
    _check_rows_apart(study, stream)
    if class_weight is not None:  # reads all rows: after the checks
        source = WeightedSource(source, model, class_weight)
    divided = counted or RowFolds.of(source, divided.number, fold_seed)
    checked = checked_source(source, model)
    stream = replace(stream, source=checked, divided=divided)
    layout, budget = room_for(
        model, source, lanes, stream.number, study.batch_size, memory, snapshots=study.snapshots
    )
    mesh = Mesh(np.array(jax.local_devices()[: len(lanes)]), ("lanes",))
    ledger = study.ledger()
    saved, resumed = None, None
    if study.checkpoint is not None:
        read = [number, divided.seed, seed, shuffle, memory]
        study_settings = {**study.settings(), "streamed": read}
        identity = identity_of(
            model, described(checked.source), lanes, (), study_settings, devices=mesh.size
        )
        saved = Checkpoint(study.checkpoint, study.checkpoint_seconds, identity)
        resumed = saved.load(ledger, initial.state(ledger, 0))
    programs = programs_of(model)
    before = len(programs)
    slots = BlockSlots(study, stream, layout, budget, initial, ledger, mesh, programs)
    if resumed is not None:
        slots.restore(resumed)
    loop.train(slots, ledger, loop.Watch(slots, ledger, study.callbacks, saved))
    return ledger.record(len(programs) - before, slots.first_width)


def check_backend() -> None:
    """Raise UnsupportedError unless data can be streamed: on JAX."""
    if keras.backend.backend() != "jax":
        raise UnsupportedError(
            "Data is streamed on the JAX backend only. Received: the backend "
            f"{keras.backend.backend()!r}. Set KERAS_BACKEND=jax before Keras is imported."
        )


def room_for(
    model: Any,
    source: Source,
    lanes: Sequence[Lane],
    folds: int,
    batch_size: int,
    memory: int,
    *,
    snapshots: int = 0,
) -> tuple[Layout, Budget]:
    """The layout of the rows, and how `memory` bytes are divided among them and the lanes.

    Raises:
        InputError: If the memory does not hold a few batches, or the lanes.
    """
    sample = first_rows(source, 1)
    layout = Layout.of(sample)
    checked_targets(model, sample.x, sample.y)
    devices = len(jax.local_devices()[: len(lanes)])
    budget = Budget.of(memory, layout, indices=folds, batch_size=batch_size, devices=devices)
    lane = BlockSlots.bytes_a_lane(InitialValues(model)(lanes[0]), snapshots=snapshots)
    _check_memory(memory, budget, lane, len(lanes))
    return layout, budget


def _check_rows_apart(study: Study, stream: Stream) -> None:
    model, rows = study.model, stream.rows
    whole = stream.number == 1 and rows is not None and rows % study.batch_size == 0
    if whole or not may_mix_rows(model):
        return
    sample = first_rows(stream.source, ROWS)
    if mixes_rows(model, sample.x, sample.y):
        raise UnsupportedError(
            "Streamed lanes share each batch, from which the rows of a lane's own fold are taken "
            "out, so that only batch normalisation may compute with several rows at once. "
            f"Received: the model {model.name!r}, whose layers add losses, or in which a row of a "
            "batch changes what becomes of others. Train in memory: leave `memory` out."
        )


def _check_memory(memory: int, budget: Budget, lane: int, lanes: int) -> None:
    if lanes * lane > budget.states:
        raise InputError(
            "`memory` must hold the states of all lanes in its half. Received: "
            f"memory={memory} bytes for {lanes} lanes of {lane} bytes each; "
            f"{budget.states // lane} lanes fit. Give {2 * lanes * lane} bytes, or train fewer "
            "lanes at a time."
        )
