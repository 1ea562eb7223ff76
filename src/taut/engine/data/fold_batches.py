"""The batches of each fold's lanes in a block of rows."""

from __future__ import annotations

import jax
import numpy as np

from taut.engine.data.batches import PADDING
from taut.engine.data.sources import Rows


def training_rows(rows: Rows, folds: np.ndarray, number: int, batch_size: int) -> np.ndarray:
    """Each batch is `batch_size` rows in their order, less those of the lane's own fold.

    Args:
        rows: [steps · batch_size, …].
        folds: [number of true rows], the fold of each; the others only fill the block.
        number: How many folds; 1 trains on all rows.
        batch_size: Rows in a batch.

    Returns:
        [number, steps, batch_size] row numbers, those that are no row at the end of a batch.
    """
    shape = -(-len(jax.tree.leaves(rows)[0]) // batch_size), batch_size
    of_row = np.full(shape, PADDING, np.int32)
    of_row.reshape(-1)[: len(folds)] = folds
    places = np.arange(shape[0] * batch_size, dtype=np.int32).reshape(shape)
    batches = np.empty((number, *shape), np.int32)
    for fold in range(number):
        trained = of_row >= 0 if number == 1 else (of_row >= 0) & (of_row != fold)
        order = np.argsort(~trained, axis=1, kind="stable")
        masked = np.where(trained, places, PADDING)
        batches[fold] = np.take_along_axis(masked, order, axis=1)
    return batches


def held_out_rows(rows: Rows, folds: np.ndarray, number: int, batch_size: int) -> np.ndarray:
    """Each fold's rows, closely packed into batches; arguments and result as `training_rows`."""
    shape = number, -(-len(jax.tree.leaves(rows)[0]) // batch_size), batch_size
    batches = np.full(shape, PADDING, np.int32)
    for fold in range(number):
        of_fold = np.flatnonzero(folds == fold)
        batches[fold].reshape(-1)[: len(of_fold)] = of_fold
    return batches


def steps_in(batches: np.ndarray) -> int:
    """How many steps there are, up to the last with a row of any fold."""
    filled = (batches >= 0).any(axis=(0, 2))
    return int(np.flatnonzero(filled)[-1]) + 1 if filled.any() else 0
