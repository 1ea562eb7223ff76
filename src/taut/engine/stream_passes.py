"""Passes over a source for all lanes at once: training, and the held-out loss."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from taut.engine.ahead import ReadAhead
from taut.engine.hashing import fold_of, row_hash
from taut.engine.lanes import Lane
from taut.engine.reading import Budget, Layout, blocks, in_order
from taut.engine.sources import Rows, Source
from taut.engine.stream_lanes import Stack
from taut.engine.stream_program import Block, build, held_out_batches, training_batches
from taut.engine.stream_watch import Position, Watch
from taut.errors import InputError


class Passes:
    """Passes over the source: each of its blocks is put on the devices once, for all lanes."""

    def __init__(
        self,
        model: Any,
        source: Source,
        lanes: Sequence[Lane],
        stack: Stack,
        programs: dict[Any, Any],
        mesh: Mesh,
        layout: Layout,
        budget: Budget,
        folds: int,
        fold_seed: int,
        batch_size: int,
        watch: Watch,
    ):
        self._model, self._stack, self._programs, self._mesh = model, stack, programs, mesh
        self._source, self._layout, self._budget = source, layout, budget
        self._folds, self._fold_seed, self._batch = folds, fold_seed, batch_size
        self._splits = np.array([lane.split for lane in lanes])
        self._everywhere = NamedSharding(mesh, PartitionSpec())
        self._watch = watch
        self._ahead: ReadAhead[Block] | None = None

    def train(self, order: Sequence[int] | None, position: Position) -> np.ndarray:
        """Train on every row, in the source's order or one drawn; [lanes] mean loss.

        Blocks that are done by `position` are read and left out.
        """
        stack, program = self._stack, self._program(training=True)

        def run(block: Block) -> Any:
            stack.variables, sums = program(stack.variables, stack.live, stack.split, block)
            return sums

        return self._mean(run, order, training_batches, position)

    def measure(self, position: Position) -> np.ndarray:
        """[lanes] mean loss on the held-out rows."""
        stack, program = self._stack, self._program(training=False)

        def run(block: Block) -> Any:
            return program(stack.variables[:2], stack.live, stack.split, block)

        return self._mean(run, None, held_out_batches, position)

    def close(self) -> None:
        """Leave no thread, should an interrupt have come while one was being stopped."""
        if self._ahead is not None:
            self._ahead.close()

    def _program(self, *, training: bool) -> Any:
        slots, width, devices = len(self._stack.numbers), self._stack.width, self._mesh.devices
        key = training, slots, width, tuple(devices.flat), self._layout, self._budget.steps
        key = *key, self._batch, self._folds
        if key not in self._programs:
            self._programs[key] = build(
                self._model, self._mesh, width, training=training, may_lack_rows=self._folds > 1
            )
        return self._programs[key]

    def _mean(
        self,
        run: Callable[[Block], Any],
        order: Sequence[int] | None,
        batches: Callable[..., Block],
        at: Position,
    ) -> np.ndarray:
        numbers = self._stack.numbers
        if not at.blocks:
            at.sums, at.rows = np.zeros(len(numbers)), np.zeros(self._folds, np.int64)
        nothing = np.zeros(len(numbers))
        running: Any = nothing
        done = at.blocks
        self._ahead = ReadAhead(lambda stop: self._blocks(order, batches, done, stop))
        try:
            with self._ahead:
                for block in self._ahead:
                    at.rows += block.counts.sum(axis=1)
                    placed = jax.device_put(block, self._everywhere)  # while the last one runs
                    at.sums += np.asarray(running, np.float64)
                    running = run(placed)
                    at.blocks += 1
                    del placed, block
                    if self._watch.wanted():
                        at.sums += np.asarray(running, np.float64)
                        running = nothing
                        self._watch.look(at)
        finally:
            # An interrupt may come while the device works: nothing may be in flight at exit.
            jax.block_until_ready(running)
        _check_folds(at.rows[self._splits], self._folds)
        at.sums += np.asarray(running, np.float64)
        self._watch.blocks = at.blocks
        means = np.full(len(self._splits), np.nan)
        for slot, i in enumerate(numbers):
            if i is not None:
                means[i] = at.sums[slot] / at.rows[self._splits[i]]
        return means

    def _blocks(
        self,
        order: Sequence[int] | None,
        batches: Callable[..., Block],
        done: int,
        stop: threading.Event,
    ) -> Iterator[Block]:
        pieces = in_order(self._source, self._layout, self._budget, order, stop)
        every = blocks(pieces, self._layout, self._budget.steps * self._batch)
        for rows, count in itertools.islice(every, done, None):
            yield batches(rows, self._fold_of(rows, count), self._folds, self._batch)

    def _fold_of(self, rows: Rows, count: int) -> np.ndarray:
        if self._folds == 1:
            return np.zeros(count, np.int32)
        true = rows[:count]
        return fold_of(row_hash(true.x, true.y), self._folds, self._fold_seed)


def _check_folds(rows: np.ndarray, folds: int) -> None:
    if not rows.all():
        raise InputError(
            "Every fold needs rows to train on and rows held out; equal rows are in one fold. "
            f"Received: a fold without, with folds={folds}. Use fewer folds, or more rows."
        )
