"""How many lanes train side by side on one device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import keras

from taut.engine.lanes import Lane

MOST = 16
WORTH_MEASURING = 30.0
"""Seconds of training from which on other widths, which must be compiled, are tried."""
MARGIN = 0.9
"""Another width must take less than this share of the time."""


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


def measured_width(
    model: Any,
    lanes: Sequence[Lane],
    epochs: int,
    devices: int,
    seconds_an_epoch: Callable[[int], float],
) -> int:
    """The width at which the real program trains fastest on this device.

    Small dense networks gain from several lanes side by side (their products are too small for
    a core alone); large layers are fastest one by one. A width costs a compilation to try, so
    others than `width_for` are tried only where the whole study would take longer than half a
    minute: then 1 and a quarter of it, on one epoch of real lanes.

    Args:
        model: The model.
        lanes: Lanes to train. Those with a `start` wait for others, and do not count.
        epochs: Epochs of each.
        devices: Devices that take lanes.
        seconds_an_epoch: Measures one epoch of full slots at a width.
    """
    at_once = sum(lane.start is None for lane in lanes)
    chosen = width_for(model, at_once, devices)
    if chosen == 1:
        return 1

    def total(width: int) -> float:
        return seconds_an_epoch(width) * epochs * -(-len(lanes) // (devices * width))

    best, least = chosen, total(chosen)
    if least < WORTH_MEASURING:
        return chosen
    for width in sorted({1, max(chosen // 4, 1)}):
        seconds = total(width)
        if seconds < MARGIN * least:
            best, least = width, seconds
    return best


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
