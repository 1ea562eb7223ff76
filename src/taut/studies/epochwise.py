"""The epoch curve: folds × seeds to the last epoch, as one program."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from taut._weights import ClassWeight
from taut.checks import check_whole
from taut.engine import Callback, Record
from taut.engine.lanes import DIVERGED
from taut.errors import InputError
from taut.progress import displayed
from taut.studies.as_compiled import as_compiled
from taut.studies.choice import over_folds
from taut.studies.training_settings import Settings
from taut.studies.trainings import (
    NOTE,
    check_folds,
    check_level,
    check_start,
    means_without_nan,
    training_table,
    warn_of_left_out,
)
from taut.studies.turning import LEVEL, EpochCurve, turn_of


@displayed
def epoch_curve(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    cv: Any = 5,
    groups: Any = None,
    seeds: int = 1,
    start: str = "fresh",
    epochs: int = 100,
    batch_size: int = 32,
    level: float = LEVEL,
    seed: int = 0,
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
    width: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 60.0,
    callbacks: Sequence[Callback] | None = None,
) -> EpochCurve:
    r"""Train to the last epoch on every fold, and say when the held-out loss turned.

    Folds × seeds as one program, without early stopping. The mean held-out loss is least after
    some number of epochs; what stopping there would gain against the last epoch is estimated
    without the optimism of having chosen it on the same rows (see `taut.studies.turning.turn_of`).

    Args:
        model: A compiled and built Keras model. It is not changed.
        x: Inputs, [rows, …] or a tree of these.
        y: Targets, [rows, …] or a tree of these; text where the loss is one of classes.
        cv: Number of folds (stratified for classes), a scikit-learn splitter, or pairs of rows.
        groups: [rows] labels of groups; no group is on both sides of a fold.
        seeds: Trainings of each fold, from different initial weights.
        start: "fresh" draws the trainable weights anew for each training; "present" starts from
            those that the model has.
        epochs: Epochs of every training.
        batch_size: Rows in a batch.
        level: Of the intervals; at 90% a gain beyond luck has a chance of 5% to be luck.
        seed: Seeds folds, initial weights and the order of rows.
        sample_weight: [rows] weights of the data loss.
        class_weight: Weights >= 0 by class number, as in Keras, or by label, 1 for those left out;
            or `"balanced"`, n/(K·n_k) for the n_k of n rows in class k of K.
        width: Trainings side by side on one device; see `regularization_path`.
        checkpoint: A folder, made if need be, in which the study is saved as it goes.
        checkpoint_seconds: Save when so many seconds have passed.
        callbacks: Told of the progress; a display on the terminal unless given.

    Returns:
        An `EpochCurve`.

    Raises:
        InputError: For rows or numbers that cannot be, before any training; if training diverged
            on all folds but one.

    Example:
        >>> curve = taut.epoch_curve(model, x, y, epochs=200)  # doctest: +SKIP
        >>> curve.turned_at  # doctest: +SKIP

    References:
        Prechelt, Early stopping — but when?, 1998.
    """
    check_start(start)
    check_whole(1, seeds=seeds)
    check_level(level)
    settings = Settings.checked(
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
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
    folds = len(study.rows.splits)
    check_folds(folds, "When the held-out loss turned")
    lanes = [
        study.lane(split, of_seed, present=start == "present")
        for split in range(folds)
        for of_seed in range(seed, seed + seeds)
    ]
    record = study.rows.train(study.copy, lanes, settings, "epoch-curve")
    warn_of_left_out(record)
    return epochs_of(record, folds, level)


def epochs_of(record: Record, folds: int, level: float) -> EpochCurve:
    """The result of lanes, fold by fold, that trained to the last epoch.

    Raises:
        InputError: If fewer than two folds have a training that did not diverge.
    """
    import pandas as pd

    failed = np.array([status == DIVERGED for status in record.status])
    losses = {
        name: np.where(failed[:, None], np.nan, getattr(record, name).astype(float)).reshape(
            folds, -1, record.train_loss.shape[1]
        )
        for name in ("train_loss", "held_out_loss")
    }
    if np.isfinite(losses["held_out_loss"][..., -1]).any(axis=-1).sum() < 2:
        raise InputError(
            "Training must not diverge on all folds but one. Received: a loss that is not finite "
            f"in {failed.sum()} of {len(failed)} trainings. Lower the learning rate, or check "
            "inputs and loss."
        )
    columns: dict[str, np.ndarray] = {"epoch": np.arange(1, record.train_loss.shape[1] + 1)}
    for name, values in losses.items():
        by_epoch = means_without_nan(values, axis=1)
        by_epoch = by_epoch[np.isfinite(by_epoch).all(axis=1)].T
        columns[name], columns[f"{name}_standard_error"] = over_folds(by_epoch)
    return EpochCurve(
        summary=pd.DataFrame(columns),
        turn=turn_of(losses["held_out_loss"], level),
        table=training_table(record, {"fold": [lane.split for lane in record.lanes]}),
        train_loss=losses["train_loss"],
        held_out_loss=losses["held_out_loss"],
        level=level,
        standard_error_note=NOTE,
        record=record,
    )
