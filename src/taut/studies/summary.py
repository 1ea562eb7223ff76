"""The tables of a path: one line a lane, one line a strength."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from taut.studies.choice import over_folds
from taut.studies.crossvalidate import CrossValidation

if TYPE_CHECKING:
    import pandas as pd

FAILED = ("diverged", "dropped")


def heads(names: Sequence[str], points: np.ndarray) -> pd.DataFrame:
    """One line a point of a path: its strengths."""
    import pandas as pd

    return pd.DataFrame(points, columns=list(names))


def lane_table(
    trained: CrossValidation, head: pd.DataFrame, penalised: Sequence[int]
) -> pd.DataFrame:
    """One line a lane.

    Args:
        trained: The lanes.
        head: One line a candidate, with its strengths.
        penalised: Numbers of the variables that the strengths are for.
    """
    record = trained.record
    training, held_out = record.kept_losses()
    count = len(record.lanes)
    nonzero = sum((record.trainable[v] != 0).reshape(count, -1).sum(axis=1) for v in penalised)
    columns = {
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
    return head.iloc[trained.candidate_of].reset_index(drop=True).assign(**columns)


def summarise(
    table: pd.DataFrame, head: pd.DataFrame, candidate_of: np.ndarray, score: str
) -> pd.DataFrame:
    """One line a candidate; with the column of the score, where that is not the loss."""
    means = table.groupby(candidate_of)[["train_loss", "nonzero"]].mean()
    mean, error = over_folds(by_fold(table, "held_out_loss", candidate_of))
    summary = head.assign(
        train_loss=means["train_loss"].to_numpy(),
        held_out_loss=mean,
        standard_error=error,
    )
    if score != "held_out_loss":
        mean, error = over_folds(by_fold(table, score, candidate_of))
        summary = summary.assign(**{score: mean, f"{score}_standard_error": error})
    return summary.assign(nonzero=means["nonzero"].to_numpy())


def by_strength(lines: pd.DataFrame, head: pd.DataFrame, candidate_of: np.ndarray) -> pd.DataFrame:
    """One line a candidate of all that a table measures of each training.

    Args:
        lines: The lane table, with further columns of counts (nonzero, zeros, …_kept).
        head: One line a candidate, with its strengths.
        candidate_of: [lanes] the number of the candidate of each.

    Returns:
        Losses and metrics with their standard errors over folds, and means of the counts.
    """
    groups = lines.assign(failed=lines["status"].isin(FAILED)).groupby(candidate_of)
    columns = {"trainings": groups.size(), "failed": groups["failed"].sum()}
    frame = head.assign(**{name: column.to_numpy() for name, column in columns.items()})
    measured = [str(c) for c in lines if c == "train_loss" or str(c).startswith("held_out_")]
    for name in measured:
        mean, error = over_folds(by_fold(lines, name, candidate_of))
        frame = frame.assign(**{name: mean, f"{name}_standard_error": error})
    for name in ("nonzero", "zeros", "groups_kept", "inputs_kept"):
        if name in lines:
            frame = frame.assign(**{name: groups[name].mean().to_numpy()})
    return frame


def by_fold(table: pd.DataFrame, column: str, candidate_of: np.ndarray) -> np.ndarray:
    """[candidates, folds], averaged over seeds and directions.

    A training that failed has an infinite loss; its metrics are not known.
    """
    instead = np.inf if column.endswith("_loss") else np.nan
    values = table[column].where(~table["status"].isin(FAILED), instead).to_numpy(float)
    fold = table["fold"].to_numpy()
    total = np.zeros((candidate_of.max() + 1, fold.max() + 1))
    lanes = np.zeros_like(total)
    np.add.at(total, (candidate_of, fold), values)
    np.add.at(lanes, (candidate_of, fold), 1)
    return total / lanes
