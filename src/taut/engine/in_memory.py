"""Lanes of rows that are in memory: slots that are moved on by whole epochs (JAX)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from taut.engine import loop, processes
from taut.engine.batchwise import may_mix_rows
from taut.engine.checkpoint.archive import Checkpoint
from taut.engine.checkpoint.identity import identity_of
from taut.engine.convolutions import convolves_on_cpu, over_patches_of
from taut.engine.data.batches import PADDING, Batches
from taut.engine.data.sources import Rows
from taut.engine.initial import InitialValues
from taut.engine.kept_programs import programs_of
from taut.engine.lanes import Record
from taut.engine.ledger import Ledger
from taut.engine.program import EVERYWHERE, HELD_OUT, ROWS, batch_by_batch, whole_epochs
from taut.engine.resumable import current_job
from taut.engine.slots import Slots
from taut.engine.step import Plan
from taut.engine.study import Arrays, Study
from taut.engine.width import trainable_weights, width_for
from taut.errors import InputError, UnsupportedError

EPOCHS_A_BLOCK = 25
WORTH_COMPILING = 2e11
"""Operations of empty slots, some ten seconds of a core, for which fewer slots are compiled."""
ROWS_A_BLOCK = 1 << 24  # row numbers that a block holds at most, over all lanes: 64 MiB


def train_in_memory(study: Study, arrays: Arrays) -> Record:
    """Train lanes side by side on JAX; where memory does not suffice, fewer at a time."""
    mesh = _mesh(study, arrays.sharers)
    initial = InitialValues(study.model)
    initial.check(study.lanes)
    batches = Batches(arrays.splits, study.batch_size, arrays.sharers)
    ledger = study.ledger()
    targets = arrays.targets
    y = targets[0] if len(targets) == 1 else jax.tree.map(lambda *a: np.stack(a), *targets)
    data = Rows(arrays.x, y, arrays.weights)
    saved, resumed = None, None
    job = current_job()
    if study.checkpoint is not None:
        identity = _identity(study, arrays, data, mesh)
        with processes.together():
            saved = Checkpoint(study.checkpoint, study.checkpoint_seconds, identity)
            resumed = saved.load(ledger, initial.state(ledger, 0))
        processes.check_same([*identity.values(), ledger.lane_epochs()[0]])
    elif job is not None and jax.process_count() == 1:
        saved = job.checkpoint(lambda: _identity(study, arrays, data, mesh))
        if saved is not None and saved.path.is_file():
            ledger, resumed = job.gone_on(saved, study.ledger, initial, callbacks=study.callbacks)
    width = study.width or width_for(study.model, *_side_by_side(study, mesh))
    if resumed is not None:
        width = resumed["width"]
        initial.set_streams(resumed["streams"])
    programs = programs_of(study.model)
    before = len(programs)
    while True:
        slots = EpochSlots(study, arrays, batches, initial, ledger, mesh, programs, data, width)
        numbers = {"width": int(width), "streams": initial.streams()}
        try:
            if resumed is not None:
                slots.restore(resumed)
            watch = loop.Watch(slots, ledger, study.callbacks, saved, numbers)
            loop.train(slots, ledger, watch)
            break
        except jax.errors.JaxRuntimeError as error:
            # Where several processes train, the others do not know of it.
            full = "RESOURCE_EXHAUSTED" in str(error)
            if not full or width == 1 or jax.process_count() > 1:
                raise
        width, resumed = -(-width // 2), None
        for i in range(len(study.lanes)):
            if i not in ledger.kept and i not in ledger.states:
                ledger.forget(i)
    return ledger.record(len(programs) - before, int(width))


def _identity(study: Study, arrays: Arrays, data: Rows, mesh: Mesh) -> dict[str, str]:
    settings = {**study.settings(), "sharers": arrays.sharers}
    return identity_of(
        study.model, data, study.lanes, arrays.splits, settings, devices=mesh.devices.size
    )


class EpochSlots(Slots):
    """Slots that are moved on by whole epochs, a block of them at a time.

    A block is some epochs between two looks at the lanes: few with patience, so that ended lanes
    leave soon.
    """

    def __init__(
        self,
        study: Study,
        arrays: Arrays,
        batches: Batches,
        initial: InitialValues,
        ledger: Ledger,
        mesh: Mesh,
        programs: dict[Any, Any],
        data: Rows,
        width: int,
    ):
        super().__init__(initial, ledger, mesh)
        self._study, self._batches, self._programs = study, batches, programs
        self._count = width * mesh.shape["lanes"]
        self._block = _epochs_a_block(study, self._count * batches.rows)
        patches = over_patches_of(study.model, lambda: (arrays.x, arrays.targets[0]))
        self._stepwise = convolves_on_cpu(study.model) and not patches["products"]
        if arrays.sharers > 1:
            patches["rows_at_a_time"] = None
        self._plan = Plan(
            study.rules,
            study.batch_size,
            self._block,
            targets=len(arrays.targets) if len(arrays.targets) > 1 else None,
            gaps=batches.uneven,
            sharers=arrays.sharers,
            ends=_ends(study, batches, arrays.sharers),
            **patches,
        )
        self._shapes = tuple((np.shape(a), str(a.dtype)) for a in jax.tree.leaves(data))
        self._data = processes.put(data, mesh, EVERYWHERE)
        self._held_out: Any = None
        self._pace, self._left = loop.Pace(), 0

    def count_for(self, lanes: int) -> int:
        count, devices = len(self.holds) or self._count, self._mesh.shape["lanes"]
        while True:
            half = -(-count // devices // 2) * devices
            if half == count or half < max(lanes, 1) or self._waste(count - half) < WORTH_COMPILING:
                return count
            count = half

    def _waste(self, slots: int) -> float:
        """Operations that so many empty slots would do until the study's end, about."""
        ledger, patience = self._ledger, self._study.rules.patience
        left = max((ledger.goal(i) - int(ledger.ran[i]) for i in self.lanes), default=0)
        epochs = left if patience is None else min(left, patience)
        weights = trainable_weights(self._study.model)
        return 6.0 * weights * self._batches.rows * epochs * slots

    def placed(self) -> None:
        lanes = self._ledger.lanes
        rows = [self._batches.held_out(lanes[i or 0].split) for i in self.holds]
        self._held_out = processes.put(np.stack(rows), self._mesh, HELD_OUT)

    def fill(self) -> None:
        if not self._left:
            super().fill()
            self._left = self._to_boundary()

    def advance(self, watch: loop.Watch) -> None:
        while self._left:
            epochs = self._pace.epochs(self._left)
            with self._pace:
                self._run(epochs)
            self._left -= epochs
            # Where all have ended there is nothing to wait for.
            self._left = self._left if self._to_boundary() else 0
            watch.look()

    def numbers(self) -> dict[str, Any]:
        return {"holds": self.holds, "left": self._left}

    def restore(self, numbers: dict[str, Any]) -> None:
        self.place(numbers["holds"])
        self._left = numbers["left"] if self.lanes else 0

    def _to_boundary(self) -> int:
        """Epochs to the nearest end of a block, or of its run, of a lane in a slot."""
        ledger = self._ledger
        live = [i for i in self.lanes if not ledger.status[i]]
        ends = [self._block] if ledger.interval is None else [self._block, ledger.interval]
        ran = {i: int(ledger.ran[i]) for i in live}
        left = [min(ledger.goal(i) - ran[i], *(e - ran[i] % e for e in ends)) for i in live]
        return min(left, default=0)

    def _run(self, epochs: int) -> None:
        """Train every lane in a slot for so many epochs, and tell the ledger."""
        rows = processes.put(self._rows(epochs), self._mesh, ROWS)
        self._state, self._running = self._program()(
            self._state, rows, self._held_out, np.int32(epochs), self._data
        )
        self.note(self._running)

    def _rows(self, epochs: int) -> np.ndarray:
        """[slots, block, steps, batch] row numbers of the next epochs of each slot."""
        shape = len(self.holds), self._block, *self._batches.shapes[:2]
        rows = np.full(shape, PADDING, np.int32)
        drawn: dict[Any, np.ndarray] = {}
        for slot, i in enumerate(self.holds):
            if i is None:
                rows[slot, :, 0, 0] = 0
                continue
            lane, start = self._ledger.lanes[i], int(self._ledger.ran[i])
            for e in range(epochs):
                key = lane.split, lane.seed, start + e
                if key not in drawn:
                    drawn[key] = self._batches.train(*key)
                rows[slot, e] = drawn[key]
        return rows

    def _program(self) -> Callable[..., Any]:
        devices = tuple(self._mesh.devices.flat)
        key = self._plan, len(self.holds), devices, self._batches.shapes, self._shapes
        if key not in self._programs:
            make = batch_by_batch if self._stepwise else whole_epochs
            self._programs[key] = make(self._study.model, self._plan, self._mesh)
        return self._programs[key]


