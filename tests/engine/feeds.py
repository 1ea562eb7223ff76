"""The ways in which rows reach lanes, as functions of one signature.

Each takes what `train_lanes` takes, with folds by a hash of the row in place of splits: so the
laws of lanes are tested once, over all of them.
"""

import keras
import numpy as np

from taut.engine import Split, in_memory, train_lanes
from taut.engine.data.hashing import fold_of, row_hash
from taut.engine.study import arrays_of, check_model, study_of
from taut.engine.through_fit import train_through_fit

ROWS = ("splits", "targets", "sample_weight", "class_weight", "sharers")
MEMORY = 1 << 18  # some blocks of a few batches


def splits_of(x, y, folds):
    """The rows of each fold, from the definition."""
    fold = fold_of(row_hash(x, y), folds)
    return [Split(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(folds)]


def in_memory_feed(model, x, y, lanes, *, folds, **options):
    return train_lanes(model, x, y, lanes, splits=splits_of(x, y, folds), **options)


def batch_by_batch(model, x, y, lanes, *, folds, **options):
    """As models with transposed or depthwise convolutions are trained on a CPU."""
    convolves = in_memory.convolves_on_cpu
    in_memory.convolves_on_cpu = lambda model: True
    try:
        return in_memory_feed(model, x, y, lanes, folds=folds, **options)
    finally:
        in_memory.convolves_on_cpu = convolves


def streamed(model, x, y, lanes, *, folds, **options):
    return train_lanes(model, x, y, lanes, folds=folds, memory=MEMORY, **options)


def through_fit(model, x, y, lanes, **options):
    """`train_lanes` as it is on other backends than JAX, whatever the backend."""
    check_model(model)
    rows = {"splits": None, "targets": None, "sample_weight": None, "class_weight": None}
    rows |= {"sharers": 1} | {k: v for k, v in options.items() if k in ROWS}
    arrays = arrays_of(model, x, y, **rows)
    settings = {k: v for k, v in options.items() if k not in ROWS}
    return train_through_fit(study_of(model, arrays, lanes, **settings), arrays)


def fit_feed(model, x, y, lanes, *, folds, **options):
    return through_fit(model, x, y, lanes, splits=splits_of(x, y, folds), **options)


FEEDS = {"fit": fit_feed}
if keras.backend.backend() == "jax":
    FEEDS |= {"memory": in_memory_feed, "batch by batch": batch_by_batch, "streamed": streamed}
