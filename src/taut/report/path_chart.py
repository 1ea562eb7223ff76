"""The path as a picture: held-out and training loss against strength, one panel a penalty.

Only numbers go into these charts. A name that comes from data would reach the renderer's own
text shaping, which ends the whole process at a control character.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from taut.report import text
from taut.report.path_summary import at_strength
from taut.run import Choice

if TYPE_CHECKING:
    import pandas

# The light theme's colours; the page's style sheet maps each of them to its own variable, so
# that one drawing serves light, dark and print.
INK, SOFT, GRID, HELD_OUT, TRAINING = "#1a1d21", "#5c6672", "#e4e7eb", "#0b63a5", "#b4530a"
_WIDTH, _HEIGHT, _KEPT_HEIGHT = 372, 210, 56


class Panel(NamedTuple):
    """One penalty's chart and what a reader who cannot see it needs."""

    penalty: str
    svg: str
    description: str


def panels(summary: pandas.DataFrame, choice: Choice) -> list[Panel]:
    """One panel for each penalty that has a positive strength with a finite loss."""
    usable = _usable(summary)
    if usable.empty:
        return []
    unpenalised = at_strength(summary, "none", 0.0)
    domain = _loss_domain(usable, unpenalised)
    most = float(usable["inputs_kept"].max())
    return [
        _panel(str(name), usable.loc[usable["penalty"] == name], choice, domain, unpenalised, most)
        for name in usable["penalty"].unique()
    ]


def _usable(summary: pandas.DataFrame) -> pandas.DataFrame:
    return summary.loc[summary["val"].notna() & (summary["strength"] > 0)]


def off_scale(summary: pandas.DataFrame) -> bool:
    """Whether some loss lies above the charts, which cut it off at their upper edge."""
    usable = _usable(summary)
    if usable.empty:
        return False
    bare = at_strength(summary, "none", 0.0)
    top = _loss_domain(usable, bare)[1]
    losses = [usable["val"].max(), usable["train"].max(), math.nan if bare is None else bare["val"]]
    return any(loss > top for loss in losses)


def _loss_domain(rows: pandas.DataFrame, bare: pandas.Series | None) -> tuple[float, float]:
    # A path may rise without bound where the penalty is weak. The interesting part lies between
    # its least loss and the loss of a network that reads nothing, which ends the path.
    last = float(rows.loc[rows.groupby("penalty")["strength"].idxmax(), "val"].max())
    least, spread = float(rows["val"].min()), rows["se"].fillna(0.0)
    highest = [(rows["val"] + spread).max(), rows["train"].max()]
    if bare is not None and math.isfinite(bare["val"]):
        highest.append(bare["val"])
    high = min(float(max(highest)), max(1.35 * last, 4.0 * least))
    low = float(min((rows["val"] - spread).min(), rows["train"].min()))
    low = 0.0 if 0 <= low < 0.4 * high else low
    room = 0.04 * (high - low) or 0.1 * abs(high) or 0.1
    return (low if low == 0 else low - room, high + room)


def _panel(
    penalty: str,
    rows: pandas.DataFrame,
    choice: Choice,
    domain: tuple[float, float],
    unpenalised: pandas.Series | None,
    most: float,
) -> Panel:
    import altair
    import vl_convert

    low, high = float(rows["strength"].min()), float(rows["strength"].max())
    reach = (low / 3, high * 3) if low == high else (low / 1.15, high * 1.15)
    x = altair.X(
        "strength:Q",
        scale=altair.Scale(type="log", domain=list(reach), nice=False),
        axis=None,
    )
    numbers = rows.loc[:, ["strength", "val", "se", "train", "inputs_kept"]].astype(float)
    spread = numbers["se"].fillna(0.0)
    data = numbers.assign(low=numbers["val"] - spread, high=numbers["val"] + spread)
    marks = _marks(penalty, rows, choice, reach)
    losses = _losses(altair, data, x, domain, unpenalised, marks)
    kept = _kept(altair, data, reach, most, marks)
    chart = altair.vconcat(losses, kept, spacing=14).configure(**_config())
    return Panel(penalty, vl_convert.vegalite_to_svg(chart.to_dict()), _describe(penalty, rows))


