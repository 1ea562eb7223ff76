"""Which rows are in which batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from taut.engine.lanes import Split
from taut.engine.program import PADDING

HELD_OUT_BATCH = 1024


class Batches:
    """Row numbers by batch: an order drawn from (seed, split, epoch), padded to one shape.

    The last batch of an epoch, the smaller one, is at the last place for every split; one with
    fewer batches than another has places without rows before it. Devices that share a batch take
    equal parts of it, so its size is a multiple of `sharers`.

    Attributes:
        ends: The different sizes of the splits' last batches.
    """

    def __init__(self, splits: Sequence[Split], batch_size: int, sharers: int = 1):
        self._splits, self._batch = splits, batch_size
        self.steps = -(-max(len(s.train) for s in splits) // batch_size)
        self.rows = self.steps * batch_size
        self.uneven = any(-(-len(s.train) // batch_size) < self.steps for s in splits)
        self.ends = tuple(sorted({self._end(s.train) for s in splits}))
        longest = max(len(s.held_out) for s in splits)
        size = min(max(longest, 1), HELD_OUT_BATCH)
        size = -(-size // sharers) * sharers  # shared evenly
        self._held_out_shape = max(-(-longest // size), 1), size
        self.shapes = (self.steps, batch_size, *self._held_out_shape)

    def train(self, split: int, seed: int | None, epoch: int) -> np.ndarray:
        draw = np.random.default_rng([0 if seed is None else seed, split, epoch])
        order = draw.permutation(self._splits[split].train)
        padded = np.full(self.rows, PADDING, np.int32)
        whole = len(order) - self._end(order)
        padded[:whole] = order[:whole]
        last = self.rows - self._batch
        padded[last : last + len(order) - whole] = order[whole:]
        return padded.reshape(self.steps, self._batch)

    def _end(self, rows: np.ndarray) -> int:
        return (len(rows) - 1) % self._batch + 1

    def held_out(self, split: int) -> np.ndarray:
        padded = np.full(self._held_out_shape, PADDING, np.int32)
        order = self._splits[split].held_out
        padded.reshape(-1)[: len(order)] = order
        return padded
