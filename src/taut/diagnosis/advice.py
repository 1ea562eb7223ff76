"""What would help: everything that was tried, with the gain that was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from taut.diagnosis.gains import Interval, chosen, interval_over_folds
from taut.diagnosis.subject import Subject
from taut.diagnosis.trials import Trials


@dataclass(frozen=True)
class Advice:
    """One change, and what it gains.

    Attributes:
        code: What kind of change it is: "l2", "l1", "stop", "longer", "smaller", "larger",
            "dropout", "unpenalised", "drop_inputs", "clean_rows" or "more_rows".
        what: The change in words.
        gain: How much less data loss it has on rows that no training saw.
        low, high: Its interval.
        level: Of the interval.
        setting: The number that is changed: a strength, epochs, a factor; None without.
        train_loss: The training loss with the change.
    """

    code: str
    what: str
    gain: float
    low: float
    high: float
    level: float = 0.95
    setting: float | None = None
    train_loss: float | None = None

    @property
    def clear(self) -> bool:
        """Whether its interval is above 0."""
        return self.low > 0

    @property
    def interval(self) -> Interval:
        return Interval(self.gain, self.low, self.high, self.level)

    def __str__(self) -> str:
        return f"{self.what}: {self.gain:.3g} less ({self.low:.3g} to {self.high:.3g})"


def gains(subject: Subject, trials: Trials, *, level: float) -> tuple[Advice, ...]:
    """All that was tried, by gain; of each kind the best setting, chosen without a fold's rows."""
    weights, groups = subject.train.weights, subject.train.groups
    found = []
    for code, of_kind in trials.tried.items():
        best, losses = chosen(of_kind, trials.fold_of)
        gain = interval_over_folds(
            trials.as_is.losses - losses,
            trials.fold_of,
            level=level,
            weights=weights,
            groups=groups,
        )
        found.append(
            Advice(
                code,
                best.what,
                gain.estimate,
                gain.low,
                gain.high,
                level,
                best.setting,
                best.train_loss,
            )
        )
    return in_order(found)


def in_order(advice: Sequence[Advice]) -> tuple[Advice, ...]:
    """The largest gain first."""
    return tuple(sorted(advice, key=lambda a: -a.gain))
