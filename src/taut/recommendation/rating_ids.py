"""Ids of users and items: integers or texts, and their places among those known."""

from __future__ import annotations

from typing import Any

import numpy as np

from taut.checks import check_ordered
from taut.errors import InputError

LARGEST = np.iinfo(np.int64).max


def numbered(values: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Distinct ids, sorted, and the place of each value among them.

    Args:
        values: A column.
        name: What it is called in errors.

    Raises:
        InputError: Some are missing, or are neither integers nor texts.
    """
    import pandas as pd

    series = _column(values, name)
    # Distinct first: an array of texts takes as much room for each as for the longest.
    codes, distinct = pd.factorize(series)
    kind = pd.api.types.infer_dtype(distinct, skipna=False)
    if kind != "integer" and any(text.endswith("\0") for text in distinct):
        raise InputError(
            "Texts that are ids must not end in a zero byte, which is not told from none. "
            f"Received: `{name}` with such. Use `.str.rstrip('\\0')`."
        )
    ids = np.asarray(distinct, np.int64 if kind == "integer" else str)
    ids = ids if len(ids) else np.zeros(0, _dtype(series))
    order = np.argsort(ids, kind="stable")
    places = np.empty(len(ids), int)
    places[order] = np.arange(len(ids))
    return ids[order], places[codes]


def codes_of(values: Any, known: np.ndarray, name: str) -> np.ndarray:
    """The places of ids among those known, −1 for others.

    Args:
        values: A column, a list or one id.
        known: Ids, sorted.
        name: What the values are called in errors.

    Raises:
        InputError: They are of another type than those known, or are no ids.
    """
    check_ordered(**{name: values})
    one = isinstance(values, (str, bytes)) or not hasattr(values, "__iter__") or _axes(values) == 0
    listed = [values] if one else values if _is_column(values) else list(values)
    nested = isinstance(listed, list) and any(isinstance(v, (list, tuple)) for v in listed)
    if nested or _axes(values) > 1 or hasattr(values, "columns"):
        raise InputError(
            f"`{name}` must be one id, or a flat list where several are taken. Received: "
            f"{values!r:.60}."
        )
    given, codes = numbered(listed, name)
    if not len(given):
        return codes
    check_kind(given, known, name)
    places = np.searchsorted(known, given).clip(max=len(known) - 1)
    return np.where(known[places] == given, places, -1)[codes]


def check_kind(given: np.ndarray, known: np.ndarray, name: str) -> None:
    """Raise unless ids are integers where those known are, and texts where those are."""
    if (given.dtype.kind == "i") != (known.dtype.kind == "i"):
        words = ["integers" if ids.dtype.kind == "i" else "texts" for ids in (known, given)]
        raise InputError(
            f"`{name}` must be {words[0]}, as in the ratings. Received: {words[1]}, such as "
            f"{given.tolist()[0]!r}. Convert them by `.astype`."
        )


def _axes(values: Any) -> int:
    return int(getattr(values, "ndim", 1))


def _is_column(values: Any) -> bool:
    """Whether it is an array or a column, of whatever library."""
    return any(hasattr(values, name) for name in ("dtype", "to_pandas"))


def _column(values: Any, name: str) -> Any:
    """The values as a pandas series of integers or of texts."""
    import pandas as pd

    if hasattr(values, "to_pandas"):  # of polars or Arrow
        values = values.to_pandas()
    if not isinstance(values, (pd.Series, np.ndarray, pd.api.extensions.ExtensionArray, pd.Index)):
        # An array may be one of JAX or torch.
        values = np.asarray(values) if hasattr(values, "__array__") else list(values)
    series = pd.Series(values, dtype=None if len(values) else object)
    if missing := int(series.isna().sum()):
        raise InputError(
            f"Each id must be known. Received: {missing} of {len(series)} in `{name}` that are "
            f"missing. Leave them out, of a frame by `frame.dropna(subset=[{name!r}])`."
        )
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)
    kind = pd.api.types.infer_dtype(series, skipna=False)
    if kind == "unknown-array":  # categories of Arrow
        series = series.astype(object)
        kind = pd.api.types.infer_dtype(series, skipna=False)
    if kind == "integer":
        if len(series) and max(int(series.max()), -int(series.min())) > LARGEST:
            raise InputError(
                f"Integer ids must be less than 2**63. Received: `{name}` up to {series.max()}. "
                "Convert them by `.astype(str)`."
            )
    elif kind not in ("string", "empty"):
        found = sorted({type(value).__name__ for value in series})
        whole = kind == "floating" and (series % 1 == 0).all()
        raise InputError(
            f"Ids must be integers, or texts. Received: `{name}` of {' and '.join(found)}. "
            f"Convert them by `.astype({'int' if whole else 'str'})`."
        )
    return series


def _dtype(series: Any) -> Any:
    import pandas as pd

    return np.int64 if pd.api.types.is_integer_dtype(series.dtype) else "<U1"
