"""The same model trained otherwise, out of fold: what every piece of advice is measured on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from taut.diagnosis.subject import Subject
from taut.diagnosis.variants import DROPOUT, resized, with_dropout
from taut.engine import Lane, Record, Split, predict_lanes
from taut.engine.lanes import DIVERGED
from taut.engine.width import width_for
from taut.errors import InputError
from taut.objective.row_losses import RowLosses
from taut.optimizers.selection import Entry
from taut.penalties import L1, L2
from taut.studies.as_compiled import AsCompiled, as_compiled, penalised
from taut.studies.axes import Axis, PartStrength
from taut.studies.training_settings import Settings

SMALL = 8192
"""Weights up to which a network is so cheap beside its compilation that more is tried."""
LONGER = 3
"""Times the epochs, of the trainings that show whether more of them would help."""
STRENGTHS = {"L2": (0.1, 0.01, 0.001), "L1": (0.01, 0.001)}
"""Tried, times the loss of looking at nothing: a strength is in units of the loss."""
MORE_L1 = (0.01, 0.003, 0.001, 0.0003)
SIZES = (0.5, 2.0)
PARTS = 3
"""Two halves and a quarter of the rows that a fold leaves."""


@dataclass(frozen=True)
class Trial:
    """One way of training, measured on rows that it has not seen.

    Attributes:
        code: What kind of change it is.
        what: The change in words.
        losses: [rows] the data loss of each row, by the network that was trained without its fold.
        train_losses: [folds] the data loss of the rows that each network learned from.
        setting: The number that was changed: a strength, a factor, epochs; None without.
    """

    code: str
    what: str
    losses: np.ndarray
    train_losses: np.ndarray
    setting: float | None = None

    @property
    def loss(self) -> float:
        return float(self.losses.mean())

    @property
    def train_loss(self) -> float:
        return float(self.train_losses.mean())


@dataclass(frozen=True)
class Trials:
    """What was tried.

    Attributes:
        as_is: The model as it was compiled, trained again.
        tried: By code, the trials of that kind; within a kind the best setting is chosen.
        fold_of: [rows] the fold that each row was held out in.
        train_curve: [epochs] mean training loss by epoch, up to `LONGER` times the epochs.
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

    @property
    def folds(self) -> int:
        return int(self.fold_of.max()) + 1

    @property
    def bought(self) -> float | None:
        """How much loss averaging networks of other halves removes: half of the variance."""
        if self.halves is None or self.of_mean is None:
            return None
        return float((self.halves.mean(axis=0) - self.of_mean).mean())


