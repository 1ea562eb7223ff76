"""One messy column: what it holds, and its values as numbers or as levels.

Everything that is not a plain number, boolean or date goes through its text: stripped of
surrounding spaces, with the usual marks of missing values recognised. So a column means the same
whether it comes from CSV, from Parquet, or from objects in memory, and means at prediction what
it meant in training.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pandas.api import types

from taut.tables.dates import find_date_form, parse_date, parse_time, varying_parts, zone_name
from taut.tables.numbers import (
    NO_NUMBER,
    PLAIN,
    find_number_form,
    is_number,
    number_form,
    parse_number,
    takes_bare_numbers,
)

# "None" is not among them: it is often a real level, or a real class ("None", "Mild", "Severe").
# A column of numbers still reads it as missing.
MISSING_TEXT = frozenset(
    ["", "?", "na", "n/a", "#na", "#n/a", "<na>", "nan", "-nan", "nat", "null"]
)
MANY_LEVELS = 25  # more levels than this are grouped; as many as half the rows are text
LONG_TEXT = 50  # characters, on average over the distinct values
LARGEST = float(np.finfo(np.float64).max)

KINDS = ("numeric", "category", "date", "date-dmy", "date-mdy", "date-ymd", "text", "ignore")

_ID_NAME = re.compile(
    r"(?i:(^|[_\W])(id|uuid|guid|key|index|row|rownames?)|unnamed: \d+|#|no|nr|obs|s\.?no|case)\.?$"
    r"|[a-z](Id|ID)$|^$|(序号|编号|学号|工号)$"
)
# Names of what is counted through, one row after another: hours of an experiment, doses.
_QUANTITY = re.compile(
    r"(?i)^[txz]$|hour|time|day|week|month|year|minute|second|date|dose|age|step|depth|dist|length"
    r"|width|height|weight|size|temp|degree|angle|volum|pressure|conc|level|cycle|lap|tenure|freq"
)
_FLAGS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}


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
            `taut.tables.dates.date_part`.
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


class Notation(NamedTuple):
    """How the values of a column read.

    Args:
        kind: "numeric", "boolean", "date", "time" or "category".
        form: how numbers or dates are written: a number such as "1.234,5 €", or an order and a
            zone such as "dmy Europe/Paris". "" where nothing is written, and for what a release
            before 0.4 saved: a decimal point, and dates year first in UTC.
        doubt: what the column leaves open; "" if nothing.
    """

    kind: str
    form: str = ""
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
    notation = find_notation(series, kind=kind, decimal=decimal, order=order)
    forced = forced or kind is not None
    kind = notation.kind
    values = read(series, kind, notation.form)
    present = values[~pd.isna(values)]
    distinct = np.asarray(pd.unique(present))
    used, reason = True, ""
    hint = _written(notation)
    if kind == "category" and not isinstance(series.dtype, pd.CategoricalDtype):
        hint = _almost(distinct) or _alike(distinct)
    if len(present) == 0 and not unreadable(series, kind, values).any():
        kind, used, reason = "empty", False, "every value is missing"
    elif len(distinct) == 1 and len(present) == len(series):
        kind, used = "constant", False
        reason = f"every value is {shorten(levels(series.iloc[:1])[0])}"
    elif not forced and not (kind == "numeric" and number_form(notation.form).unit):
        other, reason = _not_an_input(name, kind, present, distinct)
        kind, used = other or kind, other is None
    if kind == "numeric" and not _is_numeric(series.dtype):
        marks = NO_NUMBER.intersection(pd.unique(levels(series[pd.isna(values)])))
        shown = ", ".join(map(repr, sorted(marks)))
        reason = "; ".join(
            part for part in (reason, shown and f"{shown} counts as missing") if part
        )
    reason = "; ".join(part for part in (reason, hint) if part)
    parts = " ".join(varying_parts(values)) if kind == "date" else ""
    count = len(series) - len(present)
    doubt = notation.doubt if used else ""
    return Column(name, kind, used, reason, count, len(distinct), notation.form, parts, doubt)


def find_notation(
    series: pd.Series,
    *,
    kind: str | None = None,
    decimal: str | None = None,
    order: str | None = None,
) -> Notation:
    """How the values of a column read, decided over the whole column.

    A declared category stays one. Text is numeric, boolean (true, false), a date or a time when
    every value that is not missing reads as such, in one form. The arguments are those of
    `understand_column`.
    """
    dtype = series.dtype
    if kind == "category" or (kind is None and isinstance(dtype, pd.CategoricalDtype)):
        return Notation("category")
    if (kind or "date").startswith("date") and types.is_datetime64_any_dtype(dtype):
        return Notation("date", f"ymd {_own_zone(dtype)}".rstrip())
    native = next((kind for kind, native in _NATIVE.items() if native(dtype)), None)
    if native is not None and kind in (None, native):
        return Notation(native)
    distinct = [text for text in pd.unique(levels(series)) if isinstance(text, str)]
    if kind is not None:
        kind, _, own = kind.partition("-")
        if kind == "numeric":
            found = find_number_form(distinct, decimal=decimal, forced=True)
        elif all(not math.isnan(parse_time(text)) for text in distinct):
            return Notation("time")
        elif own:
            found = own + (find_date_form(distinct, forced=True) or ("", ""))[0][3:], ""
        else:
            found = find_date_form(distinct, order=order, forced=True)
        return Notation(kind, *(found or ("", "")))
    found = find_number_form(distinct, decimal=decimal)
    if found:
        return Notation("numeric", *found)
    if all(text.lower() in _FLAGS for text in distinct):
        return Notation("boolean")
    found = find_date_form(distinct, order=order)
    if found:
        return Notation("date", *found)
    if all(not math.isnan(parse_time(text)) for text in distinct):
        return Notation("time")
    return Notation("category")


def read(series: pd.Series, kind: str, form: str = "") -> np.ndarray:
    """The values of a column as `kind`.

    Args:
        series: values of any type [rows].
        kind: "numeric", "boolean" (0 and 1), "date" (days since 1970-01-01, by the clock of the
            form's zone), "time" (hours) or "category".
        form: how numbers or dates are written; see `Notation`.

    Returns:
        float64 [rows] with NaN for what is missing or cannot be read; for "category", an object
        array [rows] of str with NaN for what is missing.
    """
    dtype = series.dtype
    if kind == "category":
        return levels(series)
    if kind == "date" and types.is_datetime64_any_dtype(dtype):
        moments = pd.to_datetime(series, utc=True)
        own = _own_zone(dtype)
        if own:  # a clock without a zone is read as it is
            moments = moments.dt.tz_convert((form or "ymd UTC").partition(" ")[2] or own)
        since = moments.dt.tz_localize(None) - pd.Timestamp(0)
        return (since / pd.Timedelta(days=1)).to_numpy(np.float64, na_value=np.nan)
    if kind == "numeric" and types.is_timedelta64_dtype(dtype):
        return (series / pd.Timedelta(days=1)).to_numpy(np.float64)
    # A column of percents as text gives no unit to plain numbers: 0.5 may be 0.5% or 50%.
    bare = kind == "boolean" or (kind == "numeric" and takes_bare_numbers(form))
    if bare and (_is_boolean(dtype) or _is_numeric(dtype)):
        numbers = series.to_numpy(np.float64, na_value=np.nan)
        if kind == "boolean":
            numbers = np.where((numbers == 0) | (numbers == 1), numbers, np.nan)
        return numbers
    parse: Callable[[str], float] = {
        "numeric": partial(parse_number, form=form),
        "boolean": _flag,
        "date": partial(parse_date, form=form),
        "time": parse_time,
    }[kind]
    codes, distinct = pd.factorize(levels(series))  # -1 stands for missing
    return np.array([parse(text) for text in distinct] + [math.nan])[codes]


def unreadable(series: pd.Series, kind: str, values: np.ndarray) -> np.ndarray:
    """Which values are there but could not be read: a mask [rows], given `read`'s `values`."""
    failed = pd.isna(values)
    if kind == "category" or not failed.any():
        return np.zeros(len(series), dtype=bool)
    texts = levels(series)
    failed &= ~pd.isna(texts)
    return failed & ~np.isin(texts.astype(str), list(NO_NUMBER)) if kind == "numeric" else failed


def missing(series: pd.Series) -> np.ndarray:
    """Which values are missing: a mask [rows]. Text such as "" or "NA" counts as missing."""
    if any(native(series.dtype) for native in _NATIVE.values()):
        return series.isna().to_numpy(bool)
    return pd.isna(levels(series))


def levels(series: pd.Series) -> np.ndarray:
    """The values of a column as text [rows]: stripped str, NaN where missing.

    A whole number has one text, whether it arrives as 1, 1.0 or "1".
    """
    held = series.astype(object)
    if types.infer_dtype(held, skipna=True) == "string":
        codes, distinct = pd.factorize(held)  # -1 stands for missing
        return np.array([*map(_text, distinct), math.nan], dtype=object)[codes]
    absent = series.isna().to_numpy(bool)
    texts = [math.nan if gone else _text(value) for value, gone in zip(held, absent, strict=True)]
    return np.array(texts, dtype=object)


def infinite(values: np.ndarray, *, largest: float = LARGEST) -> bool:
    """Whether any number is infinite, or larger than it may be."""
    return bool((np.abs(values) > largest).any())


def shorten(value: object) -> str:
    """A value as it is shown in a message: quoted when it is text, and cut when it is long."""
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:56]}...{shown[-1]}"


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
    if kind == "category":
        if len(distinct) > MANY_LEVELS and np.mean([len(text) for text in distinct]) > LONG_TEXT:
            return "text", "it holds long text"
        if unique:
            return "identifier", "every value occurs once"
        if len(distinct) > max(MANY_LEVELS, len(present) / 2):
            return "text", f"{len(distinct)} different texts in {len(present)} rows"
    return None, ""


