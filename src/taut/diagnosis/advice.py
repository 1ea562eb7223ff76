"""What would help: everything that was tried, with the gain that was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from taut.diagnosis.diagnosis_result import Advice
from taut.diagnosis.fold_trainer import Trial
from taut.diagnosis.gains import chosen, interval_over_folds, interval_over_networks
from taut.diagnosis.subject import Subject
from taut.diagnosis.trials import Trials
from taut.studies.power_law import fit_power_law

FEWEST_ROWS = 8
"""A quarter of fewer rows tells nothing of the law."""


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
                best.left_out,
                doubt or _elsewhere(subject, trials.as_is, best, level),
            )
        )
    more = _more_rows(trials, level)
    if more is not None:
        found.append(replace(more, doubt=doubt or (UNKNOWN if subject.shifted else "")))
    return in_order(found)


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


def _more_rows(trials: Trials, level: float) -> Advice | None:
    """What twice the rows would gain, by the power law of a quarter, half and all of them."""
    if trials.halves is None or trials.quarter is None:
        return None
    of_size = [trials.quarter, trials.halves.mean(axis=0), trials.as_is.losses]
    folds = [trials.fold_of == fold for fold in range(trials.folds)]
    losses = np.array([[size[fold].mean() for size in of_size] for fold in folds])
    rows = len(trials.fold_of) * (1 - 1 / trials.folds) * np.array([0.25, 0.5, 1.0])
    if not np.isfinite(losses).all() or rows[0] < FEWEST_ROWS:
        return None
    law = fit_power_law(rows, losses)
    gain, low, high = (float(v) for v in law.gain(np.array([2 * rows[-1]]), level)[0])
    return Advice("more_rows", "twice the rows, by the learning curve", gain, low, high, level, 2.0)


def in_order(advice: Sequence[Advice]) -> tuple[Advice, ...]:
    """The largest gain first."""
    return tuple(sorted(advice, key=lambda a: -a.gain))
