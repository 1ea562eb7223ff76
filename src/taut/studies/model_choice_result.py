"""What the choice among models says: what was tried, what is best, at what price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from taut._read_only import ReadOnly
from taut.engine import Record
from taut.engine.lanes import DIVERGED
from taut.errors import InputError
from taut.studies.choice import over_folds
from taut.studies.trainings import NOTE, training_table
from taut.text_table import html_of

if TYPE_CHECKING:
    import pandas as pd

SOME = 3
"""Of fewer strengths the best is always at an edge."""


@dataclass(frozen=True, repr=False, eq=False)
class ModelChoice(ReadOnly):
    """What `choose_model` returns.

    Attributes:
        models: Their names, in the order given.
        summary: One line a candidate that was trained, model by model and from strong to weak:
            model, strength, trainings, failed, mean losses and their standard errors over its folds
            (infinite where a training diverged; no errors with one fold), and finalist, whether it
            was trained on all folds. Others are of the first fold alone, and not to be compared.
        table: One line a training: model, strength, fold, seed, train_loss, held_out_loss,
            best_epoch, epochs, status.
        best_model: The name of the model of the finalist of least mean held-out data loss.
        best_strength: Its strength.
        edge: "weakest" or "strongest" where `best_strength` is at that end of three or more
            strengths, and a better one may lie beyond; otherwise None, as at strength 0.
        trainings: What the choice cost: the rows that its trainings went through, in those of one
            training on all rows.
        standard_error_note: How the standard errors are computed.
        classes: [classes] the labels of `y` in the order of their numbers, where it had labels:
            what the outputs of `model` stand for. None otherwise.
        model: The chosen model at the chosen strength, trained on all rows; compiled. None
            where that training failed, which a warning told.
    """

    models: tuple[str, ...]
    summary: pd.DataFrame
    table: pd.DataFrame
    best_model: str
    best_strength: float
    edge: str | None
    trainings: float
    standard_error_note: str
    classes: np.ndarray | None = None
    model: Any = None

    def with_model(self, model: Any) -> ModelChoice:
        """The same with the trained model."""
        return replace(self, model=model)

    def to_frame(self) -> pd.DataFrame:
        """One line a candidate, as `summary`, with gap: held-out less training loss."""
        return self.summary.assign(gap=self.summary["held_out_loss"] - self.summary["train_loss"])

    def best_of(self, model: str) -> pd.Series:
        """The line in `summary` of a model's best strength, of its finalists.

        Raises:
            InputError: If it is none of the models.
        """
        if model not in self.models:
            raise InputError(
                f"`model` must be one of {', '.join(map(repr, self.models))}. "
                f"Received: model={model!r}."
            )
        lines = self.summary[(self.summary["model"] == model) & self.summary["finalist"]]
        return lines.loc[lines["held_out_loss"].idxmin()]

    def plot(self) -> Any:
        """Held-out loss by strength as an Altair chart, a line a model, with the choice.

        Raises:
            InputError: If Altair is not installed.
        """
        from taut.studies.curve_plots import choice_chart

        return choice_chart(self)

    def sentences(self) -> list[str]:
        """What was found, one sentence a line."""
        lines = [
            f"ModelChoice: {len(self.summary)} candidate{'s' * (len(self.summary) != 1)} trained, "
            f"{len(self.models)} "
            f"model{'s' * (len(self.models) != 1)}, at the price of {self.trainings:.1f} trainings"
        ]
        for name in sorted(self.models, key=lambda name: self.best_of(name)["held_out_loss"]):
            line = self.best_of(name)
            chosen = "; chosen" if name == self.best_model else ""
            edge = f", the {self.edge}" if chosen and self.edge else ""
            lines.append(
                f"{name}: held-out loss {line['held_out_loss']:.4g} at strength "
                f"{line['strength']:.4g}{edge}{chosen}"
            )
        if failed := int(self.summary["failed"].sum()):
            lines.append(f"{failed} of {len(self.table)} trainings diverged")
        return lines

    def __repr__(self) -> str:
        return "\n  ".join(self.sentences())

    def _repr_html_(self) -> str:
        return html_of(self.sentences(), self.to_frame())


def choice_of(
    models: Sequence[str],
    tried: Mapping[tuple[str, float], Sequence[Record]],
    strengths: np.ndarray,
    shares: Sequence[float],
    *,
    classes: np.ndarray | None = None,
) -> ModelChoice:
    """The result, without the trained model, of the records of each candidate.

    Args:
        models: All names, in order.
        tried: By model and strength.
        strengths: All that were listed, tried or not.
        shares: By fold, the share of the rows that a training goes through in an epoch.
        classes: The labels of the targets, where these were text.

    Raises:
        InputError: If some training of every candidate diverged.
    """
    import pandas as pd

    place = {name: k for k, name in enumerate(models)}
    order = sorted(tried, key=lambda key: (place[key[0]], -key[1]))
    lines, tables, price = [], [], 0.0
    for name, strength in order:
        parts = []
        for record in tried[name, strength]:
            head = {"model": [name] * len(record.lanes), "strength": strength}
            of_folds = {**head, "fold": [lane.split for lane in record.lanes]}
            parts.append(training_table(record, of_folds))
            whole = record.train_loss.shape[1]
            price += sum(
                shares[lane.split] * epochs / whole
                for lane, epochs in zip(record.lanes, record.epochs.tolist(), strict=True)
            )
        table = pd.concat(parts, ignore_index=True)
        tables.append(table)
        line = {"model": name, "strength": strength, "trainings": len(table)}
        line["failed"] = int((table["status"] == DIVERGED).sum())
        for loss in ("train_loss", "held_out_loss"):
            mean, error = over_folds(table[loss].fillna(np.inf).to_numpy()[None])
            line |= {loss: mean[0], f"{loss}_standard_error": error[0]}
        lines.append({**line, "finalist": len(table) == len(shares)})
    summary = pd.DataFrame(lines)
    finalists = summary[summary["finalist"]]
    if not np.isfinite(finalists["held_out_loss"]).any():
        raise InputError(
            "Training must not diverge everywhere. Received: a loss that is not finite of every "
            "model at every strength. Lower the learning rate, or check the inputs and the loss."
        )
    best = finalists.loc[finalists["held_out_loss"].idxmin()]
    strength, edge = float(best["strength"]), None
    if len(strengths) >= SOME and strength > 0:
        edge = {max(strengths): "strongest", min(strengths): "weakest"}.get(strength)
    return ModelChoice(
        models=tuple(models),
        summary=summary,
        table=pd.concat(tables, ignore_index=True),
        best_model=str(best["model"]),
        best_strength=strength,
        edge=edge,
        trainings=float(price),
        standard_error_note=NOTE,
        classes=classes,
    )
