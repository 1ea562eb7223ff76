"""From losses to numbers: gaps, what was learned, and where the rest of the loss comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from taut.diagnosis.array_inputs import NotChecked
from taut.diagnosis.data_faults import DataFaults
from taut.diagnosis.diagnosis_result import Finding, Interval, MeasuredGap
from taut.diagnosis.gains import interval_of_mean, interval_over_folds
from taut.diagnosis.honest_rows import HonestRows
from taut.diagnosis.subject import Subject
from taut.diagnosis.trials import Trials
from taut.diagnosis.verdicts import gap_findings, gap_in_folds, gap_of_model
from taut.diagnosis.words import OWN_GAP, named


def gaps_of(
    subject: Subject,
    honest: HonestRows,
    trials: Trials | None,
    level: float,
    left_out: list[str],
) -> list[MeasuredGap]:
    """The model's own gap, if it can be measured, and that of networks trained like it."""
    gaps = []
    if subject.held_out is not None:
        gap = gap_of_model(subject.train, subject.held_out, level=level, base=subject.base)
        if isinstance(gap, NotChecked):
            left_out.append(f"{OWN_GAP}: {gap.reason}")
        else:
            gaps.append(gap)
    if trials is not None:
        train = honest.subject.train
        gap = gap_in_folds(
            trials.as_is.losses,
            trials.as_is.train_losses,
            trials.fold_of,
            level=level,
            base=subject.base,
            weights=train.weights,
            groups=train.groups,
        )
        if honest.without:
            gap = replace(gap, source=f"{gap.source} but without {named(honest.without)}")
        gaps.append(gap)
    return gaps


def learned_of(subject: Subject, trials: Trials | None, level: float) -> list[Interval]:
    """How much less loss than looking at no input the model has, and networks trained like it."""
    train, held_out, found = subject.train, subject.held_out, []
    if subject.base is None:
        return []
    if held_out is not None and held_out.losses is not None:
        base = subject.base_losses(held_out)
        if base is not None:
            found.append(
                interval_of_mean(
                    base - held_out.losses,
                    level=level,
                    weights=held_out.weights,
                    groups=held_out.groups,
                )
            )
    if trials is not None:
        base = subject.base_losses(train)
        if base is not None:
            found.append(
                interval_over_folds(
                    base - trials.as_is.losses,
                    trials.fold_of,
                    level=level,
                    weights=train.weights,
                    groups=train.groups,
                )
            )
    return found


def evidence_of(
    subject: Subject,
    gaps: Sequence[MeasuredGap],
    learned: Sequence[Interval],
    trials: Trials | None,
    faults: DataFaults,
) -> tuple[Finding, ...]:
    """The numbers behind the verdicts, from all that was measured."""
    found = gap_findings(subject.base, gaps)
    for gap, less in zip(gaps, learned, strict=False):
        what = "less loss than looking at no input"
        found.append(Finding(what, less.estimate, less.low, less.high, gap.source))
    if trials is not None and trials.of_mean is not None and trials.halves is not None:
        weights = subject.train.weights
        halves = float(np.average(trials.halves.mean(axis=0), weights=weights))
        # To average networks of other halves removes half of the variance.
        variance = 2 * (halves - float(np.average(trials.of_mean, weights=weights)))
        found += [
            Finding(
                "variance",
                variance,
                note="of networks that learned from one half of the rows each: twice what the mean "
                "of two such networks has less loss",
            ),
            Finding(
                "the rest: bias and noise",
                halves - variance,
                note="their loss less that variance",
            ),
        ]
    found += faults.findings
    return tuple(found)


def curve_of(trials: Trials | None) -> dict[str, tuple[float, ...]]:
    """The mean losses of networks trained like the model, by epoch."""
    if trials is None:
        return {}
    return {
        "train_loss": tuple(map(float, trials.train_curve)),
        "held_out_loss": tuple(map(float, trials.held_out_curve)),
    }
