"""Which of several models, and at which strength: few trainings, and the chosen one on all rows."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from taut._keras.compiled_model import loss_name
from taut._keras.given_model import check_keras_model
from taut._weights import ClassWeight
from taut.engine import Callback, Lane, Record, Split, afterwards, check_model
from taut.engine.lanes import DIVERGED
from taut.errors import EdgeWarning, InputError
from taut.penalties import L2, Penalty
from taut.progress import displayed
from taut.studies.as_compiled import AsCompiled, penalised, with_splits
from taut.studies.axes import PartStrength, axes_of
from taut.studies.model_choice_result import ModelChoice, choice_of
from taut.studies.result import trained
from taut.studies.section_search import section_search
from taut.studies.strengths import given_strengths
from taut.studies.training_settings import Settings
from taut.studies.whole_schedule import with_whole_schedule

FOLDS = 2
"""Unless they are given: of few rows a held-out fifth is too few to choose by."""
FINALISTS = 3
"""So many strengths of a model, the best on the first fold, are trained on the others."""


@displayed
def choose_model(
    models: Any,
    x: Any,
    y: Any = None,
    *,
    penalty: type[Penalty] | Penalty | str | Mapping[Any, Any] = L2,
    strengths: Sequence[float],
    cv: Any = FOLDS,
    groups: Any = None,
    epochs: int = 100,
    batch_size: int = 32,
    seed: int = 0,
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
    width: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 60.0,
    callbacks: Sequence[Callback] | None = None,
) -> ModelChoice:
    r"""Choose among models and strengths at the price of a few trainings; train the best on all.

    The candidates are models × strengths. The held-out loss falls and rises again along the
    strengths, so those of a model are searched by sections on the first fold
    (`taut.studies.section_search`): of up to 7 strengths 4 are trained, of up to 12 five, of up to
    20 six. The best three go on to the other folds; with two folds and ten strengths that is
    (5 + 3)·½ = 4 trainings of all rows, a model. All train from the same seed to their last epoch.
    The candidate of least mean held-out data loss over all folds is trained again on all rows.

    Models may differ in all but their loss: with dropout and without, with layers that augment
    images, of several sizes. A schedule of learning rates counts steps: compile it for a training
    on all rows. On fewer it goes as much faster, so that every training goes through all of it.
    A strength α is that of a training on all N rows, too. Fewer rows want a stronger penalty, so on
    n of them it is α·√(N/n): the rate of the lasso (σ·√(2·log p/n)). For ridge theory has N/n; of
    networks that were measured, the best L2 of halves was 1.4 times that of all rows.

    The least of several held-out losses is optimistic: report the final figure on rows that this
    study has not seen.

    Args:
        models: Compiled and built Keras models by name; or one model. They are not changed.
        x: Inputs, [rows, …] or a tree of these.
        y: Targets, [rows, …] or a tree of these; text where the loss is one of classes.
        penalty: A penalty class, instance or name; a sum; or a mapping from selectors to these that
            fits every model; see `regularization_path`.
        strengths: A list, in any order; of a training on all rows.
        cv: Number of folds (stratified for classes), a scikit-learn splitter, or pairs of rows.
        groups: [rows] labels of groups; no group is on both sides of a fold.
        epochs: Epochs of a training.
        batch_size: Rows in a batch.
        seed: Seeds folds, initial weights and the order of rows.
        sample_weight: [rows] weights of the data loss.
        class_weight: Weights >= 0 by class number, as in Keras, or by label, 1 for those left out;
            or `"balanced"`, n/(K·n_k) for the n_k of n rows in class k of K.
        width: Trainings side by side on one device; see `regularization_path`.
        checkpoint: A folder, made if need be, in which the study is saved as it goes, a file for
            each step of a search. The same call in a new process goes on from there.
        checkpoint_seconds: Save when so many seconds have passed.
        callbacks: Told of the progress; a display on the terminal unless given.

    Returns:
        A `ModelChoice`.

    Raises:
        InputError: For models, strengths, rows or folds that cannot be, before any training; if
            every candidate diverged.

    Warns:
        UserWarning: If the training on all rows fails or diverges: the result has no model then.

    Example:
        >>> choice = taut.choose_model(
        ...     {"plain": plain, "dropout": dropped}, x, y, strengths=[0.1, 0.01, 0.001], epochs=30
        ... )  # doctest: +SKIP
        >>> choice.best_model, choice.best_strength  # doctest: +SKIP
        >>> choice.model.predict(new)  # doctest: +SKIP

    References:
        Kiefer, Sequential minimax search for a maximum, 1953.
    """
    named = _named(models)
    settings = Settings.checked(
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        width=width,
        checkpoint=checkpoint,
        checkpoint_seconds=checkpoint_seconds,
        callbacks=callbacks,
    )
    values = given_strengths(strengths)
    axes = axes_of(penalty, values.tolist())
    searches: list[_Search] = []
    for number, (name, model) in enumerate(named.items()):
        # Drawn once: a splitter may draw others each time it is asked.
        given: dict[str, Any] = {"cv": cv, "groups": groups}
        if searches:
            given = {"cv": [(s.train, s.held_out) for s in searches[0].study.rows.splits]}
        study, of_strength = penalised(
            model,
            x,
            y,
            axes.entries,
            axes.parts,
            axes.axes,
            seed=seed,
            sample_weight=sample_weight,
            class_weight=class_weight,
            **given,
        )
        searches.append(_Search(name, f"model-{number}", study, of_strength, seed))
    sizes = [len(split.train) for split in searches[0].study.rows.splits]
    rows = searches[0].rows
    factor = -(-rows // batch_size) / -(-max(sizes) // batch_size)
    tried: dict[tuple[str, float], list[Record]] = {}
    for search in searches:
        tried |= search.run(values, settings, factor)
    labels = searches[0].study.labels
    result = choice_of(
        tuple(named),
        tried,
        values,
        [size / rows for size in sizes],
        classes=None if labels is None else labels.classes,
    )
    _warn(result, tried)
    chosen = searches[list(named).index(result.best_model)]
    model = afterwards(
        "The training on all rows",
        lambda: chosen.refit(result.best_strength, settings),
        None,
        remedy="The choice is in the result, without a `model`.",
    )
    return result.with_model(model)


@dataclass(frozen=True)
class _Search:
    """The search of one model's strengths."""

    name: str
    file: str
    study: AsCompiled
    of_strength: tuple[PartStrength, ...]
    seed: int

    @property
    def rows(self) -> int:
        """How many there are: a strength is that of a training on all."""
        return len(keras.tree.flatten(self.study.rows.first()[0])[0])

    def run(
        self, values: np.ndarray, settings: Settings, factor: float
    ) -> dict[tuple[str, float], list[Record]]:
        """The records of each strength that was trained: of the first fold, and of the others.

        Args:
            values: All strengths.
            settings: Of the trainings.
            factor: Steps of a training on all rows by those of one of these.
        """
        records: dict[tuple[str, float], list[Record]] = {}
        model = with_whole_schedule(self.study.copy, factor)

        def held_out_loss(number: int, folds: Sequence[int] = (0,)) -> float:
            strength = float(values[number])
            lanes = [self._lane(self.study, strength, fold) for fold in folds]
            name = f"{self.file}-{number}" + ("-others" if folds[0] else "")
            record = self.study.rows.train(model, lanes, settings, name)
            records.setdefault((self.name, strength), []).append(record)
            losses = record.kept_losses()[1]
            return np.inf if DIVERGED in record.status else float(losses.mean())

        found = section_search(len(values), held_out_loss)
        others = range(1, len(self.study.rows.splits))
        for number in sorted(found, key=lambda k: (found[k], k))[: FINALISTS * bool(others)]:
            held_out_loss(number, others)
        return records

    def refit(self, strength: float, settings: Settings) -> Any:
        """The model, trained on all rows."""
        study = with_splits(self.study, [Split(np.arange(self.rows))])
        record = study.rows.train(
            study.copy, [self._lane(study, strength, 0)], settings, f"{self.file}-all"
        )
        if DIVERGED in record.status:
            raise InputError(
                "The chosen training must not diverge on all rows. Received: a loss that is not "
                f"finite of {self.name!r} at strength {strength:.4g}. Lower the learning rate."
            )
        return trained(study.copy, record, 0)

    def _lane(self, study: AsCompiled, strength: float, split: int) -> Lane:
        wanted = strength * math.sqrt(self.rows / len(study.rows.splits[split].train))
        strengths = tuple(part.at((wanted,)) for part in self.of_strength)
        return Lane(strengths, split, self.seed, study.values[split])


