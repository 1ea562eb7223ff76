"""The target column: its task, its classes and its values as numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pandas as pd

from taut.checks import check_one_of
from taut.errors import InputError
from taut.frames.columns import almost, understand_column
from taut.frames.numbers import is_code, parse_number
from taut.frames.scales import find_marks
from taut.frames.values import (
    EXACT,
    Notation,
    find_notation,
    infinite,
    levels,
    read,
    shorten,
    unreadable,
)

Label = str | int | float | bool
TASKS = ("binary", "multiclass", "classification", "regression")

FEW_NUMBERS = 20  # at most this many whole numbers can be classes ...
LARGEST_TARGET = 1e100  # the square of a larger one, and so its loss, would overflow
ROWS_PER_NUMBER = 10  # ... when each has so many rows on average


def understand_target(
    series: pd.Series, task: str | None = None, *, decimal: str | None = None
) -> tuple[str, str, tuple[Label, ...], tuple[int, ...]]:
    """Says which task a target sets.

    Categories, booleans, text and any two values are classes, and so are a few whole numbers
    (at most 20, with 10 rows or more each on average). Other numbers are a regression.

    Args:
        series: the target [rows], without missing values.
        task: "binary", "multiclass", "classification" or "regression"; None to detect it.
        decimal: the decimal sign where the target leaves it open.

    Returns:
        The task ("binary", "multiclass" or "regression"), the reason in one sentence, the sorted
        classes and the rows of each (both empty for regression).

    Raises:
        InputError: `task` is unknown or does not fit the target, or the target has one value.
    """
    check_one_of((*TASKS, None), task=task)
    values = _labels(series)
    tally = Counter(values.tolist())
    if len(tally) < 2:
        raise InputError(
            f"The target {series.name!r} needs two different values or more. Received only "
            f"{shorten(next(iter(tally)))}. Choose another column, or add rows of another class."
        )
    reason = "as asked"
    if task is None:
        task, reason = _detect(series, values, len(tally), decimal)
    if task == "regression":
        read_target(series, task, (), form=find_notation(series, decimal=decimal).form)
        return task, reason, (), ()

    two = len(tally) == 2
    if (task == "binary" and not two) or (task == "multiclass" and two):
        raise InputError(
            f'The task "{task}" needs {"two" if task == "binary" else "more than two"} classes. '
            f"Received {len(tally)} in the target {series.name!r}. "
            'Use the task "classification", or another target.'
        )
    if values.dtype == np.float64 and infinite(values):
        raise InputError(f"Every label must be finite. Received an infinity in {series.name!r}.")
    classes = _in_order(tally, find_notation(series, decimal=decimal))
    counts = tuple(tally[label] for label in classes)
    return "binary" if len(classes) == 2 else "multiclass", reason, classes, counts


def _in_order(labels: Iterable[Label], notation: Notation) -> tuple[Label, ...]:
    """The labels sorted, "5 stars" before "10 stars"."""
    found = sorted(labels)
    if notation.kind != "numeric" or not all(isinstance(label, str) for label in found):
        return tuple(found)
    value = {label: parse_number(str(label), notation.form) for label in found}
    return tuple(sorted(found, key=lambda label: value[label]))


def doubts(target: str, series: pd.Series, y: np.ndarray) -> list[str]:
    """What makes the numbers of a regression doubtful, in sentences.

    Args:
        target: its name.
        series: the target [rows], without missing values.
        y: its values [rows].
    """
    told = []
    column = understand_column(target, series)
    if column.kind == "identifier":
        told.append(
            f"The target {target!r} looks like an identifier ({column.reason}): is it what is to "
            "be predicted?"
        )
    told += [
        f"In the target, {mark.value:g} is far from all others in {mark.count} rows: if it stands "
        f"for no value, name it with --na {mark.value:g}."
        for mark in find_marks(np.sort(y))
        if mark.value  # nothing, as of rain or of sales, is a value
    ]
    return told


def read_target(
    series: pd.Series, task: str, classes: tuple[Label, ...], *, form: str = ""
) -> np.ndarray:
    """The target as numbers.

    Args:
        series: the target [rows], without missing values.
        task: "binary", "multiclass" or "regression".
        classes: the labels, for classification.
        form: how the numbers of a regression are written; see `Notation`.

    Returns:
        int64 positions in `classes`, or the float64 values for regression [rows].

    Raises:
        InputError: a label is not among the classes, or a value is not a finite number.
    """
    if task == "regression":
        kind = "boolean" if find_notation(series).kind == "boolean" else "numeric"
        values = read(series, kind, form if kind == "numeric" else "")
        wrong = unreadable(series, kind, values) | np.isnan(values)
        if wrong.any():
            example = shorten(levels(series.loc[wrong][:1])[0])
            raise InputError(
                f"The target {series.name!r} of a regression must hold numbers. "
                f"Received: {example}. Correct it, name it with --na if it means that there is no "
                "value, or choose a classification."
            )
        if infinite(values, largest=LARGEST_TARGET):
            raise InputError(
                f"The target {series.name!r} must be finite, and at most 1e100 in size. "
                "Received infinite or larger numbers. Drop these rows."
            )
        return values

    # The type of the labels is the one of training, whatever this table holds them as.
    kind = {str: "category", bool: "boolean"}.get(type(classes[0]), "numeric")
    values = read(series, kind)
    codes = pd.Index(np.array(classes, dtype=values.dtype)).get_indexer(pd.Index(values))
    if (codes < 0).any():
        unknown = shorten(levels(series.loc[codes < 0][:1])[0])
        known = ", ".join(map(shorten, classes[:10]))
        raise InputError(
            f"Every label of {series.name!r} must be a class of the training table. "
            f"Received: {unknown}. The classes begin with {known}."
        )
    return codes.astype(np.int64)


def _labels(series: pd.Series) -> np.ndarray:
    """The labels in the target's own type: an array of bool, int64, float64 or (object) str."""
    held = pd.api.types.infer_dtype(series.astype(object), skipna=True)
    if held == "boolean":
        return read(series, "boolean").astype(bool)
    if held in ("integer", "floating", "mixed-integer-float", "decimal"):
        numbers = read(series, "numeric")
        if held == "integer" and np.abs(numbers).max() >= EXACT:
            return levels(series)  # as numbers, labels of so many digits would meet
        # pandas turns integers into floats where values are missing: 1.0 stands for 1.
        whole = not infinite(numbers) and bool(np.equal(np.mod(numbers, 1), 0).all())
        return numbers.astype(np.int64) if whole and np.abs(numbers).max() < EXACT else numbers
    return levels(series)


