"""Slices of weights by what each makes or reads, and how many of a layer's units are zero."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers, ops

from taut._keras.layer_parts import attention_projections, own_weights
from taut.structure.kinds import NORMALIZATION
from taut.structure.layouts import Layout, layout

Views = list[np.ndarray]
"""Views [before, slices, after] of weights; a slice goes through all of them."""

_CANDIDATE = {layers.LSTMCell: 2, layers.GRUCell: 2, layers.SimpleRNNCell: 0}
"""The gate that draws the state to what is not zero."""


def layout_in(model: Any, layer: Any) -> Layout | None:
    """The layout of a layer of a model; None where its kind is not known."""
    for owner in layers_of(model):
        if isinstance(owner, layers.MultiHeadAttention):
            parts = attention_projections(owner).values()
            if any(part is layer for part in parts) and layer is not owner.output_dense:
                return layout(layer, owner)
    return layout(layer)


def layers_of(model: Any) -> list[Any]:
    """All layers inside a model."""
    return model._flatten_layers(include_self=False)


def numbers(layer: Any) -> dict[str, np.ndarray]:
    """A layer's own weights by name, copies in double precision."""
    return {v.name: np.array(ops.convert_to_numpy(v), float) for v in own_weights(layer)}


def unit_slices(layer: Any, known: Layout, arrays: dict[str, np.ndarray]) -> list[Views]:
    """What makes each unit: if a slice is zero in all views of a list, nothing that is read does.

    Of a normalisation it is the scale, of a recurrent unit the candidate's weights and biases.
    """
    if isinstance(layer, NORMALIZATION):
        wanted = [name for name in ("gamma", "scale") if name in known.units]
        return [[arrays[name].reshape(known.units[name])] for name in wanted]
    gate = next((g for kind, g in _CANDIDATE.items() if isinstance(layer, kind)), None)
    if gate is None:
        kernels = [name for name in known.units if name.endswith(("kernel", "embeddings"))]
        return [[arrays[name].reshape(known.units[name])] for name in kernels]
    by_gate = [array.reshape(-1, known.count) for array in arrays.values()]
    gates = arrays["recurrent_kernel"].shape[-1] // known.count
    return [[array[gate::gates, :, None] for array in by_gate]]


def zero_units(model: Any, layer: Any) -> int:
    """How many units of a layer of a model, and of those inside it, no weight but zeros makes.

    Normalisations count where no other layer has any: a dead unit may be so in both.
    """
    others = scales = 0
    for part in layer._flatten_layers() if isinstance(layer, layers.Layer) else ():
        known = layout_in(model, part)
        if known is None:
            continue
        found = 0
        for views in unit_slices(part, known, numbers(part)):
            norms = sum((view**2).sum(axis=(0, 2)) for view in views)
            found += int((np.asarray(norms) == 0).sum())
        if isinstance(part, NORMALIZATION):
            scales += found
        else:
            others += found
    return others or scales
