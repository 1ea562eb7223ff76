"""What the studies of curves have in common: a line a training, means over folds, what failed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from taut.checks import check_one_of
from taut.engine import Record
from taut.engine.lanes import DIVERGED
from taut.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

NOTE = (
    "s/√F over the F folds (seeds averaged first), with s the sample standard deviation; folds "
    "share training rows, so it is optimistic."
)


def training_table(record: Record, columns: Mapping[str, Any]) -> pd.DataFrame:
    """One line a training: given columns, fold, seed, losses that were kept, epochs, status."""
    import pandas as pd

    training, held_out = record.kept_losses()
    failed = np.array([status == DIVERGED for status in record.status])
    own = {
        "seed": [lane.seed for lane in record.lanes],
        "train_loss": np.where(failed, np.nan, training.astype(float)),
        "held_out_loss": np.where(failed, np.nan, held_out.astype(float)),
        "best_epoch": record.best_epoch,
        "epochs": record.epochs,
        "status": list(record.status),
    }
    return pd.DataFrame({**columns, **own})


def warn_of_left_out(record: Record, stacklevel: int = 4) -> None:
    """Name the trainings that diverged, which no mean contains, to who called the study."""
    if diverged := record.diverged():
        warnings.warn(
            f"{len(diverged)} of {len(record.lanes)} trainings diverged: {'; '.join(diverged[:5])}"
            f"{'; …' if len(diverged) > 5 else ''}. They are left out of all means.",
            RuntimeWarning,
            stacklevel=stacklevel,
        )


def check_some_trained(record: Record, what: str = "trainings") -> None:
    """Raise where every training diverged: nothing is known then.

    Args:
        record: Of these trainings.
        what: Which they are, in words.

    Raises:
        InputError: If so.
    """
    if all(status == DIVERGED for status in record.status):
        raise InputError(
            "Training must not diverge everywhere. Received: a loss that is not finite in all "
            f"{len(record.lanes)} {what}. Lower the learning rate, or check inputs and loss."
        )


def means_without_nan(values: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    """Means over an axis of what is there; NaN where nothing is, without a warning."""
    there = np.isfinite(values)
    count = there.sum(axis=axis)
    total = np.where(there, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def check_folds(folds: int, what: str) -> None:
    """Raise unless there are two folds, without which no spread is known."""
    if folds < 2:
        raise InputError(f"{what} needs at least 2 folds. Received: 1. Give `cv=5`, say.")


def check_start(start: str) -> None:
    """Raise for a start that there is not."""
    check_one_of(("fresh", "present"), start=start)


def check_level(level: float) -> None:
    """Raise unless a level is a share strictly between 0 and 1."""
    from taut.checks import check_inner_share

    check_inner_share(level=level)
