"""Slots: each trains one lane of the program, and takes the next when that lane leaves."""

from __future__ import annotations

import math
import time
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from taut.engine import hosts
from taut.engine.batches import Batches
from taut.engine.initial import InitialValues
from taut.engine.ledger import Ledger
from taut.engine.program import HELD_OUT, LANES, PADDING, ROWS

Tree = Any


class Slots:
    """The lanes side by side in one program, their states on the devices.

    Attributes:
        holds: The number of the lane in each slot; None where it is empty.
    """

    def __init__(
        self,
        program: Any,
        initial: InitialValues,
        batches: Batches,
        ledger: Ledger,
        data: Tree,
        *,
        block: int,
        count: int,
        mesh: Mesh,
    ):
        self._program, self._initial, self._batches = program, initial, batches
        self._ledger, self._data, self._block, self._mesh = ledger, data, block, mesh
        self._state: Tree = None
        self._held_out: Any = None
        self._last_losses: Any = None
        self.holds: list[int | None] = [None] * count

    def seconds_an_epoch(self) -> float:
        """Time one epoch of full slots, compilation apart; nothing of it is kept."""
        lanes = len(self._ledger.lanes)
        holds: list[int | None] = [i % lanes for i in range(len(self.holds))]
        first = [self._initial.state(self._ledger, i or 0, cold=True) for i in holds]
        state = self._put(jax.tree.map(lambda *leaves: np.stack(leaves), *first), LANES)
        rows, held_out = self._put(self._rows(holds, 1), ROWS), self._held_out_rows(holds)
        best = math.inf
        for _ in range(2):  # the first compiles
            started = time.perf_counter()
            state, losses = self._program(state, rows, held_out, np.int32(1), self._data)
            jax.block_until_ready(losses)
            best = min(best, time.perf_counter() - started)
        return hosts.agreed(best)

    def boundary(self) -> int:
        """Epochs to the nearest end of a block, or of its run, of a lane in a slot."""
        ledger, block = self._ledger, self._block
        live = [i for i in self.holds if i is not None and not ledger.status[i]]
        every = [block] if ledger.interval is None else [block, ledger.interval]
        ran = {i: int(ledger.ran[i]) for i in live}
        left = [min(ledger.goal(i) - ran[i], *(e - ran[i] % e for e in every)) for i in live]
        return min(left, default=0)

    def advance(self, epochs: int) -> None:
        """Train every lane in a slot for so many epochs, and tell the ledger."""
        rows = self._put(self._rows(self.holds, epochs), ROWS)
        self._state, self._last_losses = self._program(
            self._state, rows, self._held_out, np.int32(epochs), self._data
        )
        told = {k: self._state[k] for k in ("epoch", "done", "diverged")}
        losses, told = hosts.to_host((self._last_losses, told))
        for slot, i in enumerate(self.holds):
            if i is not None and not self._ledger.status[i]:
                numbers = {name: values[slot] for name, values in told.items()}
                self._ledger.note(i, losses[slot, :epochs], numbers)

    def at_boundary(self) -> None:
        """Take snapshots, take out what has ended or waits, and fill the empty slots."""
        ledger = self._ledger
        if ledger.interval is not None and self._state is not None:
            weights = hosts.to_host(self._state["variables"][:2])
            for slot, i in enumerate(self.holds):
                if i is not None and (ledger.status[i] or ledger.ran[i] % ledger.interval == 0):
                    ledger.snapshot(i, _slice(weights, slot))
        leaving = [
            slot
            for slot, i in enumerate(self.holds)
            if i is None or ledger.status[i] or ledger.ran[i] >= ledger.goal(i)
        ]
        state = None
        for slot in leaving:
            i = self.holds[slot]
            if i is not None:
                state = hosts.to_host(self._state) if state is None else state
                ledger.take_out(i, _slice(state, slot))
                self.holds[slot] = None
        entering = ledger.ready({i for i in self.holds if i is not None})
        filled = []
        for slot, i in zip(leaving, entering, strict=False):
            self.holds[slot] = i
            filled.append(slot)
        if filled:
            self._load(filled, state)

    def place(self, holds: list[int | None]) -> None:
        """Put lanes in the slots where they were when a checkpoint was written."""
        self.holds = list(holds)
        self._load([slot for slot, i in enumerate(holds) if i is not None], None)

    def states(self) -> dict[int, Tree]:
        """The present states of the lanes in slots."""
        if not any(i is not None for i in self.holds):
            return {}
        host = hosts.to_host(self._state)
        return {i: _slice(host, slot) for slot, i in enumerate(self.holds) if i is not None}

    def wait(self) -> None:
        """An interrupt may come while the device works: nothing may be in flight at exit."""
        jax.block_until_ready(self._last_losses)

    def _load(self, slots: list[int], host: Tree | None) -> None:
        states = ((slot, self.holds[slot]) for slot in slots)
        new = {s: self._initial.state(self._ledger, i) for s, i in states if i is not None}
        if self._state is None:
            # Empty slots repeat another lane; what they compute is not read.
            spare = next(iter(new.values()))
            every = [new.get(slot, spare) for slot in range(len(self.holds))]
            host = jax.tree.map(lambda *leaves: np.stack(leaves), *every)
        else:
            host = jax.tree.map(np.array, hosts.to_host(self._state) if host is None else host)
            for slot, values in new.items():
                jax.tree.map(lambda old, one, s=slot: old.__setitem__(s, one), host, values)
        self._state = self._put(host, LANES)
        self._held_out = self._held_out_rows(self.holds)

    def _held_out_rows(self, holds: list[int | None]) -> Any:
        lanes = self._ledger.lanes
        rows = np.stack([self._batches.held_out(lanes[i or 0].split) for i in holds])
        return self._put(rows, HELD_OUT)

    def _rows(self, holds: list[int | None], count: int) -> np.ndarray:
        """[slots, block, steps, batch] row numbers of the next `count` epochs of each slot."""
        shape = len(holds), self._block, *self._batches.shapes[:2]
        rows = np.full(shape, PADDING, np.int32)
        drawn: dict[Any, np.ndarray] = {}
        for slot, i in enumerate(holds):
            if i is None:
                rows[slot, :, 0, 0] = 0
                continue
            lane, start = self._ledger.lanes[i], int(self._ledger.ran[i])
            for e in range(count):
                key = lane.split, lane.seed, start + e
                if key not in drawn:
                    drawn[key] = self._batches.train(*key)
                rows[slot, e] = drawn[key]
        return rows

    def _put(self, tree: Tree, spec: Any) -> Tree:
        return hosts.put(tree, self._mesh, spec)


def _slice(tree: Tree, slot: int) -> Tree:
    return jax.tree.map(lambda a: a[slot].copy(), tree)
