"""Small pictures as SVG: one drawing for light, dark, phone and paper.

Colours are classes of the style sheet. Only numbers and words of the catalogue go into a drawing;
everything else that is text is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape
from rich.cells import cell_len

from taut import readable
from taut.report.scale import Scale

LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 24
CELL = 6.0
"""About how wide a letter is drawn; a Chinese sign is two."""


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high`, linear or by powers of ten."""

    low: float
    high: float
    log: bool = False

    def share(self, value: float) -> float:
        """The place of a value from 0 to 1, inside the axis always."""
        return min(max(self.place(value), 0.0), 1.0)

    def place(self, value: float) -> float:
        """The place of a value: 0 at the lower end, 1 at the upper one, also beyond these."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, about: int = 5) -> list[tuple[float, str]]:
        """Places of round values, and their labels, all written in one way."""
        if not self.log:
            return [(t.at / 100, t.label) for t in Scale(self.low, self.high).ticks(about)]
        decades = _decades(self.low, self.high, (1,))
        if len(decades) >= 2:
            stride = math.ceil(len(decades) / about)
            exponents = [round(math.log10(v)) for v in decades][::stride]
            return [(self.share(10.0**k), f"10{_raised(k)}") for k in exponents]
        values = _decades(self.low, self.high, (1, 2, 5))
        stride = math.ceil(len(values) / about) or 1
        return [(self.share(v), readable.short(v)) for v in values[::stride]]


def _decades(low: float, high: float, factors: Sequence[int]) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    values = [f * 10.0**k for k in range(first, last + 1) for f in factors]
    return [v for v in values if low * (1 - 1e-9) <= v <= high * (1 + 1e-9)]


def _raised(number: int) -> str:
    return str(number).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


Point = tuple[float, float]


def _inside(start: Point, end: Point) -> tuple[Point, Point] | None:
    """The part of a line between two points whose height is from 0 to 1; None for none."""
    (x, y), (rise, run) = start, (end[1] - start[1], end[0] - start[0])
    if rise == 0:
        return (start, end) if 0 <= y <= 1 else None
    edges = sorted(((0 - y) / rise, (1 - y) / rise))
    low, high = max(edges[0], 0.0), min(edges[1], 1.0)
    if low > high:
        return None
    first = start if low == 0 else (x + low * run, y + low * rise)
    return first, end if high == 1 else (x + high * run, y + high * rise)


@dataclass
class Drawing:
    """A picture with two axes; marks are added one by one, later ones above."""

    x: Axis
    y: Axis
    width: int = 372
    height: int = 224
    marks: list[Markup] = field(default_factory=list)

    def at_x(self, value: float) -> float:
        return self._across(self.x.share(value))

    def at_y(self, value: float) -> float:
        return self._down(self.y.share(value))

    def _across(self, share: float) -> float:
        return round(LEFT + share * (self.width - LEFT - RIGHT), 1)

    def _down(self, share: float) -> float:
        return round(TOP + (1 - share) * (self.height - TOP - BOTTOM), 1)

    def line(self, points: Iterable[tuple[float, float]], kind: str) -> None:
        """A line through points in order; one that is not finite parts it.

        What is above or below the picture is cut off: along its edge a line would say that the
        values stay there.
        """
        path: list[str] = []
        last: Point | None = None
        pen: Point | None = None
        for x, y in points:
            if not (math.isfinite(x) and math.isfinite(y)):
                last = pen = None
                continue
            point = self.x.share(x), self.y.place(y)
            part = _inside(point if last is None else last, point)
            if part is not None:
                start, end = part
                path += (
                    [] if start == pen else [f"M{self._across(start[0])} {self._down(start[1])}"]
                )
                path += [] if start == end else [f"L{self._across(end[0])} {self._down(end[1])}"]
                pen = end
            last = point
        self._add('<path class="line {}" d="{}"/>', kind, "".join(path))

    def band(self, points: Sequence[tuple[float, float, float]], kind: str) -> None:
        """The area between a lower and an upper value."""
        if len(points) > 1:
            upper = [f"{self.at_x(x)} {self.at_y(high)}" for x, _, high in points]
            lower = [f"{self.at_x(x)} {self.at_y(low)}" for x, low, _ in reversed(points)]
            self._add('<path class="band {}" d="M{}Z"/>', kind, "L".join([*upper, *lower]))

    def dots(self, points: Iterable[tuple[float, float]], kind: str, radius: float = 2.4) -> None:
        for x, y in points:
            self._add(
                '<circle class="{}" cx="{}" cy="{}" r="{}"/>',
                kind,
                self.at_x(x),
                self.at_y(y),
                radius,
            )

    def upright(self, x: float, low: float, high: float, kind: str) -> None:
        """A line straight up from one value to another."""
        self._add(
            '<path class="line {}" d="M{} {}V{}"/>', kind, self.at_x(x), self.at_y(low),
            self.at_y(high),
        )  # fmt: skip

    def level(self, y: float, kind: str) -> None:
        """A line across the whole picture."""
        right = self.width - RIGHT
        self._add('<path class="line {}" d="M{} {}H{}"/>', kind, LEFT, self.at_y(y), right)

    def mark_x(self, x: float, kind: str) -> None:
        """A line from top to bottom."""
        at, bottom = self.at_x(x), self.height - BOTTOM
        self._add('<path class="line {}" d="M{} {}V{}"/>', kind, at, TOP, bottom)

    def label_x(self, x: float, label: str, *, right: bool, row: int = 0) -> None:
        """A word at the top, on the right or the left of a value, but within the picture."""
        wide, at = CELL * cell_len(label), self.at_x(x)
        place = min(at + 5, self.width - wide) if right else max(at - 5, LEFT + wide)
        self._add(
            '<text class="label {}" x="{}" y="{}">{}</text>',
            "start" if right else "end",
            round(place, 1),
            TOP + 10 + 15 * row,
            label,
        )

    def cursor(self) -> None:
        """A line that a script moves; it stands at the left end until then."""
        bottom = self.height - BOTTOM
        self._add('<g class="cursor" hidden><path class="line" d="M0 {}V{}"/></g>', TOP, bottom)

    def _add(self, form: str, *values: object) -> None:
        self.marks.append(Markup(form).format(*values))

    def svg(self, description: str, *, ticks_x: int = 5, ticks_y: int = 5) -> Markup:
        """The picture, with its axes and grid behind the marks."""
        parts = []
        bottom, right = self.height - BOTTOM, self.width - RIGHT
        for share, label in self.y.ticks(ticks_y):
            y = round(TOP + (1 - share) * (bottom - TOP), 1)
            parts.append(Markup('<path class="grid" d="M{} {}H{}"/>').format(LEFT, y, right))
            parts.append(
                Markup('<text class="tick end" x="{}" y="{}">{}</text>').format(
                    LEFT - 6, y + 4, label
                )
            )
        for share, label in self.x.ticks(ticks_x):
            x = round(LEFT + share * (right - LEFT), 1)
            parts.append(Markup('<path class="axis" d="M{} {}v4"/>').format(x, bottom))
            parts.append(
                Markup('<text class="tick" x="{}" y="{}">{}</text>').format(x, bottom + 17, label)
            )
        parts.append(Markup('<path class="axis" d="M{} {}H{}"/>').format(LEFT, bottom, right))
        return Markup(
            '<svg class="drawing" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
        ).format(
            self.width, self.height, escape(description), Markup("").join([*parts, *self.marks])
        )
