"""Losses by epoch over folds and seeds: when the held-out loss turned, and what stopping gains."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import stdtrit

from taut._weights import ClassWeight
from taut.checks import check_whole
from taut.engine import Callback, Record
from taut.engine.lanes import DIVERGED
from taut.errors import InputError
from taut.progress import displayed
from taut.studies.as_compiled import as_compiled
from taut.studies.choice import over_folds
from taut.studies.training_settings import Settings
from taut.studies.trainings import (
    NOTE,
    check_folds,
    check_level,
    check_start,
    classes_of,
    means_without_nan,
    training_table,
    warn_of_left_out,
)

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 2000
"""Of folds and seeds, for the interval of the turn; from a fixed seed."""


@dataclass(frozen=True)
class Turn:
    """Where the mean held-out loss is least, and what lies behind it.

    Attributes:
        epochs: How many epochs to train for: after these the mean held-out loss is least.
        low: The lower end of its interval, over folds and seeds.
        high: The upper end.
        gain: By how much the held-out loss after these is below that after the last epoch. For
            each fold the epochs are those that are best on the other folds, so that no fold is
            asked about a choice that it took part in.
        gain_low: The lower end of its interval, paired over folds.
        gain_high: The upper end.
        turned: Whether the loss has risen since by more than luck: `gain_low` > 0.
    """

    epochs: int
    low: int
    high: int
    gain: float
    gain_low: float
    gain_high: float

    @property
    def turned(self) -> bool:
        return self.gain_low > 0


def turn_of(held_out: np.ndarray, level: float = 0.95) -> Turn:
    r"""The turn of held-out losses.

    With h_f(e) the loss of fold f (mean of seeds) after epoch e, and E_f the epoch that minimises
    the mean of the other folds, the gain is the mean over folds of h_f(last) − h_f(E_f), and its
    interval ± t·s/√F with Student's t of F − 1 degrees of freedom. The interval of the turn are
    quantiles of where the mean is least for folds, and seeds within them, drawn with repetition.

    Args:
        held_out: [folds, seeds, epochs]; NaN where a training diverged, which counts not.
        level: Of the intervals.

    Example:
        >>> curve = np.array([3.0, 2.0, 1.0, 1.5, 2.0])
        >>> noise = 0.01 * np.random.default_rng(0).normal(size=(4, 2, 5))
        >>> turn = turn_of(curve + noise)
        >>> turn.epochs, turn.turned, round(turn.gain, 1)
        (3, True, 1.0)
    """
    curves = means_without_nan(held_out, axis=1)
    curves = curves[np.isfinite(curves).all(axis=1)]
    folds, last = curves.shape
    best = int(curves.mean(axis=0).argmin())
    others = (curves.sum(axis=0) - curves).argmin(axis=1)
    gains = curves[:, -1] - curves[np.arange(folds), others]
    half = float(stdtrit(folds - 1, (1 + level) / 2) * gains.std(ddof=1) / np.sqrt(folds))
    gain = float(gains.mean())
    low, high = np.quantile(_turns(held_out), [(1 - level) / 2, (1 + level) / 2])
    epochs = best + 1
    return Turn(
        epochs=epochs,
        low=min(int(np.floor(low)), epochs),
        high=max(int(np.ceil(high)), epochs),
        gain=gain,
        gain_low=gain - half,
        gain_high=gain + half,
    )


def _turns(held_out: np.ndarray) -> np.ndarray:
    """Where the mean is least, of folds and seeds drawn with repetition."""
    folds = held_out[np.isfinite(held_out).all(axis=2).any(axis=1)]
    draw = np.random.default_rng(0)
    number, seeds = folds.shape[:2]
    found = np.empty(DRAWS)
    for k in range(DRAWS):
        fold = draw.integers(number, size=number)
        seed = draw.integers(seeds, size=(number, seeds))
        found[k] = np.nanmean(means_without_nan(folds[fold[:, None], seed], 1), axis=0).argmin()
    return found + 1


@dataclass(frozen=True, repr=False, eq=False)
class EpochCurve:
    """What `epoch_curve` returns.

    Attributes:
        summary: One line an epoch: epoch (from 1), mean losses and their standard errors.
        turn: Where the mean held-out loss is least, what stopping there gains, and whether that is
            more than luck.
        table: One line a training: fold, seed, train_loss and held_out_loss after the last epoch,
            best_epoch (from 0, the last), epochs, status.
        train_loss: [folds, seeds, epochs].
        held_out_loss: Likewise.
        level: Of the intervals in `turn`.
        standard_error_note: How the standard errors are computed.
        record: The engine's record of every lane.
    """

    summary: pd.DataFrame
    turn: Turn
    table: pd.DataFrame
    train_loss: np.ndarray
    held_out_loss: np.ndarray
    level: float
    standard_error_note: str
    record: Record

    @property
    def turned_at(self) -> int | None:
        """After how many epochs the held-out loss turned; None if it has not, for all is known."""
        return self.turn.epochs if self.turn.turned else None

    def to_frame(self) -> pd.DataFrame:
        """One line an epoch, as `summary`, with gap: held-out less training loss."""
        return self.summary.assign(gap=self.summary["held_out_loss"] - self.summary["train_loss"])

    def plot(self) -> Any:
        """Both losses by epoch as an Altair chart, and where the held-out loss is least.

        Raises:
            InputError: If Altair is not installed.
        """
        from taut.studies.curve_plots import epoch_chart

        return epoch_chart(self)

    def sentences(self) -> list[str]:
        """What was found, one sentence a line."""
        turn, last = self.turn, self.summary.iloc[-1]
        folds, seeds, epochs = self.held_out_loss.shape
        lines = [
            f"EpochCurve: held-out loss {last['held_out_loss']:.4g} after {epochs} epochs, "
            f"{folds} folds × {seeds} seeds",
            f"least after {turn.epochs} epochs ({turn.low} to {turn.high}), "
            f"{self.summary['held_out_loss'].min():.4g}",
            f"stopping there gains {turn.gain:.2g} ({turn.gain_low:.2g} to {turn.gain_high:.2g}; "
            f"{self.level:.0%}): " + ("it has turned" if turn.turned else "no turn beyond luck"),
        ]
        if turn.epochs > 0.95 * epochs and not turn.turned:
            lines.append("still falling at the end: try more epochs")
        if failed := int(self.table["held_out_loss"].isna().sum()):
            lines.append(f"{failed} of {len(self.table)} trainings diverged and are left out")
        return lines

    def __repr__(self) -> str:
        return "\n  ".join(self.sentences())

    def _repr_html_(self) -> str:
        lines = "<br>".join(map(escape, self.sentences()))
        every = max(len(self.summary) // 20, 1)
        frame = self.to_frame().iloc[::-1].iloc[::every].iloc[::-1]
        return f"<p>{lines}</p>{frame.to_html(index=False, border=0, float_format='%.4g')}"


@displayed
def epoch_curve(
    model: Any,
    x: Any,
    y: Any,
    *,
    cv: Any = 5,
    groups: Any = None,
    seeds: int = 1,
    start: str = "fresh",
    epochs: int = 100,
    batch_size: int = 32,
    level: float = 0.95,
    seed: int = 0,
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
    width: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 60.0,
    callbacks: Sequence[Callback] | None = None,
) -> EpochCurve:
    r"""Train to the last epoch on every fold, and say when the held-out loss turned.

    Folds × seeds as one program, without early stopping. The mean held-out loss is least after
    some number of epochs; what stopping there would gain against the last epoch is estimated
    without the optimism of having chosen it on the same rows (see `taut.studies.turning.turn_of`).

    Args:
        model: A compiled and built Keras model. It is not changed.
        x: Inputs, [rows, …] or a tree of these.
        y: Targets, [rows, …] or a tree of these; text where the loss is one of classes.
        cv: Number of folds (stratified for classes), a scikit-learn splitter, or pairs of rows.
        groups: [rows] labels of groups; no group is on both sides of a fold.
        seeds: Trainings of each fold, from different initial weights.
        start: "fresh" draws the trainable weights anew for each training; "present" starts from
            those that the model has.
        epochs: Epochs of every training.
        batch_size: Rows in a batch.
        level: Of the intervals.
        seed: Seeds folds, initial weights and the order of rows.
        sample_weight: [rows] weights of the data loss.
        class_weight: Weights by class number, as in Keras, by label, or `"balanced"`.
        width: Trainings side by side on one device; see `regularization_path`.
        checkpoint: A folder, made if need be, in which the study is saved as it goes.
        checkpoint_seconds: Save when so many seconds have passed.
        callbacks: Told of the progress; a display on the terminal unless given.

    Returns:
        An `EpochCurve`.

    Raises:
        InputError: For rows or numbers that cannot be, before any training; if training diverged
            on all folds but one.

    Example:
        >>> curve = taut.epoch_curve(model, x, y, epochs=200)  # doctest: +SKIP
        >>> curve.turned_at  # doctest: +SKIP

    References:
        Prechelt, Early stopping — but when?, 1998.
    """
    check_start(start)
    check_whole(1, seeds=seeds)
    check_level(level)
    settings = Settings.checked(
        epochs=epochs,
        batch_size=batch_size,
        width=width,
        checkpoint=checkpoint,
        checkpoint_seconds=checkpoint_seconds,
        callbacks=callbacks,
    )
    study = as_compiled(
        model,
        x,
        y,
        cv=cv,
        seed=seed,
        groups=groups,
        sample_weight=sample_weight,
        class_weight=class_weight,
    )
    folds = len(study.rows.splits)
    check_folds(folds, "When the held-out loss turned")
    classes_of(study.copy, study.rows.first()[1])
    lanes = [
        study.lane(split, of_seed, present=start == "present")
        for split in range(folds)
        for of_seed in range(seed, seed + seeds)
    ]
    record = study.rows.train(study.copy, lanes, settings, "epoch-curve")
    warn_of_left_out(record)
    return epochs_of(record, folds, level)


def epochs_of(record: Record, folds: int, level: float) -> EpochCurve:
    """The result of lanes, fold by fold, that trained to the last epoch.

    Raises:
        InputError: If fewer than two folds have a training that did not diverge.
    """
    import pandas as pd

    failed = np.array([status == DIVERGED for status in record.status])
    losses = {
        name: np.where(failed[:, None], np.nan, getattr(record, name).astype(float)).reshape(
            folds, -1, record.train_loss.shape[1]
        )
        for name in ("train_loss", "held_out_loss")
    }
    if np.isfinite(losses["held_out_loss"][..., -1]).any(axis=1).sum() < 2:
        raise InputError(
            "Training must not diverge on all folds but one. Received: a loss that is not finite "
            f"in {failed.sum()} of {len(failed)} trainings. Lower the learning rate, or check "
            "inputs and loss."
        )
    columns: dict[str, np.ndarray] = {"epoch": np.arange(1, record.train_loss.shape[1] + 1)}
    for name, values in losses.items():
        by_epoch = means_without_nan(values, axis=1)
        by_epoch = by_epoch[np.isfinite(by_epoch).all(axis=1)].T
        columns[name], columns[f"{name}_standard_error"] = over_folds(by_epoch)
    return EpochCurve(
        summary=pd.DataFrame(columns),
        turn=turn_of(losses["held_out_loss"], level),
        table=training_table(record, {"fold": [lane.split for lane in record.lanes]}),
        train_loss=losses["train_loss"],
        held_out_loss=losses["held_out_loss"],
        level=level,
        standard_error_note=NOTE,
        record=record,
    )
