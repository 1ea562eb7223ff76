"""How many lanes train side by side on one device."""

from __future__ import annotations

from typing import Any

import jax

from taut.engine.convolutions import convolves_on_cpu

MOST = 16
CACHED_WEIGHTS = 1 << 15
"""Trainable weights that fit a core's cache: with their gradients and Adam's two moments half a
megabyte."""


def most_side_by_side(model: Any) -> int:
    """The width at which a device trains the lanes of a model fastest, by a rule.

    On a CPU small networks gain from several lanes side by side, since their products are too small
    for a core alone; where the lanes' weights fill the cache, one after another is faster.
    Convolutions are computed one lane at a time, since several become one grouped convolution.
    """
    if jax.default_backend() != "cpu":
        return MOST
    if convolves_on_cpu(model):
        return 1
    weights = sum(int(v.value.size) for v in model.trainable_variables)
    return max(1, min(MOST, CACHED_WEIGHTS // max(weights, 1)))


def width_for(model: Any, lanes: int, devices: int | None = None) -> int:
    """Lanes side by side on one device: equal shares, so that no round is partly filled."""
    devices = min(lanes, len(jax.devices()) if devices is None else devices)
    rounds = -(-lanes // (devices * most_side_by_side(model)))
    return -(-lanes // (devices * rounds))
