"""What is known of users or items besides their ratings, as blocks of columns on one scale."""

from __future__ import annotations

from typing import Any

import numpy as np

from taut.errors import InputError
from taut.recommendation.ratings import ids_of

SEPARATOR = "|"
INTERCEPT = 3.0
"""The column of ones is this: it is hardly penalised."""


def read_features(frame: Any, id_column: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Numbers of a frame of users or of items.

    A number gives its standardised value and the square of that; where it is missing, both are 0. A
    text is one category or, with `|` between them, several; each gives a column of 0 and 1.

    Args:
        frame: One line an id.
        id_column: The name of that column.

    Returns:
        Ids [lines]; values [lines, columns], whose mean square over the lines is 1 in sum for each
        column of the frame; names of the columns.

    Raises:
        InputError: The column is missing, an id is there twice, or a column cannot be read.
    """
    import pandas as pd

    from taut.frames.as_frame import as_frame

    table = as_frame(frame)
    if id_column not in table.columns:
        raise InputError(
            f"Features must have the column {id_column!r} with the ids. Received: "
            f"{list(table.columns)}."
        )
    ids = ids_of(table[id_column])
    if len(np.unique(ids)) < len(ids):
        raise InputError(
            f"Features must have one line for each id. Received: {len(ids)} lines of "
            f"{len(np.unique(ids))}. Use `frame.drop_duplicates({id_column!r})`."
        )
    blocks, names = [], []
    for name in table.columns:
        if name == id_column:
            continue
        series = table[name]
        if pd.api.types.is_bool_dtype(series.dtype):
            series = series.astype(float)
        read = _number if pd.api.types.is_numeric_dtype(series.dtype) else _categories
        block, columns = read(series)
        size = np.sqrt((block**2).sum(axis=1).mean()) if block.size else 0.0
        if size:
            blocks.append(block / size)
            names += [f"{name}{column}" for column in columns]
    if not blocks:
        raise InputError(
            "Features must have a column that differs between ids. Received: "
            f"{list(table.columns)}."
        )
    return ids, np.hstack(blocks), names


def _number(series: Any) -> tuple[np.ndarray, list[str]]:
    values = series.to_numpy(float, na_value=np.nan)
    there = np.isfinite(values)
    if not there.any() or np.ptp(values[there]) == 0:
        return np.zeros((len(values), 0)), []
    z = (values - values[there].mean()) / values[there].std()
    z = z.clip(-5, 5)
    square = z**2 - (z[there] ** 2).mean()
    return np.where(there[:, None], np.stack([z, square], 1), 0.0), ["", "²"]


def _categories(series: Any) -> tuple[np.ndarray, list[str]]:
    texts = ["" if missing else str(value) for value, missing in zip(series, series.isna())]  # noqa: B905
    of_line = [[part.strip() for part in text.split(SEPARATOR) if part.strip()] for text in texts]
    distinct = sorted({part for parts in of_line for part in parts})
    place = {part: k for k, part in enumerate(distinct)}
    values = np.zeros((len(texts), len(distinct)))
    for line, parts in enumerate(of_line):
        values[line, [place[part] for part in parts]] = 1.0
    return values, [f"={part}" for part in distinct]


def aligned(ids: np.ndarray, values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Values in the order of the ids known, [known, columns]; zeros where there are none."""
    places = np.searchsorted(known, ids).clip(max=len(known) - 1)
    there = known[places] == ids
    out = np.zeros((len(known), values.shape[1]))
    out[places[there]] = values[there]
    return out


def design(seen: Any, features: np.ndarray | None) -> Any:
    """A row for each user (item): ones, what is known of it, and whom it met, each of length 1.

    Args:
        seen: [rows, others], sparse: one where a rating is.
        features: [rows, columns] or None.

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
