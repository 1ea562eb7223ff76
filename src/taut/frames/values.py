"""The values of one messy column: how they are written, and what they are as numbers or levels.

Everything that is not a plain number, boolean or date goes through its text: stripped of
surrounding spaces, with the usual marks of missing values recognised. So a column means the same
whether it comes from CSV, from Parquet, or from objects in memory, and means at prediction what
it meant in training.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pandas.api import types

from taut.frames.date_texts import no_date, parse_time
from taut.frames.dates import find_date_form, parse_date, zone_name
from taut.frames.numbers import (
    find_number_form,
    no_value,
    parse_number,
    takes_bare_numbers,
    to_float,
)

# "None" is not among them: it is often a real level, or a real class ("None", "Mild", "Severe").
# A column of numbers still reads it as missing.
MISSING_TEXT = frozenset(
    ["", "?", "na", "n/a", "#na", "#n/a", "<na>", "nan", "-nan", "nat", "null", r"\n"]
)
EXACT = 1 << 53
"""From here on a float may be another whole number."""
LARGEST = float(np.finfo(np.float64).max)
# Blanks, and signs that control a machine (but for escapes, which begin a text of their own),
# take no room or turn the direction of writing.
_UNSEEN = r"[\s\x00-\x1a\x1c-\x1f\x7f\u200b-\u200f\u2060-\u2069\u202a-\u202e\ufeff\xad]+"
_AROUND = re.compile(f"^{_UNSEEN}|{_UNSEEN}$")
_WHOLE = re.compile(r"(-?\d+)\.0+")
_FLAGS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}


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
        if kind is None and types.is_integer_dtype(dtype) and names_in_digits(series.dropna()):
            return Notation("category")
        return Notation(native)
    distinct = [text for text in pd.unique(levels(series)) if isinstance(text, str)]
    if kind is not None:
        kind, _, order_given = kind.partition("-")
        if kind == "numeric":
            notation = find_number_form(distinct, decimal=decimal, forced=True)
        elif all(not math.isnan(parse_time(text)) for text in distinct):
            return Notation("time")
        elif order_given:
            notation = order_given + (find_date_form(distinct, forced=True) or ("", ""))[0][3:], ""
        else:
            notation = find_date_form(distinct, order=order, forced=True)
        return Notation(kind, *(notation or ("", "")))
    notation = find_number_form(distinct, decimal=decimal)
    if notation:
        digits = all(re.fullmatch(r"-?[0-9]+", text) for text in distinct)
        if digits and names_in_digits(pd.Series(map(int, distinct), dtype=object)):
            return Notation("category")
        return Notation("numeric", *notation)
    there = [text for text in distinct if not no_value(text)]
    if there and all(text.lower() in _FLAGS for text in there):
        return Notation("boolean")
    notation = find_date_form(distinct, order=order)
    if notation:
        return Notation("date", *notation)
    if there and all(not math.isnan(parse_time(text)) for text in there):
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
        zone = _own_zone(dtype)
        if zone:  # a clock without a zone is read as it is
            moments = moments.dt.tz_convert((form or "ymd UTC").partition(" ")[2] or zone)
        clock = moments.dt.tz_localize(None).to_numpy()
        # In their own unit: in nanoseconds, 9999-12-31 is out of range.
        days = clock.astype(np.int64) / (np.timedelta64(1, "D") / _unit(clock))
        return np.where(np.isnat(clock), np.nan, days)
    if _is_duration(dtype) and kind in ("time", "numeric"):
        # Releases before 0.4 read them as numbers, in days.
        unit = pd.Timedelta(hours=1) if kind == "time" else pd.Timedelta(days=1)
        return (series.astype("timedelta64[ns]") / unit).to_numpy(np.float64)
    # A column of percents as text gives no unit to plain numbers: 0.5 may be 0.5% or 50%.
    bare = kind == "boolean" or (kind == "numeric" and takes_bare_numbers(form))
    if bare and (_is_boolean(dtype) or is_numeric_type(dtype)):
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
    return failed & ~np.isin(texts.astype(str), list(gaps(texts[failed], kind)))


def gaps(texts: Iterable[object], kind: str) -> set[str]:
    """Which texts say, among others of a kind, that there is no value."""
    stands = no_date if kind == "date" else no_value
    return {text for text in set(texts) if isinstance(text, str) and stands(text)}


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


def names_in_digits(whole: pd.Series) -> bool:
    """Whether some of the whole numbers differ, but not as floats, which hold 15 digits.

    They count or measure nothing then, as those of accounts and messages.
    """
    if not len(whole) or max(abs(int(whole.min())), abs(int(whole.max()))) < EXACT:
        return False
    distinct = whole.drop_duplicates()
    if distinct.dtype == object:  # Python's own numbers may be larger than any float
        return len({to_float(str(number)) for number in distinct}) < len(distinct)
    return distinct.astype(float).nunique() < len(distinct)


def infinite(values: np.ndarray, *, largest: float = LARGEST) -> bool:
    """Whether any number is infinite, or larger than it may be."""
    return bool((np.abs(values) > largest).any())


def shorten(value: object) -> str:
    """A value as it is shown in a message: quoted when it is text, and cut when it is long."""
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:56]}...{shown[-1]}"


def bare(text: str) -> str:
    """The text without blanks around it, nor signs that nobody sees; each letter is one character.

    What is half a character, as where a message was cut within an emoji, is �. Of ="007", by which
    files tell Excel that a value is text, the value.

    Example:
        >>> bare("\u200bKo\u0308ln\xa0") == "K\xf6ln"
        True
    """
    text = text.strip()
    if text.startswith('="') and text.endswith('"') and len(text) > 2:
        text = text[2:-1].strip()
    if text.isascii():
        return text if text.isprintable() else _AROUND.sub("", text)
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return unicodedata.normalize("NFC", _AROUND.sub("", whole))


def spelling(text: str) -> str:
    """The text without what is written in several ways: case, blanks, width of letters, 3.0 for 3.

    Example:
        >>> spelling("New  York ") == spelling("new york"), spelling("3.0")
        (True, '3')
    """
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    whole = _WHOLE.fullmatch(folded)
    return whole[1] if whole else folded


def _text(value: object) -> str | float:
    """The text of one value, or NaN for a mark of a missing one."""
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            value = value.decode("latin-1")  # others stay others
    elif isinstance(value, (float, np.floating)) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    text = bare(str(value))
    return math.nan if text.lower() in MISSING_TEXT else text


def _flag(text: str) -> float:
    return _FLAGS.get(text.lower(), math.nan)


def _unit(clock: np.ndarray) -> np.timedelta64:
    """The step of an array of moments."""
    unit, number = np.datetime_data(clock.dtype)
    return np.timedelta64(number, unit)


def _own_zone(dtype: Any) -> str:
    """The zone of a column of moments, "" for none."""
    zone = getattr(getattr(dtype, "pyarrow_dtype", dtype), "tz", None)
    return "" if zone is None else zone_name(zone)


def _is_boolean(dtype: object) -> bool:
    return types.is_bool_dtype(dtype) and not isinstance(dtype, pd.CategoricalDtype)


def is_numeric_type(dtype: object) -> bool:
    plain = types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype)
    return plain and not _is_boolean(dtype)


def _is_duration(dtype: object) -> bool:
    return types.is_timedelta64_dtype(dtype) or str(dtype).startswith("duration[")


_NATIVE: dict[str, Callable[[object], bool]] = {
    "boolean": _is_boolean,
    "numeric": is_numeric_type,
    "date": types.is_datetime64_any_dtype,
    "time": _is_duration,
}
