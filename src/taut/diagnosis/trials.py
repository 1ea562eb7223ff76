"""The same model trained otherwise, out of fold: what every piece of advice is measured on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from taut.diagnosis.effort import folds_for, is_small, seeds_for
from taut.diagnosis.fold_trainer import FoldTrainer, Plan, Trial
from taut.diagnosis.honest_rows import without_inputs
from taut.diagnosis.subject import Subject
from taut.diagnosis.trial_requests import (
    AddedStrengths,
    Request,
    requests_for,
    with_strengths,
)
from taut.diagnosis.variants import DROPOUT, resized, with_dropout
from taut.engine import Record
from taut.engine.lanes import DIVERGED
from taut.engine.width import width_for
from taut.errors import InputError
from taut.studies.as_compiled import as_compiled
from taut.studies.training_settings import Settings

SIZES = (0.5, 2.0)


@dataclass(frozen=True)
class Trials:
    """What was tried.

    Attributes:
        as_is: The model as it was compiled, trained again.
        tried: By code, the trials of that kind; within a kind the best setting is chosen.
        fold_of: [rows] the fold that each row was held out in.
        train_curve: [epochs] mean training loss by epoch, up to `trial_requests.LONGER` times the
            epochs.
        held_out_curve: [epochs] likewise, on held-out rows.
        halves: [2, rows] losses of networks that learned from one half of the rows each.
        of_mean: [rows] the loss of the mean of the two halves' predictions.
        quarter: [rows] the losses of networks that learned from a quarter of the rows.
        predictions: [rows, …] of the model as it is, out of fold, or a tree of these.
        lanes: How many trainings there were.
        seconds: How long they took.
        left_out: What could not be tried, and why.
    """

    as_is: Trial
    tried: Mapping[str, tuple[Trial, ...]]
    fold_of: np.ndarray
    train_curve: np.ndarray
    held_out_curve: np.ndarray
    halves: np.ndarray | None
    of_mean: np.ndarray | None
    quarter: np.ndarray | None
    predictions: Any
    lanes: int
    seconds: float
    left_out: tuple[str, ...]
    _trainer: FoldTrainer = field(repr=False)
    _settings: Settings = field(repr=False)

    @property
    def folds(self) -> int:
        return int(self.fold_of.max()) + 1

    @property
    def mean_shares(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The mean probabilities of all trials, of both sides: it knows more than each of them."""
        every = [t.shares for of in ((self.as_is,), *self.tried.values()) for t in of if t.shares]
        if not every:
            return None
        learned, new = zip(*every, strict=True)
        return np.mean(learned, axis=0), np.mean(new, axis=0)