def _written(notation: Notation) -> str:
    """How numbers or dates are written, where that is not the usual way."""
    kind, form, _ = notation
    if kind == "numeric" and form not in ("", PLAIN):
        return f"written like {form}"
    orders = {"dmy": "day/month/year", "mdy": "month/day/year"}
    return f"written as {orders[form[:3]]}" if kind == "date" and form[:3] in orders else ""


def _almost(distinct: np.ndarray) -> str:
    """A hint for a column of numbers or dates that a few words have turned into text."""
    if len(distinct) < 10:
        return ""
    readers: dict[str, Callable[[str], bool]] = {"numbers": is_number, "dates": _is_date}
    for what, reads in readers.items():
        words = [text for text in distinct if not reads(text)]
        if not words:
            return f"{what} that are written in more than one way, or in several units"
        if len(words) <= len(distinct) / 10:
            return f"{what} but for {', '.join(shorten(word) for word in words[:3])}"
    return ""


def _alike(distinct: np.ndarray) -> str:
    """A hint for levels that differ by case or blanks only."""
    groups: dict[str, list[str]] = {}
    for text in distinct if len(distinct) <= 1000 else ():
        groups.setdefault(" ".join(text.casefold().split()), []).append(text)
    same = next((group for group in groups.values() if len(group) > 1), None)
    return f"{' and '.join(map(shorten, same[:3]))} are different levels" if same else ""


def _is_date(text: str) -> bool:
    return find_date_form([text]) is not None


def _text(value: object) -> str | float:
    """The text of one value, or NaN for a mark of a missing one."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    elif isinstance(value, (float, np.floating)) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    text = str(value).strip()
    return math.nan if text.lower() in MISSING_TEXT else text


def _flag(text: str) -> float:
    return _FLAGS.get(text.lower(), math.nan)


def _own_zone(dtype: Any) -> str:
    """The zone of a column of moments, "" for none."""
    zone = getattr(getattr(dtype, "pyarrow_dtype", dtype), "tz", None)
    return "" if zone is None else zone_name(zone)


def _is_boolean(dtype: object) -> bool:
    return types.is_bool_dtype(dtype) and not isinstance(dtype, pd.CategoricalDtype)


def _is_numeric(dtype: object) -> bool:
    plain = types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype)
    return (plain and not _is_boolean(dtype)) or types.is_timedelta64_dtype(dtype)


_NATIVE: dict[str, Callable[[object], bool]] = {
    "boolean": _is_boolean,
    "numeric": _is_numeric,
    "date": types.is_datetime64_any_dtype,
}
