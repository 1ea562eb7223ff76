"""Folds of rows that need not fit into memory: what is in them, and statistics inside each."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from taut._sums import FoldSums
from taut.engine import Source
from taut.engine.data.reading import Budget, Layout, blocks, in_order
from taut.engine.data.row_folds import RowFolds
from taut.engine.data.sources import Rows, first_rows, joined
from taut.errors import InputError, UnsupportedError
from taut.studies.adaptive import PROBED, Adaptive, Calls, with_mask

VALUES = 1 << 17
"""Numbers of a column sum that are worked on at once: they stay in the processor's cache."""


def with_folds(source: Source, divided: RowFolds, rows: int) -> Iterator[tuple[Rows, np.ndarray]]:
    """The rows of a source in pieces of at most `rows`, and the fold of each, as it is streamed."""
    for part in range(source.parts(rows)):
        for piece in source.pieces(part, rows):
            yield piece, divided(piece)


def streamed_fold_values(
    model: Any, source: Source, folds: int | RowFolds, seed: int = 0, rows: int = 4096
) -> list[dict[str, np.ndarray]]:
    """`fold_values` of a source with folds by hash: what layers learn from training rows.

    A layer takes part by a method `fold_sums(folds)` that returns a `taut.layers.FoldSums`; it says
    how often all rows are read: three times for `taut.layers.Standardize`, whose medians are
    exact, and not at all without such a layer. Layers behind others that learn wait for these, and
    have the rows read anew.

    Args:
        model: A built Keras model.
        source: Where the rows are.
        folds: How many, 1 learns from all rows; or which row is in which.
        seed: As the `fold_seed` of `train_streamed`.
        rows: Rows in memory at a time.

    Returns:
        For each fold, values by the path of the weight.

    Raises:
        InputError: If a layer has `fold_values` but no `fold_sums`, training changes what reaches
            it, or a fold has no rows.
        UnsupportedError: If it is not known what reaches it, or that is no single array.
    """
    divided = folds if isinstance(folds, RowFolds) else RowFolds.of(source, folds, seed)
    folds = divided.number
    if not any(hasattr(layer, "fold_values") for layer in model._flatten_layers()):
        return [{} for _ in range(folds)]
    adaptive = Adaptive(model, first_rows(source, PROBED).x)
    if unable := [layer.name for layer in adaptive.layers if not hasattr(layer, "fold_sums")]:
        raise InputError(
            "A layer that learns from rows larger than memory needs a method `fold_sums`. "
            f"Received: {', '.join(unable)}, with `fold_values` alone. Add it, or give arrays."
        )
    values: list[dict[str, np.ndarray]] = [{} for _ in range(folds)]

    def learn(pending: list[_Learning]) -> None:
        while pending:
            seen = np.zeros(folds, np.int64)
            for piece, fold in with_folds(source, divided, rows):
                for k in dict.fromkeys(learner.fold for learner in pending):
                    learners = [learner for learner in pending if learner.fold == k]
                    before = None if k is None else values[k]
                    layers = [learner.layer for learner in learners]
                    reached = adaptive.reaching(layers, piece.x, before)
                    training = np.full(len(fold), True) if k is None or folds == 1 else fold != k
                    for learner, calls in zip(learners, reached, strict=True):
                        learner.add(calls, fold if k is None else np.zeros_like(fold), training)
                seen += np.bincount(fold, minlength=folds)
            if not seen.all():
                raise InputError(
                    "Every fold needs rows to train on and rows held out; equal rows, and those of "
                    f"a group, are in one fold. Received: a fold without, with {folds} "
                    "folds. Use fewer, or more rows."
                )
            pending = [learner for learner in pending if learner.sums.end_pass()]

    together = [_Learning(layer, layer.fold_sums(folds), None) for layer in adaptive.independent()]
    learn(together)
    for learner in together:
        for statistics, of_layer in zip(values, learner.sums.values(), strict=True):
            statistics.update(of_layer)
    for layer in adaptive.dependent():
        apart = [_Learning(layer, layer.fold_sums(1), fold) for fold in range(folds)]
        learn(apart)
        for statistics, learner in zip(values, apart, strict=True):
            statistics.update(learner.sums.values()[0])
    return values


@dataclass(frozen=True)
class _Learning:
    """A layer's sums: of every fold at once, or, of what differs by fold, of one fold alone."""

    layer: Any
    sums: FoldSums
    fold: int | None

    def add(self, calls: Calls, folds: np.ndarray, rows: np.ndarray) -> None:
        """Take in some rows of what reaches the layer."""
        at = np.flatnonzero(rows)
        for value, mask in calls:
            if keras.tree.is_nested(value):
                raise UnsupportedError(
                    "A layer that learns from rows larger than memory needs one array of them. "
                    f"Received: {self.layer.name!r}, which gets {len(keras.tree.flatten(value))}."
                )
            step = max(VALUES // max(int(np.prod(value.shape[1:])), 1), 1)
            for start in range(0, len(at), step):
                numbers = at[start : start + step]
                mask_argument = with_mask(self.sums.add, None if mask is None else mask[numbers])
                self.sums.add(value[numbers], folds[numbers], **mask_argument)


def training_batches(
    source: Source, layout: Layout, fold: int, divided: RowFolds, rows: int
) -> Iterator[tuple[Any, Any, Any]]:
    """(x, y, weight) of all rows that are not in a fold, `rows` at a time but for the last."""
    pieces = (piece[numbers != fold] for piece, numbers in with_folds(source, divided, rows))
    for block, count in blocks(pieces, layout, rows):
        batch = block[:count]
        yield batch.x, batch.y, batch.weight


def held_out_batches(source: Source, divided: RowFolds, rows: int) -> Iterator[tuple[int, Rows]]:
    """(fold, its rows), at most `rows` of all folds in memory at a time."""
    folds = divided.number
    size = max(rows // folds, 1)
    waiting: list[list[Rows]] = [[] for _ in range(folds)]
    for piece, fold in with_folds(source, divided, rows):
        for k in range(folds):
            waiting[k].append(piece[fold == k])
            while sum(map(len, waiting[k])) >= size:
                whole = joined(waiting[k])
                yield k, whole[:size]
                waiting[k] = [whole[size:]]
    for k in range(folds):
        if sum(map(len, waiting[k])):
            yield k, joined(waiting[k])


def drawn_rows(source: Source, layout: Layout, budget: Budget, seed: int, rows: int) -> Rows:
    """The first rows in the shuffled order of the first epoch, in memory; fewer if there are fewer.

    One shuffle buffer is filled for them, from places all over the source where it is large.
    """
    drawn = in_order(source, layout, budget, (seed, 0), threading.Event())
    made, filled = next(blocks(drawn, layout, rows))
    return made[:filled]
