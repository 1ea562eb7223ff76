"""Pictures of studies of labels: what is fitted of permuted ones, which rows are suspect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from taut.charts import altair, offline
from taut.studies.plots import SIZE

if TYPE_CHECKING:
    from taut.studies.label_noise_result import LabelNoise
    from taut.studies.memorization_result import Memorization
    from taut.studies.stability_result import StabilitySelection

BINS = 60
MOST_BARS = 40


def label_noise_chart(result: LabelNoise) -> Any:
    """How many rows have each score, suspects in a colour of their own."""
    import pandas as pd

    alt = altair()
    scores = result.score[result.ranked]
    edges = np.histogram_bin_edges(scores, bins=min(BINS, max(len(scores) // 5, 5)))
    suspect = np.isin(result.ranked, result.suspects)
    parts = []
    for name, chosen in (("suspect", suspect), ("plausible", ~suspect)):
        counts, _ = np.histogram(scores[chosen], bins=edges)
        parts.append(
            pd.DataFrame({"start": edges[:-1], "end": edges[1:], "rows": counts, "label": name})
        )
    unit = "log odds against the strongest rival" if result.classes is not None else "−|z|"
    title = f"wrong labels: {result.share:.1%} ({result.low:.1%} to {result.high:.1%})"
    return (
        alt.Chart(pd.concat(parts, ignore_index=True))
        .mark_bar()
        .encode(
            alt.X("start:Q", bin="binned", title=f"score of the label ({unit})"),
            alt.X2("end"),
            # Few suspects among many rows would not be seen on a linear axis.
            alt.Y("rows:Q", title="rows", scale=alt.Scale(type="symlog"), stack="zero"),
            color=alt.Color("label:N", sort=["suspect", "plausible"]),
        )
        .properties(title=title, **SIZE)
    )


def memorization_chart(result: Memorization) -> Any:
    """The training loss by epoch on true and on permuted labels, in shares of the base rate's."""
    alt = altair()
    frame = result.curves()
    frame = frame.assign(
        low=frame["train_share"] - frame["standard_error"],
        high=frame["train_share"] + frame["standard_error"],
    )
    frame = frame[np.isfinite(frame["train_share"].to_numpy(float))]
    x, colour = alt.X("epoch:Q"), alt.Color("labels:N")
    y = alt.Y("train_share:Q", title="training loss / loss of the base rate")
    line = alt.Chart(frame).mark_line().encode(x, y, color=colour)
    band = alt.Chart(frame).mark_area(opacity=0.2).encode(x, alt.Y("low:Q"), alt.Y2("high"), colour)
    title = f"noise fitted: {result.fitted:.0%} ± {result.fitted_error:.1%}"
    return offline(alt.layer(band, line).properties(title=title, **SIZE))


def stability_chart(result: StabilitySelection) -> Any:
    """How often halves select the inputs, and the threshold."""
    import pandas as pd

    alt = altair()
    frame = result.to_frame().head(MOST_BARS)
    frame = frame.assign(
        kept=np.where(frame["selected"], "selected", "not selected"),
        input=[
            "".join(c if c.isprintable() else "?" for c in str(name)) for name in frame["input"]
        ],
    )
    bars = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            alt.X("frequency:Q", title="share of the halves", scale=alt.Scale(domain=[0, 1])),
            alt.Y("input:N", sort=None, title="input"),
            color=alt.Color("kept:N", title=None),
        )
    )
    rule = alt.Chart(pd.DataFrame({"threshold": [result.threshold]})).mark_rule()
    width = SIZE["width"]
    return offline(
        alt.layer(bars, rule.encode(x="threshold:Q")).properties(
            title="selection frequencies", width=width
        )
    )