def try_out(
    subject: Subject,
    *,
    cv: Any,
    seconds: float | None,
    callbacks: Sequence[Any],
    checkpoint: Any = None,
    checkpoint_seconds: float = 60.0,
) -> Trials:
    """Train the model as it is, and what may be better, on what each fold leaves.

    Args:
        subject: The model and its rows.
        cv: How many folds, or None for a number that the model's size allows.
        seconds: About how long it may take; None for all that is planned.
        callbacks: Told of the progress.
        checkpoint: A folder for the trainings.
        checkpoint_seconds: See `train_lanes`.

    Raises:
        InputError: If lanes of the model cannot be trained.
    """
    plan = Plan(seconds)
    model, rows = subject.model, subject.train
    arguments = {
        "cv": folds_for(subject) if cv is None else cv,
        "seed": subject.seed,
        "groups": rows.groups,
        "sample_weight": rows.sample_weight,
    }
    study, axes = with_strengths(subject, arguments, plan)
    held = np.concatenate([split.held_out for split in study.rows.splits])
    if len(held) != len(rows) or len(np.unique(held)) != len(rows):
        raise InputError(
            f"`cv` must hold out each of the {len(rows)} rows once. Received: {len(held)} rows "
            f"held out, {len(np.unique(held))} of them different. Give a number of folds."
        )
    settings = Settings.checked(
        epochs=subject.epochs,
        batch_size=subject.batch_size,
        checkpoint=checkpoint,
        checkpoint_seconds=checkpoint_seconds,
        callbacks=callbacks,
    )
    trainer = FoldTrainer(study, subject, plan, seeds_for(subject))
    width = width_for(study.copy, 64)
    settings = replace(settings, width=width)
    as_compiled = trainer.lanes(axes.at(0, 0))
    first = trainer.train(as_compiled, settings, "as is")
    trainer.check(first)
    a_fold = plan.spent / len(trainer.folds)
    as_is = trainer.trial("as_is", "as it is", first, range(len(as_compiled)))
    tried: dict[str, tuple[Trial, ...]] = {}
    curves = trainer.curves(first, range(len(as_compiled)))
    requests = requests_for(subject, axes, is_small(model))
    cost = a_fold * sum(r.epochs for r in requests) * len(trainer.folds)
    while requests and plan.seconds is not None and plan.spent + cost > plan.seconds:
        dropped = requests.pop()
        cost = a_fold * sum(r.epochs for r in requests) * len(trainer.folds)
        plan.left_out.append(f"{dropped.what}: beyond the budget")
    halves = of_mean = quarter = None
    if requests:
        lanes = [
            lane for r in requests for lane in trainer.lanes(r.strengths, r.epochs * subject.epochs)
        ]
        parts = trainer.part_lanes(axes.at(0, 0), subject.epochs)
        longest = max(r.epochs for r in requests) * subject.epochs
        record = trainer.train([*lanes, *parts], replace(settings, epochs=longest), "others")
        count = len(as_compiled)
        for number, request in enumerate(requests):
            at = list(range(number * count, (number + 1) * count))
            if any(record.status[k] == DIVERGED for k in at):
                plan.left_out.append(f"{request.what}: a training diverged")
                continue
            trial = trainer.trial(request.code, request.what, record, at, request.setting)
            tried[request.code] = (*tried.get(request.code, ()), trial)
            if request.code == "longer":
                curves = trainer.curves(record, at)
        halves, of_mean, quarter = trainer.parts(record, len(lanes))
        tried |= _stopped(trainer, record, tried, requests, settings, axes)
    for factor in SIZES:
        code, what = _size_words(factor)
        tried |= _other(
            subject,
            arguments,
            settings,
            plan,
            code,
            what,
            factor,
            lambda f=factor: resized(model, f),
            a_fold * max(1.0, factor**2),
        )
    tried |= _other(
        subject,
        arguments,
        settings,
        plan,
        "dropout",
        f"dropout {DROPOUT:g}",
        DROPOUT,
        lambda: with_dropout(model),
        a_fold,
    )
    return Trials(
        as_is=as_is,
        tried=tried,
        fold_of=trainer.fold_of,
        train_curve=curves[0],
        held_out_curve=curves[1],
        halves=halves,
        of_mean=of_mean,
        quarter=quarter,
        predictions=trainer.predictions(first, trainer.folds),
        lanes=plan.lanes,
        seconds=plan.spent,
        left_out=tuple(plan.left_out),
        _trainer=trainer,
        _settings=settings,
    )


def try_more(
    trials: Trials, *, unused: Sequence[int] = (), doubtful: np.ndarray | None = None
) -> Trials:
    """Also train without some inputs, and without some rows to learn from.

    Args:
        trials: What was tried.
        unused: Numbers of inputs of a table, which are set to their means.
        doubtful: Row numbers that are left out of the rows to learn from, not of those held out.
    """
    tried, trainer, settings = dict(trials.tried), trials._trainer, trials._settings
    if len(unused):
        less = trainer.on(without_inputs(trainer.subject, unused))
        what = f"without {len(unused)} inputs of no use"
        found = _once(less, settings, "drop_inputs", what, len(unused))
        tried |= _going_without(found, unused)
    if doubtful is not None and len(doubtful):
        what = f"without the {len(doubtful)} rows whose labels look wrong"
        found = _once(trainer.without(doubtful), settings, "clean_rows", what, len(doubtful))
        tried |= _going_without(found, doubtful)
    plan = trainer.plan
    return replace(
        trials,
        tried=tried,
        lanes=plan.lanes,
        seconds=plan.spent,
        left_out=tuple(plan.left_out),
    )


