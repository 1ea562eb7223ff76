"""Multiplications and additions that one row takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from keras import layers

from taut._keras.given_model import check_keras_model
from taut.compaction.remade import Remaking, remade
from taut.compaction.traced import Call, trace

Shape = tuple[int | None, ...]


def multiply_adds(model: Any, *, shapes: Sequence[Shape] | None = None) -> int:
    """Multiply-adds of one row: products of weights (or of attention) with what is read.

    | layer | multiply-adds |
    |---|---|
    | Dense | places · inputs · units |
    | Conv | places of the output · window · inputs/groups · filters |
    | Conv…Transpose | places of the input · window · inputs · filters |
    | DepthwiseConv | places of the output · window · channels made |
    | SeparableConv | both: depthwise, then a window of one place |
    | LSTM, GRU, SimpleRNN | steps · gates · units · (inputs + units); gates 4, 3, 1 |
    | MultiHeadAttention | its projections, and queries · keys · heads · (size of key + of value) |

    Biases, activations, normalisations, pooling and the reading of an embedding are not counted,
    and neither is what a layer of another kind does, unless it has a method `multiply_adds()` that
    says its number for one row; see `uncounted`. Inside `TimeDistributed` each step counts.

    Args:
        model: A built Sequential or Functional model.
        shapes: [inputs] of shapes without the rows, where the model leaves sizes open; an open
            size that is not given counts once.

    Raises:
        UnsupportedError: For a model whose own `call` decides what it computes.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
        >>> multiply_adds(model)
        12
    """
    check_keras_model(built=True, model=model)
    open_sizes = [tensor for tensor in model.inputs if None in tensor.shape[1:]]
    if shapes is not None and open_sizes:
        given = {
            id(symbolic._keras_history.operation): (None, *shape)
            for symbolic, shape in zip(model.inputs, shapes, strict=True)
        }
        model = remade(model, Remaking(input_shapes=given))
    return sum(of_call(call) for call in trace(model).calls)


def uncounted(model: Any) -> tuple[str, ...]:
    """Names of layers with trainable matrices whose multiply-adds are not known.

    Example:
        >>> import keras
        >>> uncounted(keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)]))
        ()
    """
    operations = {id(call.operation): call.operation for call in trace(model).calls}
    return tuple(
        layer.name
        for layer in operations.values()
        if type(layer) not in _RULES
        and not isinstance(layer, (layers.Embedding, layers.PReLU))
        and not hasattr(layer, "multiply_adds")
        and any(len(v.shape) > 1 for v in getattr(layer, "trainable_variables", ()))
    )


def of_call(call: Call) -> int:
    """Multiply-adds of one call, for one row; 0 where they are not known."""
    rule = _RULES.get(type(call.operation))
    if rule is None:
        own = getattr(call.operation, "multiply_adds", None)
        return 0 if own is None else int(own()) * (call.times or 1)
    return int(rule(call.operation, call)) * (call.times or 1)


def _sizes(shape: Shape) -> list[int]:
    return [size or 1 for size in shape[1:]]


def _dense(layer: Any, call: Call) -> int:
    inputs, units = layer.kernel.shape
    return math.prod(_sizes(call.reads[0].shape)) // inputs * inputs * units


def _einsum(layer: Any, call: Call) -> int:
    sides, made = layer.equation.replace(" ", "").split("->")
    _, weight = sides.split(",")
    summed = [n for letter, n in zip(weight, layer.kernel.shape, strict=True) if letter not in made]
    return math.prod(_sizes(call.makes[0].shape)) * math.prod(summed)


def _convolution(layer: Any, call: Call) -> int:
    *window, inputs, filters = layer.kernel.shape
    return _places(call.makes[0].shape, layer) * math.prod(window) * inputs * filters


def _transposed(layer: Any, call: Call) -> int:
    return _places(call.reads[0].shape, layer) * math.prod(layer.kernel.shape)


def _depthwise(layer: Any, call: Call) -> int:
    return _places(call.makes[0].shape, layer) * math.prod(layer.kernel.shape)


def _separable(layer: Any, call: Call) -> int:
    kernels = layer.depthwise_kernel, layer.pointwise_kernel
    return _places(call.makes[0].shape, layer) * sum(math.prod(k.shape) for k in kernels)


def _places(shape: Shape, layer: Any) -> int:
    sizes = _sizes(shape)
    return math.prod(sizes[:-1] if layer.data_format == "channels_last" else sizes[1:])


def _recurrent(layer: Any, call: Call) -> int:
    weights = (*layer.cell.kernel.shape, *layer.cell.recurrent_kernel.shape)
    steps = call.reads[0].shape[1] or 1
    return steps * (weights[0] * weights[1] + weights[2] * weights[3])


def _both_ways(layer: Any, call: Call) -> int:
    if not all(type(part) in _RULES for part in (layer.forward_layer, layer.backward_layer)):
        return 0
    return _recurrent(layer.forward_layer, call) + _recurrent(layer.backward_layer, call)


def _attention(layer: Any, call: Call) -> int:
    tensors: Sequence[Any] = call.symbolic.reads if call.symbolic is not None else ()
    if not tensors or len(tensors[0].shape) != 3:
        return 0
    query, value = tensors[0].shape[1] or 1, tensors[min(1, len(tensors) - 1)].shape[1] or 1
    sizes = {
        role: math.prod(getattr(layer, f"{role}_dense").kernel.shape)
        for role in ("query", "key", "value", "output")
    }
    projections = query * (sizes["query"] + sizes["output"]) + value * (
        sizes["key"] + sizes["value"]
    )
    value_dim = layer.value_dim or layer.key_dim
    return projections + query * value * layer.num_heads * (layer.key_dim + value_dim)


_RULES: dict[type, Callable[[Any, Call], int]] = {
    layers.Dense: _dense,
    layers.EinsumDense: _einsum,
    **dict.fromkeys((layers.Conv1D, layers.Conv2D, layers.Conv3D), _convolution),
    **dict.fromkeys(
        (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose), _transposed
    ),
    **dict.fromkeys((layers.DepthwiseConv1D, layers.DepthwiseConv2D), _depthwise),
    **dict.fromkeys((layers.SeparableConv1D, layers.SeparableConv2D), _separable),
    **dict.fromkeys((layers.LSTM, layers.GRU, layers.SimpleRNN), _recurrent),
    layers.Bidirectional: _both_ways,
    layers.MultiHeadAttention: _attention,
}
