"""A table in memory, whatever library it comes from, as a pandas data frame."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from taut.checks import names_given
from taut.errors import InputError
from taut.frames.numbers import to_float
from taut.frames.values import EXACT, levels

NOTES = "taut.notes"
"""Where a frame's `attrs` hold what its reader has to tell."""


def as_frame(table: Any) -> pd.DataFrame:
    """The same table with its column names as str, without a copy where that can be.

    Args:
        table: a pandas data frame, or one of polars, pyarrow or another library that can hand its
            columns over as Arrow or as pandas.

    Raises:
        InputError: it is no table.
    """
    if hasattr(table, "collect") and hasattr(table, "lazy"):  # of polars, not computed yet
        table = table.collect()
    if isinstance(table, pd.DataFrame):
        frame = table
    elif hasattr(table, "__arrow_c_stream__") and not hasattr(table, "to_frame"):
        import pyarrow

        frame = from_arrow(pyarrow.table(table))
    elif hasattr(table, "to_pandas") and not hasattr(table, "to_frame"):
        frame = table.to_pandas()
    elif hasattr(table, "__dataframe__"):
        import pyarrow.interchange

        frame = from_arrow(pyarrow.interchange.from_dataframe(table))
    else:
        raise InputError(
            "A table is a data frame of polars or pyarrow, or a pandas DataFrame. "
            f"Received: {type(table).__name__}. Convert it, for example with `.to_pandas()` or "
            "`pandas.DataFrame(…)`; a file is read by `taut.frames.read.read_table(path)`."
        )
    return frame.set_axis([str(name) for name in frame.columns], axis="columns")


def is_table(value: Any) -> bool:
    """Whether it is a table of another library than pandas that `as_frame` takes, not an array."""
    lazy = hasattr(value, "collect") and hasattr(value, "lazy")
    whole = any(hasattr(value, name) for name in ("__arrow_c_stream__", "__dataframe__"))
    return lazy or (whole and not hasattr(value, "to_frame"))


def from_arrow(table: Any) -> pd.DataFrame:
    """A table of pyarrow as pandas, with all digits of its whole numbers.

    Beside gaps pyarrow makes floats of them, which hold 15 digits.
    """
    import pyarrow
    import pyarrow.compute

    frame = table.to_pandas()
    exact = {pyarrow.int64(): pd.Int64Dtype(), pyarrow.uint64(): pd.UInt64Dtype()}
    names = [str(name) for name in frame.columns]
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.type in exact and column.null_count and names.count(name) == 1:
            ends = pyarrow.compute.min_max(column).as_py().values()
            if any(end is not None and abs(end) >= EXACT for end in ends):
                held = column.to_pandas(types_mapper=exact.get)
                frame.isetitem(names.index(name), held.set_axis(frame.index))
    return frame


def check_marks(na: Sequence[Any] | str) -> tuple[str, ...]:
    """Further marks of missing values, as text without surrounding blanks."""
    return tuple(mark.strip() for mark in names_given(na=na))


def blank(frame: pd.DataFrame, na: Sequence[str]) -> pd.DataFrame:
    """The table with each value that is one of the marks missing; numbers are compared as such."""
    if not na:
        return frame
    marks = {mark.casefold() for mark in na}
    numbers = [to_float(mark) for mark in na if not math.isnan(to_float(mark))]
    changed: dict[str, pd.Series] = {}
    for name in dict.fromkeys(frame.columns):
        series = frame.loc[:, name]
        if isinstance(series, pd.DataFrame):
            continue  # given twice, which is refused where it matters
        dtype = series.dtype
        if types.is_bool_dtype(dtype) or types.is_datetime64_any_dtype(dtype):
            continue
        if types.is_numeric_dtype(dtype):
            hit = series.isin(numbers).to_numpy(bool)
        else:
            codes, distinct = pd.factorize(levels(series))
            is_mark = [text.casefold() in marks or to_float(text) in numbers for text in distinct]
            hit = np.array([*is_mark, False])[codes]
        if hit.any():
            changed[name] = series.mask(hit)
    return with_columns(frame, changed) if changed else frame


def with_columns(frame: pd.DataFrame, columns: Mapping[str, Any]) -> pd.DataFrame:
    """The table with other values in some columns, which may have any name.

    `assign` takes names as arguments, and a column may be called "self".
    """
    after = frame.copy(deep=False)
    for name, values in columns.items():
        after[name] = values
    return after


def refuse_duplicates(file: object, names: Iterable[str]) -> None:
    """Raise if two columns of a file, which is shown as its str, have one name."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        shown = ", ".join(map(repr, repeated[:10]))
        raise InputError(
            f"Every column needs a name of its own. Received more than once in {file}: "
            f"{shown}. Rename the columns (the first line of a text file must be their names)."
        )
