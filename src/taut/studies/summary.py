"""The tables of a study: one line a lane, one line a strength."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from taut.engine import Record
from taut.studies.choice import Choice, choose

if TYPE_CHECKING:
    import pandas as pd


def lane_table(record: Record, penalised: Sequence[int]) -> pd.DataFrame:
    """One line a lane of a record of one strength a lane."""
    import pandas as pd

    training, held_out = record.kept_losses()
    count = len(record.lanes)
    nonzero = sum((record.trainable[v] != 0).reshape(count, -1).sum(axis=1) for v in penalised)
    return pd.DataFrame(
        {
            "strength": [lane.strengths[0] for lane in record.lanes],
            "fold": [lane.split for lane in record.lanes],
            "seed": [lane.seed for lane in record.lanes],
            "train_loss": training.astype(float),
            "held_out_loss": held_out.astype(float),
            "best_epoch": record.best_epoch,
            "epochs": record.epochs,
            "nonzero": np.asarray(nonzero, int),
            "status": list(record.status),
        }
    )


def summarise(table: pd.DataFrame, strengths: np.ndarray) -> tuple[pd.DataFrame, Choice]:
    """One line a strength, and the choice."""
    import pandas as pd

    out = table["status"].isin(["diverged", "dropped"])
    healthy = table.assign(held_out_loss=table["held_out_loss"].where(~out, np.inf))
    losses = healthy.pivot_table(
        index="strength", columns="fold", values="held_out_loss", aggfunc="mean", dropna=False
    ).loc[strengths]
    choice = choose(losses.to_numpy(), strengths)
    means = table.groupby("strength")[["train_loss", "nonzero"]].mean().loc[strengths]
    summary = pd.DataFrame(
        {
            "strength": strengths,
            "train_loss": means["train_loss"].to_numpy(),
            "held_out_loss": choice.mean,
            "standard_error": choice.standard_error,
            "nonzero": means["nonzero"].to_numpy(),
        }
    )
    return summary, choice
