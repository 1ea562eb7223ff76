"""What is known of users or items besides their ratings, as blocks of columns on one scale."""

from __future__ import annotations

from typing import Any

import numpy as np

from taut.errors import InputError
from taut.recommendation.plain_columns import plain
from taut.recommendation.rating_ids import numbered

SEPARATOR = "|"
INTERCEPT = 3.0
"""The column of ones is this: it is hardly penalised."""


def read_features(frame: Any, id_column: str) -> tuple[np.ndarray, Any, list[str]]:
    """Numbers of a frame of users or of items.

    A number, or a date, gives its standardised value and the square of that; where it is missing,
    both are 0. A text is one category or, with `|` between them or in a list, several; each gives
    a column of 0 and 1.

    Args:
        frame: One line an id.
        id_column: The name of that column.

    Returns:
        Ids [lines], sorted; values [lines, columns] sparse, whose mean square over the lines is 1
        in sum for each column of the frame; names of the columns.

    Raises:
        InputError: The column is missing, an id is there twice, or a column cannot be read.
    """
    from scipy.sparse import csr_array, hstack

    from taut.frames.as_frame import as_frame

    table = as_frame(frame)
    if table.columns.duplicated().any():
        raise InputError(f"Columns must have different names. Received: {list(table.columns)}.")
    if id_column not in table.columns:
        raise InputError(
            f"Features must have the column {id_column!r} with the ids. Received: "
            f"{list(table.columns)}."
        )
    ids, codes = numbered(table[id_column], id_column)
    if len(ids) < len(codes):
        raise InputError(
            f"Features must have one line for each id. Received: {len(codes)} lines of "
            f"{len(ids)}. Use `frame.drop_duplicates({id_column!r})`."
        )
    table = table.iloc[np.argsort(codes)]
    blocks, names = [], []
    for name in table.columns:
        if name == id_column:
            continue
        block, columns = _block(table[name])
        size = np.sqrt((block**2).sum() / len(ids))
        if size:
            blocks.append(block / size)
            names += [f"{name}{column}" for column in columns]
    if not blocks:
        raise InputError(
            "Features must have a column that differs between ids. Received: "
            f"{list(table.columns)}."
        )
    return ids, csr_array(hstack(blocks)), names


def _block(series: Any) -> tuple[Any, list[str]]:
    """A column's values, [lines, columns] sparse, and the ends of their names."""
    import pandas as pd
    from scipy.sparse import csr_array

    kinds = pd.api.types
    series = plain(series)
    if kinds.is_datetime64_any_dtype(series.dtype):
        series = (series - series.min()) / pd.Timedelta(days=1)
    if kinds.is_complex_dtype(series.dtype):
        raise InputError(f"Features must be real numbers. Received: `{series.name}`, complex.")
    if kinds.is_numeric_dtype(series.dtype) or kinds.is_bool_dtype(series.dtype):
        values, columns = _number(series)
        return csr_array(values), columns
    return _categories(series)


def _number(series: Any) -> tuple[np.ndarray, list[str]]:
    values = series.to_numpy(float, na_value=np.nan)
    if np.isinf(values).any():
        raise InputError(
            f"Features must be finite, or missing. Received: `{series.name}` with "
            f"{int(np.isinf(values).sum())} that are infinite. Write what is not known as missing."
        )
    there = np.isfinite(values)
    if not there.any() or (values[there] == values[there][0]).all():
        return np.zeros((len(values), 0)), []
    # Near 1: squares of very large or small numbers are infinite or 0.
    values = np.ldexp(values, -np.frexp(np.abs(values[there]).max())[1])
    z = (values - values[there].mean()) / values[there].std()
    z = z.clip(-5, 5)
    square = z**2 - (z[there] ** 2).mean()
    return np.where(there[:, None], np.stack([z, square], 1), 0.0), ["", "²"]


def _categories(series: Any) -> tuple[Any, list[str]]:
    from scipy.sparse import csr_array

    of_line = [_parts(value) for value in series]
    distinct = sorted(set().union(*of_line))
    place = {part: k for k, part in enumerate(distinct)}
    lines = np.repeat(np.arange(len(of_line)), list(map(len, of_line)))
    columns = [place[part] for parts in of_line for part in sorted(parts)]
    shape = len(of_line), len(distinct)
    values = csr_array((np.ones(len(lines)), (lines, np.array(columns, int))), shape=shape)
    return values, [f"={part}" for part in distinct]


def _parts(value: Any) -> set[str]:
    """The categories of one cell: of a text, or of a list of them."""
    import pandas as pd

    if isinstance(value, (list, tuple, set, np.ndarray)):
        return set().union(*map(_parts, value))
    if pd.isna(value):
        return set()
    return {part.strip() for part in str(value).split(SEPARATOR)} - {""}


def aligned(ids: np.ndarray, values: Any, known: np.ndarray) -> Any:
    """Values at the places of their ids among those known, [known, columns]; others are zeros."""
    return moved_rows(values, np.searchsorted(known, ids), len(known))


def moved_rows(values: Any, places: np.ndarray, rows: int) -> Any:
    """Rows of a sparse matrix at other places of one with `rows` rows, all others zeros."""
    from scipy.sparse import csr_array

    moved = csr_array((np.ones(len(places)), (places, np.arange(len(places)))), (rows, len(places)))
    return csr_array(moved @ values)


def design(seen: Any, features: Any) -> Any:
    """A row for each user (item): ones, what is known of it, and whom it met, each of length 1.

    Args:
        seen: [rows, others], sparse: one where a rating is.
        features: [rows, columns] sparse, or None.

    Returns:
        [rows, 1 + columns + others], sparse.
    """
    from scipy.sparse import csr_array, diags_array, hstack

    count = np.asarray(seen.sum(axis=1)).ravel()
    met = diags_array(1 / np.sqrt(np.maximum(count, 1.0))) @ seen
    parts = [csr_array(np.full((seen.shape[0], 1), INTERCEPT))]
    if features is not None:
        parts.append(csr_array(features))
    return csr_array(hstack([*parts, met]))
