"""What a table holds, understood: its target, its task, and what each column can give."""

from __future__ import annotations

import dataclasses
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from taut.checks import check_one_of, names_given
from taut.errors import InputError
from taut.frames.as_frame import NOTES, as_frame, blank, check_marks
from taut.frames.column_options import (
    check_kinds,
    deciding_option,
    distinct_texts,
    only,
    perhaps_counts,
)
from taut.frames.columns import Column, alike, understand_column
from taut.frames.dates import date_order
from taut.frames.numbers import GERMAN, PLAIN, decimal_sign, no_value
from taut.frames.roles import REASONS, Roles
from taut.frames.same_columns import SAME, leave_out_repeats
from taut.frames.schema import Schema, listed, read_columns, require_columns
from taut.frames.suspects import group_warnings, set_aside
from taut.frames.target import doubts, read_target, understand_target
from taut.frames.values import find_notation, missing, read

MINIMUM_ROWS = 20


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
    least_rows: int = MINIMUM_ROWS,
) -> Schema:
    """Says what a table holds: which task its target is, and what each column can give.

    Args:
        frame: the table [rows, columns]. It is not changed.
        target: name of the column to predict.
        task: "binary", "multiclass", "classification" or "regression"; None to detect it.
        features: names of the columns to use, identifiers and text among them; None to use all
            that are neither identifiers nor text, nor say the same as an earlier one. Constant and
            empty columns are never used.
        roles: columns that group, order or weigh the rows; they are no inputs.
        drop: names of columns to leave out.
        kind: what columns are, by name: one of "numeric", "category", "date" ("date-dmy",
            "date-mdy" and "date-ymd" also say the order), "text" and "ignore" (left out).
        decimal: the decimal sign, "." or ",", of columns that leave it open, such as "1,234".
        na: marks of missing values beyond the usual ones, such as "-" or "-999".
        least_rows: with fewer rows a table is refused.

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
    if target is None or isinstance(target, (pd.Series, pd.Index, np.ndarray, list, dict)):
        raise InputError(
            "`target` must be the name of a column. Received: "
            f"{type(target).__name__}. Give its name, with the column in the table."
        )
    target = str(target)
    wanted = None if features is None else list(names_given(features=features))
    drop = names_given(drop=drop)
    check_one_of((".", ",", None), decimal=decimal)
    na = check_marks(na)
    kinds = check_kinds(kind, drop, target=target, wanted=wanted or ())
    sentences = list(frame.attrs.get(NOTES, ()))
    repeated = [name for name, count in Counter(frame.columns).items() if count > 1]
    if repeated:
        raise InputError(
            "Every column needs a name of its own. Received more than once: "
            f"{listed(repeated)}. Rename the columns."
        )
    require_columns(frame, [target, *(wanted or ()), *kinds])
    frame = blank(frame, na)
    if wanted is not None and (target in wanted or not wanted):
        raise InputError(
            "`features` must name input columns. Received: "
            f"{'the target ' + repr(target) if wanted else 'none'}. Name columns to learn from."
        )

    roles = Roles() if roles is None else roles
    roles.check(target=target, features=wanted)
    require_columns(frame, list(roles.named()))
    whole, absent = frame, missing(frame.loc[:, target])
    frame = frame.loc[~absent]
    if len(frame) < least_rows:
        raise InputError(
            f"A table needs at least {least_rows} rows with a value in the target {target!r}. "
            f"Received: {len(frame)} (of {len(absent)}). "
            f"{'Add rows' if len(frame) else 'Choose another column, or fill it'}."
        )
    texts = distinct_texts(frame, [name for name in frame.columns if kinds.get(name) is None])
    decimal = decimal or only(map(decimal_sign, texts))
    order = only(map(date_order, texts))
    task, reason, classes, counts = understand_target(frame.loc[:, target], task, decimal=decimal)
    notation = find_notation(frame.loc[:, target], decimal=decimal)

    understood = []
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
        understood.append(column)
    if decimal == ",":
        understood = _with_commas(understood, frame)
    named = [*(wanted or ()), *kinds, *roles.named()]
    understood = set_aside(understood, whole, len(frame), named)
    values = read_columns(frame, [column for column in understood if column.used], asked=kinds)
    understood = leave_out_repeats(understood, values, named)
    if not any(column.used for column in understood):
        if not understood:
            raise InputError(
                f"A table needs a column to learn from. Received the target {target!r} alone. "
                "If the file has more columns, say what stands between them with --sep."
            )
        why = listed((f"{column.name!r}: {column.reason}" for column in understood), show=str)
        raise InputError(f"A table needs a column to learn from. Received none of use: {why}.")

    warnings = ()
    y = read_target(frame.loc[:, target], task, classes, form=notation.form)
    if task == "regression":
        sentences += doubts(target, frame.loc[:, target], y)
    if roles.groups is None and roles.time is None:
        warnings = tuple(group_warnings(understood, frame, y))
    notes = _notes(target, understood, dropped=int(absent.sum()), rows=len(absent))
    if same := alike([label for label in classes if isinstance(label, str)], "classes"):
        sentences.append(f"In the target, {same}: write them alike if they mean the same.")
    for label, count in zip(classes, counts, strict=True):
        if isinstance(label, str) and no_value(label) and reason != "as asked":
            sentences.append(
                f"In the target, {label!r} is a class, of {count} row{'s' * (count != 1)}: if it "
                f"stands for no value, name it with --na {shlex.quote(label)}."
            )
    if task == "regression" and notation.doubt:
        option = "" if " was read as " in notation.doubt else " (--decimal decides)"
        sentences.append(f"In the target, {notation.doubt}{option}.")
    counted = notation.kind == "numeric" and perhaps_counts(classes, notation.form)
    if reason != "as asked" and counted:
        sentences.append(
            f"The target holds {len(classes)} whole numbers, {classes[0]} to {classes[-1]}, as "
            "classes without an order: perhaps a count or a grade: --task regression."
        )
    return Schema(
        target=target,
        task=task,
        reason=reason,
        classes=classes,
        counts=counts,
        columns=tuple(understood),
        rows=len(frame),
        rows_dropped=int(absent.sum()),
        notes=(*sentences, *notes),
        warnings=warnings,
        na=na,
        target_form=notation.form if task == "regression" else "",
    )


def _with_commas(understood: Sequence[Column], frame: pd.DataFrame) -> list[Column]:
    """The columns, those of whole numbers written as the others of the table, which have commas.

    They show no sign themselves, and a later "3.606" or "3606,0" in one is 3606.
    """
    open_ = [c.name for c in understood if c.kind == "numeric" and c.form in ("", PLAIN)]
    values = (read(frame.loc[:, name], "numeric") for name in open_)
    if any(np.mod(numbers[np.isfinite(numbers)], 1).any() for numbers in values):
        return list(understood)  # a point is a decimal sign here
    return [dataclasses.replace(c, form=GERMAN) if c.name in open_ else c for c in understood]


def _notes(
    target: str, understood: Sequence[Column], *, dropped: int, rows: int
) -> tuple[str, ...]:
    notes = []
    if dropped:
        notes.append(f"Dropped {dropped} of {rows} rows: their target {target!r} is missing.")
    for kind in ("constant", "empty"):
        names = [column.name for column in understood if column.kind == kind]
        if names:
            notes.append(f"Left out ({kind}): {listed(names)}.")
    repeats = [column for column in understood if column.reason.startswith(SAME)]
    if repeats:
        names = (f"{column.name!r} ({column.reason[len(SAME) + 1 :]})" for column in repeats)
        notes.append(
            "Left out, for each says the same as the column in brackets: "
            f"{listed(names, show=str)}. To use one all the same, name it in `features` "
            "(--features), or say what it is with --kind."
        )
    for column in understood:
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
