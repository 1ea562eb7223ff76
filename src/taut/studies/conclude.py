"""The result of a path, made from the record of its lanes, and what must be told of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from taut.engine import Record, afterwards
from taut.errors import EdgeWarning, InputError
from taut.objective import Stationarity
from taut.penalties import Penalty
from taut.studies.choice import choose
from taut.studies.crossvalidate import CrossValidation
from taut.studies.result import PathResult, trained
from taut.studies.summary import lane_table, summarise

GRID = 3
"""Listed strengths have a middle from so many on: of fewer, the best is always at an edge."""


def make_result(
    model: Any,
    kind: Penalty,
    crossvalidation: CrossValidation,
    penalised: list[int],
    metrics: Mapping[str, np.ndarray],
    certify: Callable[[Any, int], Stationarity],
) -> PathResult:
    """The result of a cross-validation.

    Args:
        metrics: [lanes] held-out metrics, by name.
        certify: Given the best model and the fold it left out.

    Raises:
        InputError: If some training of every strength diverged.
    """
    record, folds = crossvalidation.record, crossvalidation.grid.folds
    strengths = np.array([c.strengths[0] for c in crossvalidation.grid.candidates])
    table = lane_table(crossvalidation, penalised)
    table = table.assign(**{f"held_out_{name}": values for name, values in metrics.items()})
    choice = choose(crossvalidation.losses(), strengths)
    summary = summarise(table, strengths, choice)
    if not np.isfinite(choice.mean).any():
        diverged = (table["status"] == "diverged").sum()
        raise InputError(
            "Training must not diverge at every strength. Received: a loss that is not finite in "
            f"{diverged} of {len(table)} trainings, on some fold of every strength. Lower the "
            "learning rate, or check inputs and loss."
        )
    first = np.flatnonzero(table["strength"] == strengths[choice.least])[0]
    certificate = afterwards(
        "The certificate",
        lambda: certify(trained(model, record, int(first)), int(table["fold"][first])),
        None,
        remedy="Try `taut.stationarity` on one of `result.models()`.",
    )
    return PathResult(
        penalty=type(kind).__name__,
        strengths=strengths,
        table=table,
        summary=summary,
        best_strength=float(strengths[choice.least]),
        one_se_strength=float(strengths[choice.one_standard_error]),
        edge=_edge(strengths, choice.least, summary["nonzero"].to_numpy()),
        certificate=certificate,
        standard_error_note=(
            f"s/√F over the F = {folds} folds (seeds averaged first), with s the sample "
            "standard deviation; folds share training rows, so it is optimistic."
        ),
        record=record,
        warm_disagreement=None,
        _model=model,
    )


def _edge(strengths: np.ndarray, least: int, nonzero: np.ndarray) -> str | None:
    if strengths[least] == strengths.min() and strengths[least] > 0:
        return "weakest"
    if strengths[least] == strengths.max() and nonzero[least] > 0:
        return "strongest"
    return None


def warn_of_diverged(record: Record) -> None:
    """Name the trainings that diverged, to who called the study."""
    if diverged := record.diverged():
        warnings.warn(
            f"{len(diverged)} of {len(record.lanes)} trainings diverged: {'; '.join(diverged[:5])}"
            f"{'; …' if len(diverged) > 5 else ''}. They count as infinitely bad.",
            RuntimeWarning,
            stacklevel=3,
        )


def warn_of_edge(result: PathResult, *, listed: bool) -> None:
    """Say so where a better strength may lie beyond those listed.

    Of a grid that was found there is nothing to say: its bottom changes nothing, its top leaves
    nothing.
    """
    if result.edge is None or not listed or len(result.strengths) < GRID:
        return
    if result.edge == "weakest":
        beyond = f"weaker ones, such as {result.best_strength / 10:.3g}, or 0"
    else:
        beyond = f"stronger ones, such as {result.best_strength * 10:.3g}"
    warnings.warn(
        f"The least held-out loss is at the {result.edge} of the strengths, "
        f"{result.best_strength:.4g}: a better one may lie beyond. List {beyond}, or give their "
        "number, and the range is found.",
        EdgeWarning,
        stacklevel=3,
    )
