"""Pictures of curves, made from their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from taut.charts import altair, offline
from taut.studies.plots import SIZE
from taut.studies.trainings import means_without_nan

if TYPE_CHECKING:
    import pandas as pd

    from taut.studies.capacity import CapacityCurve
    from taut.studies.learning_result import LearningCurve
    from taut.studies.model_choice_result import ModelChoice
    from taut.studies.seed_luck import SeedVariance
    from taut.studies.turning import EpochCurve

POINTS = 60
"""Of a fitted line."""
COLOURS = {"domain": ["training", "held out"], "range": ["#7f7f7f", "#1f77b4"]}


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
    return offline(alt.layer(*layers).properties(title=title, **SIZE))


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


def epoch_chart(curve: EpochCurve) -> Any:
    """Both losses by epoch, each fold faint, and where the held-out loss is least."""
    import pandas as pd

    alt = altair()
    x = alt.X("epoch:Q", title="epochs")
    folds, _, epochs = curve.held_out_loss.shape
    means = means_without_nan(curve.held_out_loss, axis=1)
    every = max(epochs // POINTS, 1)
    shown = np.append(np.arange(0, epochs - 1, every), epochs - 1)
    of_folds = pd.DataFrame(
        {
            "epoch": np.tile(shown + 1, folds),
            "fold": np.repeat(np.arange(folds), len(shown)),
            "loss": means[:, shown].ravel(),
        }
    ).dropna()
    faint = alt.Chart(of_folds).mark_line(opacity=0.25, strokeWidth=1, color=COLOURS["range"][1])
    turn = curve.turn
    where = pd.DataFrame({"epoch": [turn.epochs], "low": [turn.low], "high": [turn.high]})
    span = alt.Chart(where).mark_rect(opacity=0.12, color="black")
    layers = [
        span.encode(alt.X("low:Q", title="epochs"), alt.X2("high")),
        faint.encode(x, _loss(alt), detail="fold:N"),
        *both_losses(alt, curve.summary.iloc[shown], x, lines=True),
        alt.Chart(where).mark_rule(strokeDash=[4, 3]).encode(x),
    ]
    told = "has turned" if turn.turned else "has not turned"
    title = f"Loss by epoch: the held-out loss {told}; least after {turn.epochs}"
    return offline(alt.layer(*layers).properties(title=title, **SIZE))


def capacity_chart(curve: CapacityCurve) -> Any:
    """Both losses against the number of weights, and the two choices."""
    import pandas as pd

    alt = altair()
    frame = curve.summary
    x = alt.X("parameters:Q", scale=alt.Scale(type="log", nice=False), title="trainable weights")
    lines = [curve.line(curve.best), curve.line(curve.smallest_near)]
    marks = pd.DataFrame(
        {
            "parameters": [line["parameters"] for line in lines],
            "loss": [line["held_out_loss"] for line in lines],
            "choice": ["least held-out loss", "smallest near"],
        }
    )
    points = alt.Chart(marks).mark_point(size=140, filled=False, color="black", strokeWidth=2)
    layers = [
        *both_losses(alt, frame, x),
        points.encode(x, _loss(alt), shape=alt.Shape("choice:N")),
    ]
    return offline(alt.layer(*layers).properties(title="Loss by size of the network", **SIZE))


def choice_chart(choice: ModelChoice) -> Any:
    """The held-out loss of every candidate; those of the first fold alone are hollow."""
    alt = altair()
    frame = choice.summary[np.isfinite(choice.summary["held_out_loss"].to_numpy(float))]
    least = frame.loc[frame["strength"] > 0, "strength"].min()
    # A logarithmic axis has no place for 0: it stands a step to the left of the others.
    frame = frame.assign(at=frame["strength"].where(frame["strength"] > 0, least / 10))
    x = alt.X("at:Q", scale=alt.Scale(type="log", nice=False), title="strength")
    loss = alt.Y("held_out_loss:Q", title="held-out data loss", scale=alt.Scale(zero=False))
    base = alt.Chart(frame[frame["finalist"]]).encode(x, loss)
    others = alt.Chart(frame[~frame["finalist"]]).mark_point(size=35, opacity=0.5).encode(x, loss)
    colour = alt.Color("model:N", sort=list(choice.models), title="model")
    chosen = frame[
        (frame["model"] == choice.best_model) & (frame["strength"] == choice.best_strength)
    ]
    ring = alt.Chart(chosen).mark_point(size=160, filled=False, color="gray", strokeWidth=2)
    layers = [
        base.mark_line(opacity=0.6).encode(color=colour),
        base.mark_point(filled=True, size=45).encode(color=colour),
        others.encode(color=colour),
        ring.encode(x, loss),
    ]
    title = f"Held-out loss of what was tried; chosen: {choice.best_model}"
    return offline(alt.layer(*layers).properties(title=title, **SIZE))


def variance_chart(luck: SeedVariance) -> Any:
    """The standard deviation of each component, with its interval."""
    alt = altair()
    frame = luck.to_frame().drop(columns="degrees")
    y = alt.Y("component:N", sort=frame["component"].tolist(), title=None)
    deviation = "standard deviation of the held-out loss"
    ends = alt.X("low:Q", title=deviation, scale=alt.Scale(zero=True)), alt.X2("high")
    bars = alt.Chart(frame).mark_rule().encode(y, *ends)
    points = alt.Chart(frame).mark_point(filled=True, size=70)
    layers = [bars, points.encode(y, alt.X("deviation:Q", title=deviation))]
    return offline(alt.layer(*layers).properties(title="What the loss owes to luck", **SIZE))
