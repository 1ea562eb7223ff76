"""Folds of rows that need not fit into memory: what is in them, and statistics inside each."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from taut.engine import Source
from taut.engine.hashing import fold_of, row_hash
from taut.engine.reading import Budget, Layout, blocks, in_order
from taut.engine.sources import Rows
from taut.errors import InputError

VALUES = 1 << 17
"""Numbers of a column sum that are worked on at once: they stay in the processor's cache."""


def with_folds(
    source: Source, folds: int, seed: int, rows: int
) -> Iterator[tuple[Rows, np.ndarray]]:
    """The rows of a source in pieces of at most `rows`, and the fold of each, as it is streamed."""
    for part in range(source.parts(rows)):
        for piece in source.pieces(part, rows):
            yield piece, fold_of(row_hash(piece.x, piece.y), folds, seed)


def streamed_fold_values(
    model: Any, source: Source, folds: int, seed: int = 0, rows: int = 4096
) -> list[dict[str, np.ndarray]]:
    """`fold_values` of a source with folds by hash: what layers learn from training rows.

    A layer takes part by a method `fold_sums(folds)` that returns a `taut.layers.FoldSums`; it says
    how often all rows are read: three times for `taut.layers.Standardize`, whose medians are
    exact, and not at all without such a layer.

    Args:
        model: A built Keras model.
        source: Where the rows are; x is one array.
        folds: How many; 1 learns from all rows.
        seed: As the `fold_seed` of `train_streamed`.
        rows: Rows in memory at a time.

    Returns:
        For each fold, values by the path of the weight.

    Raises:
        InputError: If a layer has `fold_values` but no `fold_sums`, x is no single array, or a
            fold has no rows.
    """
    adaptive = [layer for layer in model._flatten_layers() if hasattr(layer, "fold_values")]
    if unable := [layer.name for layer in adaptive if not hasattr(layer, "fold_sums")]:
        raise InputError(
            "A layer that learns from rows larger than memory needs a method `fold_sums`. "
            f"Received: {', '.join(unable)}, with `fold_values` alone. Add it, or give arrays."
        )
    pending = every = [layer.fold_sums(folds) for layer in adaptive]
    seen = np.zeros(folds, np.int64)
    while pending:
        for piece, fold in with_folds(source, folds, seed, rows):
            if not hasattr(piece.x, "shape"):
                raise InputError(
                    "Layers that learn from the inputs need one array of them. Received: "
                    f"{adaptive[0].name} and x of {len(keras.tree.flatten(piece.x))} arrays."
                )
            step = max(VALUES // max(int(np.prod(piece.x.shape[1:])), 1), 1)
            for at in range(0, len(piece), step):
                for sums in pending:
                    sums.add(np.asarray(piece.x[at : at + step]), fold[at : at + step])
            seen += np.bincount(fold, minlength=folds)
        if not seen.all():
            raise InputError(
                "Every fold needs rows to train on and rows held out; equal rows are in one fold. "
                f"Received: a fold without, with {folds} folds. Use fewer, or more rows."
            )
        pending = [sums for sums in pending if sums.end_pass()]
    values = [sums.values() for sums in every]
    return [{k: v for one in values for k, v in one[fold].items()} for fold in range(folds)]


def training_batches(
    source: Source, layout: Layout, fold: int, folds: int, seed: int, rows: int
) -> Iterator[tuple[Any, Any, Any]]:
    """(x, y, weight) of all rows that are not in a fold, `rows` at a time but for the last."""
    own = (piece[of != fold] for piece, of in with_folds(source, folds, seed, rows))
    for block, count in blocks(own, layout, rows):
        some = block[:count]
        yield some.x, some.y, some.weight


def drawn_rows(source: Source, layout: Layout, budget: Budget, seed: int, rows: int) -> Rows:
    """The first rows in the shuffled order of the first epoch, in memory; fewer if there are fewer.

    One shuffle buffer is filled for them, from places all over the source where it is large.
    """
    drawn = in_order(source, layout, budget, (seed, 0), threading.Event())
    made, filled = next(blocks(drawn, layout, rows))
    return made[:filled]
