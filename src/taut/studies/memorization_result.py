"""What `memorization` returns: how far, and how fast, a model fits labels that are noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from taut._read_only import ReadOnly
from taut.engine import Record
from taut.studies.permutations import mean_error
from taut.text_table import html_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False, eq=False)
class Memorization(ReadOnly):
    """A model's fit of permuted labels, beside that of the true ones.

    Errors are standard errors: over permutations of what is about permuted labels, and over folds
    (seeds averaged first) of what is about true ones; folds share training rows, which makes the
    latter optimistic.

    Attributes:
        fitted: Share of the base rate's training loss that is removed on permuted labels: 0
            where the model fits no noise, 1 where it fits all of it.
        fitted_error: Its standard error.
        fitted_true: The same share on true labels.
        fitted_true_error: Its standard error.
        half_epoch: Epochs until half of what is fitted on permuted labels was fitted; NaN where
            less than a hundredth is.
        half_epoch_error: Its standard error.
        half_epoch_true: The same on true labels.
        half_epoch_true_error: Its standard error.
        accuracy: Of classes, the training accuracy on permuted labels; NaN of numbers.
        accuracy_error: Its standard error.
        base_accuracy: The accuracy of always naming the most frequent class; NaN of numbers.
        held_out_loss: Mean held-out data loss with true labels, at the kept epoch.
        held_out_loss_error: Its standard error.
        base_loss: Data loss of the best prediction that looks at no input, on the true labels of
            the training rows.
        table: One line a training: labels ("true" or "permuted"), permutation, fold, seed,
            base_loss, least_loss, train_loss (of the trained network on its training rows),
            fitted, half_epoch, accuracy, base_accuracy, held_out_loss, epochs, status.
        record: The engine's record of every lane.
    """

    fitted: float
    fitted_error: float
    fitted_true: float
    fitted_true_error: float
    half_epoch: float
    half_epoch_error: float
    half_epoch_true: float
    half_epoch_true_error: float
    accuracy: float
    accuracy_error: float
    base_accuracy: float
    held_out_loss: float
    held_out_loss_error: float
    base_loss: float
    table: pd.DataFrame
    record: Record

    def to_frame(self) -> pd.DataFrame:
        """One line a training, as `table`."""
        return self.table.copy()

    def curves(self) -> pd.DataFrame:
        """The losses by epoch on true and on permuted labels, of the trainings still going.

        Returns:
            labels; epoch, from 1; train_loss, the mean data loss while training; train_share, its
            mean share of the base rate's loss, (J − J₁)/(J₀ − J₁), with standard_error over the
            trainings; held_out_loss, of true labels.
        """
        import pandas as pd

        record, parts = self.record, []
        base, least = (self.table[c].to_numpy()[:, None] for c in ("base_loss", "least_loss"))
        shares = (record.train_loss - least) / (base - least)
        for labels in ("true", "permuted"):
            chosen = (self.table["labels"] == labels).to_numpy()
            for epoch in range(record.train_loss.shape[1]):
                mean, error = mean_error(shares[chosen, epoch])
                held = record.held_out_loss[chosen, epoch] if labels == "true" else []
                parts.append(
                    {
                        "labels": labels,
                        "epoch": epoch + 1,
                        "train_loss": mean_error(record.train_loss[chosen, epoch])[0],
                        "train_share": mean,
                        "standard_error": error,
                        "held_out_loss": mean_error(np.asarray(held))[0],
                    }
                )
        return pd.DataFrame(parts)

    def plot(self) -> Any:
        """The training losses by epoch as an Altair chart, with bands of one standard error.

        Raises:
            InputError: If Altair is not installed.
        """
        from taut.studies.noise_plots import memorization_chart

        return memorization_chart(self)

    def __repr__(self) -> str:
        title, *lines = self._sentences()
        return "\n".join([title, *(f"  {line}" for line in lines)])

    def _repr_html_(self) -> str:
        columns = ["fitted", "half_epoch", "accuracy", "train_loss", "held_out_loss"]
        means = self.table.groupby("labels", sort=False)[columns].mean().reset_index()
        means.loc[means["labels"] == "permuted", "held_out_loss"] = np.nan  # it is of noise
        return html_of(self._sentences(), means)

    def _sentences(self) -> list[str]:
        permuted = self.table["labels"] == "permuted"
        lines = [
            f"Memorization: {permuted.sum()} permutations beside {(~permuted).sum()} trainings on "
            "true labels",
            f"of noise it fits {self.fitted:.1%}{_error(self.fitted_error, '.1%')}, of the true "
            f"labels {self.fitted_true:.1%}{_error(self.fitted_true_error, '.1%')} of the base "
            "rate's loss",
        ]
        if np.isfinite(self.half_epoch):
            half = f"half of the noise after {self.half_epoch:.3g} epochs"
            if np.isfinite(self.half_epoch_true):
                half += f", half of the true fit after {self.half_epoch_true:.3g}"
            lines.append(half)
        if np.isfinite(self.accuracy):
            lines.append(
                f"training accuracy on permuted labels {self.accuracy:.1%}, on the most frequent "
                f"class {self.base_accuracy:.1%}"
            )
        lines.append(
            f"held-out loss {self.held_out_loss:.4g}{_error(self.held_out_loss_error, '.2g')}, of "
            f"the base rate {self.base_loss:.4g}"
        )
        if failed := int((self.table["status"] == "diverged").sum()):
            lines.append(f"{failed} of {len(self.table)} trainings diverged")
        return lines


def summarised(table: pd.DataFrame, record: Record, *, folds: int, seeds: int) -> Memorization:
    """The result, from one line a training: true labels first, seed by seed and fold by fold."""
    true, permuted = table[: folds * seeds], table[folds * seeds :]

    def of_true(column: str) -> tuple[float, float]:
        values = true[column].to_numpy(float).reshape(seeds, folds)
        there = np.isfinite(values)
        count = there.sum(axis=0)
        means = np.where(there, values, 0).sum(axis=0) / np.maximum(count, 1)
        return mean_error(np.where(count > 0, means, np.nan))

    of_permuted = {c: mean_error(permuted[c].to_numpy(float)) for c in ("fitted", "accuracy")}
    half, half_true = mean_error(permuted["half_epoch"].to_numpy(float)), of_true("half_epoch")
    fitted_true, held_out = of_true("fitted"), of_true("held_out_loss")
    return Memorization(
        fitted=of_permuted["fitted"][0],
        fitted_error=of_permuted["fitted"][1],
        fitted_true=fitted_true[0],
        fitted_true_error=fitted_true[1],
        half_epoch=half[0],
        half_epoch_error=half[1],
        half_epoch_true=half_true[0],
        half_epoch_true_error=half_true[1],
        accuracy=of_permuted["accuracy"][0],
        accuracy_error=of_permuted["accuracy"][1],
        base_accuracy=float(true["base_accuracy"].mean()),
        held_out_loss=held_out[0],
        held_out_loss_error=held_out[1],
        base_loss=float(true["base_loss"].mean()),
        table=table,
        record=record,
    )


def _error(error: float, form: str) -> str:
    return f" ± {error:{form}}" if np.isfinite(error) else ""
