"""Train many lanes of one model as one program."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import jax
import keras
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from taut.engine.initial import InitialValues
from taut.engine.lanes import DIVERGED, FINISHED, STOPPED, Lane, Record, Split, check
from taut.engine.program import PADDING, Plan, build, fresh_state
from taut.engine.progress import Progress, Quiet
from taut.errors import InputError, UnsupportedError

HELD_OUT_BATCH = 1024
BLOCK_EPOCHS = 25
SNAPSHOTS = 16
BLOCK_ROWS = 1 << 24  # row numbers that a block holds at most, over all lanes: 64 MiB

_programs: weakref.WeakKeyDictionary[Any, dict[Any, Any]] = weakref.WeakKeyDictionary()


def train_lanes(
    model: Any,
    x: Any,
    y: Any,
    lanes: Sequence[Lane],
    *,
    splits: Sequence[Split] | None = None,
    sample_weight: Any = None,
    epochs: int = 100,
    batch_size: int = 32,
    patience: int | None = None,
    keep_best: bool | None = None,
    groups: Sequence[int] | None = None,
    width: int | None = None,
    progress: Progress | None = None,
) -> Record:
    r"""Train every lane of one Keras model at once, in one compiled program (JAX backend).

    Each lane is what `fit` would do: the model's own compiled loss and optimizer, batches of
    `batch_size` rows in an order drawn anew each epoch, the last batch smaller. The lanes
    differ in strengths, rows, seed and initial values, and do not touch each other: one that
    diverges ends with that status. Lane k of many equals lane k alone (to float rounding,
    since the width may differ). The model itself is left as it was.

    A slot trains one lane; a lane that ends (its epochs are over, its patience ran out, it
    diverged) leaves its slot to the next. A second call of the same shapes compiles nothing.

    Args:
        model: A compiled and built Keras model; with `taut.Proximal` for strengths.
        x: Inputs, an array [rows, …] or a tree of these.
        y: Targets, [rows, …].
        lanes: The trainings.
        splits: Training and held-out rows; one split of all rows unless given.
        sample_weight: [rows] weights of the data loss, as in Keras.
        epochs: Epochs of a lane.
        batch_size: Rows in a batch.
        patience: Stop a lane after this many epochs without a better held-out loss.
        keep_best: Keep the weights of the epoch of least held-out loss rather than the last;
            True with patience, otherwise False, unless given.
        groups: A group number for each lane. The lanes of a group (the folds of one strength,
            say) keep one common epoch, that of least held-out loss averaged over the group, of
            16 equally spaced ones. Not with patience.
        width: Lanes side by side on one device; measured unless given.
        progress: Told of the progress.

    Returns:
        A `Record`: losses by epoch, weights and status of each lane.

    Raises:
        InputError: For sizes, lanes or splits that cannot be.
        UnsupportedError: On another backend than JAX.
    """
    _check_model(model)
    rows = len(jax.tree.leaves(x)[0])
    if splits is None:
        splits = [Split(np.arange(rows))]
    check(
        lanes,
        splits,
        rows,
        len(getattr(model.optimizer, "strengths", ())),
        epochs=epochs,
        batch_size=batch_size,
    )
    held_out = all(len(split.held_out) for split in splits)
    if keep_best is None:
        keep_best = patience is not None
    if (keep_best or groups is not None or patience is not None) and not held_out:
        raise InputError(
            "`patience`, `keep_best` and `groups` need held-out rows in every split. Received: a "
            "split with none. Give `Split(train, held_out)`, or leave them out."
        )
    if groups is not None and (keep_best or patience is not None or len(groups) != len(lanes)):
        raise InputError(
            "`groups` must give one number a lane, without `patience` or `keep_best`. Received: "
            f"{len(groups)} numbers for {len(lanes)} lanes, patience={patience}, "
            f"keep_best={keep_best}."
        )
    initial = InitialValues(model)
    initial.check(lanes)
    devices = jax.local_devices()[: len(lanes)]
    mesh = Mesh(np.array(devices), ("lanes",))
    batches = _Batches(splits, batch_size)
    width = width or width_for(len(lanes))
    slots = width * len(devices)
    block = _block(epochs, patience, slots * batches.rows)
    if groups is not None:
        block = min(block, -(-epochs // SNAPSHOTS))
    plan = Plan(batch_size, block, patience, keep_best, held_out, sample_weight is not None)
    shapes = tuple((a.shape, str(a.dtype)) for a in jax.tree.leaves((x, y, sample_weight)))
    programs = _programs.setdefault(model.optimizer, {})
    key = plan, slots, tuple(devices), batches.shapes, shapes
    compiles = int(key not in programs)
    if compiles:
        programs[key] = build(model, plan, mesh)
    everywhere = NamedSharding(mesh, PartitionSpec())
    data = jax.device_put((x, y, sample_weight), everywhere)
    run = _Run(programs[key], initial, batches, lanes, groups, data, epochs, block, mesh)
    run.train(slots, progress or Quiet())
    return run.record(compiles, width)


class _Batches:
    """Row numbers by batch: an order drawn from (seed, split, epoch), padded to one shape."""

    def __init__(self, splits: Sequence[Split], batch_size: int):
        self._splits, self._batch = splits, batch_size
        self.steps = -(-max(len(s.train) for s in splits) // batch_size)
        self.rows = self.steps * batch_size
        longest = max(len(s.held_out) for s in splits)
        size = min(max(longest, 1), HELD_OUT_BATCH)
        self._held_out_shape = max(-(-longest // size), 1), size
        self.shapes = (self.steps, batch_size, *self._held_out_shape)

    def train(self, split: int, seed: int | None, epoch: int) -> np.ndarray:
        draw = np.random.default_rng([0 if seed is None else seed, split, epoch])
        order = draw.permutation(self._splits[split].train)
        padded = np.full(self.rows, PADDING, np.int32)
        padded[: len(order)] = order
        return padded.reshape(self.steps, self._batch)

    def held_out(self, split: int) -> np.ndarray:
        padded = np.full(self._held_out_shape, PADDING, np.int32)
        order = self._splits[split].held_out
        padded.reshape(-1)[: len(order)] = order
        return padded


class _Run:
    """The lanes of one call: which slot trains which lane, and what came out."""

    def __init__(
        self,
        program: Any,
        initial: InitialValues,
        batches: _Batches,
        lanes: Sequence[Lane],
        groups: Sequence[int] | None,
        data: Any,
        epochs: int,
        block: int,
        mesh: Mesh,
    ):
        self._program, self._initial, self._batches = program, initial, batches
        self._lanes, self._data, self._epochs, self._block = lanes, data, epochs, block
        self._sharding = NamedSharding(mesh, PartitionSpec("lanes"))
        self._losses = np.full((len(lanes), epochs, 2), np.nan, np.float32)
        self._status: list[str] = [""] * len(lanes)
        self._epochs_run = np.zeros(len(lanes), np.int64)
        self._best_epoch = np.zeros(len(lanes), np.int64)
        self._kept: list[Any] = [None] * len(lanes)
        self._groups = None if groups is None else list(groups)
        # (epoch, weights) of lanes whose group has not ended yet.
        self._snapshots: dict[int, list[tuple[int, Any]]] = {}

    def train(self, slots: int, progress: Progress) -> None:
        waiting = list(range(len(self._lanes)))[::-1]
        in_slot: list[int | None] = [waiting.pop() if waiting else None for _ in range(slots)]
        # Empty slots repeat the first lane; what they compute is not read.
        state = self._stack([self._initial(self._lanes[i or 0]) for i in in_slot])
        held_out = self._held_out(in_slot)
        progress.on_start(len(self._lanes), self._epochs)
        try:
            while any(i is not None for i in in_slot):
                state = self._advance(state, in_slot, held_out)
                ended = [s for s, i in enumerate(in_slot) if i is not None and self._status[i]]
                if ended:
                    state = self._replace(state, in_slot, ended, waiting)
                    held_out = self._held_out(in_slot)
                done = sum(
                    self._epochs if self._status[i] else int(self._epochs_run[i])
                    for i in range(len(self._lanes))
                )
                progress.on_update(
                    done,
                    self._epochs * len(self._lanes),
                    sum(bool(status) for status in self._status),
                    self._status.count(DIVERGED),
                )
        finally:
            progress.on_end()

    def _stack(self, values: list[Any]) -> Any:
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *values)
        return jax.device_put(fresh_state(stacked), self._sharding)

    def _held_out(self, in_slot: list[int | None]) -> Any:
        rows = np.stack([self._batches.held_out(self._lanes[i or 0].split) for i in in_slot])
        return jax.device_put(rows, self._sharding)

    def _advance(self, state: Any, in_slot: list[int | None], held_out: Any) -> Any:
        # To the next boundary of a block, or the end, of the lane that is nearest to it.
        ran = [int(self._epochs_run[i]) for i in in_slot if i is not None]
        count = min(min(self._epochs - r, self._block - r % self._block) for r in ran)
        shape = len(in_slot), self._block, *self._batches.shapes[:2]
        rows = np.full(shape, PADDING, np.int32)
        drawn: dict[Any, np.ndarray] = {}
        for slot, i in enumerate(in_slot):
            if i is None:
                rows[slot, :, 0, 0] = 0
                continue
            lane, start = self._lanes[i], int(self._epochs_run[i])
            for e in range(count):
                key = lane.split, lane.seed, start + e
                if key not in drawn:
                    drawn[key] = self._batches.train(*key)
                rows[slot, e] = drawn[key]
        rows = jax.device_put(rows, self._sharding)
        state, losses = self._program(state, rows, held_out, np.int32(count), self._data)
        losses = np.asarray(losses)
        ran, ended = np.asarray(state["epoch"]), np.asarray(state["done"])
        diverged = np.asarray(state["diverged"])
        for slot, i in enumerate(in_slot):
            if i is None:
                continue
            start = int(self._epochs_run[i])
            self._losses[i, start : start + count] = losses[slot, :count]
            self._epochs_run[i] = ran[slot]
            if diverged[slot]:
                self._status[i] = DIVERGED
            elif ran[slot] >= self._epochs:
                self._status[i] = FINISHED
            elif ended[slot]:
                self._status[i] = STOPPED
        if self._groups is not None:
            self._take_snapshots(state, in_slot)
        return state

    def _take_snapshots(self, state: Any, in_slot: list[int | None]) -> None:
        host = jax.tree.map(np.asarray, state["variables"][:2])
        for slot, i in enumerate(in_slot):
            boundary = i is not None and (self._status[i] or self._epochs_run[i] % self._block == 0)
            if i is not None and boundary:
                weights = jax.tree.map(lambda a, s=slot: a[s].copy(), host)
                self._snapshots.setdefault(i, []).append((int(self._epochs_run[i]) - 1, weights))

    def _choose_common_epoch(self, group: int) -> None:
        """Once a group has ended: the epoch of least mean held-out loss, for all its lanes."""
        assert self._groups is not None
        members = [i for i, g in enumerate(self._groups) if g == group]
        if not all(self._status[i] for i in members):
            return
        healthy = [i for i in members if self._status[i] != DIVERGED]
        if healthy:
            epochs = np.array([epoch for epoch, _ in self._snapshots[healthy[0]]])
            means = self._losses[healthy][:, epochs, 1].mean(axis=0)
            common = int(epochs[np.argmin(means)])
        for i in members:
            of = {epoch: weights for epoch, weights in self._snapshots.pop(i)}
            self._best_epoch[i] = common if i in healthy else max(of)
            self._kept[i] = of[int(self._best_epoch[i])]

    def _replace(
        self, state: Any, in_slot: list[int | None], ended: list[int], waiting: list[int]
    ) -> Any:
        """Keep what the ended lanes learned, and give their slots to lanes that wait."""
        host = jax.tree.map(np.array, state)
        lanes = [in_slot[slot] for slot in ended]
        for slot in ended:
            i = in_slot[slot]
            assert i is not None
            self._kept[i] = jax.tree.map(lambda a, s=slot: a[s].copy(), host["best"])
            self._best_epoch[i] = host["best_epoch"][slot]
            in_slot[slot] = waiting.pop() if waiting else None
        if self._groups is not None:
            for group in {self._groups[i] for i in lanes if i is not None}:
                self._choose_common_epoch(group)
        fresh = {s: self._initial(self._lanes[i]) for s in ended if (i := in_slot[s]) is not None}
        for slot, values in fresh.items():
            one = fresh_state(jax.tree.map(lambda a: np.asarray(a)[None], values))
            jax.tree.map(lambda old, new, s=slot: old.__setitem__(s, new[0]), host, one)
        return jax.device_put(host, self._sharding)

    def record(self, compiles: int, width: int) -> Record:
        trainable, non_trainable = jax.tree.map(lambda *leaves: np.stack(leaves), *self._kept)
        return Record(
            lanes=tuple(self._lanes),
            train_loss=self._losses[..., 0],
            held_out_loss=self._losses[..., 1],
            status=tuple(self._status),
            epochs=self._epochs_run,
            best_epoch=self._best_epoch,
            trainable=tuple(trainable),
            non_trainable=tuple(non_trainable),
            compiles=compiles,
            width=width,
        )


def width_for(lanes: int, most: int = 16) -> int:
    """Lanes side by side on one device: equal shares of at most `most`, so no round is part full."""
    devices = min(lanes, len(jax.local_devices()))
    rounds = -(-lanes // (devices * most))
    return -(-lanes // (devices * rounds))


def _block(epochs: int, patience: int | None, rows: int) -> int:
    """Epochs between two looks at the lanes: few with patience, so that ended lanes leave."""
    most = BLOCK_EPOCHS if patience is None else max(1, min(patience, BLOCK_EPOCHS // 2))
    most = max(1, min(most, epochs, BLOCK_ROWS // max(rows, 1)))
    return -(-epochs // -(-epochs // most))


def _check_model(model: Any) -> None:
    if keras.backend.backend() != "jax":
        raise UnsupportedError(
            "Lanes are trained on the JAX backend. Received: the backend "
            f"{keras.backend.backend()!r}. Set KERAS_BACKEND=jax before Keras is imported."
        )
    if not model.built or not getattr(model, "compiled", False):
        raise InputError(
            "`model` must be compiled and built. Received: "
            f"{model.name!r} with built={model.built}, "
            f"compiled={getattr(model, 'compiled', False)}. "
            "Add a `keras.Input` and call `model.compile(…)` first."
        )
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
