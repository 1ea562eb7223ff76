"""Memorisation: how far and how fast a model fits labels that are permuted, and so are noise."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from taut._weights import ClassWeight
from taut.checks import check_whole
from taut.engine import Callback, Record, predict_lanes
from taut.engine.lanes import DIVERGED
from taut.errors import InputError
from taut.progress import displayed
from taut.studies.as_compiled import AsCompiled, as_compiled
from taut.studies.base_rate import accuracy, base_accuracy, base_loss, data_loss, least_loss
from taut.studies.folds import group_numbers
from taut.studies.memorization_result import Memorization, summarised
from taut.studies.one_target import check_rows
from taut.studies.permutations import dealt, half_epoch
from taut.studies.training_settings import Settings
from taut.studies.trainings import check_some_trained, warn_of_left_out

if TYPE_CHECKING:
    import pandas as pd


@displayed
def memorization(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    permutations: int = 5,
    cv: Any = 5,
    groups: Any = None,
    seeds: int = 1,
    epochs: int = 100,
    batch_size: int = 32,
    patience: int | None = None,
    seed: int = 0,
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
    width: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 60.0,
    callbacks: Sequence[Callback] | None = None,
) -> Memorization:
    r"""Train a model on its labels and on permuted ones, and compare how it fits both.

    Permuted labels are noise: nothing in the inputs tells them, so whatever is fitted is
    memorised. With J the data loss of the trained network on its own training rows, J₀ that of the
    best prediction that looks at no input (the shares of the classes, the mean or the median),
    and J₁ that of the targets themselves (0 for most losses),

        fitted = (J₀ − J)/(J₀ − J₁)                    (1: all of the noise; 0: none of it)

    averaged over the permutations. The model is trained on folds × seeds with its labels, and on
    one fold for each permutation, as one program. The labels of the training rows are dealt
    among these alone, so that J₀ is that of the true labels.

    A high share says that the model *can* memorise, not that it does harm: read it beside
    the held-out loss on the true labels. A low one says that there is no room for overfitting.

    Args:
        model: A compiled and built Keras model with one output. It is not changed.
        x: Inputs, [rows, …] or a tree of these.
        y: Targets, [rows, …]; text where the loss is one of classes.
        permutations: How many times the labels are dealt anew, at least 2 for standard errors.
        cv: Number of folds, a scikit-learn splitter, or pairs of rows. Permutation p is trained on
            fold p modulo their number.
        groups: [rows] labels of groups, none of which is on both sides of a fold. Labels are then
            dealt to groups as a whole, as far as these are of one size: where all rows of a
            patient have one label, they still do.
        seeds: Trainings of each fold on true labels, from different initial weights.
        epochs: Epochs of a training.
        batch_size: Rows in a batch.
        patience: Stop each training after so many epochs without a better held-out loss, on
            permuted labels too: the noise that the model fits then is what early stopping leaves.
        seed: Seeds folds, permutations, initial weights and the order of rows.
        sample_weight: [rows] weights of the data loss; they stay with the inputs.
        class_weight: Weights by class number, by label, or `"balanced"`; a row keeps that of
            its true class.
        width: Trainings side by side on one device.
        checkpoint: A folder in which the study is saved as it goes, and from which it goes on.
        checkpoint_seconds: Save when so many seconds have passed.
        callbacks: Told of the progress; a display on the terminal unless given.

    Returns:
        A `Memorization`: the shares, how many epochs half of them took, the curves.

    Raises:
        InputError: For fewer than 20 rows, several outputs, targets that are all the same, and
            whatever `regularization_path` refuses; before any training.

    Example:
        >>> memory = taut.memorization(model, x, y, epochs=50)  # doctest: +SKIP
        >>> memory.fitted, memory.fitted_error  # doctest: +SKIP

    References:
        Zhang et al., Understanding deep learning requires rethinking generalization, 2017.
        Arpit et al., A closer look at memorization in deep networks, 2017.
    """
    check_whole(1, permutations=permutations, seeds=seeds)
    settings = Settings.checked(
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        patience=patience,
        width=width,
        checkpoint=checkpoint,
        checkpoint_seconds=checkpoint_seconds,
        callbacks=callbacks,
    )
    study = as_compiled(
        model,
        x,
        y,
        cv=cv,
        seed=seed,
        groups=groups,
        sample_weight=sample_weight,
        class_weight=class_weight,
    )
    targets = [_target(study.rows.first()[1])]
    folds = study.rows.folds
    lanes = [study.lane(fold, seed + s) for s in range(seeds) for fold in range(folds)]
    of_group = None if groups is None else group_numbers(groups)
    draw = np.random.default_rng(seed)
    for p in range(permutations):
        split = study.rows.splits[p % folds]
        permuted = targets[0].copy()
        for rows in (split.train, split.held_out):
            permuted[rows] = targets[0][dealt(rows, draw, of_group)]
        lanes.append(study.lane(p % folds, seed + p // folds, target=p + 1))
        targets.append(permuted)
    as_given = [keras.tree.pack_sequence_as(study.rows.first()[1], [t]) for t in targets]
    record = study.rows.train(study.copy, lanes, settings, "lanes", targets=as_given)
    check_some_trained(record)
    warn_of_left_out(record)
    return summarised(_lines(study, targets, record), record, folds=folds, seeds=seeds)


def _target(y: Any) -> np.ndarray:
    leaves = [np.asarray(leaf) for leaf in keras.tree.flatten(y)]
    if len(leaves) > 1:
        raise InputError(
            f"`memorization` is of one output. Received: targets of {len(leaves)}. Study a model "
            "of one of them."
        )
    check_rows(len(leaves[0]), "memorization")
    if (leaves[0] == leaves[0][:1]).all():
        raise InputError(
            "`memorization` needs targets that differ: to permute equal ones changes nothing. "
            f"Received: the same target in all {len(leaves[0])} rows."
        )
    return leaves[0]


def _lines(study: AsCompiled, targets: Sequence[np.ndarray], record: Record) -> pd.DataFrame:
    """One line a training."""
    import pandas as pd

    model, lines = study.copy, []
    (x, _), weight = study.rows.first(), study.rows.weight
    weight = None if weight is None else np.asarray(keras.tree.flatten(weight)[0])
    # One shape for all folds, so that one program predicts.
    longest = max(len(split.train) for split in study.rows.splits)
    for number, (lane, status) in enumerate(zip(record.lanes, record.status, strict=True)):
        rows = study.rows.splits[lane.split].train
        y, kept = targets[lane.target][rows], int(record.best_epoch[number])
        at = np.resize(rows, longest)
        inputs = keras.tree.map_structure(lambda a, at=at: a[at], x)
        outputs = keras.tree.flatten(predict_lanes(model, record, inputs, lanes=[number]))[0][0]
        outputs = np.asarray(outputs[: len(rows)])
        shape, counted = outputs.shape[1:], None if weight is None else weight[rows]
        base, least = base_loss(model, y, shape, counted), least_loss(model, y, shape, counted)
        ended = status != DIVERGED
        loss = data_loss(model, y, outputs, counted) if ended else np.nan
        curve = (record.train_loss[number] - least) / (base - least)
        lines.append(
            {
                "labels": "permuted" if lane.target else "true",
                "permutation": lane.target - 1 if lane.target else None,
                "fold": lane.split,
                "seed": lane.seed,
                "base_loss": base,
                "least_loss": least,
                "train_loss": loss,
                "fitted": (base - loss) / (base - least),
                "half_epoch": half_epoch(1 - curve, kept) if ended else np.nan,
                "accuracy": accuracy(model, y, outputs) if ended else np.nan,
                "base_accuracy": base_accuracy(model, y, shape),
                "held_out_loss": float(record.held_out_loss[number, kept]) if ended else np.nan,
                "epochs": int(record.epochs[number]),
                "status": status,
            }
        )
    return pd.DataFrame(lines).astype({"permutation": "Int64"})
