"""A path's result in a few sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from taut.studies.summary import FAILED

if TYPE_CHECKING:
    from taut.studies.result import PathResult, Strength


def sentences(result: PathResult) -> list[str]:
    """What was varied; the two choices; what else there is to know. One a line."""
    lines = [
        _varied(result),
        f"{result.best_name}: {_choice(result, result.best_strength)}",
        f"one standard error: {_choice(result, result.one_se_strength)}",
    ]
    if isinstance(result.edge, str):
        lines[1] += f"; the {result.edge} of the path"
    elif result.edge:
        lines[1] += "".join(f"; the {end} of {name}" for name, end in result.edge.items())
    lines += [f"kept: {text}" for text in result.kept_penalties]
    if failed := int(result.table["status"].isin(FAILED).sum()):
        lines.append(f"{failed} of {len(result.table)} trainings diverged or were dropped")
    known = result.certificate
    return [*lines, "no certificate" if known is None else f"certificate: {known.verdict}"]


def _varied(result: PathResult) -> str:
    ranges = []
    for name in result.axes:
        values = result.summary[name]
        of_axis = "" if len(result.axes) == 1 else f" of {name}"
        ends = f"from {values.max():.4g} to {values.min():.4g}"
        ranges.append(f"{_count(values.nunique(), 'strength')}{of_axis} {ends}")
    folds, seeds = result.table["fold"].nunique(), result.table["seed"].nunique()
    return (
        f"PathResult: {result.penalty} at {' × '.join(ranges)}, {_count(folds, 'fold')} × "
        f"{_count(seeds, 'seed')}"
    )


def _choice(result: PathResult, strength: Strength) -> str:
    line, score = result.summary.iloc[result.point_of(strength)], f"held_out_{result.scoring}"
    error = line["standard_error" if result.scoring == "loss" else f"{score}_standard_error"]
    error = f" ± {error:.2g}" if np.isfinite(error) else ""
    values = ", ".join(f"{name} {line[name]:.4g}" for name in result.axes)
    return f"{line[score]:.4g}{error} at {values}, {line['nonzero']:.4g} weights not zero"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
