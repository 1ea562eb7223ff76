"""Numbers on robust scales, before they are cast to single precision; marks among them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

FAR = 10.0
"""Spreads from the median beyond which a number is far: 13 deviations of a normal column."""
SPREADS = (0.25, 0.75), (0.05, 0.95), (0.01, 0.99), (0.0, 1.0)
MOST_MARKS, LEAST_COUNT, LEAST_SHARE = 4, 5, 0.002
LARGEST = float(np.finfo(np.float64).max)
ROUNDING = 16 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Mark:
    """One number that stands far outside the others of its column, again and again.

    Args:
        value: the number, such as -999.
        count: training rows that hold it.
        least: least of the column's other numbers.
        most: largest of them.
    """

    value: float
    count: int
    least: float
    most: float


@dataclass(frozen=True)
class Scale:
    r"""How the numbers of one column are scaled, in double precision.

        z = (x − centre)/spread,   and where |z| > 10:   sign(z)·10·(1 + log(|z|/10))

    The median and the quartiles do not see a few large values, and the logarithm keeps these
    finite and in order. Each fold standardises again, so of ordinary columns nothing of this is
    left.

    Args:
        centre: the median.
        spread: the interquartile range; if it is 0 (or rounding) that of 5% to 95%, of 1% to 99%,
            of all; for a constant the largest number there is, so that it cannot matter.
        marks: numbers that stand for something else, and have no place on the scale.
    """

    centre: float = 0.0
    spread: float = 1.0
    marks: tuple[Mark, ...] = field(default=())

    @classmethod
    def of(cls, values: np.ndarray, *, marked: bool = True) -> Scale:
        """Learn it from a column.

        Args:
            values: numbers [rows], NaN where missing.
            marked: whether to look for marks (see `find_mark`).
        """
        values = np.sort(values[~np.isnan(values)])
        marks: list[Mark] = []
        while marked and len(marks) < MOST_MARKS:
            ends = find_marks(values)
            if not 0 < len(ends) <= MOST_MARKS - len(marks):
                break
            marks += ends
            values = values[~np.isin(values, [mark.value for mark in ends])]
        if not len(values):
            return cls()
        # Where the values differ by rounding alone, nothing is left of them on this scale.
        return cls(float(_quantile(values, 0.5)), spread(values) or LARGEST, tuple(marks))

    def apply(self, values: np.ndarray) -> np.ndarray:
        """The formula above for numbers [rows]; NaN where one is missing or a mark."""
        with np.errstate(over="ignore"):
            z = (values - self.centre) / self.spread
        z = np.clip(z, -LARGEST, LARGEST)
        size = np.maximum(np.abs(z), FAR)
        z = np.where(size > FAR, np.sign(z) * FAR * (1 + np.log(size / FAR)), z)
        return np.where(self.is_mark(values).any(axis=1), np.nan, z)

    def undo(self, scaled: float) -> float:
        """The number that `apply` made this one of."""
        size = abs(scaled)
        if size > FAR:
            size = FAR * math.exp(min(size / FAR - 1, 700))
        return self.centre + self.spread * math.copysign(size, scaled)

    def is_mark(self, values: np.ndarray) -> np.ndarray:
        """Which of the numbers [rows] is which mark: [rows, marks]."""
        return values[:, None] == np.array([mark.value for mark in self.marks])


def spread(ordered: np.ndarray) -> float:
    """The interquartile range, or the first wider range that is more than rounding; 0 for none."""
    for low, high in SPREADS:
        lower, upper = float(_quantile(ordered, low)), float(_quantile(ordered, high))
        if upper - lower > ROUNDING * max(abs(lower), abs(upper)):
            return min(upper - lower, LARGEST)
    return 0.0


def find_marks(ordered: np.ndarray) -> list[Mark]:
    """The numbers at one end of a column that are marks: few, repeated, and far from the others.

    They are at most four different ones, such as 97, 98 and 99 for answers from 0 to 10. Each is
    in 0.2% of the rows and five at least, and the gap to the other numbers is more than ten times
    the spread of these.

    Args:
        ordered: numbers [rows], sorted.
    """
    distinct, counts = np.unique(ordered, return_counts=True)
    enough = counts >= max(LEAST_COUNT, LEAST_SHARE * len(ordered))
    for end in (1, -1):
        towards, often = distinct[::end], enough[::end]
        for mark_count in range(1, MOST_MARKS + 1):
            # Of two different numbers none is far: what is left has no spread.
            if mark_count > len(distinct) - 2 or not often[-mark_count]:
                break
            # In halves, or the largest of numbers would overflow.
            gap = abs(float(towards[-mark_count] / 2 - towards[-mark_count - 1] / 2))
            others = ordered[np.isin(ordered, towards[:-mark_count])]
            if gap > FAR / 2 * spread(others):
                bounds = float(others[0]), float(others[-1])
                number = counts[::end]
                places = range(1, mark_count + 1)
                return [Mark(float(towards[-k]), int(number[-k]), *bounds) for k in places]
    return []


def apart(values: np.ndarray) -> tuple[float, float] | None:
    """The bounds beyond which numbers are out of all proportion to the others, or None.

    Such are 1% of the numbers at most, ten times the range of all others away from these. The
    bounds are that range away on either side.

    Args:
        values: numbers [rows].
    """
    ordered = np.sort(values)
    few = max(len(ordered) // 100, 1)
    body = ordered[few : len(ordered) - few]
    if len(body) < 2 or body[0] == body[-1]:
        return None
    lower, upper = float(body[0]), float(body[-1])
    for value in ordered[len(ordered) - few :]:
        if value - upper > FAR * (upper - lower):
            break
        upper = max(upper, float(value))
    for value in ordered[:few][::-1]:
        if lower - value > FAR * (upper - lower):
            break
        lower = min(lower, float(value))
    width = upper - lower
    if ordered[0] >= lower - width and ordered[-1] <= upper + width:
        return None
    return lower - width, upper + width


def _quantile(ordered: np.ndarray, share: float) -> Any:
    """One of the numbers themselves, so that no sum of two overflows."""
    return ordered[round(share * (len(ordered) - 1))]
