"""Which rows are in which batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from taut.engine.lanes import Split

HELD_OUT_BATCH = 1024
PADDING = -1
"""Row number of a place in a batch that holds no row."""


class Batches:
    """Row numbers by batch: an order drawn from (seed, split, epoch), padded to one shape.

    The last batch of an epoch, the smaller one, is at the last place for every split; one with
    fewer batches than another has places without rows before it. Devices that share a batch take
    equal parts of it, so its size is a multiple of `sharers`.

    Attributes:
        ends: The different sizes of the splits' last batches, of training and held-out rows.
    """

    def __init__(self, splits: Sequence[Split], batch_size: int, sharers: int = 1):
        self._splits, self._batch = splits, batch_size
        self.steps: int = -(-max(len(s.train) for s in splits) // batch_size)
        self.rows: int = self.steps * batch_size
        self.uneven: bool = any(-(-len(s.train) // batch_size) < self.steps for s in splits)
        longest = max(len(s.held_out) for s in splits)
        size = min(max(longest, 1), HELD_OUT_BATCH)
        size = -(-size // sharers) * sharers  # shared evenly
        self._held_out_shape = max(-(-longest // size), 1), size
        self.shapes: tuple[int, int, int, int] = (self.steps, batch_size, *self._held_out_shape)
        self.ends: tuple[tuple[int, ...], tuple[int, ...]] = (
            tuple(sorted({_end(len(s.train), batch_size) for s in splits})),
            tuple(sorted({_end(len(s.held_out), size) for s in splits})),
        )

    def train(self, split: int, seed: int | None, epoch: int) -> np.ndarray:
        draw = np.random.default_rng([0 if seed is None else seed, split, epoch])
        order = draw.permutation(self._splits[split].train)
        return _placed(order, self.shapes[:2])

    def held_out(self, split: int) -> np.ndarray:
        return _placed(self._splits[split].held_out, self._held_out_shape)


def _end(rows: int, size: int) -> int:
    """The rows of the last of the batches of a size; 0 of no rows."""
    return (rows - 1) % size + 1 if rows else 0


def _placed(rows: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """[steps, batch] row numbers, whole batches first, the smaller one last."""
    padded = np.full(shape, PADDING, np.int32)
    end = _end(len(rows), shape[1])
    whole = len(rows) - end
    padded.reshape(-1)[:whole] = rows[:whole]
    padded[-1, :end] = rows[whole:]
    return padded
