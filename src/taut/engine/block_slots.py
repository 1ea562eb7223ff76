"""Slots that are moved on over blocks of rows, as they are read (JAX)."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from taut._weights import mean_weight
from taut.engine import loop, processes
from taut.engine.convolutions import over_patches_of
from taut.engine.data.fold_batches import held_out_rows, steps_in, training_rows
from taut.engine.data.prefetch import Prefetch
from taut.engine.data.reading import Budget, Layout, blocks, in_order
from taut.engine.data.sources import first_rows
from taut.engine.initial import InitialValues
from taut.engine.ledger import Ledger
from taut.engine.program import EVERYWHERE, block_by_block
from taut.engine.slots import Slots
from taut.engine.step import Block, Plan
from taut.engine.study import Stream, Study
from taut.engine.width import most_side_by_side
from taut.errors import InputError


@dataclass
class Position:
    """How far an epoch is, between two blocks of rows.

    Attributes:
        blocks: Blocks done of the present pass.
        sums: [slots] Σ w·l over these blocks; empty before the first.
        counted: [folds] Σ w of each fold's lanes in these blocks, the number of their rows where
            all count alike; empty before the first.
        train: [slots] training losses of the epoch once it is measured; empty before.
    """

    blocks: int = 0
    sums: Any = field(default_factory=lambda: np.empty(0))
    counted: Any = field(default_factory=lambda: np.empty(0))
    train: Any = field(default_factory=lambda: np.empty(0))


class BlockSlots(Slots):
    """Slots that are moved on over blocks of rows, each read once for all of them.

    An epoch is a pass that trains and, with folds, one that measures. Once the lanes fill no more
    than half of the slots these are cut to the half, the quarter, … that holds them: so the numbers
    of slots are few, and so are programs.
    """

    def __init__(
        self,
        study: Study,
        stream: Stream,
        layout: Layout,
        budget: Budget,
        initial: InitialValues,
        ledger: Ledger,
        mesh: Mesh,
        programs: dict[Any, Any],
    ):
        super().__init__(initial, ledger, mesh)
        self._study, self._stream, self._programs = study, stream, programs
        self._layout, self._budget = layout, budget
        self._most = study.width or most_side_by_side(study.model)

        def row() -> tuple[Any, Any]:
            first = first_rows(stream.source, 1)
            return first.x, first.y

        self._plan = Plan(
            study.rules,
            study.batch_size,
            gaps=stream.number > 1,
            own_moments=True,
            **over_patches_of(study.model, row),
        )
        self._at = Position()
        self._live: Any = None
        self._prefetch: Prefetch[tuple[Block, np.ndarray]] | None = None
        rows = stream.rows
        # How many blocks there are in a pass; None where it is not known yet.
        self._blocks = None if rows is None else -(-rows // (budget.steps * study.batch_size))
        self.first_width: int = self._shape(-(-len(study.lanes) // mesh.size))[1]

    @staticmethod
    def bytes_a_lane(values: Any, *, snapshots: int) -> int:
        """Of its variables and best weights, each twice while a program runs, and the result."""
        sizes = [sum(a.nbytes for a in jax.tree.leaves(part)) for part in (values, values[:2])]
        return 2 * sizes[0] + (3 + snapshots) * sizes[1]

    def count_for(self, lanes: int) -> int:
        devices = self._mesh.size
        local = -(-len(self.holds or self._study.lanes) // devices)
        if not self.holds:
            return self._shape(local)[0] * devices
        least = local
        while least > 1 and -(-least // 2) * devices >= lanes:
            least = -(-least // 2)
        least = self._shape(least)[0]
        return min(least, local) * devices

    def placed(self) -> None:
        self._live = self._put(np.array([i is not None for i in self.holds]))

    def fill(self) -> None:
        if not self._at.blocks and not len(self._at.train):
            super().fill()

    def advance(self, watch: loop.Watch) -> None:
        stream, at = self._stream, self._at
        trains, ends, measures = self._programs_now()
        epoch = int(self._ledger.ran[self.lanes[0]])
        if not len(at.train):

            def train(block: Block) -> Any:
                self._state, sums = trains(self._state, self._live, block)
                return sums

            order = (stream.seed, epoch) if stream.shuffle else None
            losses = self._pass(train, training_rows, order, watch)
            at = self._at = Position(train=losses)
        held_out = np.full(len(self.holds), np.nan)
        if self._study.rules.held_out:
            measure = partial(self._measured, measures)
            held_out = self._pass(measure, held_out_rows, None, watch)
        losses = np.stack([at.train, held_out], axis=1).astype(np.float32)
        self._state = ends(self._state, self._put(losses))
        self._at = Position()
        self.note(losses[:, None])
        watch.look()

    def numbers(self) -> dict[str, Any]:
        position = {k: np.asarray(v).tolist() for k, v in asdict(self._at).items()}
        return {"holds": self.holds, "position": position}

    def restore(self, numbers: dict[str, Any]) -> None:
        self.place(numbers["holds"])
        at = numbers["position"]
        arrays = (np.array(at[name], float) for name in ("sums", "counted", "train"))
        self._at = Position(at["blocks"], *arrays)

    def close(self) -> None:
        """Leave no thread either, should an interrupt have come while it was being stopped."""
        if self._prefetch is not None:
            self._prefetch.close()
        super().close()

    def _measured(self, measures: Callable[..., Any], block: Block) -> Any:
        return measures(self._state, self._live, block)

    def _pass(
        self,
        run: Callable[[Block], Any],
        batches: Callable[..., np.ndarray],
        order: Sequence[int] | None,
        watch: loop.Watch,
    ) -> np.ndarray:
        """Run a program over every block, in the source's order or one drawn; [slots] mean loss.

        Blocks that are done by the present position are read and left out.
        """
        at, slots = self._at, len(self.holds)
        if not at.blocks:
            at.sums, at.counted = np.zeros(slots), np.zeros(self._stream.number)
        nothing = np.zeros(slots)
        self._running = nothing
        made = partial(self._read, batches, order, at.blocks)
        self._prefetch = Prefetch(made)
        with self._prefetch:
            for block, counted in self._prefetch:
                at.counted += counted
                placed = processes.put(block, self._mesh, EVERYWHERE)  # while the last one runs
                at.sums += np.asarray(self._running, np.float64)
                self._running = run(placed)
                at.blocks += 1
                del placed, block
                if watch.wanted():
                    at.sums += np.asarray(self._running, np.float64)
                    self._running = nothing
                    watch.look(self._share())
        folds = np.array([self._ledger.lanes[i or 0].split for i in self.holds])
        _check_folds(at.counted[folds], self._stream.number)
        at.sums += np.asarray(self._running, np.float64)
        self._running, self._blocks = nothing, at.blocks
        return at.sums / at.counted[folds]

    def _read(
        self,
        batches: Callable[..., np.ndarray],
        order: Sequence[int] | None,
        done: int,
        stop: threading.Event,
    ) -> Iterator[tuple[Block, np.ndarray]]:
        stream, size = self._stream, self._study.batch_size
        pieces = in_order(stream.source, self._layout, self._budget, order, stop)
        read = blocks(pieces, self._layout, self._budget.steps * size)
        for rows, count in itertools.islice(read, done, None):
            numbers = batches(rows, stream.divided(rows[:count]), stream.number, size)
            counted = np.array([_counted(rows.weight, of_fold) for of_fold in numbers])
            yield Block(replace(rows, group=None), numbers, np.int32(steps_in(numbers))), counted

    def _share(self) -> float:
        """The share of the epoch that is done, in rows read; 0 where it is not known."""
        if self._blocks is None:
            return 0.0
        passes = 2 if self._study.rules.held_out else 1
        return (bool(len(self._at.train)) + min(self._at.blocks / self._blocks, 1.0)) / passes

    def _shape(self, local: int) -> tuple[int, int]:
        """Slots on a device, at least `local`, and how many of these side by side."""
        rounds = -(-local // self._most)
        width = -(-local // rounds)
        return rounds * width, width

    def _programs_now(self) -> Any:
        slots, devices = len(self.holds), tuple(self._mesh.devices.flat)
        width = self._shape(slots // self._mesh.size)[1]
        key = self._plan, slots, width, devices, self._layout, self._budget.steps
        key = *key, self._stream.number
        if ("train", *key) not in self._programs:
            trains, measures, ends = block_by_block(
                self._study.model, self._plan, self._mesh, width
            )
            self._programs["train", *key] = trains, ends
            self._programs["measure", *key] = measures
        return *self._programs["train", *key], self._programs["measure", *key]


def _counted(weights: Any, numbers: np.ndarray) -> float:
    """What the rows of these numbers count together."""
    rows = numbers[numbers >= 0]
    return len(rows) * mean_weight(weights, rows) if len(rows) else 0.0


def _check_folds(counted: np.ndarray, folds: int) -> None:
    if not counted.all():
        raise InputError(
            "Every fold needs rows of a weight above 0 to train on, and held out; equal rows, and "
            f"those of a group, are in one fold. Received: a fold without, with folds={folds}. "
            "Use fewer folds, or more rows."
        )
