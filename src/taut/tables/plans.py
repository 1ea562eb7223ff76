"""How much of the work is done on a table that would take long: told first, then kept to.

Everything follows from the size of the table and the minutes that are given, so that equal calls
give equal models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from taut.engine import Split
from taut.tables.candidates import LEAST_EPOCHS, QUICK, UNPENALISED, Schedule, Setting
from taut.tables.racing import trainings
from taut.tables.trained import Rows, Trained, train

WHOLE, CHOOSING, LAST = 33.0, 28.0, 80.0
"""Seconds of one core: above the first, a share chooses; what both parts may take."""
TELL = 30.0
ASIDE = 20.0
"""Seconds of a budget that are no training: programs compiled, scores, importance, diagnosis."""
A_PASS, A_WEIGHT_PASS, AN_UPDATE, A_WEIGHT_UPDATE = 2.8e-7, 1.03e-10, 7.5e-6, 1.94e-9
"""Seconds for a row of a batch, for each of the weights it meets, for an update, and for each of
the weights it changes. Least squares on twenty tables, within a tenth of what each took."""
LEAST_ROWS, FOLDS = 1000, 3
"""Settings are chosen on so many rows at least, and so many folds at most."""
FINALISTS, LEAST_OF_A_CLASS = 5, 50


@dataclass(frozen=True)
class Limits:
    """Seconds of one core that a fit may take.

    Attributes:
        whole: As long as everything takes no more, everything is trained.
        choosing: Otherwise: for choosing on a share of the rows.
        last: And for the best on all rows.
        given: The minutes that the user gave; None for the usual limits.
    """

    whole: float = WHOLE
    choosing: float = CHOOSING
    last: float = LAST
    given: float | None = None

    @classmethod
    def of(cls, minutes: float | None, *, quick: bool, cores: int) -> Limits:
        """The usual limits (a third of them for a first look), or what a budget allows.

        Args:
            minutes: The budget.
            quick: Whether it is a first look.
            cores: How many lanes are trained at the same time, each on a core.
        """
        if minutes is None:
            share = 1 / 3 if quick else 1.0
            return cls(WHOLE * share, CHOOSING * share, LAST * share)
        training = max(60 * minutes - ASIDE, 30 * minutes) * cores
        choosing = training * CHOOSING / (CHOOSING + LAST)
        return cls(training, choosing, training - choosing, minutes)


@dataclass(frozen=True)
class Plan:
    """What is trained.

    Attributes:
        seconds: What all of it takes on one core, about.
        whole: What every setting on all rows and folds would take.
        limits: What it was planned for.
        epochs: On all rows, at most; None for the usual ones.
        rows: How many rows settings are chosen on first; None where this is not needed.
        folds: Of how many folds, for that.
        tried: The settings to choose from, for that.
    """

    seconds: float
    whole: float
    limits: Limits
    epochs: int | None = None
    rows: int | None = None
    folds: int = 0
    tried: tuple[Setting, ...] = ()


def seconds(lanes: int, rows: int, schedule: Schedule, size: int) -> float:
    """What so many lanes take on one core.

    Args:
        lanes: Trainings.
        rows: Training rows of each.
        schedule: Their batches and epochs.
        size: Weights of the network.
    """
    updates = -(-rows // schedule.batch_size) * schedule.epochs
    by_row = rows * schedule.epochs * (A_PASS + A_WEIGHT_PASS * size)
    return lanes * (by_row + updates * (AN_UPDATE + A_WEIGHT_UPDATE * size))


def plan_for(
    rows: int,
    size: int,
    candidates: Sequence[Setting],
    *,
    folds: int,
    seeds: int,
    quick: bool,
    limits: Limits,
    given: bool = False,
) -> Plan:
    """What to train, by the sizes alone.

    If everything takes at most 33 seconds of one core, everything is trained. Otherwise settings
    are chosen on a half, a quarter, … of the rows and on three folds, so that this takes at most
    28 seconds; if that cannot be, fewer settings are tried. The best are then trained on all
    rows and all folds, with so few epochs that it takes 80 seconds, but three at least: from
    there on the cost grows with the rows. Where minutes are given, `limits` holds these numbers.

    Args:
        rows: Rows of the table, without the test rows.
        size: Weights of the network.
        candidates: What to choose from; no penalty among them or not.
        folds: Folds of the cross-validation.
        seeds: Models of each setting and fold.
        quick: A shorter schedule.
        limits: How long it may take.
        given: Whether the strengths are the user's, so that all are trained on every fold.
    """

    def cost(lanes: int, fold_count: int, rows: int, epochs: int | None = None) -> float:
        of_a_fold = max(rows * (fold_count - 1) // fold_count, 1)
        return seconds(lanes, of_a_fold, Schedule.of(of_a_fold, quick=quick, most=epochs), size)

    every = trainings(len(candidates) + (UNPENALISED not in candidates), folds, race=not given)
    whole = cost(every * seeds, folds, rows)
    if whole <= limits.whole:
        return Plan(whole, whole, limits)

    of_a_fold = max(rows * (folds - 1) // folds, 1)
    lanes = min(len(candidates), FINALISTS) * folds * seeds
    usual = Schedule.of(of_a_fold, quick=quick).epochs
    epochs = next(
        (e for e in range(usual, LEAST_EPOCHS, -1) if cost(lanes, folds, rows, e) <= limits.last),
        LEAST_EPOCHS,
    )
    fewer_epochs = None if epochs == usual else epochs
    last = cost(lanes, folds, rows, epochs)
    if len(candidates) <= FINALISTS:  # there is nothing to choose first
        return Plan(last, whole, limits, fewer_epochs)

    tried = tuple(s for s in candidates if s != UNPENALISED)
    fewer = tuple(s for s in tried if s in QUICK) or tried
    halves = [rows // 2**k for k in range(1, 40) if rows // 2**k >= LEAST_ROWS] or [rows]
    for strengths, fold_count in ((tried, FOLDS), (fewer, FOLDS), (fewer, 2)):
        fold_count = min(fold_count, folds)
        for share_of_rows in halves:
            lanes = trainings(len(strengths), fold_count, race=not given)
            first = cost(lanes, folds, share_of_rows)
            if first <= limits.choosing:
                return Plan(
                    first + last, whole, limits, fewer_epochs, share_of_rows, fold_count, strengths
                )
    return Plan(first + last, whole, limits, fewer_epochs, halves[-1], fold_count, fewer)


def train_within(
    plan: Plan,
    rows: Rows,
    splits: list[Split],
    candidates: Sequence[Setting],
    *,
    seed: int,
    given: bool,
    compared: bool,
    **options: Any,
) -> Trained:
    """Train what a plan says: all candidates, or what is best on a share of the rows.

    Args:
        plan: The plan.
        rows: The rows.
        splits: Folds.
        candidates: What to choose from.
        seed: Seeds everything.
        given: Whether the strengths are the user's, so that no others are tried.
        compared: Whether no penalty is trained in any case, for comparison.
        options: The others of `train`.
    """
    bare = (UNPENALISED,) if compared or UNPENALISED in candidates else ()
    options |= {"seed": seed, "most_epochs": plan.epochs}
    if plan.rows is None:
        wanted = tuple(dict.fromkeys((*candidates, *bare)))
        return train(rows, splits, wanted, race=not given, **options)
    drawn = _sample(rows.y, plan.rows, seed, classes=rows.outputs > 1)
    place = np.full(len(rows.y), -1)
    place[drawn] = np.arange(len(drawn))
    few = [_among(split, place) for split in splits[: plan.folds]]
    first = {**options, "seeds": 1, "most_epochs": None}
    first_look = train(rows.at(drawn), few, plan.tried, race=not given, **first)
    loss = [float(np.mean(first_look.fold_losses(i))) for i in range(len(plan.tried))]
    best = [plan.tried[i] for i in np.argsort(loss, kind="stable")]
    chosen = finalists(best, len(drawn) / len(rows.y), given=given)
    return train(rows, splits, (*chosen, *bare), **options)


def finalists(best: Sequence[Setting], share: float, *, given: bool) -> tuple[Setting, ...]:
    r"""What is trained on all rows, no penalty aside.

    The best two; the best one with the strength that more rows ask for, √share·α for L1 and
    share·α for L2; and an L1 if there is none among these, by which inputs are selected.

    Args:
        best: The settings that were tried, best first.
        share: Of the rows that they were tried on.
        given: Whether only these may be trained; then it is the best three.
    """
    chosen = list(best[:2])
    if given or share == 1:
        chosen = list(best[:3])
    else:
        fewer = share**0.5 if best[0].penalty == "L1" else share
        chosen.append(replace(best[0], strength=best[0].strength * fewer))
    if all(setting.penalty != "L1" for setting in chosen):
        chosen += [setting for setting in best if setting.penalty == "L1"][:1]
    return tuple(chosen)


def notes_of(plan: Plan, rows: int, candidates: int) -> list[str]:
    """What is to be known before the training: how long it takes, and what is left out."""
    sentences = []
    if plan.seconds >= TELL or plan.limits.given is not None:
        sentences.append(f"Training takes about {_clock(plan.seconds)} on one core.")
    if plan.rows is not None:
        sentences.append(
            f"All {candidates} settings on all rows would take about {_clock(plan.whole)}. So "
            f"{len(plan.tried)} are tried on {plan.rows} of {rows} rows and on {plan.folds} "
            f"folds, and at most {FINALISTS} are trained on all rows."
        )
    if plan.epochs is not None:
        sentences.append(f"Training on all rows has {plan.epochs} epochs, fewer than usual.")
    limits = plan.limits
    if limits.given is not None and plan.seconds > limits.whole:
        sentences.append(
            f"That is longer than the {limits.given:g} min of the budget, but the least that a "
            f"network is trained."
        )
    return sentences


def _sample(y: np.ndarray, count: int, seed: int, *, classes: bool) -> np.ndarray:
    """Rows, in order, with every class in its share; of a rare one 50, or all."""
    draw = np.random.default_rng(seed)
    if not classes:
        return np.sort(draw.permutation(len(y))[:count])
    chosen = []
    for label in np.unique(y):
        of_class = np.flatnonzero(y == label)
        wanted = max(round(count * len(of_class) / len(y)), min(len(of_class), LEAST_OF_A_CLASS))
        chosen.append(draw.permutation(of_class)[:wanted])
    return np.sort(np.concatenate(chosen))


def _among(split: Split, place: np.ndarray) -> Split:
    """The part of a split that was drawn, by place in the draw."""
    train, held_out = place[split.train], place[split.held_out]
    return Split(train[train >= 0], held_out[held_out >= 0])


def _clock(seconds: float) -> str:
    if seconds < 90:
        return f"{max(round(seconds, -1), 10):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
