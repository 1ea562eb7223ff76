"""Pictures of a diagnosis, made from its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from taut.charts import altair, offline
from taut.errors import InputError

if TYPE_CHECKING:
    from taut.diagnosis.diagnosis_result import Diagnosis

SIZE = {"width": 420, "height": {"step": 22}}


def gains_chart(diagnosis: Diagnosis) -> Any:
    """What each change gains, with its interval; see `Diagnosis.plot`."""
    alt = altair()
    frame = diagnosis.to_frame().query("kind == 'tried'")
    if frame.empty:
        raise InputError(
            "`plot` draws what was tried. Received: a diagnosis without trials ("
            f"{'; '.join(diagnosis.left_out) or 'none were asked for'})."
        )
    y = alt.Y("what:N", sort=list(frame["what"]), title=None, axis=alt.Axis(labelLimit=280))
    base = alt.Chart(frame).encode(y=y)
    zero = alt.Chart().mark_rule(strokeDash=[3, 3], color="#888").encode(x=alt.datum(0))
    interval = base.mark_rule().encode(x=alt.X("low:Q", title="less loss on new rows"), x2="high:Q")
    points = base.mark_point(filled=True, size=60, opacity=1).encode(
        x="value:Q", tooltip=["what:N", "value:Q", "low:Q", "high:Q"]
    )
    return offline(alt.layer(zero, interval, points, data=frame).properties(**SIZE))
