"""How many lanes train side by side on one device."""

from __future__ import annotations

from collections.abc import Callable

import jax

MOST = 16
WORTH_MEASURING = 30.0
"""Seconds of training from which on other widths, which must be compiled, are tried."""
MARGIN = 0.9
"""Another width must take less than this share of the time."""


def width_for(lanes: int, most: int = MOST) -> int:
    """Lanes side by side on one device: equal shares of at most `most`, so rounds are full."""
    devices = min(lanes, len(jax.local_devices()))
    rounds = -(-lanes // (devices * most))
    return -(-lanes // (devices * rounds))


def measured_width(
    lanes: int, epochs: int, seconds_an_epoch: Callable[[int], float], *, chosen: int
) -> int:
    """The width at which the real program trains fastest on this device.

    Small dense networks gain from several lanes side by side (their products are too small for
    a core alone); convolutions and large layers are fastest one by one. A width costs a
    compilation to try, so others than `chosen` are tried only where the whole study would take
    longer than half a minute: then 1 and a quarter of it, on one epoch of real lanes.

    Args:
        lanes: Lanes to train.
        epochs: Epochs of each.
        seconds_an_epoch: Measures one epoch of full slots at a width.
        chosen: The width to start from.
    """
    if chosen == 1:
        return 1
    devices = min(lanes, len(jax.local_devices()))

    def total(width: int) -> float:
        return seconds_an_epoch(width) * epochs * -(-lanes // (devices * width))

    best, least = chosen, total(chosen)
    if least < WORTH_MEASURING:
        return chosen
    for width in sorted({1, max(chosen // 4, 1)}):
        seconds = total(width)
        if seconds < MARGIN * least:
            best, least = width, seconds
    return best
