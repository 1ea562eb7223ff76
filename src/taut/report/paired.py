"""The difference of two runs on the same test rows, with an interval; or why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from taut import readable
from taut.catalogue import EN, Catalogue
from taut.report.scored import Difference
from taut.run import Run

if TYPE_CHECKING:
    import pandas

DRAWS = 2000
LEAST_ROWS, LEAST_GROUPS = 20, 10
SMALLEST = 1e-7
_BLOCK = 1 << 22  # draws times rows at a time


class Pair(NamedTuple):
    """A run against the first one: differences by metric, or why they cannot be compared."""

    name: str
    why_not: str | None
    differences: tuple[Difference, ...] = ()
    rows: int = 0


def pair(first: tuple[str, Run], other: tuple[str, Run], say: Catalogue = EN) -> Pair:
    """The other run minus the first, row by row.

    For each score that is a mean over rows, or follows from such means (log-loss, accuracy, RMSE,
    mean absolute error, R²), the difference on the test rows, and the percentile interval of it
    over bootstrap draws of the rows (of their groups, where the runs have groups). Both runs are
    scored on the same draws.

    Args:
        first: Name and run that is compared with.
        other: Name and run that is compared.
        say: The words.
    """
    name = other[0]
    why_not = _why_not(first, other, say)
    if why_not is not None:
        return Pair(name, why_not)
    rows = [_sorted(run) for _, run in (first, other)]
    found = _differences(name, *rows, classes=other[1].metrics.target.task != "regression", say=say)
    return Pair(name, None, tuple(found), len(rows[0]))


def _sorted(run: Run) -> pandas.DataFrame:
    assert run.test_rows is not None
    return run.test_rows.sort_values("row", kind="stable", ignore_index=True)


def _why_not(first: tuple[str, Run], other: tuple[str, Run], say: Catalogue) -> str | None:
    """The first reason for which two runs' scores are not of the same thing."""
    ours, theirs = first[1].metrics.target, other[1].metrics.target
    if ours.name != theirs.name:
        names = {"theirs": readable.clean(theirs.name), "ours": readable.clean(ours.name)}
        return say("compare.why.target", **names)
    if ours.task != theirs.task:
        words = [say(f"task.{t.task}", n=len(t.classes or ())) for t in (theirs, ours)]
        return say("compare.why.task", theirs=words[0], ours=words[1])
    if ours.classes != theirs.classes:
        return say("compare.why.classes")
    for name, run in (first, other):
        if run.test_rows is None or not len(run.test_rows):
            return say("compare.why.old", run=readable.clean(name))
    if first[1].metrics.split.own_test != other[1].metrics.split.own_test:
        return say("compare.why.own_test")
    mine, others = _sorted(first[1]), _sorted(other[1])
    if len(mine) != len(others) or (mine["row"] != others["row"]).any():
        shared = len(np.intersect1d(mine["row"], others["row"]))
        return say("compare.why.rows", shared=shared, theirs=len(others), ours=len(mine))
    if not np.allclose(mine["actual"].astype(float), others["actual"].astype(float)):
        return say("compare.why.values")
    weights = [rows.get("weight") for rows in (mine, others)]
    alike = all(w is None for w in weights) or (
        all(w is not None for w in weights) and np.allclose(*weights)
    )
    return None if alike else say("compare.why.weights")


def _differences(
    name: str, first: pandas.DataFrame, other: pandas.DataFrame, *, classes: bool, say: Catalogue
) -> list[Difference]:
    weight = first["weight"].to_numpy(float) if "weight" in first else np.ones(len(first))
    groups = first["group"].to_numpy() if "group" in first else None
    metrics = ("log_loss", "accuracy") if classes else ("rmse", "r2", "mae")
    point = weight[None] / weight.mean()
    drawn = _drawn(len(first), groups, weight)
    found = []
    for metric in metrics:
        value = float((_score(metric, other, point) - _score(metric, first, point))[0])
        if drawn is None:
            found.append(Difference(name, metric, value, None, None, 3, say))
            continue
        draws = np.concatenate(
            [_score(metric, other, counts) - _score(metric, first, counts) for counts in drawn]
        )
        draws = draws[np.isfinite(draws)]
        low, high = (float(q) for q in np.quantile(draws, [0.025, 0.975]))
        places = readable.decimals([(high - low) / 2])
        found.append(Difference(name, metric, value, low, high, places, say))
    return found


def _drawn(rows: int, groups: np.ndarray | None, weight: np.ndarray) -> list[np.ndarray] | None:
    """Bootstrap weights [draws, rows], in blocks; None where there is too little to draw from."""
    units = np.arange(rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    number = int(units.max()) + 1
    if rows < LEAST_ROWS or (groups is not None and number < LEAST_GROUPS):
        return None
    draw, blocks, done = np.random.default_rng(0), [], 0
    block = max(1, min(DRAWS, _BLOCK // rows))
    while done < DRAWS:
        size = min(block, DRAWS - done)
        counts = draw.multinomial(number, np.full(number, 1 / number), size).astype(np.float32)
        blocks.append(counts[:, units] * weight.astype(np.float32))
        done += size
    return blocks


def _score(metric: str, rows: pandas.DataFrame, counts: np.ndarray) -> np.ndarray:
    """A score under each weighting [weightings, rows]."""
    actual, predicted = rows["actual"].to_numpy(float), rows["predicted"].to_numpy(float)
    total = np.maximum(counts.sum(axis=1), 1e-30)
    if metric == "log_loss":
        return counts @ -np.log(np.clip(rows["p_actual"].to_numpy(float), SMALLEST, None)) / total
    if metric == "accuracy":
        return counts @ (actual == predicted).astype(float) / total
    if metric == "mae":
        return counts @ np.abs(actual - predicted) / total
    squared = counts @ (actual - predicted) ** 2 / total
    if metric == "rmse":
        return np.sqrt(squared)
    centred = actual - actual.mean()
    variance = counts @ centred**2 / total - (counts @ centred / total) ** 2
    return 1 - squared / np.where(variance > 0, variance, np.nan)
