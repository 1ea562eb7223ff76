"""Slots: each trains one lane, and takes the next when that lane has ended."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from taut.engine.batches import Batches
from taut.engine.initial import InitialValues
from taut.engine.lanes import DIVERGED, FINISHED, STOPPED, Lane, Record
from taut.engine.program import PADDING, fresh_state
from taut.engine.progress import Progress


class Run:
    """The lanes of one call: which slot trains which lane, and what came out."""

    def __init__(
        self,
        program: Any,
        initial: InitialValues,
        batches: Batches,
        lanes: Sequence[Lane],
        groups: Sequence[int] | None,
        data: Any,
        epochs: int,
        block: int,
        slots: int,
        mesh: Mesh,
    ):
        self._program, self._initial, self._batches = program, initial, batches
        self._lanes, self._data, self._epochs, self._block = lanes, data, epochs, block
        self._slots = slots
        self._sharding = NamedSharding(mesh, PartitionSpec("lanes"))
        self._losses = np.full((len(lanes), epochs, 2), np.nan, np.float32)
        self._status: list[str] = [""] * len(lanes)
        self._epochs_run = np.zeros(len(lanes), np.int64)
        self._best_epoch = np.zeros(len(lanes), np.int64)
        self._kept: list[Any] = [None] * len(lanes)
        self._last_losses: Any = None
        self._groups = None if groups is None else list(groups)
        # (epoch, weights) of lanes whose group has not ended yet.
        self._snapshots: dict[int, list[tuple[int, Any]]] = {}

    def seconds_an_epoch(self) -> float:
        """Time one epoch of full slots, compilation apart; nothing of it is kept."""
        in_slot: list[int | None] = [i % len(self._lanes) for i in range(self._slots)]
        state, held_out = self._fill(in_slot), self._held_out(in_slot)
        rows = jax.device_put(self._rows(in_slot, 1), self._sharding)
        best = math.inf
        for _ in range(2):  # the first compiles
            started = time.perf_counter()
            state, losses = self._program(state, rows, held_out, np.int32(1), self._data)
            jax.block_until_ready(losses)
            best = min(best, time.perf_counter() - started)
        return best

    def train(self, progress: Progress) -> None:
        """Train every lane to its end."""
        waiting = list(range(len(self._lanes)))[::-1]
        in_slot = [waiting.pop() if waiting else None for _ in range(self._slots)]
        state, held_out = self._fill(in_slot), self._held_out(in_slot)
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
            # An interrupt may come while the device works: nothing may be in flight at exit.
            jax.block_until_ready(self._last_losses)
            progress.on_end()

    def _fill(self, in_slot: list[int | None]) -> Any:
        # Empty slots repeat the first lane; what they compute is not read.
        values = [self._initial(self._lanes[i or 0]) for i in in_slot]
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *values)
        return jax.device_put(fresh_state(stacked), self._sharding)

    def _held_out(self, in_slot: list[int | None]) -> Any:
        rows = np.stack([self._batches.held_out(self._lanes[i or 0].split) for i in in_slot])
        return jax.device_put(rows, self._sharding)

    def _advance(self, state: Any, in_slot: list[int | None], held_out: Any) -> Any:
        # To the next boundary of a block, or the end, of the lane that is nearest to it.
        ran = [int(self._epochs_run[i]) for i in in_slot if i is not None]
        count = min(min(self._epochs - r, self._block - r % self._block) for r in ran)
        rows = jax.device_put(self._rows(in_slot, count), self._sharding)
        state, losses = self._program(state, rows, held_out, np.int32(count), self._data)
        self._last_losses = losses
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

    def _rows(self, in_slot: list[int | None], count: int) -> np.ndarray:
        """[slots, block, steps, batch] row numbers of the next `count` epochs of each slot."""
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
        return rows

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
            of = dict(self._snapshots.pop(i))
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
        """What became of the lanes."""
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
