"""Functions of the backend on numbers that are known, in double precision where it has that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import activations, layers, ops

from taut._keras.precision import double_throughout
from taut.compaction.reasons import ACTIVATION, WITH_WEIGHTS, Reason
from taut.compaction.traced import Call
from taut.structure.kinds import elementwise_activation

_SIZE = 64
"""Numbers are padded to multiples of this: JAX compiles a program for each size."""


def computed(function: Callable[..., Any], *values: np.ndarray) -> np.ndarray:
    """A function that acts on each element alone, where all its arguments are known.

    Args:
        function: (tensor, …) -> tensor, all of one shape.
        *values: [n] each, NaN where a value is not known.
    """
    known = np.all([~np.isnan(value) for value in values], axis=0)
    made = np.full(known.shape, np.nan)
    if not known.any():
        return made
    count = int(known.sum())
    padded = [np.resize(value[known], (1, -(-count // _SIZE) * _SIZE)) for value in values]
    with double_throughout():
        tensors = [ops.convert_to_tensor(array, "float64") for array in padded]
        result = np.asarray(ops.convert_to_numpy(function(*tensors)), float)
    made[known] = result[0, :count]
    return made


def operation_on(call: Call) -> Callable[..., Any]:
    """The call's layer or operation as a function of tensors, in inference mode."""
    op = call.operation
    if isinstance(op, keras.layers.Layer):
        if isinstance(op, keras.layers.Activation):
            return op.activation
        merges = len(call.reads) > 1
        return lambda *tensors: op._merge_function(list(tensors)) if merges else op.call(*tensors)
    symbolic: Any = call.symbolic

    def applied(*tensors: Any) -> Any:
        given = iter(tensors)

        def filled(argument: Any) -> Any:
            return next(given) if isinstance(argument, keras.KerasTensor) else argument

        args, kwargs = keras.tree.map_structure(filled, (symbolic.args, symbolic.kwargs))
        return op.call(*args, **kwargs)

    return applied


def activated(activation: Any, value: np.ndarray) -> np.ndarray | None:
    """A layer's `activation` on known values; None where it mixes features, or is not known."""
    if activation is None or activation is activations.linear:
        return value
    if activation is activations.relu:
        return np.maximum(value, 0)
    if activation is activations.tanh:
        return np.tanh(value)
    if has_weights(activation) or not elementwise_activation(activation):
        return None
    return computed(activation, value)


def not_followed(activation: Any) -> Reason | None:
    """Why it is not known what a layer's `activation` makes; None where it is, or mixes units."""
    if has_weights(activation):
        return WITH_WEIGHTS
    of_keras = str(getattr(activation, "__module__", "")).startswith("keras.")
    return None if of_keras or elementwise_activation(activation) else ACTIVATION


def has_weights(activation: Any) -> bool:
    """Whether a layer's `activation` is a layer that has weights, or will have."""
    # Some get them when they are first called, and must not be called on anything else before.
    kinds = layers.PReLU, layers.BatchNormalization, layers.Normalization
    return isinstance(activation, kinds) or bool(getattr(activation, "weights", ()))
