"""Pictures of results, made from their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from taut.charts import altair, offline
from taut.checks import check_one_of, names_given
from taut.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from taut.studies.result import PathResult

SIZE = {"width": 480, "height": 280}
LEGEND = 20
"""More groups than this have no legend: nobody can tell so many colours apart."""


def path_chart(result: PathResult, by: str, names: Sequence[str] | None) -> Any:
    """The chart of a path, as `PathResult.plot` describes it.

    Raises:
        InputError: If `by` is no known kind, or Altair is not installed.
    """
    charts = {"strength": _by_strength, "inputs": _by_inputs, "groups": _groups}
    check_one_of(tuple(charts), by=by)
    if names is not None and by != "groups":
        raise InputError(f'`names` are those of the groups: by="groups". Received: by={by!r}.')
    alt = altair()
    if len(result.axes) > 1 and by == "groups":
        raise InputError(
            "Norms are drawn along one strength. Received: a path of "
            f"{', '.join(map(repr, result.axes))}. Draw `result.group_norms()`."
        )
    chart = charts[by](alt, result) if names is None else _groups(alt, result, names)
    return offline(chart.properties(**SIZE))


def _by_strength(alt: Any, result: PathResult) -> Any:
    """Training and held-out loss against strength, and the held-out loss of each seed.

    Of two strengths the held-out loss alone, as the colour of a table of both.
    """
    if len(result.axes) > 1:
        return _table(alt, result)
    x = _strength(alt)
    table = result.table[result.table["strength"] > 0]
    of_seed = table.groupby(["strength", "seed"], as_index=False)["held_out_loss"].mean()
    layers = [*_losses(alt, result.summary[result.summary["strength"] > 0], x), _rules(alt, result)]
    if of_seed["seed"].nunique() > 1:
        seeds = alt.Chart(_finite(of_seed, "held_out_loss")).mark_line(opacity=0.35, strokeWidth=1)
        y, colour = alt.Y("held_out_loss:Q"), alt.value("gray")
        layers.insert(1, seeds.encode(x, y, detail="seed:N", color=colour))
    title = f"{_printable(result.penalty)}: loss by strength"
    if result.best_strength == 0:  # which a logarithmic axis has no place for
        title += f"; {_printable(result.best_name)} at 0"
    return alt.layer(*layers).properties(title=title)


def _table(alt: Any, result: PathResult) -> Any:
    if len(result.axes) > 2:
        raise InputError(
            "Losses are drawn by one strength or two. Received: a path of "
            f"{', '.join(map(repr, result.axes))}. Draw `result.summary`, or plot by inputs."
        )
    names = dict(zip(result.axes, ("across", "down"), strict=True))
    frame = _finite(result.summary, "held_out_loss").rename(columns=names)
    for name in names.values():
        frame[name] = frame[name].map("{:.4g}".format)
    at = [result.point_of(s) for s in (result.best_strength, result.one_se_strength)]
    marks = frame.loc[at, ["across", "down"]].assign(choice=_choices(result))
    across, down = (
        alt.Y(f"{short}:O", title=_printable(name), sort=frame[short].unique().tolist())
        if short == "down"
        else alt.X(f"{short}:O", title=_printable(name), sort=frame[short].unique().tolist()[::-1])
        for name, short in names.items()
    )
    colour = alt.Color("held_out_loss:Q", scale=alt.Scale(reverse=True), title="held-out loss")
    points = alt.Chart(marks).mark_point(size=120, color="white", strokeWidth=2)
    table = alt.Chart(frame).mark_rect().encode(across, down, color=colour)
    layers = [table, points.encode(across, down, shape=alt.Shape("choice:N"))]
    return alt.layer(*layers).properties(title=f"{_printable(result.penalty)}: held-out loss")


def _by_inputs(alt: Any, result: PathResult) -> Any:
    """Training and held-out loss against the mean number of inputs that are read."""
    import pandas as pd

    frame = result.to_frame()
    if "inputs_kept" not in frame:
        raise InputError(
            "Losses by inputs need a model of which it is known what reads each input. Received: "
            f"{result._model.name!r}. Plot by strength."
        )
    frame = frame.rename(columns={"held_out_loss_standard_error": "standard_error"})
    x = alt.X("inputs_kept:Q", title="inputs read", axis=alt.Axis(tickMinStep=1))
    at = [result.point_of(s) for s in (result.best_strength, result.one_se_strength)]
    chosen = frame.iloc[at][["inputs_kept", "held_out_loss"]]
    marks = pd.DataFrame(chosen.to_numpy(), columns=list(chosen)).assign(choice=_choices(result))
    points = alt.Chart(marks).mark_point(size=120, filled=False, color="black", strokeWidth=2)
    shape = alt.Shape("choice:N", title="choice")
    # In the order of the strengths, from which the inputs follow, not from left to right.
    frame = frame.assign(place=range(len(frame)))
    layers = [
        *_losses(alt, frame, x, order="place", lines=len(result.axes) == 1),
        points.encode(x, alt.Y("held_out_loss:Q"), shape=shape),
    ]
    return alt.layer(*layers).properties(title=f"{_printable(result.penalty)}: loss by inputs read")


def _groups(alt: Any, result: PathResult, names: Sequence[str] | None = None) -> Any:
    """The norm of each group against strength: the mean of its trainings, and each seed."""
    norms = result.group_norms()
    labels = _labels(norms, names)
    norms = norms.assign(
        name=[labels[key] for key in zip(norms["layer"], norms["group"], strict=True)]
    )
    norms, count = norms[norms["strength"] > 0], len(labels)
    legend = alt.Legend(title="group") if count <= LEGEND else None
    colours = alt.Scale(scheme="tableau10" if count <= 10 else "tableau20")
    colour = alt.Color("name:N", legend=legend, scale=colours, sort=list(labels.values()))
    x, y = _strength(alt), alt.Y("norm:Q", title="norm of the group's weights")
    mean = _finite(norms.groupby(["strength", "name"], as_index=False)["norm"].mean(), "norm")
    layers = [alt.Chart(mean).mark_line().encode(x, y, color=colour), _rules(alt, result)]
    if norms["seed"].nunique() > 1:
        keys = ["strength", "name", "seed"]
        of_seed = _finite(norms.groupby(keys, as_index=False)["norm"].mean(), "norm")
        seeds = alt.Chart(of_seed).mark_line(opacity=0.3, strokeWidth=1)
        layers.insert(0, seeds.encode(x, y, color=colour, detail="seed:N"))
    return alt.layer(*layers).properties(title=f"{_printable(result.penalty)}: groups by strength")


def _labels(norms: pd.DataFrame, names: Sequence[str] | None) -> dict[tuple[str, int], str]:
    """The name of each group, by layer and number."""
    names = None if names is None else names_given(names=names)
    sizes = norms.groupby("layer", sort=False)["group"].max() + 1
    named = None if names is None else next((k for k, n in sizes.items() if n == len(names)), None)
    if names is not None and named is None:
        raise InputError(
            "`names` must have one name for each group of a layer. Received: "
            f"{len(names)} names for {', '.join(f'{n} of {k!r}' for k, n in sizes.items())}."
        )
    return {
        (layer, k): _printable(names[k] if names is not None and layer == named else f"{layer} {k}")
        for layer, size in sizes.items()
        for k in range(size)
    }


def _losses(
    alt: Any, frame: pd.DataFrame, x: Any, *, order: str | None = None, lines: bool = True
) -> list[Any]:
    """Both losses, and the standard error of the held-out one: a band, or in some order bars.

    Where several strengths read as many inputs, a band would cross itself.
    """
    fields = [x.shorthand.partition(":")[0], *([] if order is None else [order])]
    long = frame.rename(columns={"train_loss": "training", "held_out_loss": "held out"}).melt(
        fields, ["training", "held out"], "rows", "loss"
    )
    band = _finite(frame, "standard_error").assign(
        low=lambda data: data["held_out_loss"] - data["standard_error"],
        high=lambda data: data["held_out_loss"] + data["standard_error"],
    )
    ends = alt.Y("low:Q", title="data loss"), alt.Y2("high")
    spread = alt.Chart(band)
    area = spread.mark_area(opacity=0.2) if order is None else spread.mark_rule(opacity=0.4)
    y = alt.Y("loss:Q", title="data loss", scale=alt.Scale(zero=False))
    encoding = {"color": alt.Color("rows:N")}
    if order is not None:
        encoding["order"] = alt.Order(f"{order}:Q")
    losses = alt.Chart(_finite(long, "loss"))
    marks = losses.mark_line(point=order is not None) if lines else losses.mark_point(filled=True)
    return [area.encode(x, *ends), marks.encode(x, y, **encoding)]


def _strength(alt: Any) -> Any:
    return alt.X("strength:Q", scale=alt.Scale(type="log", nice=False), title="strength α")


def _choices(result: PathResult) -> list[str]:
    return [_printable(result.best_name), "one standard error"]


def _rules(alt: Any, result: PathResult) -> Any:
    import pandas as pd

    at = [result.best_strength, result.one_se_strength]
    marks = pd.DataFrame({"strength": at, "choice": _choices(result)})
    marks = marks[marks["strength"] > 0]
    return (
        alt.Chart(marks).mark_rule().encode(_strength(alt), strokeDash=alt.StrokeDash("choice:N"))
    )


def _finite(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Without what diverged: a chart cannot show infinity."""
    return frame[np.isfinite(frame[column].to_numpy(float))]


def _printable(name: str) -> str:
    # A control character ends the process of the renderer.
    return "".join(c if c.isprintable() else "?" for c in name)
