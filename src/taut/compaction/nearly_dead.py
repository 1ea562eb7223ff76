"""Slices of weights that are small enough are taken for zero."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from keras import layers

from taut._keras.layer_parts import own_weights
from taut.compaction.remade import Remaking, remade
from taut.compaction.slices import Views, layers_of, layout_in, numbers, unit_slices
from taut.structure.kinds import NORMALIZATION
from taut.structure.layouts import Layout


def without_nearly_dead(model: Any, tolerance: float) -> tuple[Any, int]:
    """A copy in which slices of weights of Euclidean norm <= `tolerance` are zero.

    Slices are what makes one unit (its column of the kernel; the candidate's weights and biases of
    a recurrent unit; the scale of a batch normalisation), what one layer reads of one input, and
    the row of one word. Biases and offsets of the others stay, and so may make a unit a constant.

    Args:
        model: A built Sequential or Functional model; it is not changed.
        tolerance: The largest norm, >= 0.

    Returns:
        The copy, not compiled, and how many slices that were not zero are.
    """
    copy, count = remade(model, Remaking()), 0
    for layer in layers_of(copy):
        known = layout_in(copy, layer)
        if known is None:
            continue
        arrays = numbers(layer)
        found = sum(_zeroed(views, tolerance) for views in _slices(layer, known, arrays))
        for variable in own_weights(layer) if found else ():
            variable.assign(arrays[variable.name])
        count += found
    return copy, count


def _slices(layer: Any, known: Layout, arrays: dict[str, np.ndarray]) -> Iterator[Views]:
    norm = isinstance(layer, NORMALIZATION)
    if not norm or isinstance(layer, layers.BatchNormalization):
        yield from unit_slices(layer, known, arrays)
    for slices in () if norm else (known.inputs, known.rows):
        for name, shape in slices.items():
            yield [arrays[name].reshape(shape)]


def _zeroed(views: Views, tolerance: float) -> int:
    """Zero the slices of small norm, each through all the views; how many."""
    norms = np.sqrt(sum((view**2).sum(axis=(0, 2)) for view in views))
    small = (norms <= tolerance) & (norms > 0)
    for view in views:
        view[:, small] = 0
    return int(small.sum())