@dataclass
class _Plan:
    """What is still to be tried within the time."""

    seconds: float | None
    begun: float = field(default_factory=time.monotonic)
    left_out: list[str] = field(default_factory=list)
    lanes: int = 0

    @property
    def spent(self) -> float:
        return time.monotonic() - self.begun

    def fits(self, expected: float, what: str) -> bool:
        if self.seconds is None or self.spent + expected <= self.seconds:
            return True
        self.left_out.append(f"{what}: about {expected:.0f} s, beyond the budget")
        return False


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
    plan = _Plan(seconds)
    model, rows = subject.model, subject.train
    small = model.count_params() <= SMALL
    arguments = {
        "cv": _folds(subject, small) if cv is None else cv,
        "seed": subject.seed,
        "groups": rows.groups,
        "sample_weight": rows.weights,
    }
    study, axes = _with_axes(subject, arguments, plan)
    settings = Settings.checked(
        epochs=subject.epochs,
        batch_size=subject.batch_size,
        checkpoint=checkpoint,
        checkpoint_seconds=checkpoint_seconds,
        callbacks=callbacks,
    )
    trainer = _Trainer(study, subject, plan)
    width = width_for(study.copy, 64)
    settings = replace(settings, width=width)
    first = trainer.train(
        [trainer.lane(k, axes.at(0, 0)) for k in trainer.folds], settings, "as is"
    )
    trainer.check(first)
    a_fold = plan.spent / len(trainer.folds)
    as_is = trainer.trial("as_is", "as it is", first, list(trainer.folds))
    tried: dict[str, tuple[Trial, ...]] = {}
    curves = first.train_loss.mean(axis=0), first.held_out_loss.mean(axis=0)
    requests = _requests(subject, axes, small)
    cost = a_fold * sum(r.epochs for r in requests) * len(trainer.folds)
    while requests and plan.seconds is not None and plan.spent + cost > plan.seconds:
        dropped = requests.pop()
        cost = a_fold * sum(r.epochs for r in requests) * len(trainer.folds)
        plan.left_out.append(f"{dropped.what}: beyond the budget")
    halves = of_mean = quarter = None
    if requests:
        lanes = [
            trainer.lane(k, r.strengths, epochs=r.epochs * subject.epochs)
            for r in requests
            for k in trainer.folds
        ]
        parts = trainer.part_lanes(axes.at(0, 0), subject.epochs)
        longest = max(r.epochs for r in requests) * subject.epochs
        record = trainer.train([*lanes, *parts], replace(settings, epochs=longest), "others")
        count = len(trainer.folds)
        for number, request in enumerate(requests):
            at = list(range(number * count, (number + 1) * count))
            if any(record.status[k] == DIVERGED for k in at):
                plan.left_out.append(f"{request.what}: a training diverged")
                continue
            trial = trainer.trial(request.code, request.what, record, at, request.setting)
            tried[request.code] = (*tried.get(request.code, ()), trial)
            if request.code == "longer":
                curves = record.train_loss[at].mean(axis=0), record.held_out_loss[at].mean(axis=0)
        halves, of_mean, quarter = trainer.parts(record, len(lanes))
        tried |= trainer.stopped(record, tried, requests, settings, axes)
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
        predictions=trainer.predictions(first, list(trainer.folds)),
        lanes=plan.lanes,
        seconds=plan.spent,
        left_out=tuple(plan.left_out),
    )


@dataclass(frozen=True)
class _Request:
    """One change of the strengths or the epochs, in all folds."""

    code: str
    what: str
    strengths: tuple[float, ...]
    setting: float | None = None
    epochs: int = 1
    """Times the epochs of a training."""


@dataclass(frozen=True)
class _Strengths:
    """The optimizer's strengths for added ones, or with the model's own taken away."""

    parts: tuple[PartStrength, ...]
    added: bool

    def at(self, l1: float, l2: float) -> tuple[float, ...]:
        return tuple(part.at((l1, l2)) for part in self.parts)

    @property
    def without(self) -> tuple[float, ...]:
        return (0.0,) * len(self.parts)

    @property
    def own(self) -> bool:
        """Whether the model has penalties of its own."""
        return any(part.axis is None and part.factor > 0 for part in self.parts)


def _with_axes(
    subject: Subject, arguments: Mapping[str, Any], plan: _Plan
) -> tuple[AsCompiled, _Strengths]:
    """The study with an L1 and an L2 beside the model's own penalties, where that is possible."""
    rows = subject.train
    entry = Entry(None, L1(0.0) + L2(0.0))
    parts = ((PartStrength(0, 1.0), PartStrength(1, 1.0)),)
    axes = (Axis("L1", None, 1), Axis("L2", None, 1))
    try:
        study, of_strength = penalised(
            subject.model, rows.x, rows.y, (entry,), parts, axes, **arguments
        )
        return study, _Strengths(of_strength, added=True)
    except InputError as error:
        reason = str(error)
    study = as_compiled(subject.model, rows.x, rows.y, **arguments)
    plan.left_out.append(f"L1 and L2: they cannot be added to the model's penalties ({reason})")
    kept = tuple(PartStrength(None, strength) for strength in study.strengths)
    return study, _Strengths(kept, added=False)


def _requests(subject: Subject, axes: _Strengths, small: bool) -> list[_Request]:
    """What is tried of the same architecture, the most important first."""
    unit = subject.unit
    l1 = MORE_L1 if small else STRENGTHS["L1"]
    requests = [
        _Request("longer", f"{LONGER} times the epochs", axes.at(0, 0), LONGER, epochs=LONGER)
    ]
    if axes.own:
        requests.append(_Request("unpenalised", "no penalty", axes.without, 0.0))
    if axes.added:
        for share in STRENGTHS["L2"]:
            strength = _round(share * unit)
            what = f"L2 at strength {strength:g}"
            requests.append(_Request("l2", what, axes.at(0, strength), strength))
        for share in l1:
            strength = _round(share * unit)
            what = f"L1 at strength {strength:g}"
            requests.append(_Request("l1", what, axes.at(strength, 0), strength))
    return requests


