"""What a learning curve returns: the losses by rows, the law, and what more rows would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from taut._read_only import ReadOnly
from taut.engine import Record
from taut.errors import InputError
from taut.studies.power_law import PowerLaw
from taut.studies.trainings import check_level
from taut.text_table import html_of

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.8


@dataclass(frozen=True)
class Projection:
    """The loss that so many rows would give.

    Attributes:
        rows: Rows to train on.
        estimate: The held-out data loss, the median of what is possible.
        low: The lower end of its interval.
        high: The upper end.
        gain: By how much it would be below the present loss.
        gain_low: The lower end of its interval; what is common to all sizes, such as the luck of
            which rows were held out, is not in it.
        gain_high: The upper end.
        level: Of both intervals.
    """

    rows: int
    estimate: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float
    level: float = LEVEL


@dataclass(frozen=True, repr=False, eq=False)
class LearningCurve(ReadOnly):
    """What `learning_curve` returns.

    Attributes:
        rows: N, how many rows the largest size trained on. What is called twice the rows is 2N:
            what the same cross-validation of a table of twice the length would train on.
        table: One line a training: rows, fold, seed, train_loss, held_out_loss, best_epoch,
            epochs, status.
        summary: One line a size: rows (the mean over folds, which may differ by a few), mean
            losses and their standard errors over folds, and fitted, the law's median.
        losses: [folds, sizes] held-out losses behind it, the mean of the seeds; NaN where all
            diverged.
        law: a + b·n^(−c), with its posterior.
        still_falling: Sizes at which the held-out loss was still falling when the epochs were
            over, for most trainings.
        standard_error_note: How the standard errors are computed.
        record: The engine's record of every lane.
    """

    rows: int
    table: pd.DataFrame
    summary: pd.DataFrame
    losses: np.ndarray
    law: PowerLaw
    still_falling: tuple[int, ...]
    standard_error_note: str
    record: Record

    @property
    def at_twice(self) -> Projection:
        """What twice the rows would give, with 80% intervals."""
        return self.project(2 * self.rows)

    @property
    def at_four_times(self) -> Projection:
        """What four times the rows would give, with 80% intervals."""
        return self.project(4 * self.rows)

    def project(self, rows: int, level: float = LEVEL) -> Projection:
        """What so many rows would give.

        Args:
            rows: How many to train on.
            level: Of the intervals.

        Raises:
            InputError: As `predict`.
        """
        line = self.predict([rows], level).iloc[0]
        return Projection(int(rows), *(float(v) for v in line.iloc[1:]), level=level)

    def predict(self, rows: int | Sequence[int], level: float = LEVEL) -> pd.DataFrame:
        """The held-out data loss by the fitted law, with prediction intervals.

        The interval is of the mean loss on fresh rows of trainings like these on so many rows. It
        contains what the law leaves open, and the luck of which rows were held out (the standard
        error over these, or over their groups). `gain` is the loss at N less that at n, in which
        this luck cancels.

        Args:
            rows: How many rows to train on, one number or several, each >= 1. Far beyond 4N, and
                below the smallest size, nothing was checked.
            level: How often the interval is to contain the loss.

        Returns:
            One line a number: rows, estimate, low, high, gain, gain_low, gain_high.

        Raises:
            InputError: For numbers that cannot be.

        Example:
            >>> curve.predict([1000, 2000], level=0.9)  # doctest: +SKIP
        """
        import pandas as pd

        check_level(level)
        counts = np.atleast_1d(np.asarray(rows, float))
        if counts.ndim != 1 or not counts.size or not (np.isfinite(counts) & (counts >= 1)).all():
            raise InputError(f"`rows` must be numbers >= 1. Received: rows={rows!r}.")
        columns = np.hstack([self.law.loss(counts, level), self.law.gain(counts, level)])
        names = ["estimate", "low", "high", "gain", "gain_low", "gain_high"]
        frame = pd.DataFrame(columns, columns=names)
        frame.insert(0, "rows", counts.astype(int))
        return frame

    def to_frame(self) -> pd.DataFrame:
        """One line a size, then twice and four times the rows.

        Returns:
            rows; measured, whether it was; train_loss and held_out_loss with standard errors;
            fitted, low and high, the law with 80% intervals.
        """
        import pandas as pd

        more = self.predict([2 * self.rows, 4 * self.rows])
        parts = [self.summary.assign(measured=True), more[["rows"]].assign(measured=False)]
        frame = pd.concat(parts, ignore_index=True).drop(columns="fitted")
        law = self.law.loss(frame["rows"].to_numpy(float), LEVEL)
        frame = frame.assign(fitted=law[:, 0], low=law[:, 1], high=law[:, 2])
        return frame[["rows", "measured", *(c for c in frame if c not in ("rows", "measured"))]]

    def plot(self) -> Any:
        """Both losses against rows as an Altair chart, with the law and its 80% interval to 4N.

        Raises:
            InputError: If Altair is not installed.
        """
        from taut.studies.curve_plots import learning_chart

        return learning_chart(self)

    def sentences(self) -> list[str]:
        """What was found, one sentence a line."""
        twice, four = self.at_twice, self.at_four_times
        first, last = self.summary.iloc[0], self.summary.iloc[-1]
        law = self.law
        lines = [
            f"LearningCurve: held-out loss {first['held_out_loss']:.4g} at {first['rows']:.0f} "
            f"rows, {last['held_out_loss']:.4g} at {last['rows']:.0f}",
            _projected("twice", twice),
            _projected("four times", four),
            f"law: {law.asymptote:.3g} + {law.factor:.3g}·n^(−{law.exponent:.2g}), exponent "
            f"{law.exponent_interval[0]:.2g} to {law.exponent_interval[1]:.2g}",
        ]
        if self.still_falling:
            sizes = ", ".join(map(str, self.still_falling))
            lines.append(
                f"still falling at the last epoch, so that more epochs would help too: {sizes} rows"
            )
        if failed := int(self.table["held_out_loss"].isna().sum()):
            lines.append(f"{failed} of {len(self.table)} trainings diverged and are left out")
        return lines

    def __repr__(self) -> str:
        return "\n  ".join(self.sentences())

    def _repr_html_(self) -> str:
        return html_of(self.sentences(), self.to_frame())


def _projected(times: str, projection: Projection) -> str:
    p = projection
    return (
        f"{times} the rows, {p.rows}: {p.estimate:.4g} ({p.low:.4g} to {p.high:.4g}), a gain of "
        f"{p.gain:.2g} ({p.gain_low:.2g} to {p.gain_high:.2g}); {p.level:.0%} intervals"
    )
