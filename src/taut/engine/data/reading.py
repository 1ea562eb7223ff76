"""Rows of a source as blocks of equal shape, within a memory bound."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from taut.engine.data.sources import Rows, Source
from taut.errors import InputError

SLABS = 32
"""Places of an array that are mixed in one shuffle buffer."""
MOST_STEPS = 256
"""Batches in a block: enough that the call of a program for each costs nothing."""


@dataclass(frozen=True)
class Layout:
    """Structure, shapes and types of rows, as they are on a device."""

    structure: Any
    leaves: tuple[tuple[tuple[int, ...], np.dtype[Any]], ...]

    @classmethod
    def of(cls, rows: Rows) -> Layout:
        """The layout of these rows.

        Raises:
            InputError: If an array holds no numbers.
        """
        leaves, structure = jax.tree.flatten(rows)
        for leaf in leaves:
            if leaf.dtype.kind not in "biuf" and leaf.dtype.name != "bfloat16":
                raise InputError(
                    f"Rows must hold numbers. Received: an array of type {leaf.dtype}. Encode it."
                )
        # A device may have narrower types, float32 for float64.
        types = [np.dtype(jax.device_put(np.zeros((), leaf.dtype)).dtype) for leaf in leaves]
        shapes = [leaf.shape[1:] for leaf in leaves]
        return cls(structure, tuple(zip(shapes, types, strict=True)))

    @property
    def row_bytes(self) -> int:
        return sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype in self.leaves)

    def empty(self, rows: int) -> Rows:
        made = [np.empty((rows, *shape), dtype) for shape, dtype in self.leaves]
        return jax.tree.unflatten(self.structure, made)

    def write(self, target: Rows, at: int, rows: Rows) -> None:
        """Write rows of any numeric types into `target` from row `at` on.

        Raises:
            InputError: If the rows are of another structure or shape, or a whole number does
                not fit.
        """
        leaves, structure = jax.tree.flatten(rows)
        shapes = [tuple(leaf.shape[1:]) for leaf in leaves]
        expected = [shape for shape, _ in self.leaves]
        if structure != self.structure or shapes != expected:
            raise InputError(
                "All rows of a source must have the structure and shapes of the first. Received: "
                f"rows of shapes {shapes}, {structure}; the first have {expected}, "
                f"{self.structure}."
            )
        for made, leaf in zip(jax.tree.leaves(target), leaves, strict=True):
            if leaf.dtype.kind in "iu" and leaf.dtype.itemsize > made.dtype.itemsize and leaf.size:
                _check_range(leaf, made.dtype)
            with np.errstate(over="ignore"):
                made[at : at + len(leaf)] = leaf


def _check_range(leaf: Any, dtype: np.dtype[Any]) -> None:
    low, high = int(leaf.min()), int(leaf.max())
    if dtype.kind in "iu" and (low < np.iinfo(dtype).min or high > np.iinfo(dtype).max):
        raise InputError(
            f"Whole numbers must fit {dtype}, which the devices have. Received: numbers from "
            f"{low} to {high}. Number them from 0."
        )


@dataclass(frozen=True)
class Budget:
    """How many rows are in memory at a time.

    Attributes:
        buffer_rows: Rows that are shuffled at a time.
        slab: Rows read at a time.
        steps: Batches in a block.
        states: Bytes left to the states of lanes.
    """

    buffer_rows: int
    slab: int
    steps: int
    states: int

    @classmethod
    def of(
        cls, memory: int, layout: Layout, *, indices: int, batch_size: int, devices: int
    ) -> Budget:
        """Divide `memory` bytes: a quarter shuffles, a quarter is on its way, the rest is lanes'.

        The shares do not depend on the lanes: so neither does the order of rows.

        Raises:
            InputError: If it does not hold a few batches.
        """
        row = layout.row_bytes + 8
        # A block is being filled, one waits, one is handed over, two are on each device.
        copies = 3 + 2 * devices
        batch = copies * batch_size * (row + 4 * indices)
        if memory < 4 * batch:
            raise InputError(
                f"`memory` must hold some batches, at least {4 * batch} bytes for batches of "
                f"{batch_size} rows of {row} bytes. Received: memory={memory}."
            )
        steps = min(memory // 4 // batch, MOST_STEPS)
        rows = max(memory // 4 // row, 1)
        return cls(rows, max(rows // SLABS, 1), steps, memory // 2)


class Stopped(Exception):
    """Nobody waits for the rows any more."""


def in_order(
    source: Source,
    layout: Layout,
    budget: Budget,
    seed: Sequence[int] | None,
    stop: threading.Event,
) -> Iterator[Rows]:
    """Every row once, in pieces: in the source's order, or in one drawn from `seed`.

    Parts are read in a drawn order into a buffer, and its rows are given out in a drawn order.

    Raises:
        Stopped: Before the next piece, once `stop` is set.
    """
    if seed is None:
        for part in range(source.parts(budget.slab)):
            yield from _pieces(source, part, budget.slab, stop)
        return
    draw = np.random.default_rng(list(seed))
    buffer, filled = layout.empty(budget.buffer_rows), 0
    for part in draw.permutation(source.parts(budget.slab)):
        for piece in _pieces(source, int(part), budget.slab, stop):
            start = 0
            while start < len(piece):
                count = min(len(piece) - start, budget.buffer_rows - filled)
                layout.write(buffer, filled, piece[start : start + count])
                filled, start = filled + count, start + count
                if filled == budget.buffer_rows:
                    yield from _shuffled(buffer, filled, budget.slab, draw)
                    filled = 0
    yield from _shuffled(buffer, filled, budget.slab, draw)


def _pieces(source: Source, part: int, slab: int, stop: threading.Event) -> Iterator[Rows]:
    for piece in source.pieces(part, slab):
        if stop.is_set():
            raise Stopped
        yield piece


def _shuffled(buffer: Rows, rows: int, slab: int, draw: np.random.Generator) -> Iterator[Rows]:
    order = draw.permutation(rows)
    for at in range(0, rows, slab):
        yield jax.tree.map(lambda a, i=order[at : at + slab]: a[i], buffer)


def blocks(pieces: Iterator[Rows], layout: Layout, rows: int) -> Iterator[tuple[Rows, int]]:
    """The rows of `pieces` as blocks of one shape, and how many rows each holds.

    All but the last are full; what is behind the rows of the last is not to be read.
    """
    block, filled = layout.empty(rows), 0
    for piece in pieces:
        start = 0
        while start < len(piece):
            count = min(len(piece) - start, rows - filled)
            layout.write(block, filled, piece[start : start + count])
            filled, start = filled + count, start + count
            if filled == rows:
                yield block, filled
                block, filled = layout.empty(rows), 0  # JAX may go on using the old one
    if filled:
        yield block, filled
