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
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from pandas.api import types

# "None" is not among them: it is often a real level, or a real class ("None", "Mild", "Severe").
# A column of numbers still reads it as missing.
MISSING_TEXT = frozenset(
    ["", "?", "na", "n/a", "#na", "#n/a", "<na>", "nan", "-nan", "nat", "null"]
)
MANY_LEVELS = 25  # more levels than this are grouped; as many as half the rows are text
LONG_TEXT = 50  # characters, on average over the distinct values
LARGEST = float(np.finfo(np.float64).max)

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ].*)?")
_ID_NAME = re.compile(r"(?i:(^|[_\W])(id|uuid|guid|key|index|row|rownames?))$|[a-z](Id|ID)$")
_FLAGS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}


@dataclass(frozen=True)
class Column:
    """What was understood of one input column.

    Args:
        name: the column's name.
        kind: "numeric", "boolean", "date" (days since 1970-01-01) or "category"; or, not used by
            default, "identifier", "text", "constant" or "empty".
        used: whether the column is an input of the model.
        reason: why it is not used, or what else there is to know; often empty.
        missing: number of rows without a value.
        levels: number of different values.
    """

    name: str
    kind: str
    used: bool
    reason: str
    missing: int
    levels: int


def understand_column(name: str, series: pd.Series, *, forced: bool = False) -> Column:
    """Says what a column holds and whether it can be an input.

    Args:
        name: the column's name; an integer column with unique values and a name such as
            `customer_id` is an identifier.
        series: the column's values [rows].
        forced: the user asked for this column: an identifier or a text is used all the same, as
            numbers or as categories.

    Returns:
        A `Column`.

    Example:
        >>> understand_column("age", pd.Series(["31", " 42", "?"])).kind
        'numeric'
    """
    kind = reading(series)
    values = read(series, kind)
    present = values[~pd.isna(values)]
    distinct = np.asarray(pd.unique(present))
    used, reason = True, ""
    hint = _almost_numeric(distinct) if kind == "category" else ""
    if len(present) == 0:
        kind, used, reason = "empty", False, "every value is missing"
    elif len(distinct) == 1 and len(present) == len(series):
        kind, used = "constant", False
        reason = f"every value is {shorten(levels(series.iloc[:1])[0])}"
    elif not forced:
        other, reason = _not_an_input(name, kind, present, distinct)
        kind, used = other or kind, other is None
    reason = "; ".join(part for part in (reason, hint) if part)
    missing = len(series) - len(present)
    return Column(name, kind, used, reason, missing=missing, levels=len(distinct))


def reading(series: pd.Series) -> str:
    """How the values of a column read: "numeric", "boolean", "date" or "category".

    A declared category stays one. Text is numeric, boolean (true, false) or a date (year first,
    as in 2026-11-23) when every value that is not missing reads as such.
    """
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return "category"
    for kind, native in _NATIVE.items():
        if native(dtype):
            return kind
    distinct = [text for text in pd.unique(levels(series)) if isinstance(text, str)]
    for kind in _PARSE:
        if all(_reads(text, kind) for text in distinct):
            return kind
    return "category"


def read(series: pd.Series, kind: str) -> np.ndarray:
    """The values of a column as `kind`.

    Args:
        series: values of any type [rows].
        kind: "numeric", "boolean" (0 and 1), "date" (days since 1970-01-01, UTC) or "category".

    Returns:
        float64 [rows] with NaN for what is missing or cannot be read; for "category", an object
        array [rows] of str with NaN for what is missing.
    """
    dtype = series.dtype
    if kind == "category":
        return levels(series)
    if kind == "date" and types.is_datetime64_any_dtype(dtype):
        since = pd.to_datetime(series, utc=True) - pd.Timestamp(0, tz="UTC")
        return (since / pd.Timedelta(days=1)).to_numpy(np.float64, na_value=np.nan)
    if kind == "numeric" and types.is_timedelta64_dtype(dtype):
        return (series / pd.Timedelta(days=1)).to_numpy(np.float64)
    if kind in ("numeric", "boolean") and (_is_boolean(dtype) or _is_numeric(dtype)):
        numbers = series.to_numpy(np.float64, na_value=np.nan)
        if kind == "boolean":
            numbers = np.where((numbers == 0) | (numbers == 1), numbers, np.nan)
        return numbers
    codes, distinct = pd.factorize(levels(series))  # -1 stands for missing
    parsed = np.array([_PARSE[kind](text) for text in distinct] + [math.nan])
    return parsed[codes]


def unreadable(series: pd.Series, kind: str, values: np.ndarray) -> np.ndarray:
    """Which values are there but could not be read: a mask [rows], given `read`'s `values`."""
    failed = pd.isna(values)
    if kind == "category" or not failed.any():
        return np.zeros(len(series), dtype=bool)
    texts = levels(series)
    failed &= ~pd.isna(texts)
    return failed & (texts != "None") if kind == "numeric" else failed


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
    if whole and unique:
        # A table that is a part of another has gaps in its row numbers, but not many.
        if present.min() >= 0 and present.max() <= 1.5 * len(present):
            return "identifier", "it numbers the rows"
        if _ID_NAME.search(name):
            return "identifier", "every whole number occurs once, and its name says identifier"
    if kind == "category":
        if len(distinct) > MANY_LEVELS and np.mean([len(text) for text in distinct]) > LONG_TEXT:
            return "text", "it holds long text"
        if unique:
            return "identifier", "every value occurs once"
        if len(distinct) > max(MANY_LEVELS, len(present) / 2):
            return "text", f"{len(distinct)} different texts in {len(present)} rows"
    return None, ""


def _almost_numeric(distinct: np.ndarray) -> str:
    """A hint for a column of numbers that a few words have turned into text."""
    words = [text for text in distinct if not _reads(text, "numeric")]
    if len(distinct) >= 10 and len(words) <= len(distinct) / 10:
        return f"numbers but for {', '.join(shorten(word) for word in words[:3])}"
    return ""


def _text(value: object) -> str | float:
    """The text of one value, or NaN for a mark of a missing one."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    elif isinstance(value, (float, np.floating)) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    text = str(value).strip()
    return math.nan if text.lower() in MISSING_TEXT else text


def _reads(text: str, kind: str) -> bool:
    return not math.isnan(_PARSE[kind](text)) or (kind == "numeric" and text == "None")


def _number(text: str) -> float:
    try:
        return float(text) if "_" not in text else math.nan
    except ValueError:
        return math.nan


def _flag(text: str) -> float:
    return _FLAGS.get(text.lower(), math.nan)


def _days(text: str) -> float:
    if not _ISO_DATE.fullmatch(text):
        return math.nan
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return math.nan
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() / 86400


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
# In the order in which text is tried.
_PARSE: dict[str, Callable[[str], float]] = {"numeric": _number, "boolean": _flag, "date": _days}
