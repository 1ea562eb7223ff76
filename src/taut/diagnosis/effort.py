"""How many folds and seeds the trials of a model can have for what they cost."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from taut.diagnosis.subject import Subject
from taut.engine.width import trainable_weights

SMALL = 8192
"""Weights up to which a network is so cheap beside its compilation that more is tried."""
MOST_SEEDS = 5
WORK = 480_000_000
"""Weights that the rows of one training meet in all epochs, up to which there is a second seed; a
third with half of these. All further seeds of all trials then cost some eight seconds of a core,
less than is compiled. Measured for dense layers, whose rate convolutions and an LSTM have too
(`docs/benchmarks.md`)."""
BATCH = 32
"""Rows that cost an update at least as much as these: fewer at a time are no cheaper."""


def is_small(model: Any) -> bool:
    """Whether compiling the model costs more than training it."""
    return model.count_params() <= SMALL


def folds_for(subject: Subject) -> int:
    """How many folds: as many as the rarest class, and the groups, allow."""
    folds = 5 if is_small(subject.model) else 3
    y = subject.train.target
    if subject.train.groups is not None:
        folds = min(folds, len(np.unique(subject.train.groups)))
    if y is not None and len(np.unique(y)) <= max(2, len(y) // 10):
        smallest = np.unique(y, return_counts=True)[1].min()
        folds = min(folds, max(2, int(smallest)))
    return folds


def seeds_for(subject: Subject) -> int:
    """How many trainings of a fold, from other initial weights and in other orders of the rows.

    What a network learns of few rows is half luck, which the mean over seeds has less of. Where a
    training costs more, where it is not known what it costs, and where lanes are trained one after
    another by `fit`, there is one.
    """
    met = _weights_met(subject.model)
    if keras.backend.backend() != "jax" or met is None:
        return 1
    rows = len(subject.train) * max(1, BATCH // subject.batch_size)
    return min(1 + WORK // max(subject.epochs * rows * met, 1), MOST_SEEDS)


def _weights_met(model: Any) -> int | None:
    """How often a row meets a weight: once at each place or step of what a layer reads.

    None where a layer does not say what it reads.
    """
    met = 0
    for layer in model.layers:
        if not layer.trainable_weights:
            continue
        shape = (layer.get_build_config() or {}).get("input_shape")
        if isinstance(layer, keras.Model):
            of_layer = _weights_met(layer)
        elif shape is None or None in shape[1:]:
            of_layer = None
        else:
            of_layer = trainable_weights(layer) * math.prod(shape[1:-1])
        if of_layer is None:
            return None
        met += of_layer
    return met
