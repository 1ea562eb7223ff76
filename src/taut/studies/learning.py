"""The learning curve: nested parts of the training rows × folds × seeds as one program."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from taut._weights import ClassWeight
from taut.checks import check_whole, is_whole
from taut.engine import Callback, Record, Split, afterwards
from taut.engine.lanes import DIVERGED
from taut.errors import InputError
from taut.progress import displayed
from taut.studies.as_compiled import as_compiled, with_splits
from taut.studies.choice import over_folds
from taut.studies.folded import classes_of
from taut.studies.folds import group_numbers
from taut.studies.held_out_luck import held_out_luck
from taut.studies.learning_result import LearningCurve
from taut.studies.power_law import Luck, fit_power_law
from taut.studies.subsets import nested_subsets
from taut.studies.training_settings import Settings
from taut.studies.trainings import (
    NOTE,
    check_folds,
    check_start,
    means_without_nan,
    training_table,
    warn_of_left_out,
)

SIZES, LEAST_SIZES, LEAST_ROWS = 7, 3, 40
RANGE, FEW, OF_A_CLASS = 32, 20, 2
"""The smallest size of a grid: a share of the rows, rows, and rows of each class."""
LATE = 0.9
"""A loss that is least in the last tenth of the epochs was still falling."""


@displayed
def learning_curve(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    sizes: int | Sequence[int] | None = None,
    cv: Any = 5,
    groups: Any = None,
    seeds: int = 1,
    start: str = "fresh",
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
) -> LearningCurve:
    r"""Train on more and more of the rows, and say what twice and four times as many would give.

    Of each fold's training rows nested parts are taken (the larger contain the smaller, classes in
    proportion, groups as a whole), and each training is measured on all of the fold's held-out
    rows. To the means over folds a power law is fitted,

        L(n) = a + b·n^(−c),    0 ≤ a ≤ L(N),

    by weighted least squares, as a posterior over a, b and c (see
    `taut.studies.power_law.fit_power_law`): what the points leave open is in the intervals.

    All sizes train for the same number of epochs, as the same call of `fit` would on so many
    rows: twice the rows would meet that too. So small parts take fewer steps. With `patience`
    each training keeps its best epoch (by the rows that it is judged on, which is
    somewhat optimistic), and `epochs` can be so many that none runs out; where a size's loss was
    still falling at the end, `still_falling` names it: there a part of what more rows give is what
    more steps give.

    Args:
        model: A compiled and built Keras model. It is not changed.
        x: Inputs, [rows, …] or a tree of these.
        y: Targets, [rows, …] or a tree of these; text where the loss is one of classes.
        sizes: Rows to train on, three different numbers at least; or how many sizes (7 unless
            given), in a geometric series up to all training rows of a fold. It begins at a 32nd of
            these, but not below 20 rows (an eighth of all, where that is less) and 2 of each class.
        cv: Number of folds (stratified for classes), a scikit-learn splitter, or pairs of rows.
        groups: [rows] labels of groups, such as patients: a group is on one side of a fold, and in
            a part of the rows as a whole, which is then a little larger than asked for.
        seeds: Trainings of each size and fold, from different initial weights.
        start: "fresh" draws the trainable weights anew for each training; "present" starts from
            those that the model has.
        epochs: Epochs of a training.
        batch_size: Rows in a batch.
        patience: Stop after this many epochs without a better held-out loss, and keep the best
            epoch; None never stops, and keeps the last.
        seed: Seeds folds, parts, initial weights and the order of rows.
        sample_weight: [rows] weights of the data loss.
        class_weight: Weights >= 0 by class number, as in Keras, or by label, 1 for those left out;
            or `"balanced"`, n/(K·n_k) for the n_k of n rows in class k of K.
        width: Trainings side by side on one device; see `regularization_path`.
        checkpoint: A folder, made if need be, in which the study is saved as it goes.
        checkpoint_seconds: Save when so many seconds have passed.
        callbacks: Told of the progress; a display on the terminal unless given.

    Returns:
        A `LearningCurve`.

    Raises:
        InputError: For fewer than 40 training rows in a fold (with `sizes` listed, fewer than the
            largest), one class, or numbers that cannot be; before any training. If every training
            of all but two sizes diverged.

    Example:
        >>> curve = taut.learning_curve(model, x, y, epochs=200, patience=10)  # doctest: +SKIP
        >>> curve.at_twice  # doctest: +SKIP

    References:
        Hestness et al., Deep learning scaling is predictable, empirically, 2017.
        Viering and Loog, The shape of learning curves: a review, 2022.
    """
    check_start(start)
    check_whole(1, seeds=seeds)
    _check_sizes(sizes)
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
    folds = study.rows.splits
    check_folds(len(folds), "A learning curve")
    labels = classes_of(study.copy, study.rows.first()[1])
    wanted = row_counts(
        sizes,
        min(len(split.train) for split in folds),
        0 if labels is None else len(np.unique(labels)),
    )
    codes = None if groups is None else group_numbers(groups)
    parts = []
    for number, fold in enumerate(folds):
        # A grid ends with all rows, also where this fold has a few more than another.
        counts = [*wanted[:-1], wanted[-1] if _listed(sizes) else len(fold.train)]
        subsets = nested_subsets(
            fold.train, counts, seed=[seed, number], labels=labels, groups=codes
        )
        parts += [Split(rows, fold.held_out) for rows in subsets]
    study = with_splits(study, parts)
    lanes = [
        study.lane(split, of_seed, present=start == "present")
        for split in range(len(parts))
        for of_seed in range(seed, seed + seeds)
    ]
    record = study.rows.train(study.copy, lanes, settings, "learning-curve")
    warn_of_left_out(record)
    largest = range(len(wanted) - 1, len(parts), len(wanted))
    luck = afterwards(
        "The error of the held-out rows", lambda: held_out_luck(study, record, largest, codes), None
    )
    return curve_of(record, [len(part.train) for part in parts], len(wanted), luck)


def curve_of(
    record: Record, rows: Sequence[int], sizes: int, luck: Luck | None = None
) -> LearningCurve:
    """The result of lanes on nested parts: split f·sizes + s is part s of fold f.

    Args:
        record: Of the lanes.
        rows: Rows of each split.
        sizes: How many parts a fold has.
        luck: Of the held-out rows; from the spread of the folds unless given.

    Raises:
        InputError: If fewer than three sizes have a loss on two folds.
    """
    splits = np.array([lane.split for lane in record.lanes])
    table = training_table(
        record,
        {"size": splits % sizes, "rows": np.asarray(rows)[splits], "fold": splits // sizes},
    )
    folds = len(rows) // sizes
    by_size = np.reshape(rows, (folds, sizes)).mean(axis=0)
    losses = {
        name: table.groupby(["size", "fold"])[name].mean().unstack().to_numpy()
        for name in ("train_loss", "held_out_loss")
    }
    known = np.isfinite(losses["held_out_loss"]).sum(axis=1) >= 2
    if known.sum() < LEAST_SIZES:
        raise InputError(
            f"Training must not diverge at all but {known.sum()} of {sizes} sizes. Received: a "
            f"loss that is not finite in {(table['status'] == DIVERGED).sum()} of {len(table)} "
            "trainings. Lower the learning rate, or check inputs and loss."
        )
    law = fit_power_law(by_size[known], losses["held_out_loss"][known].T, luck)
    columns: dict[str, np.ndarray] = {"rows": by_size}
    for name, values in losses.items():
        columns[name] = means_without_nan(values, axis=1)
        columns[f"{name}_standard_error"] = over_folds(values)[1]
    summary = pd.DataFrame(columns).assign(fitted=law.loss(by_size, 0.8)[:, 0])
    return LearningCurve(
        rows=round(law.rows),
        table=table.drop(columns="size"),
        summary=summary,
        losses=losses["held_out_loss"].T,
        law=law,
        still_falling=_still_falling(record, splits % sizes, by_size),
        standard_error_note=NOTE,
        record=record,
    )


def _still_falling(record: Record, size: np.ndarray, rows: np.ndarray) -> tuple[int, ...]:
    """The rows of sizes of which most trainings had their least loss in the last epochs."""
    least = np.where(np.isfinite(record.held_out_loss), record.held_out_loss, np.inf).argmin(axis=1)
    late = (least + 1 > LATE * record.epochs) & (np.array(record.status) == "finished")
    return tuple(round(float(n)) for k, n in enumerate(rows) if late[size == k].mean() > 0.5)


def _listed(sizes: Any) -> bool:
    return sizes is not None and not isinstance(sizes, (int, np.integer))


def _check_sizes(sizes: Any) -> None:
    if sizes is None or is_whole(sizes, LEAST_SIZES):
        return
    listed = _listed(sizes) and np.ndim(sizes) == 1 and all(is_whole(n, 2) for n in sizes)
    if listed and len(set(map(int, sizes))) >= LEAST_SIZES:
        return
    raise InputError(
        f"`sizes` must be how many there are, at least {LEAST_SIZES}, or a list of at least "
        f"{LEAST_SIZES} different numbers of rows, each 2 or more. Received: sizes={sizes!r}."
    )


def row_counts(
    sizes: int | Sequence[int] | None, rows: int, classes: int, *, otherwise: str = "list `sizes`"
) -> list[int]:
    """The numbers of rows to train on, from few to many.

    Args:
        sizes: As `learning_curve` takes it, checked.
        rows: The training rows of the smallest fold.
        classes: How many classes there are; 0 for none.
        otherwise: What else one can do where rows are too few.

    Raises:
        InputError: If there are too few rows.

    Example:
        >>> row_counts(5, 320, 0)
        [20, 40, 80, 160, 320]
    """
    if _listed(sizes):
        counts = sorted({int(n) for n in sizes})  # type: ignore[union-attr]
        if counts[-1] > rows:
            raise InputError(
                "`sizes` must not exceed the training rows of a fold. Received: "
                f"{counts[-1]}, of {rows} that every fold has. Leave it out."
            )
        return counts
    number = SIZES if sizes is None else int(sizes)  # type: ignore[arg-type]
    smallest = max(rows // RANGE, min(FEW, rows // 8), OF_A_CLASS * classes, 2)
    if rows < LEAST_ROWS or smallest > rows // 4:
        least = max(LEAST_ROWS, 4 * OF_A_CLASS * classes)
        raise InputError(
            f"A learning curve needs at least {least} training rows in each fold. Received: "
            f"{rows}. Collect more rows first, or {otherwise}."
        )
    return sorted({round(float(n)) for n in np.geomspace(smallest, rows, number)})
