"""Slices of weights that are small enough are taken for zero."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from keras import layers, ops

from taut._keras.layer_parts import attention_projections, own_weights
from taut.compaction.remade import Remaking, remade
from taut.structure.layouts import Layout, Shape, layout

_CANDIDATE = {layers.LSTMCell: 2, layers.GRUCell: 2, layers.SimpleRNNCell: 0}
"""The gate that draws the state to what is not zero."""


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
    for layer in _layers_of(copy):
        heads = _attention_of(copy, layer)
        known = layout(layer, heads)
        if known is None:
            continue
        variables = own_weights(layer)
        arrays = {v.name: np.array(ops.convert_to_numpy(v), float) for v in variables}
        found = sum(_zeroed(views, tolerance) for views in _views(layer, known, arrays))
        for variable in variables if found else ():
            variable.assign(arrays[variable.name])
        count += found
    return copy, count


def _layers_of(model: Any) -> list[Any]:
    return model._flatten_layers(include_self=False)


def _attention_of(model: Any, layer: Any) -> Any:
    for owner in _layers_of(model):
        if isinstance(owner, layers.MultiHeadAttention):
            parts = attention_projections(owner).values()
            if any(part is layer for part in parts) and layer is not owner.output_dense:
                return owner
    return None


def _views(layer: Any, known: Layout, arrays: dict[str, np.ndarray]) -> Iterator[list[np.ndarray]]:
    """Views [before, slices, after] of weights; a slice goes through all views of one list."""

    def view(name: str, shape: Shape) -> list[np.ndarray]:
        return [arrays[name].reshape(shape)] if name in arrays else []

    if isinstance(layer, layers.BatchNormalization):
        yield view("gamma", known.units["gamma"]) if "gamma" in known.units else []
        return
    gate = next((g for kind, g in _CANDIDATE.items() if isinstance(layer, kind)), None)
    if gate is None:
        for name, shape in known.units.items():
            if name.endswith(("kernel", "embeddings")):
                yield view(name, shape)
    else:
        by_gate = [array.reshape(-1, known.count) for array in arrays.values()]
        gates = arrays["recurrent_kernel"].shape[-1] // known.count
        yield [array[gate::gates, :, None] for array in by_gate]
    for slices in (known.inputs, known.rows):
        for name, shape in slices.items():
            yield view(name, shape)


def _zeroed(views: list[np.ndarray], tolerance: float) -> int:
    """Zero the slices of small norm, each through all the views; how many."""
    if not views:
        return 0
    norms = np.sqrt(sum((view**2).sum(axis=(0, 2)) for view in views))
    small = (norms <= tolerance) & (norms > 0)
    for view in views:
        view[:, small] = 0
    return int(small.sum())
