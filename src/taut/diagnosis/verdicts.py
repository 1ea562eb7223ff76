"""The rules: from the gap and the trials to overfitting, underfitting, about right, or neither.

All thresholds are shares of the loss of looking at no input, so that they mean the same for every
loss and every unit of the target.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from taut.diagnosis.gains import interval_over_folds
from taut.diagnosis.result import Advice, Interval, MeasuredGap, Verdict
from taut.diagnosis.subject import Subject
from taut.diagnosis.trials import Trials
from taut.diagnosis.words import number, percent

MATERIAL_GAP = 0.1
"""A gap of a tenth of the loss of looking at nothing matters; every fitted model has some."""
MATERIAL_GAIN = 0.05
"""A freer network that has so much less loss shows that the model is not free enough."""
FREER = ("longer", "larger", "unpenalised")
FAULTS = ("leak_column", "leak_rows", "leak_groups")
"""With these no score is what it seems."""
LIKELY = 0.8
"""The level of the intervals that make a verdict likely rather than clear."""


def fit_verdicts(
    subject: Subject,
    gaps: Sequence[MeasuredGap],
    likely_gaps: Sequence[MeasuredGap],
    tried: Sequence[Advice],
    learned: Interval | None,
    faults: bool,
) -> list[Verdict]:
    """Overfitting, underfitting, about right, nothing learned, too little evidence.

    Args:
        subject: The model and its rows.
        gaps: That of the model itself first, then that of networks trained like it.
        likely_gaps: The same at the level `LIKELY`.
        tried: What was tried.
        learned: How much less loss the model has than looking at no input.
        faults: Whether the data have a fault that makes the scores doubtful.
    """
    verdicts = []
    material = MATERIAL_GAP * subject.unit
    over = _side(gaps, likely_gaps, material)
    under = _underfitting(subject, tried)
    nothing = learned is not None and learned.low <= 0 and learned.estimate < material / 2
    if nothing and learned is not None and gaps:
        base = gaps[0].base_loss or 0.0
        numbers = {"loss": number(base - learned.estimate), "base": number(base)}
        strength = "clear" if learned.high < material else "likely"
        evidence = (f"The loss of looking at no input, less the model's: {learned}.",)
        verdicts.append(Verdict("nothing_learned", strength, numbers, evidence))
    if over is not None and over[0] == "above":
        gap = over[2]
        numbers = {"gap": number(gap.estimate), "share": percent(gap.estimate / subject.unit)}
        verdicts.append(Verdict("overfitting", over[1], numbers, (_gap_text(gap),)))
    if under is not None:
        verdicts.append(under)
    if over is None:
        if gaps:
            gap = gaps[0]
            numbers = {"rows": str(gap.rows), "low": number(gap.low), "high": number(gap.high)}
            verdicts.append(Verdict("too_little_evidence", "clear", numbers, (_gap_text(gap),)))
    elif over[0] == "below" and under is None and not nothing and not faults:
        gap = over[2]
        numbers = {"gap": number(max(gap.estimate, 0.0))}
        verdicts.append(Verdict("about_right", over[1], numbers, (_gap_text(gap),)))
    return verdicts


def _side(
    gaps: Sequence[MeasuredGap], likely: Sequence[MeasuredGap], material: float
) -> tuple[str, str, MeasuredGap] | None:
    """On which side of what matters the gap is, how surely, and by which gap; None if unknown."""
    for strength, of_level in (("clear", gaps), ("likely", likely)):
        for gap in of_level:
            if gap.low > material:
                return "above", strength, gap
            if gap.high < material:
                return "below", strength, gap
    return None


def _underfitting(subject: Subject, tried: Sequence[Advice]) -> Verdict | None:
    material = MATERIAL_GAIN * subject.unit
    freer = [a for a in tried if a.code in FREER and a.gain >= material and a.clear]
    if not freer:
        return None
    best = max(freer, key=lambda a: a.gain)
    strength = "clear" if best.low >= material else "likely"
    numbers = {"what": best.what, "gain": number(best.gain)}
    return Verdict("underfitting", strength, numbers, (f"Tried in folds: {best}.",))


def _gap_text(gap: MeasuredGap) -> str:
    return (
        f"Loss {number(gap.held_out_loss)} on {gap.rows} rows ({gap.source}), "
        f"{number(gap.train_loss)} on the rows learned from: gap {number(gap.estimate)} "
        f"({gap.level:.0%}: {number(gap.low)} to {number(gap.high)})."
    )


def gap_in_folds(subject: Subject, trials: Trials, *, level: float) -> MeasuredGap:
    """The gap of networks that are trained like the model, over the rows of all folds."""
    differences = trials.as_is.losses - trials.as_is.train_losses[trials.fold_of]
    gap = interval_over_folds(
        differences,
        trials.fold_of,
        level=level,
        weights=subject.train.weights,
        groups=subject.train.groups,
    )
    weights = subject.train.weights
    held_out = float(np.average(trials.as_is.losses, weights=weights))
    return MeasuredGap(
        gap.estimate,
        gap.low,
        gap.high,
        level,
        held_out - gap.estimate,
        held_out,
        subject.base,
        len(subject.train),
        f"{trials.folds} folds, networks trained like the model",
    )
