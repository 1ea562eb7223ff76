"""Weights and layers inside a layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras.src.layers.rnn.conv_lstm import ConvLSTMCell as _ConvLSTMCell

_BIASES = ("bias", "b", "intercept", "offset")


_SCALES = ("gamma", "beta", "alpha", "scale", "gain", "moving_mean", "moving_variance")


def is_bias(variable: Any) -> bool:
    """Whether a variable is a bias, which its name alone tells."""
    return variable.name in _BIASES or variable.name.endswith("_bias")


def is_normalization_scale(variable: Any) -> bool:
    """Whether a variable is the scale or offset of a normalisation, by its name."""
    return variable.name in _SCALES or variable.name.endswith(("_scale", "_gamma", "_beta"))


def give_first_value(variable: Any, value: np.ndarray) -> None:
    """Give a value to a variable that may have none yet, without asking its initializer."""
    if variable._value is not None:
        variable.assign(value)
        return
    variable._initialize(variable._convert_to_tensor(value, dtype=variable._dtype))
    variable._initializer = None


ConvLSTMCell: Any = _ConvLSTMCell


def own_weights(layer: Any) -> list[Any]:
    """A layer's weights without those of its sublayers, frozen or not; an operation has none."""
    return list(getattr(layer, "_trainable_variables", ()))


def sublayers(layer: Any) -> list[Any]:
    """The layers directly inside a layer or model, each once."""
    return layer._flatten_layers(include_self=False, recursive=False)


_ATTENTION_ROLES = ("query", "key", "value", "gate", "output")


def attention_projections(layer: Any) -> dict[str, Any]:
    """The dense layers inside a built (multi-head or grouped-query) attention layer, by role."""
    roles = {role: getattr(layer, f"_{role}_dense", None) for role in _ATTENTION_ROLES}
    return {role: dense for role, dense in roles.items() if dense is not None}
