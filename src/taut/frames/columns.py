"""What is understood of one messy column: what it holds, and whether it can be an input."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from taut.frames.dates import find_date_form, parse_date, varying_parts
from taut.frames.multipliers import LETTERS, scaled
from taut.frames.numbers import (
    PLAIN,
    is_code,
    is_number,
    no_value,
    number_form,
    signed_number,
)
from taut.frames.values import (
    Notation,
    find_notation,
    gaps,
    infinite,
    is_numeric_type,
    levels,
    missing,
    read,
    shorten,
    spelling,
    unreadable,
)

MANY_LEVELS = 25  # more levels than this are grouped; as many as half the rows are text
LONG_TEXT = 50  # characters, on average over the distinct values
KINDS = ("numeric", "category", "date", "date-dmy", "date-mdy", "date-ymd", "text", "ignore")
_ID_NAME = re.compile(
    r"(?i:(^|[_\W])(id|uuid|guid|key|index|row|rownames?)|unnamed: \d+|#|no|nr|obs|s\.?no|case)\.?$"
    r"|[a-z](Id|ID)$|^$|(序号|编号|学号|工号)$"
)
# Of these, names of nothing else: a few rows that are there twice make no quantity of them.
_ONLY_ID = re.compile(
    r"(?i:(^|[_\W])(id|uuid|guid|nr|s\.?no))\.?$|[a-z](Id|ID)$|(序号|编号|学号|工号)$"
)
_READ = ("numeric", "boolean", "date", "time")  # from texts, a value each
_MOSTLY = 0.95
# Names of what is counted through, one row after another: hours of an experiment, doses.
_QUANTITY = re.compile(
    r"(?i)^[txz]$|hour|time|day|week|month|year|minute|second|date|dose|age|step|depth|dist|length"
    r"|width|height|weight|size|temp|degree|angle|volum|pressure|conc|level|cycle|lap|tenure|freq"
)


@dataclass(frozen=True)
class Column:
    """What was understood of one input column.

    Args:
        name: the column's name.
        kind: "numeric", "boolean", "date" (days since 1970-01-01), "time" (hours) or "category";
            or, not used by default, "identifier", "text", "constant" or "empty".
        used: whether the column is an input of the model.
        reason: why it is not used, or what else there is to know; often empty.
        missing: number of rows without a value.
        levels: number of different values.
        form: how its numbers or dates are written; see `Notation`.
        parts: the parts of its dates that are inputs too, with blanks between them; see
            `taut.frames.dates.date_part`.
        doubt: what the column itself leaves open, and how it was read.
    """

    name: str
    kind: str
    used: bool
    reason: str
    missing: int
    levels: int
    form: str = ""
    parts: str = ""
    doubt: str = ""


def understand_column(
    name: str,
    series: pd.Series,
    *,
    forced: bool = False,
    kind: str | None = None,
    decimal: str | None = None,
    order: str | None = None,
) -> Column:
    """Says what a column holds and whether it can be an input.

    Args:
        name: the column's name; an integer column with unique values and a name such as
            `customer_id` is an identifier.
        series: the column's values [rows].
        forced: the user asked for this column: an identifier or a text is used all the same, as
            numbers or as categories.
        kind: one of `KINDS`, what the user says that it is; found unless given.
        decimal: the decimal sign, "." or ",", where the column leaves it open.
        order: the order of day and month, "dmy" or "mdy", where the column leaves it open.

    Returns:
        A `Column`.

    Example:
        >>> understand_column("age", pd.Series(["31", " 42", "?"])).kind
        'numeric'
    """
    if kind in ("text", "ignore"):
        gone = missing(series)
        there = pd.unique(levels(series.loc[~gone]))
        kind = "text" if kind == "text" else "ignored"
        return Column(name, kind, False, "as asked", missing=int(gone.sum()), levels=len(there))
    if kind is None and not forced and _holds_several(series):
        there = pd.unique(levels(series.dropna()))
        gone = int(series.isna().sum())
        return Column(name, "text", False, _SEVERAL, missing=gone, levels=len(there))
    notation = find_notation(series, kind=kind, decimal=decimal, order=order)
    forced = forced or kind is not None
    kind = notation.kind
    values = read(series, kind, notation.form)
    present = values[~pd.isna(values)]
    distinct = np.asarray(pd.unique(present))
    used, reason = True, ""
    hint = _written(notation)
    if kind == "category" and not isinstance(series.dtype, pd.CategoricalDtype):
        hint = almost(distinct) or alike(distinct)
    if len(present) == 0 and not unreadable(series, kind, values).any():
        kind, used, reason = "empty", False, "every value is missing"
    elif len(distinct) == 1 and len(present) == len(series):
        kind, used = "constant", False
        reason = f"every value is {shorten(levels(series.iloc[:1])[0])}"
    elif not forced and not (kind == "numeric" and number_form(notation.form).unit):
        other, reason = _not_an_input(name, kind, present, distinct)
        kind, used = other or kind, other is None
    marks = gaps(levels(series[pd.isna(values)]), kind) if kind in _READ else set()
    shown = ", ".join(map(repr, sorted(marks)))
    code = kind == "numeric" and not is_numeric_type(series.dtype) and is_code(_texts(series))
    zeros = "with zeros in front, as codes have (--kind …=category)" if code else ""
    parts = (reason, shown and f"{shown} counts as missing", zeros, hint)
    reason = "; ".join(part for part in parts if part)
    parts = " ".join(varying_parts(values)) if kind == "date" else ""
    count = len(series) - len(present)
    doubt = notation.doubt if used else ""
    return Column(name, kind, used, reason, count, len(distinct), notation.form, parts, doubt)


_SEVERAL = "each value holds several: make columns of its parts"


def _holds_several(series: pd.Series) -> bool:
    """Whether the values are lists, objects or complex numbers."""
    if pd.api.types.is_complex_dtype(series.dtype):
        return True
    dtype = str(series.dtype)
    if series.dtype != object and not dtype.startswith(("list", "large_list", "struct", "map")):
        return False
    there = series.notna().to_numpy(bool)
    value = series.iloc[int(there.argmax())] if there.any() else None
    return isinstance(value, (list, tuple, dict, set, np.ndarray, complex))


def _texts(series: pd.Series) -> list[str]:
    return [text for text in pd.unique(levels(series)) if isinstance(text, str)]


def _not_an_input(
    name: str, kind: str, present: np.ndarray, distinct: np.ndarray
) -> tuple[str | None, str]:
    """("identifier" or "text", why), or (None, "") when the column is an input."""
    unique = len(distinct) == len(present)
    whole = kind == "numeric" and not infinite(present) and not np.mod(present, 1).any()
    if whole and present.min() >= 19000101 and present.max() <= 21001231:
        compact = [parse_date(f"{number:.0f}", "ymd") for number in distinct]
        if not np.isnan(compact).any():
            return None, f"may be dates, such as {present[0]:.0f}"
    if whole and unique:
        called = _ID_NAME.search(name) is not None
        # A table that is a part of another has gaps in its row numbers, but not many.
        numbering = present.min() >= 0 and present.max() <= 1.5 * len(present)
        steps = np.diff(present)
        ordered = bool((steps > 0).all() or (steps < 0).all())
        if numbering and ordered and (called or not _QUANTITY.search(name)):
            return "identifier", "it numbers the rows"
        if called:
            return "identifier", "every whole number occurs once, and its name says identifier"
        if numbering:
            return None, "every whole number occurs once: if it numbers the rows, leave it out"
    mostly = len(distinct) > max(MANY_LEVELS, _MOSTLY * len(present))
    if whole and mostly and _ONLY_ID.search(name):
        numbers = f"{len(distinct)} different whole numbers in {len(present)} rows"
        return "identifier", f"{numbers}, and its name says identifier"
    if kind == "category":
        if len(distinct) > MANY_LEVELS and np.mean([len(text) for text in distinct]) > LONG_TEXT:
            return "text", "it holds long text, which `taut.fit_text` reads"
        if unique:
            return "identifier", "every value occurs once"
        if len(distinct) > max(MANY_LEVELS, len(present) / 2):
            return "text", f"{len(distinct)} different texts in {len(present)} rows"
    return None, ""


def _written(notation: Notation) -> str:
    """How numbers or dates are written, where that is not the usual way."""
    kind, form, _ = notation
    if kind == "numeric" and form not in ("", PLAIN):
        negative = {"°N": "south", "°E": "west"}.get(number_form(form).unit)
        return f"degrees, {negative} is negative" if negative else f"written like {form}"
    orders = {"dmy": "day/month/year", "mdy": "month/day/year"}
    return f"written as {orders[form[:3]]}" if kind == "date" and form[:3] in orders else ""


def almost(distinct: np.ndarray) -> str:
    """A hint for a column of numbers or dates that a few words have turned into text."""
    if len(distinct) < 10:
        return ""
    lettered = [text for text in distinct if scaled(text).sign in LETTERS]
    if lettered and all(is_number(scaled(text, loose=True).text) for text in distinct):
        example = lettered[0]
        letter, shown = scaled(example).sign, shorten(example)
        return (
            f"numbers with {letter} behind, which may be codes, such as {shown} (--kind …=numeric)"
        )
    readers: dict[str, Callable[[str], bool]] = {"numbers": is_number, "dates": _is_date}
    for what, reads in readers.items():
        words = [text for text in distinct if not reads(text)]
        if not words and all(text.isdigit() for text in distinct):
            return "whole numbers of more digits than a number holds"
        if not words:
            return f"{what} that are written in more than one way, or in several units"
        if what == "numbers" and all(map(signed_number, words)):
            return f"numbers with signs that are not read, such as {shorten(words[0])}"
        if len(words) <= len(distinct) / 10:
            return f"{what} but for {', '.join(shorten(word) for word in words[:3])}"
    return ""


def alike(distinct: Sequence[str] | np.ndarray, what: str = "levels") -> str:
    """A hint for levels that differ only in how they are written."""
    groups: dict[str, list[str]] = {}
    for text in distinct if len(distinct) <= 1000 else ():
        groups.setdefault(spelling(text), []).append(text)
    same = next((group for group in groups.values() if len(group) > 1), None)
    return f"{' and '.join(map(shorten, same[:3]))} are different {what}" if same else ""


def _is_date(text: str) -> bool:
    return no_value(text) or find_date_form([text]) is not None
