"""What would help: everything that was tried, with the gain that was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from taut.diagnosis.diagnosis_result import Advice, Interval
from taut.diagnosis.doubling import next_fall
from taut.diagnosis.fold_trainer import Trial
from taut.diagnosis.gains import (
    chosen,
    gain_over_folds,
    interval_over_folds,
    interval_over_networks,
)
from taut.diagnosis.subject import Subject
from taut.diagnosis.trials import Trials
from taut.diagnosis.verdicts import LIKELY

FEWEST_ROWS = 8
"""A quarter of fewer rows tells nothing of the falls."""


ELSEWHERE = "the held-out rows are drawn differently, and on these it is not clear"
UNKNOWN = "the held-out rows are drawn differently, and on these it was not measured"


def gains(subject: Subject, trials: Trials, *, level: float, doubt: str = "") -> tuple[Advice, ...]:
    """All that was tried, by gain; of each kind the best setting, chosen without a fold's rows.

    Args:
        subject: The rows that the trials were made on.
        trials: What was tried.
        level: Of the intervals.
        doubt: Why no gain on these rows can be promised; empty for nothing.
    """
    weights, groups = subject.train.weights, subject.train.groups
    found = []
    for code, of_kind in trials.tried.items():
        best, losses = chosen(of_kind, trials.fold_of, weights)
        gain = gain_over_folds(
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
                best.left_out,
                doubt or _elsewhere(subject, trials.as_is, best, level),
            )
        )
    more = _more_rows(subject, trials, level)
    if more is not None and trials.halves is not None:
        against = _against_more_rows(subject, trials, trials.halves, level)
        found.append(replace(more, doubt=doubt or against))
    return in_order(found)


def _against_more_rows(subject: Subject, trials: Trials, halves: np.ndarray, level: float) -> str:
    """What stands against a promise of more rows.

    All rows that a fold leaves must clearly have less loss than a half of them. And more rows are
    more steps of training: where more epochs are likely to help too, the curve has both.
    """
    if subject.shifted:
        return UNKNOWN

    def fall(losses: np.ndarray, less: np.ndarray, level: float) -> Interval:
        return interval_over_folds(
            losses - less,
            trials.fold_of,
            level=level,
            weights=subject.train.weights,
            groups=subject.train.groups,
        )

    for longer in trials.tried.get("longer", ()):
        gain = fall(trials.as_is.losses, longer.losses, LIKELY)
        if gain.low > 0:
            return f"more rows are more steps too, and {longer.what} are likely to help: {gain}"
    return against_more_rows(fall(halves.mean(axis=0), trials.as_is.losses, level))


def against_more_rows(fall: Interval) -> str:
    """What stands against a promise of more rows.

    Args:
        fall: Of the loss, from half of the rows to all.
    """
    if fall.low > 0:
        return ""
    return f"it is not clear that all rows have less loss than a half of them: {fall}"


def _elsewhere(subject: Subject, as_is: Trial, trial: Trial, level: float) -> str:
    """What stands against a gain on held-out rows that are drawn differently."""
    if not subject.shifted or subject.held_out is None:
        return ""
    if as_is.elsewhere is None or trial.elsewhere is None:
        return UNKNOWN
    gain = interval_over_networks(
        as_is.elsewhere - trial.elsewhere,
        level=level,
        weights=subject.held_out.weights,
        groups=subject.held_out.groups,
    )
    return "" if gain.low > 0 else f"{ELSEWHERE}: {gain}"


def _more_rows(subject: Subject, trials: Trials, level: float) -> Advice | None:
    """What twice the rows would gain, by a quarter, half and all of them."""
    if trials.halves is None or trials.quarter is None:
        return None
    fewest = len(trials.fold_of) * (1 - 1 / trials.folds) / 4
    losses = trials.quarter, trials.halves, trials.as_is.losses
    if not all(np.isfinite(each).all() for each in losses) or fewest < FEWEST_ROWS:
        return None
    found = next_fall(
        *losses,
        trials.fold_of,
        level=level,
        weights=subject.train.weights,
        groups=subject.train.groups,
    )
    what = "twice the rows, by the learning curve"
    return Advice("more_rows", what, found.estimate, found.low, found.high, level, 2.0)


def in_order(advice: Sequence[Advice]) -> tuple[Advice, ...]:
    """The largest gain first."""
    return tuple(sorted(advice, key=lambda a: -a.gain))