def _round(strength: float) -> float:
    return float(f"{strength:.1g}")


def _folds(subject: Subject, small: bool) -> int:
    folds = 5 if small else 3
    y = subject.train.target
    if subject.train.groups is not None:
        folds = min(folds, len(np.unique(subject.train.groups)))
    if y is not None and len(np.unique(y)) <= max(2, len(y) // 10):
        smallest = np.unique(y, return_counts=True)[1].min()
        folds = min(folds, max(2, int(smallest)))
    return folds


def _size_words(factor: float) -> tuple[str, str]:
    if factor < 1:
        return "smaller", f"hidden layers of {factor:g} times the units"
    return "larger", f"hidden layers of {factor:g} times the units"


def _other(
    subject: Subject,
    arguments: Mapping[str, Any],
    settings: Settings,
    plan: _Plan,
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
    trainer = _Trainer(study, subject, plan)
    if not plan.fits(a_fold * len(trainer.folds), what):
        return {}
    width = width_for(study.copy, 64)
    lanes = [trainer.lane(k, study.strengths) for k in trainer.folds]
    record = trainer.train(lanes, replace(settings, width=width), code)
    if DIVERGED in record.status:
        plan.left_out.append(f"{what}: a training diverged")
        return {}
    return {code: (trainer.trial(code, what, record, list(trainer.folds), setting),)}


class _Trainer:
    """Trains lanes of one architecture, and measures them out of fold."""

    def __init__(self, study: AsCompiled, subject: Subject, plan: _Plan):
        self.study, self.subject, self._plan = study, subject, plan
        self.splits = study.rows.splits
        self.folds = range(len(self.splits))
        rows = len(subject.train)
        self.fold_of = np.full(rows, -1)
        for number, split in enumerate(self.splits):
            self.fold_of[split.held_out] = number
        self._parts = [self._parts_of(number, split) for number, split in enumerate(self.splits)]
        few = keras.tree.map_structure(lambda a: a[:8], (subject.train.x, subject.train.y))
        self._losses_of = RowLosses(study.copy, *few)

    def lane(self, split: int, strengths: Sequence[float], **others: Any) -> Lane:
        return Lane(tuple(strengths), split, self.subject.seed, self.study.values[split], **others)

    def part_lanes(self, strengths: Sequence[float], epochs: int) -> list[Lane]:
        """For each fold, lanes that learn from two disjoint halves and a quarter of its rows."""
        count = len(self.splits)
        return [
            Lane(
                tuple(strengths),
                count + PARTS * fold + part,
                self.subject.seed + part,
                self.study.values[fold],
                epochs=epochs,
            )
            for fold in self.folds
            for part in range(PARTS)
        ]

    def train(self, lanes: Sequence[Lane], settings: Settings, name: str) -> Record:
        parts = [split for of_fold in self._parts for split in of_fold]
        rows = self.study.rows.with_splits([*self.splits, *parts])
        self._plan.lanes += len(lanes)
        return rows.train(self.study.copy, lanes, settings, name.replace(" ", "_"))

    def check(self, record: Record) -> None:
        if DIVERGED in record.status:
            raise InputError(
                "Training the model again must give finite losses. Received: "
                f"{record.status.count(DIVERGED)} of {len(record.status)} trainings that "
                "diverged. Use a smaller learning rate."
            )

    def predictions(self, record: Record, lanes: Sequence[int]) -> Any:
        """[rows, …] out of fold."""
        rows = len(self.subject.train)
        found: list[Any] = []
        for lane in lanes:
            split = self.splits[record.lanes[lane].split]
            x = keras.tree.map_structure(lambda a, at=split.held_out: a[at], self.subject.train.x)
            output = predict_lanes(self.study.copy, record, x, lanes=[lane])
            found.append((split.held_out, output))

        def merge(*leaves: Any) -> np.ndarray:
            whole = np.zeros((rows, *leaves[0].shape[2:]), leaves[0].dtype)
            for (at, _), leaf in zip(found, leaves, strict=True):
                whole[at] = leaf[0]
            return whole

        return keras.tree.map_structure(merge, *(output for _, output in found))

    def trial(
        self,
        code: str,
        what: str,
        record: Record,
        lanes: Sequence[int],
        setting: float | None = None,
    ) -> Trial:
        losses = self._losses_of(self.subject.train.y, self.predictions(record, lanes))
        train, _ = record.kept_losses()
        return Trial(code, what, losses, train[list(lanes)].astype(float), setting)

    def parts(
        self, record: Record, first: int
    ) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
        """The losses of the halves from lane `first` on, of their means, and of the quarters."""
        if DIVERGED in record.status[first:]:
            return None, None, None
        rows = len(self.subject.train)
        losses, of_mean = np.zeros((PARTS, rows)), np.zeros(rows)
        for fold, split in enumerate(self.splits):
            pick = lambda tree, at=split.held_out: keras.tree.map_structure(lambda a: a[at], tree)  # noqa: E731
            lanes = [first + PARTS * fold + part for part in range(PARTS)]
            x, y = pick(self.subject.train.x), pick(self.subject.train.y)
            outputs = predict_lanes(self.study.copy, record, x, lanes=lanes)
            losses[:, split.held_out] = self._losses_of.of_lanes(y, outputs)
            mean = keras.tree.map_structure(lambda a: a[:2].mean(axis=0), outputs)
            of_mean[split.held_out] = self._losses_of(y, mean)
        return losses[:2], of_mean, losses[2]

    def stopped(
        self,
        record: Record,
        tried: Mapping[str, tuple[Trial, ...]],
        requests: Sequence[_Request],
        settings: Settings,
        axes: _Strengths,
    ) -> dict[str, tuple[Trial, ...]]:
        """Training up to the epoch at which the loss was least in the other folds."""
        if "longer" not in tried:
            return {}
        at = [r.code for r in requests].index("longer") * len(self.folds)
        curves = record.held_out_loss[at : at + len(self.folds)].astype(float)
        if not np.isfinite(curves).all():
            return {}
        # The epoch of a fold is chosen by the others: else its loss would be too good.
        others = [np.delete(curves, k, axis=0).mean(axis=0) for k in self.folds]
        epochs = [int(curve.argmin()) + 1 for curve in others]
        overall = int(curves.mean(axis=0).argmin()) + 1
        as_is = self.subject.epochs
        if overall == as_is:
            return {}
        lanes = [self.lane(k, axes.at(0, 0), epochs=epochs[k]) for k in self.folds]
        stopped = self.train(lanes, replace(settings, epochs=max(epochs)), "stopped")
        if DIVERGED in stopped.status:
            return {}
        trial = self.trial(
            "stop", f"{overall} epochs in place of {as_is}", stopped, list(self.folds), overall
        )
        return {"stop": (trial,)}

    def _parts_of(self, number: int, split: Split) -> list[Split]:
        """Two halves of the rows that a fold leaves, and a half of the first of them."""
        draw = np.random.default_rng([self.subject.seed, number])
        first = self._half(split.train, draw)
        halves = split.train[first], split.train[~first]
        quarter = halves[0][self._half(halves[0], draw)]
        return [Split(rows, split.held_out) for rows in (*halves, quarter)]

    def _half(self, rows: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """[rows] whether each is in the first half: whole groups, and of each class a half."""
        groups, y = self.subject.train.groups, self.subject.train.target
        first = np.zeros(len(rows), bool)
        if groups is not None:
            units = np.unique(groups[rows], return_inverse=True)[1]
            first = (draw.permutation(np.arange(units.max() + 1)) % 2 == 0)[units]
        else:
            order = draw.permutation(len(rows))
            if y is not None:
                order = order[np.argsort(y[rows][order], kind="stable")]
            first[order[::2]] = True
        if first.all() or not first.any():  # one group
            first[:] = np.arange(len(rows)) % 2 == 0
        return first
