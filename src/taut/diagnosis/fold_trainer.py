"""Lanes of one architecture on what each fold leaves, measured on what it holds out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from taut.diagnosis.subject import Subject
from taut.engine import Lane, Record, Split, predict_lanes
from taut.engine.lanes import DIVERGED
from taut.errors import UnsupportedError
from taut.objective.row_losses import RowLosses
from taut.studies.as_compiled import AsCompiled, with_splits
from taut.studies.folded import FoldedArrays
from taut.studies.one_target import probabilities
from taut.studies.training_settings import Settings

PARTS = 3
"""Two halves and a quarter of the rows that a fold leaves."""


@dataclass(frozen=True)
class Trial:
    """One way of training, measured on rows that it has not seen.

    Attributes:
        code: What kind of change it is.
        what: The change in words.
        losses: [rows] the data loss of each row, by a network that was trained without its fold, in
            the mean over seeds.
        train_losses: [folds] the data loss of the rows that each network learned from, likewise.
        setting: The number that was changed: a strength, a factor, epochs; None without.
        left_out: Numbers of the inputs, or of the rows to learn from, that it went without.
        elsewhere: [folds, held-out rows] the data loss of the rows that were held out of all
            folds, where these are drawn differently; None where they are not.
        shares: [rows, classes] probabilities out of fold, and [held-out rows, classes] their mean
            over the folds' networks, where the labels of both sides are compared; else None.
    """

    code: str
    what: str
    losses: np.ndarray
    train_losses: np.ndarray
    setting: float | None = None
    left_out: tuple[int, ...] = ()
    elsewhere: np.ndarray | None = None
    shares: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def train_loss(self) -> float:
        return float(self.train_losses.mean())


@dataclass
class Plan:
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


class FoldTrainer:
    """Trains lanes of one architecture, and measures them out of fold."""

    def __init__(self, study: AsCompiled, subject: Subject, plan: Plan, seeds: int = 1):
        self.study, self.subject, self.plan, self.seeds = study, subject, plan, seeds
        self.splits = study.rows.splits
        self.folds = range(len(self.splits))
        rows = len(subject.train)
        self.fold_of = np.full(rows, -1)
        for number, split in enumerate(self.splits):
            self.fold_of[split.held_out] = number
        self._parts = [self._parts_of(number, split) for number, split in enumerate(self.splits)]
        few = keras.tree.map_structure(lambda a: a[:8], (subject.train.x, subject.train.y))
        self._losses_of = RowLosses(study.copy, *few)

    def on(self, subject: Subject) -> FoldTrainer:
        """The same on other inputs of the same rows."""
        train = subject.train
        rows = FoldedArrays(train.x, train.y, self.splits, self.study.rows.weight)
        study = replace(self.study, rows=rows, values=rows.learned(self.study.copy))
        return FoldTrainer(study, subject, self.plan, self.seeds)

    def without(self, rows: np.ndarray) -> FoldTrainer:
        """The same, without some rows to learn from."""
        splits = [Split(np.setdiff1d(s.train, rows), s.held_out) for s in self.splits]
        study = with_splits(self.study, splits)
        return FoldTrainer(study, self.subject, self.plan, self.seeds)

    def lanes(
        self, strengths: Sequence[float], epochs: int | Sequence[int] | None = None
    ) -> list[Lane]:
        """[seeds × folds] trainings, each from its own seed: the folds' spread has the seeds' too.

        Args:
            strengths: Of the penalties.
            epochs: Of all, or of each fold; those of the study unless given.
        """
        count = len(self.splits)
        return [
            Lane(
                tuple(strengths),
                fold,
                self.subject.seed + fold + count * seed,
                self.study.values[fold],
                epochs=epochs if epochs is None or isinstance(epochs, int) else epochs[fold],
            )
            for seed in range(self.seeds)
            for fold in self.folds
        ]

    def part_lanes(self, strengths: Sequence[float], epochs: int) -> list[Lane]:
        """[seeds × folds × parts] trainings on two disjoint halves and a quarter of a fold's rows.

        The first half starts as the fold does.
        """
        count = len(self.splits)
        return [
            Lane(
                tuple(strengths),
                count + PARTS * fold + part,
                self.subject.seed + fold + count * (seed + self.seeds * part),
                self.study.values[fold],
                epochs=epochs,
            )
            for seed in range(self.seeds)
            for fold in self.folds
            for part in range(PARTS)
        ]

    def train(self, lanes: Sequence[Lane], settings: Settings, name: str) -> Record:
        parts = [split for of_fold in self._parts for split in of_fold]
        rows = self.study.rows.with_splits([*self.splits, *parts])
        self.plan.lanes += len(lanes)
        return rows.train(self.study.copy, lanes, settings, name.replace(" ", "_"))

    def check(self, record: Record) -> None:
        if DIVERGED in record.status:
            raise UnsupportedError(
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
        rows = self.subject.train
        predicted = [self.predictions(record, at) for at in self.by_seed(lanes)]
        train, _ = record.kept_losses()
        return Trial(
            code,
            what,
            np.mean([self._losses_of(rows.y, each, rows.steps) for each in predicted], axis=0),
            train[list(lanes)].reshape(self.seeds, -1).mean(axis=0),
            setting,
            elsewhere=self._elsewhere(record, lanes),
            shares=self._shares(predicted, record, lanes),
        )

    def by_seed(self, lanes: Sequence[int]) -> list[Sequence[int]]:
        """The numbers of `lanes`, in order, a list of folds for each seed."""
        count = len(self.splits)
        return [lanes[count * seed : count * (seed + 1)] for seed in range(self.seeds)]

    def _elsewhere(self, record: Record, lanes: Sequence[int]) -> np.ndarray | None:
        held_out = self.subject.held_out
        if not self.subject.shifted or held_out is None:
            return None
        outputs = predict_lanes(self.study.copy, record, held_out.x, lanes=list(lanes))
        losses = self._losses_of.of_lanes(held_out.y, outputs, held_out.steps)
        return losses.reshape(self.seeds, len(self.splits), -1).mean(axis=0)

    def curves(self, record: Record, lanes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """[epochs] mean training and held-out losses of some lanes."""
        at = list(lanes)
        return record.train_loss[at].mean(axis=0), record.held_out_loss[at].mean(axis=0)

    def _shares(
        self, predicted: Sequence[Any], record: Record, lanes: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray] | None:
        held_out = self.subject.held_out
        if not self.subject.contrasted or held_out is None:
            return None
        outputs = predict_lanes(self.study.copy, record, held_out.x, lanes=list(lanes))
        of_folds = probabilities(self.study.copy, outputs)
        learned = [probabilities(self.study.copy, of_seed) for of_seed in predicted]
        return np.mean(learned, axis=0), of_folds.mean(axis=0)

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
            train = self.subject.train
            x, y = pick(train.x), pick(train.y)
            steps = None if train.steps is None else train.steps[split.held_out]
            for seed in range(self.seeds):
                begin = first + PARTS * (fold + len(self.splits) * seed)
                lanes = list(range(begin, begin + PARTS))
                outputs = predict_lanes(self.study.copy, record, x, lanes=lanes)
                of_lanes = self._losses_of.of_lanes(y, outputs, steps)
                losses[:, split.held_out] += of_lanes / self.seeds
                mean = keras.tree.map_structure(lambda a: a[:2].mean(axis=0), outputs)
                of_mean[split.held_out] += self._losses_of(y, mean, steps) / self.seeds
        return losses[:2], of_mean, losses[2]

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
