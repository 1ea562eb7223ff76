"""Scores and differences of a run, ready to print, and what a difference amounts to."""

from __future__ import annotations

from typing import NamedTuple

from taut import readable, run_metrics
from taut.catalogue import EN, Catalogue
from taut.run_metrics import Metrics

TAUT = "taut"
NEXT_TO_ZERO = 1 / 20
"""An end of an interval is next to zero if it is nearer to it than this share of the interval's
length: the end of a percentile bootstrap of 2,000 draws is itself known no better."""


class Score(NamedTuple):
    """A system's score on the test rows, with its interval, ready to print."""

    system: str
    description: str
    value: float | None
    low: float | None
    high: float | None
    places: int
    withheld: str | None = None
    say: Catalogue = EN

    @property
    def name(self) -> str:
        return self.say.stored(self.system)

    @property
    def shown(self) -> str:
        return readable.fixed(self.value, self.places)

    @property
    def interval(self) -> str:
        return self.say.interval(self.low, self.high, self.places)


class Difference(NamedTuple):
    """Taut's score minus another system's, on the same test rows."""

    versus: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    places: int
    say: Catalogue = EN

    @property
    def name(self) -> str:
        return self.say.stored(self.versus)

    @property
    def shown(self) -> str:
        return readable.fixed(self.value, self.places, sign=True)

    @property
    def interval(self) -> str:
        return self.say.interval(self.low, self.high, self.places, sign=True)

    @property
    def code(self) -> str:
        """What it amounts to, from the first one's side (see `amounts_to`)."""
        lower = readable.lower_is_better(self.metric)
        return amounts_to(self.value, self.low, self.high, lower_is_better=lower)

    @property
    def verdict(self) -> str:
        """The code in words."""
        return self.say(f"verdict.{self.code}")


def amounts_to(
    value: float | None, low: float | None, high: float | None, *, lower_is_better: bool
) -> str:
    """What a difference amounts to, by its interval.

    "better" or "worse" where the interval leaves out zero; "perhaps_better" or "perhaps_worse"
    where an end of it lies next to zero (`NEXT_TO_ZERO`), on either side; "at_zero" where it ends
    exactly there, as it does for scores that count rows where very few rows differ; else
    "unclear", and "unknown" without an interval.

    Example:
        >>> amounts_to(0.021, 0.001, 0.043, lower_is_better=False)
        'perhaps_better'
        >>> amounts_to(0.021, 0.0, 0.043, lower_is_better=False)
        'at_zero'
        >>> amounts_to(0.021, -0.02, 0.06, lower_is_better=False)
        'unclear'
    """
    if low is None or high is None or not (readable.is_number(low) and readable.is_number(high)):
        return "unknown"
    if low == high == 0:
        return "unclear"  # the same predictions
    if 0 in (low, high):
        return "at_zero"
    upwards = (value or 0.0) > 0
    good = "worse" if upwards == lower_is_better else "better"
    nearest = min(abs(low), abs(high))
    if nearest < NEXT_TO_ZERO * (high - low) and value:
        return f"perhaps_{good}"
    if low <= 0 <= high:
        return "unclear"
    return "worse" if (low > 0) == lower_is_better else "better"


def half(score: run_metrics.Score | run_metrics.Difference) -> float | None:
    """Half the length of an interval."""
    low, high = score.low, score.high
    return (high - low) / 2 if readable.is_number(low) and readable.is_number(high) else None  # type: ignore[operator]


def scores(metrics: Metrics, name: str, say: Catalogue = EN) -> list[Score]:
    """Each system's score by one metric, all with the same number of decimals."""
    systems = [s for s in metrics.tested.systems if name in s.scores]
    places = readable.decimals(half(s.scores[name]) for s in systems)
    return [
        Score(s.name, s.description, score.value, score.low, score.high, places, why, say)
        for s in systems
        for score in [s.scores[name]]
        for why in [score.withheld]
    ]


def differences(metrics: Metrics, name: str, say: Catalogue = EN) -> list[Difference]:
    """Taut against each other system by one metric."""
    rows = [d for d in metrics.tested.differences if d.metric == name]
    places = readable.decimals(half(d) for d in rows)
    return [Difference(d.versus, name, d.value, d.low, d.high, places, say) for d in rows]