def _named(models: Any) -> dict[str, Any]:
    """Models by name, of one loss and one shape of outputs."""
    if not isinstance(models, (Mapping, list, tuple)):
        check_keras_model(models=models)
    named = dict(models) if isinstance(models, Mapping) else {"model": models}
    kinds = {name: type(model).__name__ for name, model in named.items()}
    models_only = all(isinstance(model, keras.Model) for model in named.values())
    if not named or not models_only or not all(isinstance(name, str) for name in named):
        raise InputError(
            "`models` must be a compiled Keras model, or a dict of these by name. Received: "
            f"{kinds if isinstance(models, Mapping) else type(models).__name__}."
        )
    for model in named.values():
        check_model(model)
    for what, key in (("loss", _loss_of), ("shape of outputs", _outputs_of)):
        found = {name: key(model) for name, model in named.items()}
        if len(set(found.values())) > 1:
            listed = ", ".join(f"{name!r}: {value}" for name, value in found.items())
            raise InputError(
                f"All `models` must have one {what}, or their losses cannot be compared. "
                f"Received: {listed}."
            )
    return named


def _loss_of(model: Any) -> str:
    return loss_name(model) or str(getattr(model, "loss", None))


def _outputs_of(model: Any) -> str:
    return str(getattr(model, "output_shape", None))


def _warn(result: ModelChoice, tried: Mapping[tuple[str, float], Sequence[Record]]) -> None:
    """Say what diverged, and that a better strength may lie beyond."""
    diverged = [
        f"{name!r} at {strength:.4g}"
        for (name, strength), records in tried.items()
        if any(DIVERGED in record.status for record in records)
    ]
    if diverged:
        warnings.warn(
            f"{len(diverged)} of {len(tried)} candidates diverged: {', '.join(diverged[:5])}"
            f"{', …' if len(diverged) > 5 else ''}. They count as infinitely bad.",
            RuntimeWarning,
            stacklevel=4,
        )
    if result.edge is not None:
        strength = result.best_strength
        beyond = f"weaker ones, such as {strength / 10:.3g}, or 0"
        if result.edge == "strongest":
            beyond = f"stronger ones, such as {strength * 10:.3g}"
        warnings.warn(
            f"The least held-out loss is at the {result.edge} of the strengths, {strength:.4g}: a "
            f"better one may lie beyond. List {beyond}.",
            EdgeWarning,
            stacklevel=4,
        )