def _going_without(
    tried: dict[str, tuple[Trial, ...]], left_out: Sequence[int] | np.ndarray
) -> dict[str, tuple[Trial, ...]]:
    numbers = tuple(int(number) for number in left_out)
    return {c: tuple(replace(t, left_out=numbers) for t in of) for c, of in tried.items()}


def _once(
    trainer: FoldTrainer, settings: Settings, code: str, what: str, setting: float
) -> dict[str, tuple[Trial, ...]]:
    """The model as it is, trained on what a trainer has."""
    lanes = trainer.lanes(trainer.study.strengths)
    record = trainer.train(lanes, settings, code)
    if DIVERGED in record.status:
        trainer.plan.left_out.append(f"{what}: a training diverged")
        return {}
    return {code: (trainer.trial(code, what, record, range(len(lanes)), setting),)}


def _size_words(factor: float) -> tuple[str, str]:
    if factor < 1:
        return "smaller", f"hidden layers of {factor:g} times the units"
    return "larger", f"hidden layers of {factor:g} times the units"


def _other(
    subject: Subject,
    arguments: Mapping[str, Any],
    settings: Settings,
    plan: Plan,
    code: str,
    what: str,
    setting: float,
    build: Callable[[], Any],
    a_fold: float,
) -> dict[str, tuple[Trial, ...]]:
    """A network of another shape, trained as the model is."""
    try:
        model = build()
        study = as_compiled(model, subject.train.x, subject.train.y, **arguments)
    except InputError as error:
        plan.left_out.append(f"{what}: {error}")
        return {}
    trainer = FoldTrainer(study, subject, plan, seeds_for(subject))
    if not plan.fits(a_fold * len(trainer.folds), what):
        return {}
    own = replace(settings, width=width_for(study.copy, 64))
    return _once(trainer, own, code, what, setting)


def _stopped(
    trainer: FoldTrainer,
    record: Record,
    tried: Mapping[str, tuple[Trial, ...]],
    requests: Sequence[Request],
    settings: Settings,
    axes: AddedStrengths,
) -> dict[str, tuple[Trial, ...]]:
    """Training up to the epoch at which the loss was least in the other folds."""
    if "longer" not in tried:
        return {}
    count = trainer.seeds * len(trainer.folds)
    at = [r.code for r in requests].index("longer") * count
    curves = record.held_out_loss[at : at + count].astype(float)
    if not np.isfinite(curves).all():
        return {}
    curves = curves.reshape(trainer.seeds, len(trainer.folds), -1).mean(axis=0)
    # The epoch of a fold is chosen by the others: else its loss would be too good.
    others = [np.delete(curves, k, axis=0).mean(axis=0) for k in trainer.folds]
    epochs = [int(curve.argmin()) + 1 for curve in others]
    overall = int(curves.mean(axis=0).argmin()) + 1
    as_is = trainer.subject.epochs
    if overall in (as_is, curves.shape[1]):
        return {}  # as it is, or as "longer"
    lanes = trainer.lanes(axes.at(0, 0), epochs)
    stopped = trainer.train(lanes, replace(settings, epochs=max(epochs)), "stopped")
    if DIVERGED in stopped.status:
        return {}
    trial = trainer.trial(
        "stop", f"{overall} epochs in place of {as_is}", stopped, range(len(lanes)), overall
    )
    return {"stop": (trial,)}
