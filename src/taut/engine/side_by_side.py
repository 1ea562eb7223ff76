"""Train the lanes of a study side by side, as one compiled program (JAX)."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from taut._keras_compat import compiled_loss
from taut.engine import hosts, loop
from taut.engine.batches import Batches
from taut.engine.batchwise import may_mix_rows
from taut.engine.checkpoint import Checkpoint
from taut.engine.identity import program_key, study_of
from taut.engine.initial import InitialValues
from taut.engine.inputs import Study
from taut.engine.lanes import Record, check_counts
from taut.engine.ledger import Ledger
from taut.engine.program import Plan, build
from taut.engine.progress import Callback
from taut.engine.slots import Slots
from taut.engine.width import convolves_on_cpu, measured_width, width_for
from taut.errors import InputError, UnsupportedError

BLOCK_EPOCHS = 25
BLOCK_ROWS = 1 << 24  # row numbers that a block holds at most, over all lanes: 64 MiB

# By the compiled loss, which `model.compile` makes anew: of what its programs were compiled, the
# programs, and the widths measured.
_compiled: weakref.WeakKeyDictionary[Any, tuple[str | None, dict[Any, Any], dict[Any, int]]] = (
    weakref.WeakKeyDictionary()
)


def train_side_by_side(
    study: Study,
    *,
    width: int | None,
    sharers: int,
    checkpoint: str | os.PathLike[str] | None,
    checkpoint_seconds: float,
    callbacks: Sequence[Callback],
) -> Record:
    """What `train_lanes` does on JAX with data in memory; the arguments are its own."""
    model, lanes, epochs = study.model, study.lanes, study.epochs
    check_counts(width=width, sharers=sharers)
    mesh = _mesh(sum(lane.start is None for lane in lanes), sharers, study.batch_size)
    initial = InitialValues(model)
    initial.check(lanes)
    batches = Batches(study.splits, study.batch_size, sharers)
    ends = _ends(study, batches, sharers)
    stacked = jax.tree.map(lambda *some: np.stack(some), *study.targets)
    host = study.x, stacked, study.weights
    shapes = tuple((np.shape(a), str(a.dtype)) for a in jax.tree.leaves(host))
    ledger = Ledger(lanes, epochs, groups=study.groups, halving=study.halving)
    saved, resumed = None, None
    if checkpoint is not None:
        identity = study_of(
            model,
            host,
            lanes,
            study.splits,
            {**study.settings(), "width": width, "sharers": sharers},
            devices=mesh.devices.size,
        )
        with hosts.together():
            saved = Checkpoint(checkpoint, checkpoint_seconds, identity)
            resumed = saved.load(ledger)
        hosts.check_same([*identity.values(), ledger.lane_epochs()[0]])
        if resumed is not None:
            initial.set_streams(resumed["streams"])

    programs, widths = _programs_of(model)
    data = hosts.put(host, mesh, PartitionSpec())
    before = len(programs)

    def slots_of(width: int) -> Slots:
        count = width * mesh.shape["lanes"]
        block = _block(epochs, study.patience, count * batches.rows)
        plan = Plan(
            study.batch_size,
            block,
            study.patience,
            study.keep_best,
            study.held_out,
            batches.uneven,
            sharers,
            ends,
            stepwise=convolves_on_cpu(model),
        )
        key = plan, count, tuple(mesh.devices.flat), batches.shapes, shapes
        if key not in programs:
            programs[key] = build(model, plan, mesh)
        return Slots(
            programs[key],
            initial,
            batches,
            ledger,
            data,
            block=block,
            count=count,
            mesh=mesh,
        )

    if resumed is not None:
        width = resumed["width"]
    while True:
        try:
            if width is None:
                width = _chosen_width(study, mesh, batches, widths, shapes, slots_of)
            slots = slots_of(width)
            numbers = {"width": int(width), "streams": initial.streams()}
            loop.train(slots, ledger, callbacks, saved, resumed, numbers)
            break
        except jax.errors.JaxRuntimeError as error:
            tried = width or width_for(model, len(lanes), mesh.shape["lanes"])
            full = "RESOURCE_EXHAUSTED" in str(error)
            # Where several processes train, the others do not know of it.
            if not full or tried == 1 or jax.process_count() > 1:
                raise
        width, resumed = -(-tried // 2), None
        for i in range(len(lanes)):
            if i not in ledger.kept and i not in ledger.states:
                ledger.forget(i)
    return ledger.record(len(programs) - before, int(width))


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


def _programs_of(model: Any) -> tuple[dict[Any, Any], dict[Any, int]]:
    """The programs of a model as it is now; none where it has changed, or that is not known."""
    key = program_key(model)
    found = _compiled.get(compiled_loss(model))
    if found is None or key is None or found[0] != key:
        found = _compiled[compiled_loss(model)] = key, {}, {}
    return found[1], found[2]


def _chosen_width(
    study: Study,
    mesh: Mesh,
    batches: Batches,
    widths: dict[Any, int],
    shapes: Any,
    slots_of: Callable[[int], Slots],
) -> int:
    key = len(study.lanes), study.epochs, mesh.shape["data"], batches.shapes, shapes
    if key not in widths:
        widths[key] = measured_width(
            study.model,
            study.lanes,
            study.epochs,
            mesh.shape["lanes"],
            lambda width: slots_of(width).seconds_an_epoch(),
        )
    return widths[key]


def _mesh(lanes: int, sharers: int, batch_size: int) -> Mesh:
    devices = jax.devices()
    if len(devices) % sharers or batch_size % sharers:
        raise InputError(
            "`sharers` must divide the number of devices and `batch_size`. Received: "
            f"sharers={sharers}, {len(devices)} devices, batch_size={batch_size}."
        )
    if jax.process_count() == 1:
        devices = devices[: lanes * sharers]
    return Mesh(np.array(devices).reshape(-1, sharers), ("lanes", "data"))


def _block(epochs: int, patience: int | None, rows: int) -> int:
    """Epochs between two looks at the lanes: few with patience, so that ended lanes leave."""
    most = BLOCK_EPOCHS if patience is None else max(1, min(patience, BLOCK_EPOCHS // 2))
    most = max(1, min(most, epochs, BLOCK_ROWS // max(rows, 1)))
    return -(-epochs // -(-epochs // most))
