"""What a table holds: its target, its task and its columns."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
import pandas as pd

from taut.errors import InputError
from taut.frames.as_frame import NOTES, as_frame, blank
from taut.frames.columns import Column
from taut.frames.numbers import PLAIN
from taut.frames.roles import Roles, RowFacts, row_facts
from taut.frames.target import Label, read_target
from taut.frames.values import infinite, levels, missing, read, shorten, unreadable


@dataclass(frozen=True)
class Schema:
    """What was understood of a table; it prepares every later table in the same way.

    Args:
        target: name of the target column.
        task: "binary", "multiclass" or "regression".
        reason: why this task, in one sentence.
        classes: the labels, sorted, of the target's own type (str, int, float or bool; whole
            numbers are int, text is without surrounding spaces); empty for regression.
        counts: rows of each class; empty for regression.
        columns: what was understood of each input column, in the table's order.
        rows: rows that have a target.
        rows_dropped: rows without one.
        notes: what was left out and why, in sentences.
        warnings: why scores may say less than they seem to, in sentences.
        na: marks of missing values beyond the usual ones.
        target_form: how the numbers of the target are written; see `Notation`.
    """

    target: str
    task: str
    reason: str
    classes: tuple[Label, ...]
    counts: tuple[int, ...]
    columns: tuple[Column, ...]
    rows: int
    rows_dropped: int
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    na: tuple[str, ...] = ()
    target_form: str = ""

    def row_facts(self, frame: pd.DataFrame, roles: Roles) -> RowFacts:
        """What the columns of `roles` say of the rows that have a target; see `row_facts`."""
        forms = {column.name: column.form for column in self.columns}
        return row_facts(blank(frame, self.na), roles, target=self.target, forms=forms)

    @property
    def used(self) -> tuple[Column, ...]:
        """The columns that are inputs of the model, in order."""
        return tuple(column for column in self.columns if column.used)

    @property
    def as_written(self) -> list[str]:
        """The columns that a text file must keep as text for `prepare` to read them alike.

        "01" of a category is not 1, and beside decimal commas "1.234" is not 1.234.
        """
        plain = ("", PLAIN)
        labels = [self.target] if self.classes and isinstance(self.classes[0], str) else []
        return labels + [
            c.name
            for c in self.used
            if c.kind in ("category", "date", "time")
            or (c.kind == "numeric" and c.form not in plain)
        ]

    @property
    def names_of_rows(self) -> list[str]:
        """The columns that say which row is which, and are no inputs."""
        kinds = ("identifier", "groups")
        return [c.name for c in self.columns if c.kind in kinds and not c.used]

    @overload
    def prepare(
        self, frame: pd.DataFrame, *, require_target: Literal[True] = True
    ) -> tuple[pd.DataFrame, np.ndarray]: ...

    @overload
    def prepare(
        self, frame: pd.DataFrame, *, require_target: Literal[False]
    ) -> tuple[pd.DataFrame, None]: ...

    def prepare(
        self, frame: pd.DataFrame, *, require_target: bool = True
    ) -> tuple[pd.DataFrame, np.ndarray | None]:
        """Takes the used columns of a table, in order, and its target.

        Args:
            frame: a table with at least the used columns, in any order: of pandas, polars or Arrow.
            require_target: whether the target is needed. Rows without a target are dropped then.

        Returns:
            The features [rows, used columns] and the target [rows]. Numbers, booleans and dates
            are float64 columns with NaN where missing; categories are columns of str with NaN.
            The target is an int64 code, the position in `classes`, or a float64 for regression;
            None where it is not required. The features keep the index of `frame`.

        Raises:
            InputError: columns are missing or given twice, a value cannot be read as in
                training, a number is infinite, a label is unknown, or there are no rows.
        """
        frame = blank(as_frame(frame), self.na)
        target = [self.target] if require_target else []
        require_columns(frame, [column.name for column in self.used] + target)
        if require_target:
            frame = frame.loc[~missing(frame.loc[:, self.target])]
        if not len(frame):
            needs = f"rows with a value in {self.target!r}" if require_target else "rows"
            raise InputError(f"A table needs {needs}. Received: a table with none.")
        y = None
        if require_target:
            series = frame.loc[:, self.target]
            y = read_target(series, self.task, self.classes, form=self.target_form)
        values = read_columns(frame, self.used)
        # Said aloud, or a later pandas turns object into its own string type.
        held = {name: pd.Series(x, frame.index, dtype=x.dtype) for name, x in values.items()}
        return pd.DataFrame(held, index=frame.index), y

    def labels(self, codes: np.ndarray) -> np.ndarray:
        """The labels of class codes, in the target's own type.

        Args:
            codes: positions in `classes`, integers of any shape.

        Returns:
            An array of that shape: int64, float64, bool, or object holding str.
        """
        dtype = object if isinstance(self.classes[0], str) else None
        return np.array(self.classes, dtype=dtype)[codes]


def require_columns(frame: pd.DataFrame, needed: Sequence[str]) -> None:
    """Refuses a table that lacks any of the columns or has one of them twice."""
    count = Counter(frame.columns)
    lacking = [name for name in needed if not count[name]]
    if lacking:
        raise InputError(
            "The table must have every column that is asked for. Missing: "
            f"{listed((_suggest(name, list(count)) for name in lacking), show=str)}. "
            f"Its columns are {listed(count)}.{_unnamed(list(count))}{_read_so(frame)}"
        )
    twice = [name for name in needed if count[name] > 1]
    if twice:
        raise InputError(f"Every column needs a name of its own. Received twice: {listed(twice)}.")


def _unnamed(names: list[str]) -> str:
    """What to do where the columns have numbers for names: most likely, none at all."""
    if not names or not all(re.fullmatch(r"[-+]?[\d.,]*\d[\d.,]*", str(n)) for n in names):
        return ""
    return " These are numbers: the first line of a file must name the columns."


def _read_so(frame: pd.DataFrame) -> str:
    """What was decided as the file was read, which may be why a column is missing."""
    notes = frame.attrs.get(NOTES, ())
    return f" Of the file: {' '.join(notes)}" if notes else ""


def _suggest(name: str, names: list[str]) -> str:
    """The missing name, with the nearest name that is there."""
    folded = {other.strip().casefold(): other for other in reversed(names)}
    near = difflib.get_close_matches(name.strip().casefold(), folded, n=1)
    like = f" (did you mean {shorten(folded[near[0]])}?)" if near else ""
    return f"{shorten(name)}{like}"


def read_columns(
    frame: pd.DataFrame, used: Iterable[Column], *, asked: Iterable[str] | None = None
) -> dict[str, np.ndarray]:
    """The values of the used columns, each read as the kind it has.

    Args:
        frame: the table.
        used: the columns.
        asked: in training, the columns whose kind the user said.
    """
    values, wrong = {}, []
    for column in used:
        series = frame.loc[:, column.name]
        values[column.name] = read(series, column.kind, column.form)
        failed = unreadable(series, column.kind, values[column.name])
        if failed.any():
            example = shorten(levels(series.loc[failed][:1])[0])
            like = f"; {column.reason}" if column.form and "written" in column.reason else ""
            wrong.append(f"{column.name!r} ({column.kind}{like}) holds {example}")
    if wrong and asked is not None:
        raise InputError(
            "A column must hold what --kind says. Received: "
            f"{listed(wrong, show=str)}. Correct these values, or say with --na that they are "
            "missing."
        )
    if wrong:
        raise InputError(
            "Every column must hold the kind of values it held in training. Received: "
            f"{listed(wrong, show=str)}. Correct these values, or leave them empty."
        )
    numbers = {name: column for name, column in values.items() if column.dtype != object}
    too_large = [name for name, column in numbers.items() if infinite(column)]
    if too_large:
        raise InputError(
            "Every number must be finite. Received infinite numbers in "
            f"{listed(too_large)}. Leave these values empty, drop the rows, or, in training, name "
            "them with --na (na=[…]) if they mean that there is no value, such as --na inf."
        )
    return values


def listed(items: Iterable[str], show: Any = shorten) -> str:
    """The first ten items, and how many more there are."""
    shown = [show(item) for item in items]
    return ", ".join(shown[:10]) + (f" and {len(shown) - 10} more" if len(shown) > 10 else "")
