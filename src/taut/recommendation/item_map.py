"""A picture of the items that were rated most, by their factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from taut.charts import altair, offline

if TYPE_CHECKING:
    import pandas as pd

    from taut.recommendation.rating_model import RatingModel

WIDTH, HEIGHT = 820, 560
FONT, LETTER, APART, LIMIT = 10, 6, 6, 150
"""Pixels: of the letters, the width of one, from a point to its name, and of a name at most."""


def item_positions(model: RatingModel, most: int) -> pd.DataFrame:
    """The two directions in which the factors of the most rated items differ most.

    Args:
        model: A fitted factorisation.
        most: So many items.

    Returns:
        item, ratings, expected (the rating of an average user), x, y: principal components of the
        factors q, in the units that an average user's factors turn into ratings.
    """
    frame = model.to_frame().sort_values("ratings", ascending=False, kind="stable").head(most)
    q = model.factors.item.rows[frame.index.to_numpy(), 1:]
    p = model.factors.user.rows[:, 1:]
    # In ratings: what a difference of q means depends on how the users' p are spread.
    spread = np.linalg.cholesky(
        np.cov(p, rowvar=False).reshape(p.shape[1], -1) + 1e-12 * np.eye(p.shape[1])
    )
    values = model.scale * (q - q.mean(axis=0)) @ spread
    _, _, ways = np.linalg.svd(values, full_matrices=False)
    two = np.zeros((len(frame), 2))
    two[:, : min(2, len(ways))] = values @ ways[:2].T
    return frame.assign(x=two[:, 0], y=two[:, 1]).reset_index(drop=True)


def item_chart(model: RatingModel, names: Mapping[Any, str] | None, most: int) -> Any:
    """The positions as an Altair chart; colour is the expected rating.

    Names that would lie on those of items with more ratings are told where the mouse is alone.
    """
    alt = altair()
    frame = item_positions(model, most)
    labels = [_name(item, names) for item in frame["item"].tolist()]
    frame = frame.assign(name=labels)
    x, y = (_Axis.of(frame[name].to_numpy(), size) for name, size in (("x", WIDTH), ("y", HEIGHT)))
    frame = frame.assign(shown=readable(x.pixels, -y.pixels, labels))
    title = "taste, in ratings"
    places = (
        alt.X("x:Q", title=f"{title}: first direction", scale=alt.Scale(domain=x.domain)),
        alt.Y("y:Q", title=f"{title}: second direction", scale=alt.Scale(domain=y.domain)),
    )
    colour = alt.Color("expected:Q", scale=alt.Scale(scheme="viridis"), title="expected rating")
    tips = ["name:N", "ratings:Q", alt.Tooltip("expected:Q", format=".2f")]
    points = alt.Chart(frame).mark_circle(size=60).encode(*places, color=colour, tooltip=tips)
    named = alt.Chart(frame[frame["shown"]])
    texts = named.mark_text(align="left", dx=APART, fontSize=FONT, limit=LIMIT)
    told = f"The {len(frame)} items with most ratings: those near each other please the same people"
    chart = (points + texts.encode(*places, text="name:N")).properties(
        width=WIDTH, height=HEIGHT, title=told
    )
    return offline(chart)


def _name(item: Any, names: Mapping[Any, str] | None) -> str:
    """What is shown for an item: its name; the id itself where none is known."""
    found = None if names is None else names.get(item)
    return found if isinstance(found, str) else str(item)


@dataclass(frozen=True)
class _Axis:
    """Where values are on an axis: its ends, and places in pixels."""

    domain: list[float]
    pixels: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, size: int) -> _Axis:
        margin = 0.05 * float(np.ptp(values)) or 1.0
        low, high = float(values.min()) - margin, float(values.max()) + margin
        return cls([low, high], size * (values - low) / (high - low))


def readable(x: np.ndarray, y: np.ndarray, labels: Sequence[str]) -> list[bool]:
    """Which names can be written to the right of their points, the first before others.

    One that would lie on another, or on the point of another that is written, is left out.

    Args:
        x, y: In pixels.
        labels: The names.
    """
    shown: list[tuple[float, float, float]] = []
    found = []
    for left, line, label in zip(x.tolist(), y.tolist(), labels, strict=True):
        right = left + APART + min(LETTER * len(label), LIMIT)
        free = all(
            abs(line - other) > FONT + 2 or right < start or end < left
            for start, end, other in shown
        )
        found.append(free)
        if free:
            shown.append((left, right, line))
    return found
