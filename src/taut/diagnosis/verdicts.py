"""The rules: from the gap and the trials to overfitting, underfitting, about right, or neither.

All thresholds are shares of the loss of looking at no input, so that they mean the same for every
loss and every unit of the target.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from taut.diagnosis.array_inputs import NotChecked
from taut.diagnosis.diagnosis_result import Advice, Finding, Interval, MeasuredGap, Verdict
from taut.diagnosis.gains import interval_over_folds
from taut.diagnosis.generalization import generalization_gap
from taut.diagnosis.subject import Rows
from taut.diagnosis.words import NOT_TRIED, change, number, percent

MATERIAL_GAP = 0.1
"""A gap of a tenth of the loss of looking at nothing matters; every fitted model has some."""
MATERIAL_GAIN = 0.05
"""A freer network that has so much less loss shows that the model is not free enough."""
LEARNED_LITTLE = MATERIAL_GAIN / 2
"""So much does, where the model itself has learned less than the freer one adds."""
NEXT_TO_NOTHING = 0.01
"""A model that surely has no more less loss than this has learned nothing that matters."""
HELD_OUT = "held-out rows"
"""Where the gap of the model itself is measured."""
FREER = ("longer", "larger", "unpenalised")
FAULTS = ("leak_column", "leak_rows", "leak_groups")
"""With these no score is what it seems."""
LIKELY = 0.8
"""The level of the intervals that make a verdict likely rather than clear."""


def fit_verdicts(
    unit: float,
    gaps: Sequence[MeasuredGap],
    likely_gaps: Sequence[MeasuredGap],
    tried: Sequence[Advice],
    learned: Sequence[Interval],
    faults: bool,
    freer: bool,
) -> list[Verdict]:
    """Overfitting, underfitting, about right, nothing learned, too little evidence.

    Args:
        unit: The loss of looking at no input, or what stands for it.
        gaps: That of the model itself first, then that of networks trained like it.
        likely_gaps: The same at the level `LIKELY`.
        tried: What was tried.
        learned: How much less loss than looking at no input the model has, and networks like it.
        faults: Whether the data have a fault that makes the scores doubtful.
        freer: Whether freer networks were tried: else it is not known that nothing is missed.
    """
    verdicts = []
    material = MATERIAL_GAP * unit
    over = _side(gaps, likely_gaps, material)
    slow = bool(learned) and (over is None or over[0] == "below")
    own = learned[0].estimate if slow else np.inf

    def least(gain: float) -> float:
        return (LEARNED_LITTLE if gain > own else MATERIAL_GAIN) * unit

    better = [a for a in tried if a.code in FREER and a.gain >= least(a.gain)]
    under = _underfitting(better, least)
    # The model's own rows count for themselves: worse than no input, whatever networks like it do.
    worse = bool(learned) and learned[0].high < 0
    little = NEXT_TO_NOTHING * unit
    nothing = worse or (
        bool(learned)
        and all((i.low <= 0 and i.estimate < material / 2) or i.high < little for i in learned)
    )
    if nothing and gaps:
        base = gaps[0].base_loss or 0.0
        numbers = {"loss": number(base - learned[0].estimate), "base": number(base)}
        strength = "clear" if worse or learned[-1].high < material else "likely"
        evidence = tuple(
            f"The loss of looking at no input, less the model's: {i}." for i in learned
        )
        verdicts.append(Verdict("nothing_learned", strength, numbers, evidence))
    if over is not None and over[0] == "above":
        gap = over[2]
        numbers = {"gap": number(gap.estimate), "share": percent(gap.estimate / unit)}
        verdicts.append(Verdict("overfitting", over[1], numbers, (_gap_text(gap),)))
    if under is not None:
        verdicts.append(under)
    if over is None:
        if gaps:
            gap = gaps[0]
            numbers = {"rows": str(gap.rows), "low": number(gap.low), "high": number(gap.high)}
            verdicts.append(Verdict("too_little_evidence", "", numbers, (_gap_text(gap),)))
    elif over[0] == "below" and under is None and not nothing and not faults:
        gap = over[2]
        numbers = {"gap": change(gap.estimate)}
        code, evidence = "about_right", [_gap_text(gap)]
        if not freer or better:
            code = "not_overfitting"
            numbers["why"] = _unknown(better)
            evidence += [f"Tried in folds: {advice}." for advice in better]
        verdicts.append(Verdict(code, over[1], numbers, tuple(evidence)))
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


def _underfitting(better: Sequence[Advice], least: Callable[[float], float]) -> Verdict | None:
    """What is said of freer networks whose gain would matter, if one is likely to have less loss.

    Args:
        better: What was tried, those whose gain is the least that matters or more.
        least: The least that matters, of a gain.
    """
    likely = [advice for advice in better if _likely_low(advice) > 0]
    if not likely:
        return None
    best = max(likely, key=lambda advice: advice.gain)
    strength = "clear" if best.low >= least(best.gain) and not best.doubt else "likely"
    numbers = {"what": best.what, "gain": number(best.gain)}
    return Verdict("underfitting", strength, numbers, (f"Tried in folds: {best}.",))


def _unknown(better: Sequence[Advice]) -> str:
    """Why it is not known whether a model underfits."""
    if not better:
        return NOT_TRIED
    best = max(better, key=lambda advice: advice.gain)
    return f"{best.what} may have {number(best.gain)} less loss, which is not clear"


def _likely_low(advice: Advice) -> float:
    """The lower end of the interval of the level `LIKELY`."""
    from scipy import stats

    shrunk = stats.norm.ppf((1 + LIKELY) / 2) / stats.norm.ppf((1 + advice.level) / 2)
    return advice.gain - float(shrunk) * (advice.gain - advice.low)


def _gap_text(gap: MeasuredGap) -> str:
    return (
        f"Loss {number(gap.held_out_loss)} on {gap.rows} rows ({gap.source}), "
        f"{number(gap.train_loss)} on the rows learned from: gap {number(gap.estimate)} "
        f"({gap.level:.0%}: {number(gap.low)} to {number(gap.high)})."
    )


def gap_in_folds(
    losses: np.ndarray,
    train_losses: np.ndarray,
    fold_of: np.ndarray,
    *,
    level: float,
    base: float | None,
    weights: np.ndarray | None,
    groups: np.ndarray | None,
) -> MeasuredGap:
    """The gap of networks that are trained in folds, over the rows of all of them.

    Args:
        losses: [rows] of each row, by networks that have not learned from it.
        train_losses: [folds] the training loss of the networks of each fold.
        fold_of: [rows] the fold of each.
        level: Of the interval.
        base: The loss of looking at no input.
        weights: [rows] of the data loss, or None.
        groups: [rows] labels, or None.
    """
    gap = interval_over_folds(
        losses - train_losses[fold_of], fold_of, level=level, weights=weights, groups=groups
    )
    held_out = float(np.average(losses, weights=weights))
    return MeasuredGap(
        gap.estimate,
        gap.low,
        gap.high,
        level,
        held_out - gap.estimate,
        held_out,
        base,
        len(losses),
        f"{int(fold_of.max()) + 1} folds, networks trained like the model",
    )


def gap_of_model(
    train: Rows, held_out: Rows, *, level: float, base: float | None
) -> MeasuredGap | NotChecked:
    """The gap of the model itself, on rows that it has not seen."""
    if train.losses is None or held_out.losses is None:
        return NotChecked("the loss has no value a row")
    gap = generalization_gap(
        train.losses,
        held_out.losses,
        level=level,
        train_weights=train.weights,
        held_out_weights=held_out.weights,
        groups=held_out.groups,
    )
    if isinstance(gap, NotChecked):
        return gap
    return MeasuredGap(
        gap.estimate,
        gap.low,
        gap.high,
        level,
        gap.train,
        gap.held_out,
        base,
        gap.rows,
        HELD_OUT,
    )


def gap_findings(base: float | None, gaps: Sequence[MeasuredGap]) -> list[Finding]:
    """The losses and the gaps, a line each; first the loss of looking at no input."""
    found = [Finding("loss of looking at no input", base)]
    for gap in gaps:
        learned = "rows learned from" if gap.source == HELD_OUT else gap.source
        found += [
            Finding("training loss", gap.train_loss, note=learned),
            Finding("held-out loss", gap.held_out_loss, note=f"{gap.source}, {gap.rows} rows"),
            Finding("generalisation gap", gap.estimate, gap.low, gap.high, gap.source),
        ]
    return found
