"""Slots: each trains one lane of a program, and takes the next when that lane leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from taut.engine import processes
from taut.engine.initial import InitialValues
from taut.engine.ledger import Ledger
from taut.engine.program import LANES
from taut.engine.state import LaneState

Tree = Any


class Slots:
    """Lanes side by side, their states on the devices.

    A subclass moves them on, by `advance`, and says by `count_for` how many slots there are. Lanes
    enter and leave at boundaries only, which do not depend on time: so a study that is killed and
    goes on puts the same lanes in the same slots.

    Attributes:
        holds: The number of the lane in each slot; None where it is empty.
    """

    def __init__(self, initial: InitialValues, ledger: Ledger, mesh: Mesh):
        self._initial, self._ledger, self._mesh = initial, ledger, mesh
        self._state: Any = None
        self._running: Any = None
        self.holds: list[int | None] = []

    def count_for(self, lanes: int) -> int:
        """How many slots there are for so many lanes that may be trained now."""
        raise NotImplementedError

    def placed(self) -> None:
        """Called when lanes have entered or left."""

    @property
    def lanes(self) -> list[int]:
        """The lanes in slots."""
        return [i for i in self.holds if i is not None]

    def fill(self) -> None:
        """At a boundary: take snapshots, take out what has ended or waits, fill empty slots."""
        ledger, slots = self._ledger, [s for s, i in enumerate(self.holds) if i is not None]
        leaving = [s for s in slots if self._leaves(self.holds[s])]
        due = [s for s in slots if ledger.snapshot_due(self.holds[s])]  # type: ignore[arg-type]
        host: Any = processes.to_host(self._state) if leaving or due else None
        for slot in due:
            weights = _slice(host.variables[:2], slot)
            ledger.snapshot(self.holds[slot], weights)  # type: ignore[arg-type]
        for slot in leaving:
            i = self.holds[slot]
            assert i is not None
            if ledger.status[i]:
                ledger.end(i, _slice(replace(host, variables=()), slot))
            else:
                ledger.states[i] = _slice(host, slot)
            self.holds[slot] = None
        entering = list(ledger.ready(set(self.lanes)))
        if not (leaving or entering):
            return
        count = self.count_for(len(self.lanes) + len(entering))
        if not self.lanes and not entering:
            self._state = None
            return
        self._resize(count, host)
        empty = [s for s, i in enumerate(self.holds) if i is None]
        filled = list(zip(empty, entering, strict=False))
        for slot, i in filled:
            self.holds[slot] = i
        if filled:
            self._load([slot for slot, _ in filled])
        self.placed()

    def place(self, holds: list[int | None]) -> None:
        """Put lanes in the slots where they were when a checkpoint was written."""
        self.holds = list(holds)
        if self.lanes:
            self._load([slot for slot, i in enumerate(holds) if i is not None])
            self.placed()

    def states(self) -> dict[int, LaneState]:
        """The present states of the lanes in slots, on the host."""
        if not self.lanes:
            return {}
        host = processes.to_host(self._state)
        return {i: _slice(host, slot) for slot, i in enumerate(self.holds) if i is not None}

    def close(self) -> None:
        """An interrupt may come while the device works: nothing may be in flight at exit."""
        jax.block_until_ready(self._running)

    def note(self, losses: Any) -> None:
        """Tell the ledger that every lane has run on, with [slots, epochs, 2] losses."""
        verdict = {name: getattr(self._state, name) for name in ("epoch", "done", "diverged")}
        losses, verdict = processes.to_host((losses, verdict))
        for slot, i in enumerate(self.holds):
            if i is not None and not self._ledger.status[i]:
                self._ledger.note(i, losses[slot], **{k: v[slot] for k, v in verdict.items()})

    def _leaves(self, i: int | None) -> bool:
        assert i is not None
        return bool(self._ledger.status[i]) or self._ledger.ran[i] >= self._ledger.goal(i)

    def _resize(self, count: int, host: Any) -> None:
        """Have `count` slots; where these are others, the lanes are in the first of them."""
        if count == len(self.holds):
            return
        slots = [s for s, i in enumerate(self.holds) if i is not None]
        self.holds = [self.holds[s] for s in slots] + [None] * (count - len(slots))
        if not slots:
            self._state = None
            return
        host = processes.to_host(self._state) if host is None else host
        # Empty slots repeat another lane; what they compute is not read.
        at = np.array(slots + slots[:1] * (count - len(slots)))
        self._state = self._put(jax.tree.map(lambda a: a[at], host))

    def _load(self, slots: list[int]) -> None:
        new = {slot: self._initial.state(self._ledger, self.holds[slot]) for slot in slots}  # type: ignore[arg-type]
        if self._state is None:
            spare = next(iter(new.values()))
            states = [new.get(slot, spare) for slot in range(len(self.holds))]
            self._state = self._put(jax.tree.map(lambda *leaves: np.stack(leaves), *states))
            return
        host = jax.tree.map(np.array, processes.to_host(self._state))
        for slot, state in new.items():
            jax.tree.map(lambda old, leaf, s=slot: old.__setitem__(s, leaf), host, state)
        self._state = self._put(host)

    def _put(self, tree: Tree) -> Tree:
        return processes.put(tree, self._mesh, LANES)


def _slice(tree: Tree, slot: int) -> Tree:
    return jax.tree.map(lambda a: a[slot].copy(), tree)
