"""Rows that are divided into folds, and what a study does with them: in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np

from taut._data import as_arrays, check_inputs
from taut._keras.compiled_model import loss_of_classes
from taut._weights import ClassWeight, checked_targets
from taut.engine import (
    Halving,
    Lane,
    Race,
    Record,
    Split,
    held_out_metrics,
    predict_lanes,
    train_lanes,
)
from taut.engine.lanes import DIVERGED
from taut.errors import InputError
from taut.objective import Stationarity, stationarity
from taut.studies.folds import class_labels, fold_values, folds
from taut.studies.score_trial import check_score
from taut.studies.scoring import Scoring
from taut.studies.training_settings import Settings

Measure = Callable[[Any, Any, Any], float]
"""(targets, prediction, weights or None) -> a number, of some rows."""


@dataclass(frozen=True)
class Pilot:
    """Some rows in memory, on which lanes are tried before a study; fold 0 is held out.

    Attributes:
        x: Inputs, a tree of arrays [rows, …].
        y: Targets, likewise.
        rows: The row numbers to train on.
        train: Trains lanes of split 0.
        weight: [rows] weights of the data loss, a tree of these by output, or None.
    """

    x: Any
    y: Any
    rows: np.ndarray
    train: Callable[[list[Lane]], Record]
    weight: Any = None


class FoldedRows(Protocol):
    """Rows in folds. Laws: a lane of split k trains on the rows that are not in fold k."""

    @property
    def folds(self) -> int:
        """How many."""
        ...

    def first(self) -> tuple[Any, Any]:
        """The inputs and the targets of a few rows."""
        ...

    def learned(self, model: Any) -> list[dict[str, np.ndarray]]:
        """By fold, what layers learn of its training rows, by the path of the weight."""
        ...

    def pilot(self, model: Any, settings: Settings, name: str) -> Pilot:
        """Rows to try lanes on, which are saved under a name."""
        ...

    def train(
        self,
        model: Any,
        lanes: Sequence[Lane],
        settings: Settings,
        name: str,
        *,
        halving: Halving | None = None,
        groups: Sequence[int] | None = None,
        race: Race | None = None,
    ) -> Record:
        """Train lanes, which are saved under a name; the lanes of a group have one epoch."""
        ...

    def metrics(self, model: Any, record: Record) -> dict[str, np.ndarray]:
        """[lanes] compiled metrics on the held-out rows, by name."""
        ...

    def scores(self, model: Any, record: Record, measure: Measure) -> np.ndarray:
        """[lanes] a measure of the predictions of the held-out rows; NaN of what diverged."""
        ...

    def check_score(self, model: Any, score: Scoring) -> None:
        """Raise where a score would fail on the held-out rows, before anything is trained."""
        ...

    def certify(self, model: Any, fold: int) -> Stationarity:
        """The certificate of a model that was trained on what a fold leaves."""
        ...


class FoldedArrays:
    """Rows in memory.

    Args:
        x: Inputs, a tree of arrays [rows, …].
        y: Targets, likewise.
        splits: The folds.
        weight: [rows] weights of the data loss; a tree of these by output; None for none.
        counted: [rows] what a row counts in scores of predictions, which is not what its class
            costs in training; None where all count alike.
    """

    def __init__(
        self, x: Any, y: Any, splits: Sequence[Split], weight: Any = None, counted: Any = None
    ):
        self._x, self._y, self._weight, self._counted = x, y, weight, counted
        self.splits: list[Split] = list(splits)

    @property
    def folds(self) -> int:
        return len(self.splits)

    def with_splits(self, splits: Sequence[Split]) -> FoldedArrays:
        """The same rows, divided otherwise."""
        return FoldedArrays(self._x, self._y, splits, self._weight, self._counted)

    def first(self) -> tuple[Any, Any]:
        return self._x, self._y

    @property
    def weight(self) -> Any:
        """[rows] weights of the data loss, a tree of these by output, or None."""
        return self._weight

    def learned(self, model: Any) -> list[dict[str, np.ndarray]]:
        return fold_values(model, self._x, self.splits)

    def pilot(self, model: Any, settings: Settings, name: str) -> Pilot:
        def train(lanes: list[Lane]) -> Record:
            return self.train(model, lanes, settings, name)

        return Pilot(self._x, self._y, self.splits[0].train, train, self._weight)

    def train(
        self,
        model: Any,
        lanes: Sequence[Lane],
        settings: Settings,
        name: str,
        *,
        halving: Halving | None = None,
        groups: Sequence[int] | None = None,
        targets: Sequence[Any] | None = None,
        race: Race | None = None,
    ) -> Record:
        return train_lanes(
            model,
            self._x,
            self._y if targets is None else None,
            lanes,
            targets=targets,
            splits=self.splits,
            sample_weight=self._weight,
            halving=halving,
            groups=groups,
            race=race,
            **settings.arguments(name),
        )

    def metrics(self, model: Any, record: Record) -> dict[str, np.ndarray]:
        return held_out_metrics(model, record, self._x, self._y, self.splits, self._weight)

    def scores(self, model: Any, record: Record, measure: Measure) -> np.ndarray:
        values = np.full(len(record.lanes), np.nan)
        for number, split in enumerate(self.splits):
            rows = keras.tree.map_structure(lambda a, at=split.held_out: a[at], (self._x, self._y))
            pairs = zip(record.lanes, record.status, strict=True)
            lanes = [
                k
                for k, (lane, status) in enumerate(pairs)
                if lane.split == number and status != DIVERGED
            ]
            outputs = predict_lanes(model, record, rows[0], lanes=lanes) if lanes else None
            counted = None if self._counted is None else np.asarray(self._counted)[split.held_out]
            for place, lane in enumerate(lanes):
                prediction = keras.tree.map_structure(lambda a, k=place: np.asarray(a[k]), outputs)
                values[lane] = measure(rows[1], prediction, counted)
        return values

    def check_score(self, model: Any, score: Scoring) -> None:
        check_score(model, score, self._x, self._y, self.splits, self._counted)

    def certify(self, model: Any, fold: int) -> Stationarity:
        rows = self.splits[fold].train
        pick = lambda tree: keras.tree.map_structure(lambda a: np.asarray(a)[rows], tree)  # noqa: E731
        weight = None if self._weight is None else pick(self._weight)
        return stationarity(model, pick(self._x), pick(self._y), sample_weight=weight)


def folded_arrays(
    model: Any,
    x: Any,
    y: Any,
    *,
    cv: Any,
    seed: int,
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
    groups: Any = None,
) -> FoldedArrays:
    """A user's rows, checked and divided into folds.

    Args:
        model: Compiled and built; its loss says whether `y` are classes.
        x: Inputs, [rows, …] or a tree of these.
        y: Targets, likewise.
        cv: How many folds, a scikit-learn splitter, or pairs of row numbers.
        seed: Draws the folds.
        sample_weight: [rows] weights of the data loss.
        class_weight: Weights by class number, or `"balanced"`.
        groups: [rows] labels; the rows of one are never on both sides of a fold.

    Raises:
        InputError: For rows, weights or folds that cannot be, and for classes of which there is
            but one.
    """
    x, y = as_arrays(x, "x"), as_arrays(y, "y")
    # Weights of classes once, so that the certificate is of the same objective.
    y, weight = checked_targets(model, x, y, sample_weight, class_weight)
    check_inputs(model, x)
    check_classes(model, y, weight)
    splits = splits_of(model, x, y, cv=cv, seed=seed, groups=groups)
    return FoldedArrays(x, y, splits, weight, None if sample_weight is None else weight)


def check_classes(model: Any, y: Any, weight: Any = None) -> None:
    """Raise where the loss is one of classes and all rows that count are of one."""
    leaves, weights = keras.tree.flatten(y), keras.tree.flatten(weight)
    if len(leaves) > 1 or not loss_of_classes(model):
        return
    counted = leaves[0]
    if weights[0] is not None:
        counted = counted[weights[0].reshape(len(counted), -1).any(axis=1)]
    if (counted == counted[:1]).all():
        raise InputError(
            "A loss of classes needs rows of two classes at least. Received: "
            f"{len(counted)} rows of a weight above 0, all of class {np.ravel(counted)[0]:g}."
        )


def classes_of(model: Any, y: Any) -> np.ndarray | None:
    """[rows] the class of each; None for several outputs, or where the loss is not one of classes.

    Args:
        model: Compiled.
        y: Targets as numbers, a tree of arrays.
    """
    leaves = keras.tree.flatten(y)
    return class_labels(leaves[0], loss_of_classes(model)) if len(leaves) == 1 else None


def splits_of(
    model: Any, x: Any, y: Any, *, cv: Any, seed: int = 0, groups: Any = None
) -> list[Split]:
    """The folds of checked rows: stratified where the model's loss is one of classes.

    Args:
        model: Compiled and built.
        x: Inputs, a tree of arrays [rows, …].
        y: Targets, likewise, numbers.
        cv: How many folds, a scikit-learn splitter, or pairs of row numbers.
        seed: Draws them.
        groups: [rows] labels; the rows of one are never on both sides of a fold.

    Raises:
        InputError: For folds that cannot be.
    """
    labels = classes_of(model, y)
    stratified = labels is not None and isinstance(cv, (int, np.integer))
    targets = labels if stratified else keras.tree.flatten(y)[0]
    inputs = keras.tree.flatten(x)
    return folds(targets, cv, seed=seed, x=inputs[0], classes=labels is not None, groups=groups)
