"""The tables of a study: one line a lane, one line a strength."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from taut.studies.choice import Choice, over_folds
from taut.studies.crossvalidate import CrossValidation

if TYPE_CHECKING:
    import pandas as pd

FAILED = ("diverged", "dropped")


def lane_table(trained: CrossValidation, penalised: Sequence[int]) -> pd.DataFrame:
    """One line a lane of candidates of one strength each."""
    import pandas as pd

    record = trained.record
    training, held_out = record.kept_losses()
    count = len(record.lanes)
    nonzero = sum((record.trainable[v] != 0).reshape(count, -1).sum(axis=1) for v in penalised)
    return pd.DataFrame(
        {
            "strength": [lane.strengths[0] for lane in record.lanes],
            "fold": [lane.split for lane in record.lanes],
            "seed": [lane.seed for lane in record.lanes],
            "start": trained.directions,
            "train_loss": training.astype(float),
            "held_out_loss": held_out.astype(float),
            "best_epoch": record.best_epoch,
            "epochs": record.epochs,
            "nonzero": np.asarray(nonzero, int),
            "status": list(record.status),
        }
    )


def summarise(table: pd.DataFrame, strengths: np.ndarray, choice: Choice) -> pd.DataFrame:
    """One line a strength."""
    import pandas as pd

    means = table.groupby("strength")[["train_loss", "nonzero"]].mean().loc[strengths]
    return pd.DataFrame(
        {
            "strength": strengths,
            "train_loss": means["train_loss"].to_numpy(),
            "held_out_loss": choice.mean,
            "standard_error": choice.standard_error,
            "nonzero": means["nonzero"].to_numpy(),
        }
    )


def by_strength(lines: pd.DataFrame, strengths: np.ndarray) -> pd.DataFrame:
    """One line a strength of all that a table measures of each training.

    Args:
        lines: The lane table, with further columns of counts (nonzero, zeros, …_kept).
        strengths: [strengths], in the order of the lines.

    Returns:
        Losses and metrics with their standard errors over folds, and means of the counts.
    """
    import pandas as pd

    failed = lines["status"].isin(FAILED)
    groups = lines.assign(failed=failed).groupby("strength")
    columns: dict[str, np.ndarray] = {
        "strength": strengths,
        "trainings": groups.size().loc[strengths].to_numpy(),
        "failed": groups["failed"].sum().loc[strengths].to_numpy(),
    }
    measured = [c for c in lines if c == "train_loss" or str(c).startswith("held_out_")]
    for name in measured:
        mean, error = over_folds(_by_fold(lines, str(name), strengths))
        columns |= {str(name): mean, f"{name}_standard_error": error}
    for name in ("nonzero", "zeros", "groups_kept", "inputs_kept"):
        if name in lines:
            columns[name] = groups[name].mean().loc[strengths].to_numpy()
    return pd.DataFrame(columns)


def _by_fold(table: pd.DataFrame, column: str, strengths: np.ndarray) -> np.ndarray:
    """[strengths, folds], averaged over seeds and directions.

    A training that failed has an infinite loss; its metrics are not known.
    """
    failed = table["status"].isin(FAILED)
    instead = np.inf if column.endswith("_loss") else np.nan
    return (
        table.assign(**{column: table[column].where(~failed, instead)})
        .pivot_table(index="strength", columns="fold", values=column, aggfunc=_mean, dropna=False)
        .loc[strengths]
        .to_numpy()
    )


def _mean(values: Any) -> float:
    """The mean, not known where one value is not."""
    return float(np.mean(np.asarray(values, float)))
