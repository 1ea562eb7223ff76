"""Pictures of results, made from their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from taut.errors import InputError

if TYPE_CHECKING:
    from taut.studies.result import PathResult


def path_chart(result: PathResult) -> Any:
    """Training and held-out loss against strength, with the choices marked.

    Raises:
        InputError: If Altair is not installed.
    """
    try:
        import altair as alt
    except ImportError as error:
        raise InputError(
            "`plot` needs Altair, which is not installed. Install it with "
            "`pip install altair vl-convert-python`."
        ) from error
    import pandas as pd

    data = result.summary[result.summary["strength"] > 0]
    long = data.rename(columns={"train_loss": "training", "held_out_loss": "held out"}).melt(
        "strength", ["training", "held out"], "rows", "loss"
    )
    band = data.assign(
        low=data["held_out_loss"] - data["standard_error"],
        high=data["held_out_loss"] + data["standard_error"],
    )
    marks = pd.DataFrame(
        {
            "strength": [result.best_strength, result.one_se_strength],
            "choice": ["least held-out loss", "one standard error"],
        }
    )
    strength = alt.X("strength:Q", scale=alt.Scale(type="log"), title="strength α")
    loss = alt.Y("loss:Q", title="data loss", scale=alt.Scale(zero=False))
    lines = alt.Chart(long).mark_line().encode(strength, loss, color=alt.Color("rows:N"))
    area = alt.Chart(band).mark_area(opacity=0.2).encode(strength, alt.Y("low:Q"), alt.Y2("high"))
    rules = alt.Chart(marks).mark_rule().encode(strength, strokeDash=alt.StrokeDash("choice:N"))
    title = f"{result.penalty}: strength against loss"
    return alt.layer(area, lines, rules).properties(title=title, width=480, height=280)
