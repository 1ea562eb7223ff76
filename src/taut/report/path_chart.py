"""The path as a picture: held-out and training loss against strength, one panel a penalty.

All panels share both axes, so that they can be compared. A script may move a line through a panel,
and the numbers beside it; without it the picture stands.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from taut import readable
from taut.catalogue import Catalogue
from taut.report.drawing import Axis, Drawing
from taut.report.path_summary import at_strength
from taut.run_metrics import Choice

if TYPE_CHECKING:
    import pandas

KEPT_HEIGHT = 86


class Panel(NamedTuple):
    """One penalty's pictures, and where each of its strengths lies in them."""

    penalty: str
    losses: Markup
    kept: Markup
    strengths: tuple[float, ...]
    places: tuple[float, ...]


def panels(summary: pandas.DataFrame, choice: Choice, say: Catalogue) -> list[Panel]:
    """One panel for each penalty that has a positive strength with a finite loss."""
    usable = _usable(summary)
    if usable.empty:
        return []
    bare = at_strength(summary, "none", 0.0)
    low, high = float(usable["strength"].min()), float(usable["strength"].max())
    reach = (low / 3, high * 3) if low == high else (low / 1.2, high * 1.2)
    x, y = Axis(*reach, log=True), Axis(*_loss_domain(usable, bare))
    read = Axis(0.0, max(float(usable["inputs_kept"].max()), 1.0) * 1.08)
    return [
        _panel(str(name), usable.loc[usable["penalty"] == name], choice, (x, y, read), bare, say)
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
    axes: tuple[Axis, Axis, Axis],
    bare: pandas.Series | None,
    say: Catalogue,
) -> Panel:
    x, y, read = axes
    records = rows.sort_values("strength").to_dict("records")
    held = [(r["strength"], r["val"]) for r in records]
    spread = [(r["strength"], r["se"] if readable.is_number(r["se"]) else 0.0) for r in records]
    marks = _marks(penalty, rows, choice, say)
    losses = Drawing(x, y)
    if bare is not None and readable.is_number(bare["val"]):
        losses.level(float(bare["val"]), "bare")
    for strength, _, kind in marks:
        losses.mark_x(strength, kind)
    losses.band([(s, v - e, v + e) for (s, v), (_, e) in zip(held, spread, strict=True)], "held")
    train = [(r["strength"], r["train"]) for r in records]
    losses.line(train, "train")
    losses.line(held, "held")
    losses.dots(held, "held")
    if len(records) == 1:  # a line of one point is not drawn
        losses.dots(train, "train", 3)
    for row, (strength, label, _) in enumerate(marks):
        losses.label_x(strength, label, right=_right(strength, marks, x), row=row)
    losses.cursor()
    kept = Drawing(x, read, height=KEPT_HEIGHT)
    for strength, _, kind in marks:
        kept.mark_x(strength, kind)
    points = [(r["strength"], r["inputs_kept"]) for r in records]
    kept.line(points, "kept")
    kept.dots(points, "kept", 2)
    kept.cursor()
    best = min(records, key=lambda r: r["val"])
    description = say(
        "path.aria",
        penalty=penalty,
        loss=readable.short(float(best["val"])),
        strength=readable.short(float(best["strength"])),
    )
    return Panel(
        penalty,
        losses.svg(description),
        kept.svg(say("path.kept"), ticks_y=2),
        tuple(s for s, _ in held),
        tuple(losses.at_x(s) for s, _ in held),
    )


def _right(strength: float, marks: list[tuple[float, str, str]], x: Axis) -> bool:
    """Whether there is room for a word on the right of a mark: no edge, and no other mark."""
    share = x.share(strength)
    others = [x.share(s) for s, _, _ in marks if s != strength]
    if others and share > 0.3:
        return share > others[0] and share < 0.6
    return share < 0.5


def _marks(
    penalty: str, rows: pandas.DataFrame, choice: Choice, say: Catalogue
) -> list[tuple[float, str, str]]:
    """The upright lines of a panel: the chosen strength, and the one-standard-error one."""
    wanted = [("path.chosen", choice.penalty, choice.strength, "chosen")]
    other = (choice.one_se_penalty, choice.one_se_strength)
    if other[0] is not None and other[1] is not None:
        wanted.append(("path.one_se", other[0], other[1], "one-se"))
    marks = []
    for key, name, strength, kind in wanted:
        row = at_strength(rows, penalty, strength) if name == penalty and strength else None
        if row is not None:
            label = say(key, strength=readable.short(float(row["strength"])))
            marks.append((float(row["strength"]), label, kind))
    return marks
