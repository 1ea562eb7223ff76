"""How the weights of each kind of layer lie in memory: their slices by unit and by input."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from keras import layers

from taut._keras.layer_parts import ConvLSTMCell, own_weights
from taut.structure.kinds import NORMALIZATION

Shape = tuple[int, int, int]  # before, groups, after
Sizes = Mapping[str, tuple[int, ...]]  # a layer's own weights by name


@dataclass(frozen=True)
class Layout:
    """The slices of a layer's weights, by the name of the weight.

    Attributes:
        units: Slices that make one unit.
        inputs: Slices that read one input.
        rows: Slices that are one word of an embedding.
        reads: The axis of what the layer reads that the inputs lie on, counted from the end.
        makes: The axis of what the layer makes that the units lie on, counted from the end; None
            where it is none or several.
        count: The number of units.
    """

    units: dict[str, Shape] = field(default_factory=dict)
    inputs: dict[str, Shape] = field(default_factory=dict)
    rows: dict[str, Shape] = field(default_factory=dict)
    reads: int | None = -1
    makes: int | None = -1
    count: int = 0


def layout(layer: Any, attention: Any = None) -> Layout | None:
    """The layout of a built layer; None where its kind is not known.

    Args:
        layer: The layer that owns the weights.
        attention: The attention layer that it is a projection of, if it is.
    """
    sizes = {v.name: tuple(v.shape) for v in own_weights(layer)}
    try:
        if attention is not None:
            return _projection(layer, sizes, attention)
        for kinds, rule in _RULES:
            if isinstance(layer, kinds):
                return rule(layer, sizes)
    except KeyError:
        pass  # not built, or quantised: then its weights are no weights to Keras
    return None


def matrix(layer: Any) -> Layout | None:
    """The layout of a layer of an unknown kind as if it were dense; None without a matrix."""
    sizes = {v.name: tuple(v.shape) for v in own_weights(layer)}
    return _dense(layer, sizes) if len(sizes.get("kernel", ())) == 2 else None


def _dense(layer: Any, sizes: Sizes) -> Layout:
    inputs, units = sizes["kernel"]
    return Layout(
        {"kernel": (inputs, units, 1), "bias": (1, units, 1)},
        {"kernel": (1, inputs, units)},
        count=units,
    )


def _convolution(layer: Any, sizes: Sizes) -> Layout:
    *window, inputs, units = sizes["kernel"]
    size, axis = math.prod(window), _channels(layer)
    return Layout(
        {"kernel": (size * inputs, units, 1), "bias": (1, units, 1)},
        {"kernel": (size, inputs, units)} if layer.groups == 1 else {},
        reads=axis,
        makes=axis,
        count=units,
    )


def _transposed_convolution(layer: Any, sizes: Sizes) -> Layout:
    *window, units, inputs = sizes["kernel"]
    size, axis = math.prod(window), _channels(layer)
    return Layout(
        {"kernel": (size, units, inputs), "bias": (1, units, 1)},
        {"kernel": (size * units, inputs, 1)},
        reads=axis,
        makes=axis,
        count=units,
    )


def _depthwise_convolution(layer: Any, sizes: Sizes) -> Layout:
    *window, inputs, each = sizes["kernel"]
    size, axis, units = math.prod(window), _channels(layer), inputs * each
    return Layout(
        {"kernel": (size, units, 1), "bias": (1, units, 1)},
        {"kernel": (size, inputs, each)},
        reads=axis,
        makes=axis,
        count=units,
    )


def _separable_convolution(layer: Any, sizes: Sizes) -> Layout:
    *window, inputs, each = sizes["depthwise_kernel"]
    *_, between, units = sizes["pointwise_kernel"]
    axis = _channels(layer)
    return Layout(
        {"pointwise_kernel": (between, units, 1), "bias": (1, units, 1)},
        {"depthwise_kernel": (math.prod(window), inputs, each)},
        reads=axis,
        makes=axis,
        count=units,
    )


def _embedding(layer: Any, sizes: Sizes) -> Layout:
    words, units = sizes["embeddings"]
    by_word: dict[str, Shape] = {"embeddings": (1, words, units)}
    return Layout({"embeddings": (words, units, 1)}, by_word, by_word, count=units)


def _recurrent(layer: Any, sizes: Sizes) -> Layout:
    # The columns lie gate by gate, and in each gate unit by unit; so do convolutional ones.
    *window, inputs, columns = sizes["kernel"]
    units = sizes["recurrent_kernel"][-2]
    gates, axis = columns // units, -1
    if window:
        axis = -1 if layer.data_format == "channels_last" else -len(window) - 1
    names = sizes.keys() & {"kernel", "recurrent_kernel", "bias"}
    return Layout(
        {name: (math.prod(sizes[name]) // units, units, 1) for name in names},
        {"kernel": (math.prod(window), inputs, gates * units)},
        reads=axis,
        makes=axis,
        count=units,
    )


def _normalization(layer: Any, sizes: Sizes) -> Layout | None:
    axis = getattr(layer, "axis", -1)
    axes = axis if isinstance(axis, (list, tuple)) else [axis]
    shapes = set(sizes.values())
    if len(axes) != 1 or len(shapes) != 1 or len(next(iter(shapes))) != 1:
        return None
    axis, units = axes[0], next(iter(shapes))[0]
    if axis >= 0:
        built = (layer.get_build_config() or {}).get("input_shape")
        axis = None if built is None else axis - len(built)
    return Layout(dict.fromkeys(sizes, (1, units, 1)), makes=axis, count=units)


def _einsum(layer: Any, sizes: Sizes) -> Layout | None:
    sides = layer.equation.replace(" ", "").split("->")
    (read, weight), made = sides[0].split(","), sides[1]
    kernel = sizes["kernel"]
    summed = "".join(c for c in weight if c in read and c not in made)
    units = "".join(c for c in weight if c in made and c not in read)
    if len(weight) != len(kernel) or len(summed) + len(units) != len(weight):
        return None  # an axis that is carried along, such as members side by side
    by_unit, by_input = _between(weight, kernel, units), _between(weight, kernel, summed)
    slices = {} if by_unit is None else {"kernel": by_unit}
    if by_unit is not None and "bias" in sizes:
        # It has the last axes of what is made, of length 1 where it does not differ.
        bias = _between(made[-len(sizes["bias"]) :], sizes["bias"], units)
        if bias is not None and bias[1] == by_unit[1]:
            slices["bias"] = bias
    return Layout(
        slices,
        {"kernel": by_input} if by_input is not None and len(summed) == 1 else {},
        reads=_from_the_end(read, summed),
        makes=_from_the_end(made, units),
        count=0 if by_unit is None else by_unit[1],
    )


def _projection(layer: Any, sizes: Sizes, attention: Any) -> Layout:
    """A unit is a head; in grouped-query attention a head with all the queries that use it."""
    inputs = sizes["kernel"][0]
    heads: int = getattr(attention, "num_key_value_heads", None) or attention.num_heads
    size = math.prod(sizes["kernel"]) // inputs
    each = size // heads
    return Layout(
        {"kernel": (inputs, heads, each), "bias": (1, heads, each)},
        {"kernel": (1, inputs, size)},
        makes=None,
        count=heads,
    )


def _between(letters: str, sizes: tuple[int, ...], wanted: str) -> Shape | None:
    start = letters.find(wanted)
    if not wanted or start < 0 or len(letters) != len(sizes):
        return None
    end = start + len(wanted)
    return math.prod(sizes[:start]), math.prod(sizes[start:end]), math.prod(sizes[end:])


def _from_the_end(letters: str, wanted: str) -> int | None:
    _, separator, after = letters.partition(wanted) if len(wanted) == 1 else ("", "", "")
    return -len(after) - 1 if separator and "." not in after else None


def _channels(layer: Any) -> int:
    return -1 if layer.data_format == "channels_last" else -layer.rank - 1


_CELLS = layers.SimpleRNNCell, layers.LSTMCell, layers.GRUCell
_CONVOLUTIONS = layers.Conv1D, layers.Conv2D, layers.Conv3D
_TRANSPOSED = layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose

_RULES: tuple[tuple[Any, Callable[[Any, Sizes], Layout | None]], ...] = (
    (layers.Dense, _dense),
    (_CONVOLUTIONS, _convolution),
    (_TRANSPOSED, _transposed_convolution),
    ((layers.DepthwiseConv1D, layers.DepthwiseConv2D), _depthwise_convolution),
    ((layers.SeparableConv1D, layers.SeparableConv2D), _separable_convolution),
    (layers.Embedding, _embedding),
    ((*_CELLS, ConvLSTMCell), _recurrent),
    (NORMALIZATION, _normalization),
    (layers.EinsumDense, _einsum),
)
