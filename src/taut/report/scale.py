"""One axis in percent of its width, for the small pictures inside tables.

Positions in percent let one static SVG fit a desk, a phone and a sheet of paper, with every
label as text of the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from taut import readable


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Scale:
    """A linear axis from `low` to `high`, mapped to 0..100."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """The place of a value in percent, inside the axis always."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 2)

    def places(self, item: Any) -> dict[str, float | None]:
        """Where a value with its `low` and `high` ends lies; None where one is not known."""
        ends = {"at": item.value, "low": item.low, "high": item.high}
        return {
            name: self.at(end) if readable.is_number(end) else None for name, end in ends.items()
        }

    def ticks(self, about: int = 5) -> list[Tick]:
        """Round numbers inside the axis, at a step of 1, 2 or 5 times a power of ten."""
        step = _nice((self.high - self.low) / about)
        places = max(-math.floor(math.log10(step) + 1e-9), 0)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [
            Tick(self.at(k * step), readable.fixed(k * step, places))
            for k in range(first, last + 1)
        ]


def spanning(values: Iterable[float | None], *, zero: bool = False) -> Scale:
    """An axis that holds all the finite values with a little room on both sides."""
    finite = [float(v) for v in values if readable.is_number(v) and v is not None]
    if zero:
        finite.append(0.0)
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    room = 0.06 * (high - low) or 0.1 * abs(low) or 1.0
    return Scale(low - room, high + room)


def _nice(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next((m * power for m in (1, 2, 5) if m * power >= step * (1 - 1e-9)), 10 * power)
