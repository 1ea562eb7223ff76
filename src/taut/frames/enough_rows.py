"""Whether a table has rows enough for its test set and its folds."""

from __future__ import annotations

import math
from typing import Any

from taut.checks import is_whole
from taut.errors import InputError
from taut.frames.columns import alike
from taut.frames.schema import Schema, listed
from taut.frames.values import shorten


def folds_for(folds: int, *, quick: bool) -> int:
    """Folds of the cross-validation: three at most for a first look."""
    return min(folds, 3) if quick else folds


def check_enough_rows(schema: Schema, *, folds: int, test_size: float = 0.0) -> None:
    """Refuses a table that is too small for the test set and the folds.

    Every fold needs a row of every class, after `test_size` of the rows have been set aside; and
    the test set, where there is one, has room for a row of every class (two rows for regression).

    Args:
        schema: what was understood of the table.
        folds: number of folds.
        test_size: share of the rows that is held out, at least 0 and below 1.

    Raises:
        InputError: a class, or for regression the table, has too few rows.
    """
    rows = schema.rows
    test = math.ceil(test_size * rows)  # as scikit-learn rounds it
    least = max(2, len(schema.classes))
    if test_size and test < least:
        what = f"the {least} classes of {schema.target!r}" if schema.classes else "a score"
        raise InputError(
            f"A test set needs at least {least} rows for {what}. Received: {test} of {rows} rows, "
            f"with test size {test_size:g}. {rows_for_test(least, rows)}"
        )
    counts = dict(zip(schema.classes, schema.counts, strict=True))
    train = rows - test
    held_out = f" with {test_size:.0%} of the rows held out" if test_size else ""
    needed = math.ceil(folds * rows / train) if train else rows + 1
    rare = [f"{shorten(label)} has {n}" for label, n in counts.items() if n * train // rows < folds]
    if rare:
        same = alike([label for label in schema.classes if isinstance(label, str)], "classes")
        same = f" {same}: write them alike if they mean the same." if same else ""
        raise InputError(
            f"Every class of {schema.target!r} needs at least {needed} rows for {folds} folds"
            f"{held_out}. Received: {listed(rare, show=str)}.{same} Use fewer folds, add rows, "
            "merge or remove the rare classes, or, where the target is a quantity, set the task to "
            "regression."
        )
    if train < folds:
        raise InputError(
            f"A table needs at least {needed} rows for {folds} folds{held_out}. "
            f"Received: {rows}. Use fewer folds or add rows."
        )
    if len(schema.classes) == 2 and test_size and min(counts.values()) * test // rows < 1:
        label = min(counts, key=lambda label: counts[label])
        raise InputError(
            f"A test set needs a row of each class of {schema.target!r}. Received: {test} test "
            f"rows, where {shorten(label)} has {counts[label]} of {rows} rows. "
            f"Use a test size of {_upwards(1 / counts[label])} or more, or add rows."
        )


def rows_for_test(least: int, rows: int) -> str:
    """What gives a test set its rows, and leaves as many to learn from."""
    if 2 * least > rows:
        return (
            "Add rows, merge classes, or, where the target is a quantity, set the task to "
            "regression."
        )
    return f"Use a test size of {_upwards(least / rows)} or more, or add rows."


def _upwards(share: float) -> str:
    """A share with two digits, none of them too small."""
    return f"{math.ceil(share * 100 - 1e-9) / 100:g}"


def check_inputs(inputs: Any, there: int) -> None:
    """Raise if more inputs are asked for than there are, or fewer than one.

    Args:
        inputs: How many are asked for; None for as many as are needed.
        there: How many columns are used.
    """
    if inputs is not None and (not is_whole(inputs, 1) or inputs > there):
        raise InputError(
            f"`inputs` (--inputs) must be an integer from 1 to the number of inputs, {there} here. "
            f"Received: inputs={inputs!r}."
        )
