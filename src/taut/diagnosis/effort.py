"""How many folds and seeds the trials of a model can have for what they cost."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from taut.diagnosis.subject import Subject

SMALL = 8192
"""Weights up to which a network is so cheap beside its compilation that more is tried."""
MOST_SEEDS = 5
WORK = 15_000_000
"""Updates of single weights in one training up to which there is a second seed, in half of these a
third: all further seeds of all trials then cost some eight seconds, less than is compiled."""


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

    What a small network learns is half luck, which the mean over seeds has less of. Where a
    training costs more, or lanes are trained one after another by `fit`, there is one.
    """
    if keras.backend.backend() != "jax" or not is_small(subject.model):
        return 1
    if not _used_once_a_row(subject.model):
        return 1
    updates = subject.epochs * -(-len(subject.train) // subject.batch_size)
    return min(1 + WORK // max(updates * subject.model.count_params(), 1), MOST_SEEDS)


def _used_once_a_row(model: Any) -> bool:
    """Whether each weight meets a row once: else the number of weights says little of the cost."""
    for layer in model._flatten_layers():
        if not layer.weights or isinstance(layer, keras.Model):
            continue
        shape = (layer.get_build_config() or {}).get("input_shape")
        if shape is None or len(shape) != 2:
            return False
    return True
