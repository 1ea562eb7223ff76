"""A picture of the items that were rated most, by their factors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from taut.charts import altair, offline

if TYPE_CHECKING:
    import pandas as pd

    from taut.recommendation.rating_model import RatingModel


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
    """The positions as an Altair chart with names; colour is the expected rating."""
    alt = altair()
    frame = item_positions(model, most)
    labels = [str(item) if names is None else names.get(item, str(item)) for item in frame["item"]]
    frame = frame.assign(name=labels)
    title = "taste, in ratings"
    x = alt.X("x:Q", title=f"{title}: first direction")
    y = alt.Y("y:Q", title=f"{title}: second direction")
    colour = alt.Color("expected:Q", scale=alt.Scale(scheme="viridis"), title="expected rating")
    base = alt.Chart(frame)
    tips = ["name:N", "ratings:Q", alt.Tooltip("expected:Q", format=".2f")]
    points = base.mark_circle(size=60).encode(x, y, color=colour, tooltip=tips)
    texts = base.mark_text(align="left", dx=6, fontSize=10, limit=150).encode(x, y, text="name:N")
    told = f"The {len(frame)} items with most ratings: those near each other please the same people"
    return offline((points + texts).properties(width=820, height=560, title=told))
