"""What a regularization path returns, made from the record of its lanes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from taut.engine import Record, afterwards
from taut.errors import InputError
from taut.objective import Stationarity
from taut.penalties import Penalty
from taut.studies.choice import choose
from taut.studies.crossvalidate import CrossValidation
from taut.studies.study_model import compiled_copy
from taut.studies.summary import lane_table, summarise

if TYPE_CHECKING:
    import pandas as pd


PRINTED = 1e-3


@dataclass(frozen=True)
class PathResult:
    """What `regularization_path` returns.

    Attributes:
        penalty: Name of the penalty.
        strengths: [strengths], from strong to weak.
        table: One line a training: strength, fold, seed, start ("cold"; "down" or "up" with warm
            starts), train_loss, held_out_loss, best_epoch, epochs, nonzero (penalised weights
            that are not exactly zero), status; and held_out_<name> for each metric that the
            model was compiled with (one a number where it returns several: held_out_f1_score_0, …).
        summary: One line a strength: mean losses, the standard error of the held-out loss over
            folds, mean nonzero. Seeds and directions are averaged first.
        best_strength: The strength of least mean held-out data loss.
        one_se_strength: The largest strength within one standard error of it.
        certificate: Residual of stationarity of one model of the best strength (the first fold
            and seed) on the rows it was trained on, all of them; streamed rows are read once more
            for it. None if it failed, which a warning tells.
        standard_error_note: How the standard error is computed.
        record: The engine's record of every lane.
        warm_disagreement: With warm starts: the trainings of the two chosen strengths beside
            the same trainings from fresh weights (see `taut.studies.disagreement`), for the
            problem is not convex; otherwise None.
    """

    penalty: str
    strengths: np.ndarray
    table: pd.DataFrame
    summary: pd.DataFrame
    best_strength: float
    one_se_strength: float
    certificate: Stationarity | None
    standard_error_note: str
    record: Record
    warm_disagreement: pd.DataFrame | None
    _model: Any

    def models(self, strength: float | None = None) -> list[Any]:
        """The trained models of one strength, one a fold and seed, compiled.

        Args:
            strength: One of `strengths`, as it is printed; the best unless given.

        Raises:
            InputError: If the path has no such strength; the nearest is named.
        """
        strength = self.best_strength if strength is None else float(strength)
        nearest = self.strengths[np.argmin(np.abs(self.strengths - strength))]
        # A printed strength has been rounded.
        if not np.isclose(nearest, strength, rtol=PRINTED, atol=0):
            raise InputError(
                "`strength` must be one of the path's. "
                f"Received: strength={strength!r}; the nearest is {float(nearest)!r}."
            )
        at = np.flatnonzero(self.table["strength"] == nearest)
        return [_trained(self._model, self.record, int(lane)) for lane in at]

    def plot(self) -> Any:
        """The path as an Altair chart: losses against strength, the two choices marked."""
        from taut.studies.plots import path_chart

        return path_chart(self)


def warn_of_diverged(record: Record) -> None:
    """Name the trainings that diverged, to who called the study."""
    if diverged := record.diverged():
        warnings.warn(
            f"{len(diverged)} of {len(record.lanes)} trainings diverged: {'; '.join(diverged[:5])}"
            f"{'; …' if len(diverged) > 5 else ''}. They count as infinitely bad.",
            RuntimeWarning,
            stacklevel=3,
        )


def make_result(
    model: Any,
    kind: Penalty,
    trained: CrossValidation,
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
    record, folds = trained.record, trained.grid.folds
    strengths = np.array([candidate.strengths[0] for candidate in trained.grid.candidates])
    table = lane_table(trained, penalised)
    table = table.assign(**{f"held_out_{name}": values for name, values in metrics.items()})
    choice = choose(trained.losses(), strengths)
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
        lambda: certify(_trained(model, record, int(first)), int(table["fold"][first])),
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
        certificate=certificate,
        standard_error_note=(
            f"s/√F over the F = {folds} folds (seeds averaged first), with s the sample "
            "standard deviation; folds share training rows, so it is optimistic."
        ),
        record=record,
        warm_disagreement=None,
        _model=model,
    )


def _trained(model: Any, record: Record, lane: int) -> Any:
    trained = compiled_copy(model, model.optimizer.entries[0].penalty)
    return record.apply(lane, trained)