def _detect(
    series: pd.Series, values: np.ndarray, distinct: int, decimal: str | None
) -> tuple[str, str]:
    kind, form, _ = find_notation(series, decimal=decimal)
    if kind in ("date", "time"):
        number = "days since a day" if kind == "date" else "minutes"
        raise InputError(
            f"The target {series.name!r} holds {kind}s. Turn them into what is to be predicted, a "
            f"number (such as {number}), or, if each is a class, set the task to classification."
        )
    few = distinct <= FEW_NUMBERS and distinct * ROWS_PER_NUMBER <= len(values)
    text = kind == "category" and values.dtype == object
    hint = almost(pd.unique(values)) if text and not few else ""
    if hint.startswith(("numbers", "dates")):
        remedy = (
            "If these stand for no value, name them with --na (na=[…])"
            if " but for " in hint
            else "Write all of them in one way, without signs"
        )
        raise InputError(
            f"A target holds numbers, or classes. Received in {series.name!r}: {hint}. {remedy}; "
            "if all are classes, set the task to classification."
        )
    if kind != "numeric":
        held = "booleans" if values.dtype == bool else "categories or text"
        return "classification", f"the target holds {held}, {distinct} different values"
    if distinct == 2:
        return "classification", "the target holds two different values"
    if values.dtype == object and is_code(list(pd.unique(values))):
        return "classification", f"the target holds {distinct} different codes, such as 007"
    numbers = read(series, "numeric", form)
    if infinite(numbers) or not np.equal(np.mod(numbers, 1), 0).all():
        return "regression", f"the target holds numbers, {distinct} different values"
    reason = f"the target holds {distinct} different whole numbers in {len(values)} rows"
    return ("classification" if few else "regression"), reason
