"""A model trained again as it was compiled: what every study needs that varies no strength."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from taut._data import check_rows_given
from taut._weights import ClassWeight
from taut.engine import Lane, Split
from taut.engine.study import check_model
from taut.optimizers.selection import Entry
from taut.studies.axes import Axes, Axis, PartStrength
from taut.studies.folded import FoldedArrays, folded_arrays
from taut.studies.kept_penalties import reached, with_kept
from taut.studies.labels import Labelled, labelled
from taut.studies.study_model import study_copy


@dataclass(frozen=True)
class AsCompiled:
    """A model's copy and its rows in splits.

    Attributes:
        copy: What is trained: the layers, the loss, the optimizer and the penalties of the model.
        rows: The rows, in splits.
        strengths: α for each of the copy's penalties, as the model was compiled.
        values: For each split, initial values by path: what layers learn of its training rows.
        labels: The labels of the classes, where the targets were text.
    """

    copy: Any
    rows: FoldedArrays
    strengths: tuple[float, ...]
    values: Sequence[Mapping[str, np.ndarray]]
    labels: Labelled | None

    def lane(self, split: int, seed: int, **others: Any) -> Lane:
        """A training of the model as it was compiled, from fresh initial weights."""
        return Lane(self.strengths, split, seed, self.values[split], **others)


def as_compiled(
    model: Any,
    x: Any,
    y: Any,
    *,
    cv: Any = 5,
    seed: int = 0,
    groups: Any = None,
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
) -> AsCompiled:
    """Check a user's model and rows, and make of them what a study trains.

    Args:
        model: A compiled and built Keras model. It is not changed.
        x: Inputs, [rows, …] or a tree of these.
        y: Targets, likewise; text where the loss is one of classes.
        cv: How many folds, a scikit-learn splitter, or pairs of row numbers.
        seed: Draws the folds.
        groups: [rows] labels; the rows of one are never on both sides of a fold.
        sample_weight: [rows] weights of the data loss.
        class_weight: Weights >= 0 by class number, as in Keras, or by label, 1 for those left out;
            or `"balanced"`, n/(K·n_k) for the n_k of n rows in class k of K.

    Raises:
        InputError: For rows, weights or folds that cannot be.
        UnsupportedError: If lanes of the model cannot be trained.
    """
    return penalised(
        model,
        x,
        y,
        (),
        (),
        (),
        cv=cv,
        seed=seed,
        groups=groups,
        sample_weight=sample_weight,
        class_weight=class_weight,
    )[0]


def penalised(
    model: Any,
    x: Any,
    y: Any,
    entries: tuple[Entry, ...],
    parts: tuple[tuple[PartStrength, ...], ...],
    axes: tuple[Axis, ...],
    *,
    cv: Any = 5,
    seed: int = 0,
    groups: Any = None,
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
) -> tuple[AsCompiled, tuple[PartStrength, ...]]:
    """`as_compiled` with further penalties, and how strong each of the optimizer's strengths is.

    Args:
        entries, parts, axes: Of the further penalties, as `Axes` has them. In `strengths` of what
            is returned they are 0.

    Raises:
        InputError: For rows, weights or folds that cannot be.
        UnsupportedError: If lanes of the model cannot be trained, or the prox of a sum of penalties
            is not known.
    """
    check_model(model)
    check_rows_given(x, y, sample_weight=sample_weight, groups=groups)
    labels = labelled(model, y)
    if labels is not None:
        y, class_weight = labels.y, labels.class_weight(class_weight)
    rows = folded_arrays(
        model,
        x,
        y,
        cv=cv,
        seed=seed,
        sample_weight=sample_weight,
        class_weight=class_weight,
        groups=groups,
    )
    request = with_kept(model, Axes(entries, parts, axes, title=""))
    copy = study_copy(model, request.entries, rows.first()[0])
    of_strength, _ = reached(copy, request)
    strengths = tuple(part.at((0.0,) * len(axes)) for part in of_strength)
    return AsCompiled(copy, rows, strengths, rows.learned(copy), labels), of_strength


def with_splits(study: AsCompiled, splits: Sequence[Split]) -> AsCompiled:
    """The same model on other splits of the same rows."""
    rows = study.rows.with_splits(splits)
    return AsCompiled(study.copy, rows, study.strengths, rows.learned(study.copy), study.labels)
