"""What would help: everything that was tried, with the gain that was measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from taut.diagnosis.diagnosis_result import Advice
from taut.diagnosis.gains import chosen, interval_over_folds
from taut.diagnosis.subject import Subject
from taut.diagnosis.trials import Trials
from taut.studies.power_law import fit_power_law

FEWEST_ROWS = 8
"""A quarter of fewer rows tells nothing of the law."""


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
    more = _more_rows(trials, level)
    return in_order(found if more is None else [*found, more])


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
