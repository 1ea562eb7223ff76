"""How many lanes train side by side on one device."""

from __future__ import annotations

from typing import Any

import jax
import keras

MOST = 16


def width_for(model: Any, lanes: int, devices: int | None = None) -> int:
    """Lanes side by side on one device: equal shares of at most `MOST`, so rounds are full.

    It is 1 for a model with convolutions on a CPU, where several become one grouped convolution,
    which is slow.
    """
    if convolves_on_cpu(model):
        return 1
    devices = min(lanes, len(jax.devices()) if devices is None else devices)
    rounds = -(-lanes // (devices * MOST))
    return -(-lanes // (devices * rounds))


def convolves_on_cpu(model: Any) -> bool:
    """Whether the model has convolutions and is trained on a CPU."""
    if jax.default_backend() != "cpu":
        return False
    kinds = tuple(getattr(keras.layers, name) for name in _CONVOLUTIONS)
    return any(isinstance(layer, kinds) for layer in model._flatten_layers())


_CONVOLUTIONS = (
    *(f"Conv{n}D{kind}" for n in (1, 2, 3) for kind in ("", "Transpose")),
    *(f"{kind}Conv{n}D" for n in (1, 2) for kind in ("Depthwise", "Separable")),
)
