"""The result of a path, made from the record of its lanes, and what must be told of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from taut.engine import Record, afterwards
from taut.errors import EdgeWarning, InputError
from taut.objective import Stationarity
from taut.studies.axes import Axes
from taut.studies.choice import choose
from taut.studies.crossvalidate import CrossValidation
from taut.studies.result import PathResult, Strength, trained
from taut.studies.scoring import Scoring
from taut.studies.summary import by_fold, heads, lane_table, summarise

if TYPE_CHECKING:
    import pandas as pd

GRID = 3
"""Listed strengths have a middle from so many on: of fewer, the best is always at an edge."""


def make_result(
    model: Any,
    axes: Axes,
    crossvalidation: CrossValidation,
    penalised: Sequence[int],
    kept: tuple[str, ...],
    scoring: Scoring,
    classes: np.ndarray | None,
    metrics: Mapping[str, np.ndarray],
    certify: Callable[[Any, int], Stationarity],
) -> PathResult:
    """The result of a cross-validation.

    Args:
        model: The study's.
        axes: Of the path.
        crossvalidation: Of its points.
        penalised: Numbers of the variables whose penalties are varied.
        kept: The penalties that stay, in words.
        scoring: What is chosen by.
        classes: The labels of the classes, where `y` had labels.
        metrics: [lanes] held-out metrics, by name.
        certify: Given the best model and the fold it left out.

    Raises:
        InputError: If some training of every strength diverged.
    """
    record, folds = crossvalidation.record, crossvalidation.grid.folds
    points, candidate_of = axes.points(), crossvalidation.candidate_of
    head = heads(axes.names, points)
    table = lane_table(crossvalidation, head, penalised)
    table = table.assign(**{f"held_out_{name}": values for name, values in metrics.items()})
    scoring, losses = _measured(scoring, table, crossvalidation)
    choice = choose(losses, points)
    summary = summarise(table, head, candidate_of, scoring.column)
    if not np.isfinite(choice.mean).any():
        diverged = (table["status"] == "diverged").sum()
        raise InputError(
            "Training must not diverge at every strength. Received: a loss that is not finite in "
            f"{diverged} of {len(table)} trainings, on some fold of every strength. Lower the "
            "learning rate, or check inputs and loss."
        )
    first = crossvalidation.lanes(choice.least)[0]
    certificate = afterwards(
        "The certificate",
        lambda: certify(trained(model, record, int(first)), int(table["fold"][first])),
        None,
        remedy="Try `taut.stationarity` on one of `result.models()`.",
    )
    return PathResult(
        penalty=axes.title,
        axes=axes.names,
        strengths=points[:, 0] if len(axes.names) == 1 else points,
        table=table,
        summary=summary,
        best_strength=_strength(axes.names, points[choice.least]),
        one_se_strength=_strength(axes.names, points[choice.one_standard_error]),
        edge=_edge(axes.names, points, choice.least, summary["nonzero"].to_numpy()),
        kept_penalties=kept,
        scoring=scoring.name,
        classes=classes,
        certificate=certificate,
        standard_error_note=(
            f"s/√F over the F = {folds} folds (seeds averaged first), with s the sample "
            "standard deviation; folds share training rows, so it is optimistic."
        ),
        record=record,
        warm_disagreement=None,
        _model=model,
        _candidate_of=candidate_of,
        _penalised=tuple(penalised),
    )


def _measured(
    scoring: Scoring, table: pd.DataFrame, crossvalidation: CrossValidation
) -> tuple[Scoring, np.ndarray]:
    """What is chosen by, [candidates, folds] such that less is better; the loss where need be."""
    if scoring.column != Scoring().column:
        if scoring.column in table:
            scores = by_fold(table, scoring.column, crossvalidation.candidate_of)
            losses = scoring.losses(scores)
            if np.isfinite(losses).all(axis=1).any():
                return scoring, losses
        warnings.warn(
            f"The choice is by the held-out loss: {scoring.name!r} is not known on every fold at "
            "any strength. Choose by `result.table`.",
            UserWarning,
            stacklevel=5,
        )
    return Scoring(), crossvalidation.losses()


def _strength(names: Sequence[str], point: np.ndarray) -> Strength:
    values = dict(zip(names, map(float, point), strict=True))
    return values if len(names) > 1 else values[names[0]]


def _edge(
    names: Sequence[str], points: np.ndarray, least: int, nonzero: np.ndarray
) -> str | dict[str, str] | None:
    """At which ends of the strengths the best is, where there could be a better one beyond."""
    ends: dict[str, str] = {}
    for name, values in zip(names, points.T, strict=True):
        end = None
        if values[least] == values.min() and values[least] > 0:
            end = "weakest"
        elif values[least] == values.max() and nonzero[least] > 0:
            end = "strongest"
        if end and values.min() < values.max():
            ends[name] = end
    return (ends if len(names) > 1 else next(iter(ends.values()), None)) or None


def warn_of_diverged(record: Record) -> None:
    """Name the trainings that diverged, to who called the study."""
    if diverged := record.diverged():
        warnings.warn(
            f"{len(diverged)} of {len(record.lanes)} trainings diverged: {'; '.join(diverged[:5])}"
            f"{'; …' if len(diverged) > 5 else ''}. They count as infinitely bad.",
            RuntimeWarning,
            stacklevel=4,
        )


def warn_of_edge(result: PathResult, listed: Sequence[str]) -> None:
    """Say so where a better strength may lie beyond those listed.

    Of a grid that was found there is nothing to say: its bottom changes nothing, its top leaves
    nothing.

    Args:
        result: Of a path.
        listed: The axes whose values the user listed.
    """
    best, edge = result.best_strength, result.edge
    for name in listed:
        of_axis = edge.get(name) if isinstance(edge, dict) else edge
        if of_axis is None or result.summary[name].nunique() < GRID:
            continue
        value = best[name] if isinstance(best, dict) else best
        beyond = f"weaker ones, such as {value / 10:.3g}, or 0"
        if of_axis == "strongest":
            beyond = f"stronger ones, such as {value * 10:.3g}"
        what = "the strengths" if len(result.axes) == 1 else f"the strengths of {name!r}"
        warnings.warn(
            f"The {result.best_name} is at the {of_axis} of {what}, {value:.4g}: a better one may "
            f"lie beyond. List {beyond}, or give their number, and the range is found.",
            EdgeWarning,
            stacklevel=4,
        )
