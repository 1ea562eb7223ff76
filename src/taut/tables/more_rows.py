"""What more rows would give: the best setting on a few of the rows, and the law behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from taut.diagnosis.advice import against_more_rows
from taut.diagnosis.diagnosis_result import Advice
from taut.diagnosis.gains import interval_over_folds
from taut.engine import Callback, Split
from taut.studies.choice import over_folds
from taut.studies.held_out_luck import luck_of
from taut.studies.learning import row_counts
from taut.studies.learning_result import LEVEL
from taut.studies.power_law import PowerLaw, fit_power_law
from taut.studies.subsets import nested_subsets
from taut.tables.prepared import Prepared
from taut.tables.trained import Trained, train

SIZES = 5
MORE = 2.0, 4.0
"""Times the rows that the law is read at."""


@dataclass(frozen=True)
class MoreRows:
    """The learning curve of the best setting.

    Attributes:
        law: L(n) = a + b·n^(−c) of the held-out loss, with its posterior.
        table: One line a size, then twice and four times the rows: rows (the mean over folds);
            measured, whether it was; train_loss and held_out_loss with their standard errors over
            folds; fitted, low and high, the law with 80% intervals; gain, gain_low and gain_high,
            the present loss less the law's there.
        fall: [held] the loss of each held-out row by the networks of the largest part, less that
            by those of all rows.
        fold_of: [held] the fold of each.
        weights: [held] what each counts, or None.
        groups: [held] group numbers, or None.
    """

    law: PowerLaw
    table: pd.DataFrame
    fall: np.ndarray
    fold_of: np.ndarray
    weights: np.ndarray | None
    groups: np.ndarray | None

    def advice(self, level: float) -> Advice:
        """What twice the rows would gain; in doubt where half of them do not clearly do worse."""
        gain, low, high = (float(v) for v in self.law.gain(np.array([2 * self.law.rows]), level)[0])
        what = "twice the rows, by the learning curve"
        fall = interval_over_folds(
            self.fall, self.fold_of, level=level, weights=self.weights, groups=self.groups
        )
        doubt = against_more_rows(fall)
        return Advice("more_rows", what, gain, low, high, level, MORE[0], doubt=doubt)


def sizes_of(data: Prepared) -> list[int]:
    """The numbers of rows to train on, from few to nearly all of a fold's.

    Raises:
        InputError: If there are too few rows for a curve.
    """
    classes = len(np.unique(data.y)) if data.outputs > 1 else 0
    return row_counts(
        SIZES,
        min(len(split.train) for split in data.splits),
        classes,
        otherwise="leave `learning_curve` (--learning-curve) out",
    )


def more_rows(
    trained: Trained,
    setting: int,
    data: Prepared,
    *,
    quick: bool,
    epochs: int | None,
    seed: int,
    callbacks: Sequence[Callback],
) -> MoreRows:
    """Train a setting on nested parts of each fold's training rows, each as `fit_table` would.

    Every size has its own schedule and keeps the epoch that is best for all folds, as the fit on
    all rows did, whose networks are the last size. Held out is the whole of the fold's rows.

    Args:
        trained: The lanes of the fit.
        setting: Which of its settings.
        data: What they were trained on.
        quick: A shorter schedule.
        epochs: Of the schedule, at most.
        seed: Draws the parts; seeds the trainings.
        callbacks: Told of the progress.
    """
    counts, folds = sizes_of(data)[:-1], trained.splits
    labels = data.y if data.outputs > 1 else None
    parts = [
        nested_subsets(
            fold.train, counts, seed=[seed, number], labels=labels, groups=data.facts.groups
        )
        for number, fold in enumerate(folds)
    ]
    fits = [
        train(
            data,
            [Split(parts[k][size], fold.held_out) for k, fold in enumerate(folds)],
            [trained.settings[setting]],
            seeds=1,
            seed=seed,
            quick=quick,
            most_epochs=epochs,
            callbacks=callbacks,
        )
        for size in range(len(counts))
    ]
    of_size = [(fit, 0) for fit in fits] + [(trained, setting)]
    rows = np.array([np.mean([len(split.train) for split in fit.splits]) for fit, _ in of_size])
    train_losses = np.array([_train_losses(fit, at) for fit, at in of_size])
    held_losses = np.array([fit.fold_losses(at) for fit, at in of_size])
    held = trained.held
    groups = None if data.facts.groups is None else data.facts.groups[held]
    luck = luck_of(trained.row_loss[setting][held], trained.held_weight, groups)
    known = np.isfinite(held_losses).all(axis=1)
    law = fit_power_law(rows[known], held_losses[known].T, luck)
    return MoreRows(
        law=law,
        table=_table(law, rows, train_losses, held_losses),
        fall=(fits[-1].row_loss[0] - trained.row_loss[setting])[held],
        fold_of=trained.fold_of[held],
        weights=trained.held_weight,
        groups=groups,
    )


def _train_losses(trained: Trained, setting: int) -> np.ndarray:
    """[folds] training losses of what each fold keeps, the mean of its seeds."""
    losses, _ = trained.record.kept_losses()
    folds = range(len(trained.splits))
    return np.array([losses[trained.cross.lanes(setting, fold)].mean() for fold in folds])


def _table(
    law: PowerLaw, rows: np.ndarray, train_losses: np.ndarray, held_losses: np.ndarray
) -> pd.DataFrame:
    more = law.rows * np.array(MORE)
    every = np.concatenate([rows, more])
    columns = {"rows": every, "measured": np.arange(len(every)) < len(rows)}
    for name, losses in (("train_loss", train_losses), ("held_out_loss", held_losses)):
        mean, error = over_folds(losses)
        nothing = np.full(len(more), np.nan)
        columns[name] = np.concatenate([mean, nothing])
        columns[f"{name}_standard_error"] = np.concatenate([error, nothing])
    for names, values in (
        (("fitted", "low", "high"), law.loss(every, LEVEL)),
        (("gain", "gain_low", "gain_high"), law.gain(every, LEVEL)),
    ):
        columns |= dict(zip(names, values.T, strict=True))
    return pd.DataFrame(columns)
