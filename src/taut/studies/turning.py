"""Losses by epoch over folds and seeds: when the held-out loss turned, and what stopping gains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import stdtrit

from taut._read_only import ReadOnly
from taut.engine import Record
from taut.studies.trainings import means_without_nan
from taut.text_table import html_of

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.9
"""Of intervals: with a lower end above 0 a gain is at most 5% likely to be luck."""
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


def turn_of(held_out: np.ndarray, level: float = LEVEL) -> Turn:
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
    folds = len(curves)
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
    mean = means_without_nan(held_out, axis=1)
    there = np.isfinite(mean).all(axis=1)
    # A seed that diverged is worth what the others of its fold are.
    whole = np.isfinite(held_out).all(axis=2, keepdims=True)
    curves = np.where(whole, held_out, mean[:, None])[there]
    folds, seeds, epochs = curves.shape
    draw = np.random.default_rng(0)
    fold = draw.integers(folds, size=(DRAWS, folds, 1))
    lane = fold * seeds + draw.integers(seeds, size=(DRAWS, folds, seeds))
    times = np.zeros((DRAWS, folds * seeds))
    np.add.at(times, (np.arange(DRAWS)[:, None], lane.reshape(DRAWS, -1)), 1)
    return (times @ curves.reshape(-1, epochs)).argmin(axis=1) + 1


@dataclass(frozen=True, repr=False, eq=False)
class EpochCurve(ReadOnly):
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
        every = max(len(self.summary) // 20, 1)
        frame = self.to_frame().iloc[::-1].iloc[::every].iloc[::-1]
        return html_of(self.sentences(), frame)
