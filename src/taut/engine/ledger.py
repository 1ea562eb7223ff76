"""The ledger: what is known of every lane of a study, on the host. A checkpoint holds it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from taut.engine.halving import Halving
from taut.engine.lanes import DIVERGED, DROPPED, FINISHED, STOPPED, Lane, Record
from taut.engine.race import Race, nothing_of
from taut.engine.state import LaneState

Tree = Any
SNAPSHOTS, LEAST_SNAPSHOTS, SNAPSHOT_BYTES = 16, 4, 1 << 29
"""Epochs that the lanes of a group choose from, at most: fewer where the snapshots of all lanes
would take more bytes than these, but the second at least."""


def snapshots_for(lanes: int, weights: int) -> int:
    """How many epochs groups of lanes choose from, each lane of so many weights (float32)."""
    return min(max(SNAPSHOT_BYTES // (4 * max(lanes * weights, 1)), LEAST_SNAPSHOTS), SNAPSHOTS)


class Ledger:
    """Losses, status and weights of lanes, and which lane may be trained next.

    Attributes:
        losses: [lanes, epochs, 2] training and held-out losses.
        status: By lane; "" until it has ended.
        ran: [lanes] epochs run.
        best_epoch: [lanes] the epoch whose weights are kept.
        kept: The (trainable, non-trainable) weights of lanes that have ended.
        states: The states of lanes that have begun and wait for a slot.
        snapshots: (epoch, weights) of lanes whose group has not ended yet.
        rung: How many rungs of the halving, or splits of the race, have been judged.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        epochs: int,
        *,
        groups: Sequence[int] | None = None,
        halving: Halving | None = None,
        race: Race | None = None,
        snapshots: int = SNAPSHOTS,
        counted: np.ndarray | None = None,
    ):
        self.lanes: tuple[Lane, ...] = tuple(lanes)
        self.epochs: int = epochs
        self._groups = None if groups is None else list(groups)
        self._halving, self._race, self._snapshots = halving, race, snapshots
        self._counted = counted
        self._lengths = [lane.epochs or epochs for lane in lanes]
        self.losses: np.ndarray = np.full((len(lanes), epochs, 2), np.nan, np.float32)
        self.status: list[str] = [""] * len(lanes)
        self.ran: np.ndarray = np.zeros(len(lanes), np.int64)
        self.best_epoch: np.ndarray = np.zeros(len(lanes), np.int64)
        self.kept: dict[int, Tree] = {}
        self.states: dict[int, LaneState] = {}
        self.snapshots: dict[int, list[tuple[int, Tree]]] = {}
        self.rung: int = 0

    @property
    def interval(self) -> int | None:
        """Epochs from one snapshot of a lane to the next; None where groups share no epoch."""
        return None if self._groups is None else -(-self.epochs // self._snapshots)

    def goal(self, i: int) -> int:
        """The number of epochs up to which lane i may run now."""
        rungs = () if self._halving is None else tuple(self._halving.rungs)
        return min([self._lengths[i], *rungs[self.rung : self.rung + 1]])

    def ready(self, busy: set[int]) -> Iterator[int]:
        """The lanes that may go on and are in no slot, in their order."""
        for i, lane in enumerate(self.lanes):
            if self.status[i] or i in busy or self.ran[i] >= self.goal(i):
                continue
            if self._race is not None and lane.split > self.rung:
                continue
            if lane.start is None or lane.start in self.kept:
                yield i

    def start_of(self, i: int) -> int | None:
        """The lane from whose weights lane i starts."""
        start = self.lanes[i].start
        return None if start is None or self.status[start] == DIVERGED else start

    def note(self, i: int, losses: np.ndarray, *, epoch: int, done: bool, diverged: bool) -> None:
        """Lane i ran on to an epoch: its losses [epochs, 2], and the verdict of its state.

        The losses are Σ w·l / n, as a training has them; kept is Σ w·l / Σ w, so that those of
        folds whose rows have other weights can be compared, and averaged.
        """
        if self._counted is not None:
            losses = losses / self._counted[self.lanes[i].split]
        at = int(self.ran[i])
        self.losses[i, at : at + len(losses)] = losses[: self.epochs - at]
        self.ran[i] = epoch
        if diverged:
            self.status[i] = DIVERGED
        elif self.ran[i] >= self._lengths[i]:
            self.status[i] = FINISHED
        elif done:
            self.status[i] = STOPPED

    def snapshot_due(self, i: int) -> bool:
        """Whether the group of lane i may choose the weights that it has now."""
        if self.interval is None:
            return False
        return bool(self.status[i]) or self.ran[i] % self.interval == 0

    def snapshot(self, i: int, weights: Tree) -> None:
        """Lane i of a group is at a boundary, with these weights."""
        self.snapshots.setdefault(i, []).append((int(self.ran[i]) - 1, weights))

    def end(self, i: int, state: LaneState) -> None:
        """Lane i has ended, and leaves its slot."""
        if i in self.kept:
            return  # with its group, which another lane has just completed
        self.best_epoch[i] = state.best_epoch
        if self._groups is None:
            self.kept[i] = state.best
        else:
            self._choose_common_epoch(self._groups[i])

    def _choose_common_epoch(self, group: int) -> None:
        """Once a group has ended: the epoch of least mean held-out loss, for all its lanes."""
        members = self._members(group)
        if not all(self.status[i] for i in members):
            return
        members = [i for i in members if i in self.snapshots]
        common, _ = self._common_epoch(members)
        for i in members:
            snapshots = dict(self.snapshots.pop(i))
            self.best_epoch[i] = max(snapshots) if self.status[i] == DIVERGED else common
            self.kept[i] = snapshots[int(self.best_epoch[i])]

    def _members(self, group: int) -> list[int]:
        assert self._groups is not None
        return [i for i, g in enumerate(self._groups) if g == group]

    def _common_epoch(self, members: list[int]) -> tuple[int, float]:
        """The epoch of least mean held-out loss of lanes that have snapshots, and that loss."""
        healthy = [i for i in members if self.status[i] != DIVERGED]
        if not healthy:
            return -1, np.inf
        epochs = np.array([epoch for epoch, _ in self.snapshots[healthy[0]]])
        means = self.losses[healthy][:, epochs, 1].mean(axis=0)
        loss = float(means.min()) if len(healthy) == len(members) else np.inf
        return int(epochs[np.argmin(means)]), loss

    def judge(self) -> bool:
        """Once no lane may run: drop what the next rung says. Whether there was a rung left."""
        if self._race is not None:
            return self._judge_split(self._race)
        if self._halving is None or self.rung >= len(self._halving.rungs):
            return False
        alive = self._halving.alive(self.status)
        seen = np.arange(self.epochs) < self.ran[:, None]
        scores = np.where(seen, self.losses[..., 1], np.inf).min(axis=1)
        scores[[s == DIVERGED for s in self.status]] = np.inf
        for i in self._halving.dropped(scores, alive):
            if i in self.states:
                state = self.states.pop(i)
                self.best_epoch[i], self.kept[i] = state.best_epoch, state.best
            if self.status[i] != DIVERGED:
                self.status[i] = DROPPED
        self.rung += 1
        return True

    def _judge_split(self, race: Race) -> bool:
        """Leave out of the next split what is not among the better; whether there is one."""
        if self.rung >= max(lane.split for lane in self.lanes):
            return False
        self.rung += 1
        if self.rung < race.after:
            return True
        assert self._groups is not None
        waiting = sorted({g for g, s in zip(self._groups, self.status, strict=True) if not s})
        begun = {g: [i for i in self._members(g) if i in self.snapshots] for g in waiting}
        for group in race.left_out({g: self._common_epoch(m)[1] for g, m in begun.items()}):
            model_of = self.snapshots[begun[group][0]][0][1]
            for i in self._members(group):
                if not self.status[i]:
                    self.status[i] = DROPPED
                    self.kept[i] = tuple(nothing_of(weights) for weights in model_of)
            self._choose_common_epoch(group)
        return True

    def forget(self, i: int) -> None:
        """Lane i was lost while it trained: it begins again."""
        self.losses[i], self.ran[i], self.status[i] = np.nan, 0, ""
        self.snapshots.pop(i, None)

    def lane_epochs(self, share: float = 0.0) -> tuple[float, int]:
        """Epochs of all lanes together: done or saved by lanes that ended, and in total.

        Args:
            share: Of an epoch that every other lane has done beyond those that it ran.
        """
        lanes = zip(self._lengths, self.ran, self.status, strict=True)
        done = sum(n if status else int(ran) + share for n, ran, status in lanes)
        return done, sum(self._lengths)

    def record(self, compiles: int, width: int) -> Record:
        """What became of the lanes, once all have ended."""
        in_order = [self.kept[i] for i in range(len(self.lanes))]
        trainable, non_trainable = jax.tree.map(lambda *leaves: np.stack(leaves), *in_order)
        return Record(
            lanes=self.lanes,
            train_loss=self.losses[..., 0],
            held_out_loss=self.losses[..., 1],
            status=tuple(self.status),
            epochs=self.ran,
            best_epoch=self.best_epoch,
            trainable=tuple(trainable),
            non_trainable=tuple(non_trainable),
            compiles=compiles,
            width=width,
        )
