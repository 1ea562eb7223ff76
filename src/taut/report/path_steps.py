"""What the path's slider shows at each strength: losses, zeros and the inputs that are read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from taut import readable
from taut.catalogue import Catalogue
from taut.report.path_chart import Panel
from taut.report.path_summary import at_strength
from taut.run_metrics import Choice

if TYPE_CHECKING:
    import pandas

MOST_INPUTS = 60


def steps(
    panel: Panel,
    path: pandas.DataFrame,
    summary: pandas.DataFrame,
    choice: Choice,
    names: Sequence[str],
    inputs: Sequence[str],
    places: int,
    say: Catalogue,
) -> dict[str, Any]:
    """The slider of a panel: its steps, weakest strength first, and where it begins.

    Args:
        panel: The panel.
        path: The lanes of its network.
        summary: What `summarise` made of them.
        choice: What was chosen.
        names: The inputs to show, most important first.
        inputs: All inputs, in the order of the columns.
        places: Decimals of losses.
        say: The words.

    Returns:
        `start`, the number of the first step shown; `steps`, as JSON for the script; `first`, that
        step; `inputs`, the names, none where the run does not tell who reads what.
    """
    lanes = path[(path["penalty"] == panel.penalty) & ~path["status"].eq("diverged")]
    order = _columns(path, names, inputs)
    found = [
        _step(strength, place, lanes, summary, panel.penalty, order, len(inputs), places, say)
        for strength, place in zip(panel.strengths, panel.places, strict=True)
    ]
    best = min(range(len(found)), key=lambda k: _loss(summary, panel, k))
    start = best
    if choice.penalty == panel.penalty:
        start = min(range(len(found)), key=lambda k: abs(panel.strengths[k] - choice.strength))
    return {
        "start": start,
        "last": len(found) - 1,
        "steps": json.dumps(found, ensure_ascii=False, separators=(",", ":")),
        "first": found[start],
        "inputs": [name for name, place in zip(names, order, strict=True) if place is not None],
    }


def _loss(summary: pandas.DataFrame, panel: Panel, k: int) -> float:
    row = at_strength(summary, panel.penalty, panel.strengths[k])
    return float("inf") if row is None else float(row["val"])


def _columns(
    path: pandas.DataFrame, names: Sequence[str], inputs: Sequence[str]
) -> list[int | None]:
    """Which digit of `inputs_read` belongs to each name; None where it is not known."""
    known = "inputs_read" in path and path["inputs_read"].astype(str).str.len().eq(len(inputs))
    place = {name: k for k, name in enumerate(inputs)}
    return [place.get(name) if known is not False and known.all() else None for name in names]


def _step(
    strength: float,
    place: float,
    lanes: pandas.DataFrame,
    summary: pandas.DataFrame,
    penalty: str,
    order: Sequence[int | None],
    total: int,
    places: int,
    say: Catalogue,
) -> dict[str, Any]:
    row = at_strength(summary, penalty, strength)
    assert row is not None
    here = lanes[abs(lanes["strength"] - strength) <= 1e-9 * strength]
    se = (
        f" ± {readable.fixed(row['se'], places + 1)}"
        if readable.is_number(float(row["se"]))
        else ""
    )
    shown = {
        "strength": readable.short(strength),
        "held": readable.fixed(float(row["val"]), places + 1) + se,
        "train": readable.fixed(float(row["train"]), places + 1),
        "kept": readable.fixed(float(row["inputs_kept"]), 1 if row["inputs_kept"] % 1 else 0),
        "zeros": _zeros(here),
    }
    read = "".join(_digit(here, column) for column in order if column is not None)
    words = say("path.step", **shown, total=total)
    return {"x": place, **shown, "text": words, "read": read}


def _zeros(here: pandas.DataFrame) -> str:
    if not {"weights", "nonzero"} <= set(here.columns) or not len(here):
        return readable.MISSING
    share = 1 - here["nonzero"] / here["weights"].clip(lower=1)
    return readable.percent(float(share.mean()))


def _digit(here: pandas.DataFrame, place: int) -> str:
    """2 where every lane reads the input, 1 where some do, 0 where none does."""
    read = [str(digits)[place] == "1" for digits in here["inputs_read"]]
    return "2" if read and all(read) else "1" if any(read) else "0"
