"""How many lanes train side by side on one device."""

from __future__ import annotations

import math
from typing import Any

import jax
import keras

from taut.engine.convolutions import convolves_on_cpu

MOST = 16
FEW_WEIGHTS = 1 << 13
"""Trainable weights up to which lanes are trained side by side on a CPU."""


def most_side_by_side(model: Any) -> int:
    """The width at which a device trains the lanes of a model fastest, by a rule.

    On a CPU small networks gain from several lanes side by side, since their products are too small
    for a core alone; larger ones, whose lanes' weights, gradients and moments would fill the
    cache, are faster one after another. Measured: from 16 to 64 units in two layers the widths of 2
    to 16 differ by less than the noise, from 128 units on, and for an LSTM of 64, 1 is fastest, by
    up to four times. Convolutions are computed one lane at a time, since several become one grouped
    convolution.
    """
    if jax.default_backend() != "cpu":
        return MOST
    if convolves_on_cpu(model):
        return 1
    return MOST if trainable_weights(model) <= FEW_WEIGHTS else 1


def trainable_weights(model: Any) -> int:
    """How many numbers training changes."""
    return sum(math.prod(v.shape) for v in model.trainable_variables)


def width_for(model: Any, lanes: int, devices: int | None = None) -> int:
    """Lanes side by side on one device: equal shares, so that no round is partly filled."""
    devices = min(lanes, len(jax.devices()) if devices is None else devices)
    rounds = -(-lanes // (devices * most_side_by_side(model)))
    return -(-lanes // (devices * rounds))


def lanes_at_a_time() -> int:
    """How many lanes are trained at the same time, each on a device; 1 where `fit` trains them."""
    return len(jax.devices()) if keras.backend.backend() == "jax" else 1