def _losses(
    altair: Any,
    data: pandas.DataFrame,
    x: Any,
    domain: tuple[float, float],
    unpenalised: pandas.Series | None,
    marks: list[dict[str, Any]],
) -> Any:
    import pandas

    scale = altair.Scale(domain=list(domain), clamp=True, nice=False, zero=False)
    axis = altair.Axis(title=None, tickCount=5, format="~g")
    y = altair.Y("val:Q", scale=scale, axis=axis)
    base = altair.Chart(data)
    layers = [
        base.mark_area(color=HELD_OUT, opacity=0.16).encode(x=x, y="low:Q", y2="high:Q"),
        base.mark_line(color=TRAINING, strokeDash=[5, 3], strokeWidth=1.6).encode(x=x, y="train:Q"),
        base.mark_line(color=HELD_OUT, strokeWidth=2.2).encode(x=x, y=y),
        base.mark_point(color=HELD_OUT, filled=True, size=22, opacity=1).encode(x=x, y=y),
    ]
    if len(data) == 1:  # a line of one point is not drawn
        point = base.mark_point(color=TRAINING, filled=True, size=36, opacity=1)
        layers.append(point.encode(x=x, y="train:Q"))
    if unpenalised is not None and not math.isnan(unpenalised["val"]):
        bare = altair.Chart(pandas.DataFrame({"val": [float(unpenalised["val"])]}))
        rule = bare.mark_rule(color=SOFT, strokeDash=[1, 3], strokeWidth=1.4)
        layers.insert(0, rule.encode(y=y))
    # Every panel keeps room for two labels, so that panels side by side stay level.
    room = altair.Chart(pandas.DataFrame({"label": ["0"]})).mark_text(
        color=INK, opacity=0, baseline="bottom", fontSize=13
    )
    layers.append(room.encode(x=altair.value(0), y=altair.value(-21), text="label:N"))
    # The labels stand above the plot, in rows, so that two near each other do not collide.
    for row, mark in enumerate(marks):
        place = altair.Chart(pandas.DataFrame([mark]))
        dash = [1, 0] if mark["chosen"] else [4, 3]
        layers.append(place.mark_rule(color=INK, strokeWidth=1.2, strokeDash=dash).encode(x=x))
        label = {"align": mark["align"], "dx": 4 if mark["align"] == "left" else -4}
        layers.append(
            place.mark_text(color=INK, baseline="bottom", fontSize=13, clip=False, **label).encode(
                x=x, y=altair.value(-4 - 17 * row), text="label:N"
            )
        )
    shown = data[data["strength"].isin([m["strength"] for m in marks if m["chosen"]])]
    if len(shown):
        point = altair.Chart(shown).mark_point(color=HELD_OUT, filled=True, size=110, opacity=1)
        layers.append(point.encode(x=x, y=y))
    return altair.layer(*layers).properties(width=_WIDTH, height=_HEIGHT)


def _kept(
    altair: Any,
    data: pandas.DataFrame,
    reach: tuple[float, float],
    most: float,
    marks: list[dict[str, Any]],
) -> Any:
    import pandas

    axis = altair.Axis(
        title="strength of the penalty →",
        values=_decades(reach),
        labelExpr="format(datum.value, '~g')",
        grid=False,
        ticks=True,
        domain=True,
        titlePadding=6,
    )
    scale = altair.Scale(type="log", domain=list(reach), nice=False)
    x = altair.X("strength:Q", scale=scale, axis=axis)
    y = altair.Y(
        "inputs_kept:Q",
        scale=altair.Scale(domain=[0, max(most, 1.0) * 1.08], nice=False),
        axis=altair.Axis(title=None, values=[0, max(most, 1.0)], format=",.0f"),
    )
    layers = [
        altair.Chart(data).mark_line(color=SOFT, strokeWidth=1.8).encode(x=x, y=y),
        altair.Chart(data).mark_point(color=SOFT, filled=True, size=14, opacity=1).encode(x=x, y=y),
    ]
    for mark in marks:
        dash = [1, 0] if mark["chosen"] else [4, 3]
        rule = altair.Chart(pandas.DataFrame([mark])).mark_rule(
            color=INK, strokeWidth=1.2, strokeDash=dash
        )
        layers.append(rule.encode(x=x))
    return altair.layer(*layers).properties(width=_WIDTH, height=_KEPT_HEIGHT)


def _marks(
    penalty: str, rows: pandas.DataFrame, choice: Choice, reach: tuple[float, float]
) -> list[dict[str, Any]]:
    """The vertical lines of this panel: the chosen strength, and the one-standard-error one."""
    wanted: list[tuple[str, str | None, float | None, bool]] = [
        ("chosen", choice.penalty, choice.strength, True)
    ]
    other = (choice.one_se_penalty, choice.one_se_strength)
    if other == (choice.penalty, choice.strength):
        wanted = [("chosen, also one-standard-error", *other, True)]
    else:
        wanted.append(("one standard error", *other, False))
    marks = []
    for label, name, strength, chosen in wanted:
        row = at_strength(rows, penalty, strength) if name == penalty and strength else None
        if row is None:
            continue
        at = math.log(row["strength"] / reach[0]) / math.log(reach[1] / reach[0])
        marks.append(
            {
                "strength": float(row["strength"]),
                "label": f"{label} {text.short(float(row['strength']))}",
                "align": "left" if at < 0.5 else "right",
                "chosen": chosen,
            }
        )
    return marks


def _decades(reach: tuple[float, float]) -> list[float]:
    """Powers of ten inside the axis; with fewer than two of them, also 2 and 5 times them."""
    first, last = math.floor(math.log10(reach[0])), math.ceil(math.log10(reach[1]))
    for factors in ((1,), (1, 2, 5)):
        ticks = [f * 10.0**k for k in range(first, last + 1) for f in factors]
        inside = [float(f"{t:.3g}") for t in ticks if reach[0] <= t <= reach[1]]
        if len(inside) >= 2:
            break
    stride = math.ceil(len(inside) / 7)
    return inside[::stride]


def _describe(penalty: str, rows: pandas.DataFrame) -> str:
    best = rows.loc[rows["val"].idxmin()]
    return (
        f"Loss against the strength of {penalty}: held-out loss is least, "
        f"{text.short(float(best['val']))}, at strength {text.short(float(best['strength']))}."
    )


def _config() -> dict[str, Any]:
    label = {"labelColor": SOFT, "labelFontSize": 13, "titleColor": SOFT, "titleFontSize": 13}
    return {
        "background": "transparent",
        "font": "Helvetica Neue, Arial, sans-serif",
        "padding": {"left": 4, "right": 8, "top": 4, "bottom": 4},
        "axis": label
        | {"titleFontWeight": "normal", "domain": False, "ticks": False, "labelPadding": 6}
        | {"gridColor": GRID, "domainColor": SOFT, "tickColor": SOFT, "tickSize": 4},
        "view": {"stroke": None},
    }
