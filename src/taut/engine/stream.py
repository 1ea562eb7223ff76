"""Train many lanes of one model on rows that need not fit into memory."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from typing import Any

import jax
import keras
import numpy as np
from jax.sharding import Mesh

from taut._keras_compat import compiled_loss
from taut._weights import checked_weights
from taut.engine.batchwise import ROWS, may_mix_rows, mixes_rows
from taut.engine.checkpoint import Checkpoint
from taut.engine.identity import program_key, study_of
from taut.engine.initial import InitialValues
from taut.engine.inputs import check_model
from taut.engine.lanes import Lane, Record, check_counts, check_lanes
from taut.engine.loop import interrupts
from taut.engine.progress import Callback
from taut.engine.reading import Budget, Layout
from taut.engine.sources import MEMORY, Source, described, first_rows, rows_of
from taut.engine.stream_journal import Journal
from taut.engine.stream_lanes import MOST, Stack
from taut.engine.stream_passes import Passes
from taut.engine.stream_watch import Position, Watch
from taut.engine.width import convolves_on_cpu
from taut.errors import InputError, UnsupportedError

# By the compiled loss, which `model.compile` makes anew: of what its programs were compiled.
_compiled: weakref.WeakKeyDictionary[Any, tuple[str | None, dict[Any, Any]]] = (
    weakref.WeakKeyDictionary()
)


def train_streamed(
    model: Any,
    source: Source,
    lanes: Sequence[Lane],
    *,
    folds: int | None = None,
    fold_seed: int = 0,
    seed: int = 0,
    shuffle: bool = True,
    epochs: int = 100,
    batch_size: int = 32,
    patience: int | None = None,
    keep_best: bool | None = None,
    memory: int = MEMORY,
    width: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 60.0,
    callbacks: Sequence[Callback] = (),
) -> Record:
    r"""Train every lane of one Keras model on the rows of a source, each read once for all lanes.

    All lanes advance together over each batch. A row is in one of `folds` folds by a hash of its
    content; a lane trains on the rows that are not in the fold `lane.split`, and its held-out
    loss is that on the rows that are, measured in a second pass after each epoch. The loss of a
    batch is the mean over the lane's own rows in it; a batch without any is no step.

    What a lane has kept changes no more once it has diverged or its patience ran out; it leaves
    the program when half of the lanes have ended. Lane k of many equals lane k alone (to float
    rounding), given the same `memory`.

    Args:
        model: A compiled and built Keras model; with `taut.Proximal` for strengths. It is left
            as it was.
        source: Where the rows are, see `taut.engine.sources`.
        lanes: The trainings; their seeds draw initial weights and dropout, not the order of rows.
        folds: How many; None trains every lane on all rows.
        fold_seed: Another seed divides the rows otherwise.
        seed: Seeds the order of rows, which is common to all lanes and drawn anew each epoch.
        shuffle: Whether to shuffle. Rows are read in contiguous pieces from many places, and
            shuffled in a buffer of a quarter of `memory`.
        epochs: Epochs of a lane.
        batch_size: Rows in a batch, before held-out rows are taken out.
        patience: Stop a lane after this many epochs without a better held-out loss.
        keep_best: Keep the weights of the epoch of least held-out loss rather than the last;
            True with patience, otherwise False, unless given.
        memory: Bytes that rows and the states of lanes may take, beyond what the process holds.
        width: Lanes side by side on one device; unless given at most 16.
        checkpoint: A file to which the study is saved as it goes, also within an epoch. The same
            call goes on from it to the same record; of the pass over the rows in which it was
            saved, what was done is read again, but not trained on. Whether the data are the same
            is judged by their shapes, number and some of the rows (see
            `taut.engine.sources.described`). Ctrl-C finishes the block of rows and saves.
        checkpoint_seconds: Save when so many seconds have passed.
        callbacks: Told of the progress after each epoch and about every second, in this thread;
            a part of an epoch counts by its share of rows.

    Returns:
        A `Record`, as `train_lanes`.

    Raises:
        InputError: For sizes, lanes or a checkpoint that cannot be, a memory bound that does not
            hold the lanes, or a fold without rows.
        UnsupportedError: On another backend than JAX.
    """
    check_backend()
    check_model(model)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    number = 1 if folds is None else folds
    check_counts(
        folds=folds,
        epochs=epochs,
        batch_size=batch_size,
        patience=patience,
        memory=memory,
        width=width,
    )
    _check_lanes(model, lanes, number, epochs)
    if keep_best is None:
        keep_best = patience is not None
    if (keep_best or patience is not None) and number == 1:
        raise InputError(
            "`patience` and `keep_best` need held-out rows. Received: "
            f"folds={folds}. Give `folds=5`, say, or leave them out."
        )
    initial = InitialValues(model)
    initial.check(lanes)
    devices = jax.local_devices()[: len(lanes)]
    _check_rows_apart(model, source, number, batch_size)
    layout, budget = room_for(model, source, lanes, number, batch_size, memory)
    mesh = Mesh(np.array(devices), ("lanes",))
    saved = None
    if checkpoint is not None:
        settings = {
            "streamed": [folds, fold_seed, seed, shuffle, memory],
            "epochs": epochs,
            "batch_size": batch_size,
            "patience": patience,
            "keep_best": keep_best,
            "width": width,
            "devices": len(devices),
        }
        study = study_of(model, described(source), lanes, (), settings, devices=len(devices))
        saved = Checkpoint(checkpoint, checkpoint_seconds, study)
    stack = Stack(initial, lanes, mesh, width or (1 if convolves_on_cpu(model) else MOST))
    first_width = stack.width
    journal = Journal(lanes, epochs, patience, keep_best, callbacks)
    programs = _programs_of(model)
    before = len(programs)
    rows = rows_of(source)
    in_pass = None if rows is None else -(-rows // (budget.steps * batch_size))
    watch = Watch(journal, stack, saved, 1 if number == 1 else 2, in_pass)
    passes = Passes(
        model,
        source,
        lanes,
        stack,
        programs,
        mesh,
        layout,
        budget,
        number,
        fold_seed,
        batch_size,
        watch,
    )
    at = watch.load() or Position.of_epoch(0)
    ended = at.epoch and not journal.live.any()
    journal.start(watch.share(at))
    try:
        with interrupts(wanted=saved is not None) as watch.interrupted:
            while journal.live.any():
                if not len(at.train):
                    train = passes.train((seed, at.epoch) if shuffle else None, at)
                    at = at.measuring(train)
                held_out = passes.measure(at) if number > 1 else None
                stack.keep(journal.judge(at.train, held_out))
                at = Position.of_epoch(at.epoch + 1)
                stack.end(journal.live)
                if watch.wanted():
                    watch.look(at)
            if not ended:
                watch.save(at)
    finally:
        passes.close()
        journal.stop()
    return journal.record(stack.kept(), len(programs) - before, first_width)


def _programs_of(model: Any) -> dict[Any, Any]:
    """The programs of a model as it is now; none where it has changed, or that is not known."""
    key = program_key(model)
    found = _compiled.get(compiled_loss(model))
    if found is None or key is None or found[0] != key:
        found = _compiled[compiled_loss(model)] = key, {}
    return found[1]


def check_backend() -> None:
    """Raise UnsupportedError unless data can be streamed: on JAX."""
    if keras.backend.backend() != "jax":
        raise UnsupportedError(
            "Data is streamed on the JAX backend only. Received: the backend "
            f"{keras.backend.backend()!r}. Set KERAS_BACKEND=jax before Keras is imported."
        )


def room_for(
    model: Any, source: Source, lanes: Sequence[Lane], folds: int, batch_size: int, memory: int
) -> tuple[Layout, Budget]:
    """The layout of the rows, and how `memory` bytes are divided among them and the lanes.

    Raises:
        InputError: If the memory does not hold a few batches, or the lanes.
    """
    sample = first_rows(source, 1)
    layout = Layout.of(sample)
    checked_weights(model, sample.x, sample.y)
    devices = len(jax.local_devices()[: len(lanes)])
    budget = Budget.of(memory, layout, indices=folds, batch_size=batch_size, devices=devices)
    _check_memory(memory, budget, Stack.bytes_a_lane(InitialValues(model)(lanes[0])), len(lanes))
    return layout, budget


def _check_lanes(model: Any, lanes: Sequence[Lane], folds: int, epochs: int) -> None:
    strengths = len(getattr(model.optimizer, "strengths", ()))
    check_lanes(lanes, splits=folds, strengths=strengths, targets=1, epochs=epochs)
    for i, lane in enumerate(lanes):
        if lane.start is not None:
            raise UnsupportedError(
                "Streamed lanes all train at the same time, so none starts from another's "
                f"weights. Received: lane {i} with start={lane.start}. Leave `start` out."
            )


def _check_rows_apart(model: Any, source: Source, folds: int, batch_size: int) -> None:
    rows = rows_of(source)
    if (folds == 1 and rows is not None and rows % batch_size == 0) or not may_mix_rows(model):
        return
    sample = first_rows(source, ROWS)
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
