"""Pictures of curves, made from their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from taut.errors import InputError
from taut.studies.plots import SIZE

if TYPE_CHECKING:
    import pandas as pd

    from taut.studies.learning_result import LearningCurve

POINTS = 60
"""Of a fitted line."""
COLOURS = {"domain": ["training", "held out"], "range": ["#7f7f7f", "#1f77b4"]}


def altair() -> Any:
    """Altair, imported when a chart is drawn.

    Raises:
        InputError: If it is not installed.
    """
    try:
        import altair as alt
    except ImportError as error:
        raise InputError(
            "`plot` needs Altair, which is not installed. Install it with "
            "`pip install altair vl-convert-python`."
        ) from error
    return alt


def learning_chart(curve: LearningCurve) -> Any:
    """Both losses against rows, the law, and its interval as far as four times the rows."""
    import pandas as pd

    alt = altair()
    x = alt.X("rows:Q", scale=alt.Scale(type="log", nice=False), title="rows to train on")
    rows = np.geomspace(curve.summary["rows"].min(), 4 * curve.rows, POINTS)
    law = curve.law.loss(rows, 0.8)
    fitted = pd.DataFrame({"rows": rows, "loss": law[:, 0], "low": law[:, 1], "high": law[:, 2]})
    ends = alt.Y("low:Q", title="data loss"), alt.Y2("high")
    band = alt.Chart(fitted).mark_area(opacity=0.15, color=COLOURS["range"][1]).encode(x, *ends)
    line = alt.Chart(fitted).mark_line(strokeDash=[5, 3], color=COLOURS["range"][1])
    present = alt.Chart(pd.DataFrame({"rows": [curve.rows]})).mark_rule(opacity=0.4).encode(x)
    layers = [band, line.encode(x, _loss(alt)), present, *both_losses(alt, curve.summary, x)]
    title = "Learning curve, with the fitted law to four times the rows"
    return alt.layer(*layers).properties(title=title, **SIZE)


def both_losses(alt: Any, frame: pd.DataFrame, x: Any, *, lines: bool = False) -> list[Any]:
    """Training and held-out loss with bars of a standard error, by the field of `x`."""
    import pandas as pd

    field = str(x.shorthand).partition(":")[0]
    parts = [
        pd.DataFrame(
            {
                field: frame[field],
                "losses": name,
                "loss": frame[column],
                "low": frame[column] - frame[f"{column}_standard_error"],
                "high": frame[column] + frame[f"{column}_standard_error"],
            }
        )
        for name, column in (("training", "train_loss"), ("held out", "held_out_loss"))
    ]
    long = pd.concat(parts, ignore_index=True)
    long = long[np.isfinite(long["loss"].to_numpy(float))]
    colour = alt.Color("losses:N", scale=alt.Scale(**COLOURS), title="loss on rows")
    bars = long[np.isfinite(long["low"].to_numpy(float))]
    ends = alt.Y("low:Q", title="data loss"), alt.Y2("high")
    spread = alt.Chart(bars)
    spread = spread.mark_area(opacity=0.2) if lines else spread.mark_rule(opacity=0.6)
    marks = alt.Chart(long)
    marks = marks.mark_line() if lines else marks.mark_point(filled=True, size=45)
    return [spread.encode(x, *ends, color=colour), marks.encode(x, _loss(alt), color=colour)]


def _loss(alt: Any) -> Any:
    return alt.Y("loss:Q", title="data loss", scale=alt.Scale(zero=False))
