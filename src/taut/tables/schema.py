"""What a table holds: its target, its task and its columns."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
import pandas as pd

from taut.errors import InputError
from taut.tables.columns import (
    Column,
    find_notation,
    infinite,
    levels,
    missing,
    read,
    shorten,
    understand_column,
    unreadable,
)
from taut.tables.dates import date_order
from taut.tables.frames import NOTES, as_frame, blank, check_marks
from taut.tables.numbers import PLAIN, decimal_sign
from taut.tables.options import (
    check_kinds,
    deciding_option,
    distinct_texts,
    only,
    perhaps_counts,
)
from taut.tables.roles import REASONS, Roles, RowFacts, row_facts
from taut.tables.suspects import group_warnings, set_aside
from taut.tables.target import Label, read_target, understand_target

MINIMUM_ROWS = 20


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
        return [
            c.name
            for c in self.used
            if c.kind in ("category", "date", "time")
            or (c.kind == "numeric" and c.form not in plain)
        ]

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
        _require_columns(frame, [column.name for column in self.used] + target)
        if require_target:
            frame = frame.loc[~missing(frame.loc[:, self.target])]
        if not len(frame):
            needs = f"rows with a value in {self.target!r}" if require_target else "rows"
            raise InputError(f"A table needs {needs}. Received: a table with none.")
        y = None
        if require_target:
            series = frame.loc[:, self.target]
            y = read_target(series, self.task, self.classes, form=self.target_form)
        values = _read_columns(frame, self.used)
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

    def to_dict(self) -> dict[str, Any]:
        """The schema in lists, dicts, str, numbers and booleans, as JSON has them."""
        values = dataclasses.asdict(self)
        lists = {key: list(value) for key, value in values.items() if isinstance(value, tuple)}
        return {**values, **lists}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Schema:
        """The schema that `to_dict` was called on."""
        tuples = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
        columns = tuple(Column(**column) for column in values["columns"])
        return cls(**{**values, **tuples, "columns": columns})


def understand(
    frame: pd.DataFrame,
    *,
    target: str,
    task: str | None = None,
    features: Sequence[str] | None = None,
    roles: Roles | None = None,
    drop: Sequence[str] = (),
    kind: Mapping[str, str] | None = None,
    decimal: str | None = None,
    na: Sequence[str] = (),
) -> Schema:
    """Says what a table holds: which task its target is, and what each column can give.

    Args:
        frame: the table [rows, columns], at least 20 rows with a target. It is not changed.
        target: name of the column to predict.
        task: "binary", "multiclass", "classification" or "regression"; None to detect it.
        features: names of the columns to use, identifiers and text among them; None to use all
            that are neither identifiers nor text. Constant and empty columns are never used.
        roles: columns that group, order or weigh the rows; they are no inputs.
        drop: names of columns to leave out.
        kind: what columns are, by name: one of "numeric", "category", "date" ("date-dmy",
            "date-mdy" and "date-ymd" also say the order), "text" and "ignore" (left out).
        decimal: the decimal sign, "." or ",", of columns that leave it open, such as "1,234".
        na: marks of missing values beyond the usual ones, such as "-" or "-999".

    Returns:
        A `Schema`.

    Raises:
        InputError: a column is missing or given twice, the target does not fit the task or has
            one value, there are too few rows, numbers are infinite, or no column can be used.

    Example:
        >>> frame = pd.DataFrame({"age": range(30, 60), "ill": ["yes", "no"] * 15})
        >>> understand(frame, target="ill").classes
        ('no', 'yes')
    """
    frame = as_frame(frame)
    target = str(target)
    for argument, names in (("features", features), ("drop", drop)):
        if isinstance(names, str):
            raise InputError(f"`{argument}` must be a list of names. Received: {names!r}.")
    wanted = None if features is None else [str(name) for name in features]
    if decimal not in (None, ".", ","):
        raise InputError(f'`decimal` must be "." or ",". Received: decimal={decimal!r}.')
    na = check_marks(na)
    kinds = check_kinds(kind, drop, target=target, wanted=wanted or ())
    told = list(frame.attrs.get(NOTES, ()))
    repeated = [name for name, count in Counter(frame.columns).items() if count > 1]
    if repeated:
        raise InputError(
            "Every column needs a name of its own. Received more than once: "
            f"{_listed(repeated)}. Rename the columns."
        )
    _require_columns(frame, [target, *(wanted or ()), *kinds])
    frame = blank(frame, na)
    if wanted is not None and (target in wanted or not wanted):
        raise InputError(
            "`features` must name input columns. Received: "
            f"{'the target ' + repr(target) if wanted else 'none'}. Name columns to learn from."
        )

    roles = Roles() if roles is None else roles
    roles.check(target=target, features=wanted)
    _require_columns(frame, list(roles.named()))
    whole, absent = frame, missing(frame.loc[:, target])
    frame = frame.loc[~absent]
    if len(frame) < MINIMUM_ROWS:
        raise InputError(
            f"A table needs at least {MINIMUM_ROWS} rows with a value in the target {target!r}. "
            f"Received: {len(frame)} (of {len(absent)}). Add rows."
        )
    texts = distinct_texts(frame, [name for name in frame.columns if kinds.get(name) is None])
    decimal = decimal or only(map(decimal_sign, texts))
    order = only(map(date_order, texts))
    task, reason, classes, counts = understand_target(frame.loc[:, target], task, decimal=decimal)
    notation = find_notation(frame.loc[:, target], decimal=decimal)

    found = []
    for name in frame.columns.drop(target):
        asked = wanted is not None and name in wanted
        column = understand_column(
            name,
            frame.loc[:, name],
            forced=asked,
            kind=kinds.get(name),
            decimal=decimal,
            order=order,
        )
        if column.used and wanted is not None and not asked:
            column = dataclasses.replace(column, used=False, reason="it was not asked for")
        role = roles.named().get(name)
        if role and not asked:
            column = dataclasses.replace(column, kind=role, used=False, reason=REASONS[role])
        found.append(column)
    found = set_aside(found, whole, [*(wanted or ()), *kinds, *roles.named()])
    _read_columns(frame, [column for column in found if column.used], asked=kinds)
    if not any(column.used for column in found):
        if not found:
            raise InputError(
                f"A table needs a column to learn from. Received the target {target!r} alone. "
                "If the file has more columns, say what stands between them with --sep."
            )
        why = _listed((f"{column.name!r}: {column.reason}" for column in found), show=str)
        raise InputError(f"A table needs a column to learn from. Received none of use: {why}.")

    warnings = ()
    if roles.groups is None and roles.time is None:
        y = read_target(frame.loc[:, target], task, classes, form=notation.form)
        warnings = tuple(group_warnings(found, frame, y))
    notes = _notes(target, found, dropped=int(absent.sum()), rows=len(absent))
    if task == "regression" and notation.doubt:
        told.append(f"In the target, {notation.doubt} (--decimal decides).")
    if reason != "as asked" and perhaps_counts(classes):
        told.append(
            f"The target holds {len(classes)} whole numbers, {classes[0]} to {classes[-1]}, as "
            "classes without an order: perhaps a count or a grade: --task regression."
        )
    return Schema(
        target=target,
        task=task,
        reason=reason,
        classes=classes,
        counts=counts,
        columns=tuple(found),
        rows=len(frame),
        rows_dropped=int(absent.sum()),
        notes=(*told, *notes),
        warnings=warnings,
        na=na,
        target_form=notation.form if task == "regression" else "",
    )


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
            f"with test size {test_size:g}. Use a test size of {_upwards(least / rows)} or more, "
            "or add rows."
        )
    counts = dict(zip(schema.classes, schema.counts, strict=True))
    train = rows - test
    held_out = f" with {test_size:.0%} of the rows held out" if test_size else ""
    needed = math.ceil(folds * rows / train) if train else rows + 1
    rare = [f"{shorten(label)} has {n}" for label, n in counts.items() if n * train // rows < folds]
    if rare:
        raise InputError(
            f"Every class of {schema.target!r} needs at least {needed} rows for {folds} folds"
            f"{held_out}. Received: {_listed(rare, show=str)}. Use fewer folds, add rows, merge or "
            "remove the rare classes, or, where the target is a quantity, set the task to "
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


def _upwards(share: float) -> str:
    """A share with two digits, none of them too small."""
    return f"{math.ceil(share * 100 - 1e-9) / 100:g}"


def _require_columns(frame: pd.DataFrame, needed: Sequence[str]) -> None:
    """Refuses a table that lacks any of the columns or has one of them twice."""
    count = Counter(frame.columns)
    lacking = [name for name in needed if not count[name]]
    if lacking:
        raise InputError(
            "The table must have every column that is asked for. Missing: "
            f"{_listed((_suggest(name, list(count)) for name in lacking), show=str)}. "
            f"Its columns are {_listed(count)}."
        )
    twice = [name for name in needed if count[name] > 1]
    if twice:
        raise InputError(f"Every column needs a name of its own. Received twice: {_listed(twice)}.")


def _suggest(name: str, names: list[str]) -> str:
    """The missing name, with the nearest name that is there."""
    folded = {other.strip().casefold(): other for other in reversed(names)}
    near = difflib.get_close_matches(name.strip().casefold(), folded, n=1)
    return f"{name!r} (did you mean {folded[near[0]]!r}?)" if near else repr(name)


def _read_columns(
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
            f"{_listed(wrong, show=str)}. Correct these values, or say with --na that they are "
            "missing."
        )
    if wrong:
        raise InputError(
            "Every column must hold the kind of values it held in training. Received: "
            f"{_listed(wrong, show=str)}. Correct these values, or leave them empty."
        )
    numbers = {name: column for name, column in values.items() if column.dtype != object}
    too_large = [name for name, column in numbers.items() if infinite(column)]
    if too_large:
        raise InputError(
            "Every number must be finite. Received infinite numbers in "
            f"{_listed(too_large)}. Leave these values empty, or drop the rows."
        )
    return values


def _notes(target: str, found: Sequence[Column], *, dropped: int, rows: int) -> tuple[str, ...]:
    notes = []
    if dropped:
        notes.append(f"Dropped {dropped} of {rows} rows: their target {target!r} is missing.")
    for kind in ("constant", "empty"):
        names = [column.name for column in found if column.kind == kind]
        if names:
            notes.append(f"Left out ({kind}): {_listed(names)}.")
    for column in found:
        if column.kind in ("identifier", "text") and not column.used:
            if column.reason == "as asked":
                continue
            na = " (--na makes these missing)" if "but for" in column.reason else ""
            notes.append(
                f"Left out {column.name!r} ({column.kind}): {column.reason}{na}. "
                "To use it all the same, name it in `features` (--features), or say what it is "
                "with --kind."
            )
        elif column.doubt and (column.used or column.kind in REASONS):
            notes.append(f"Column {column.name!r}: {column.doubt} ({deciding_option(column)}).")
        elif column.kind == "category" and column.reason and column.used:
            na = " (--na makes these missing)" if "but for" in column.reason else ""
            notes.append(f"Column {column.name!r} is a category: {column.reason}{na}.")
        elif column.used and column.reason.startswith("every whole number"):
            notes.append(f"Column {column.name!r}: {column.reason} (--drop).")
        elif column.used and column.reason.startswith("may be dates"):
            notes.append(f"Column {column.name!r} {column.reason}: --kind {column.name}=date.")
        if column.used and column.name.strip().casefold() == target.strip().casefold():
            notes.append(
                f"Column {column.name!r} is named like the target {target!r}: "
                "if it holds the same thing, remove it, for it gives the answer away."
            )
    return tuple(notes)


def _listed(items: Iterable[str], show: Any = repr) -> str:
    """The first ten items, and how many more there are."""
    shown = [show(item) for item in items]
    return ", ".join(shown[:10]) + (f" and {len(shown) - 10} more" if len(shown) > 10 else "")
