"""Columns of ratings, times and features, with the type that their values have."""

from __future__ import annotations

from typing import Any

import numpy as np

from taut.errors import InputError

NUMBERS = "integer", "floating", "mixed-integer-float", "decimal"
DATES = "date", "datetime", "datetime64"


def plain(series: Any) -> Any:
    """A column of numbers, booleans or dates as such, where it holds them as objects.

    Python's numbers, decimals and dates, of which Arrow and data bases give columns of objects, are
    what they are, not texts; so are lengths of time, in seconds, and periods, by their start.

    Args:
        series: A pandas series.

    Raises:
        InputError: Dates are such that pandas cannot hold them.
    """
    import pandas as pd

    kinds = pd.api.types
    if isinstance(series.dtype, pd.CategoricalDtype):
        return series
    if isinstance(series.dtype, pd.PeriodDtype):
        return series.dt.to_timestamp()
    if kinds.is_timedelta64_dtype(series.dtype):
        return series.dt.total_seconds()
    of_objects = kinds.is_object_dtype(series.dtype) or isinstance(series.dtype, pd.ArrowDtype)
    kind = kinds.infer_dtype(series, skipna=True) if of_objects else ""
    if kind in NUMBERS:
        values = [np.nan if pd.isna(v) else float(v) for v in series]
        return pd.Series(values, series.index, float, name=series.name)
    if kind == "boolean":
        return series.astype("boolean")
    if kind in DATES:
        try:
            return pd.to_datetime(series.astype(object), utc=True)
        except ValueError as error:
            raise InputError(
                f"Dates must be such that pandas can hold. Received: `{series.name}`, where "
                f"{error}."
            ) from error
    return series