def _side_by_side(study: Study, mesh: Mesh) -> tuple[int, int]:
    """How many lanes may be trained at once, and on how many devices."""
    return sum(lane.start is None for lane in study.lanes), mesh.shape["lanes"]


def _ends(
    study: Study, batches: Batches, sharers: int
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """The sizes of last batches, if places without rows in them would not go unseen."""
    if not may_mix_rows(study.model):
        return None
    if sharers > 1 and batches.ends[0] == (study.batch_size,):
        return None  # in inference batches are not normalised
    if sharers > 1:
        raise UnsupportedError(
            "Devices share batches of one size, where rows that only fill the last would count in "
            "batch normalisation, in layers' own losses and in whatever else sees several rows. "
            f"Received: sharers={sharers}, and last batches of {batches.ends[0]} rows. Take a "
            "`batch_size` that divides the rows of every split, or leave `sharers` out."
        )
    return batches.ends


def _mesh(study: Study, sharers: int) -> Mesh:
    devices = jax.devices()
    if len(devices) % sharers or study.batch_size % sharers:
        raise InputError(
            "`sharers` must divide the number of devices and `batch_size`. Received: "
            f"sharers={sharers}, {len(devices)} devices, batch_size={study.batch_size}."
        )
    if jax.process_count() == 1:
        lanes = sum(lane.start is None for lane in study.lanes)
        devices = devices[: lanes * sharers]
    return Mesh(np.array(devices).reshape(-1, sharers), ("lanes", "data"))


def _epochs_a_block(study: Study, rows: int) -> int:
    most = EPOCHS_A_BLOCK
    if study.rules.patience is not None:
        most = max(1, min(study.rules.patience, EPOCHS_A_BLOCK // 2))
    most = max(1, min(most, study.epochs, ROWS_A_BLOCK // max(rows, 1)))
    return -(-study.epochs // -(-study.epochs // most))
