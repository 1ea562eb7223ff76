"""Ratings as numbers: who rated what, how, and when."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from taut.errors import InputError

DAY = 86_400
"""Seconds."""


@dataclass(frozen=True)
class Columns:
    """What the columns of a frame of ratings are called.

    Attributes:
        user, item: Ids, integers or texts.
        rating: Numbers; None where whoever is in the frame has seen the item, and no more is known.
        time: Seconds since some moment, or dates; None without.
    """

    user: str = "user"
    item: str = "item"
    rating: str | None = "rating"
    time: str | None = None

    def __post_init__(self) -> None:
        names = [name for name in (self.user, self.item, self.rating, self.time) if name]
        if len(set(names)) < len(names):
            raise InputError(f"Each column must have a name of its own. Received: {names}.")


@dataclass(frozen=True, eq=False)
class Ratings:
    """Ratings with ids as numbers.

    Attributes:
        users, items: The ids, sorted; a code is a place in these.
        user, item: [ratings] codes.
        rating: [ratings] floats; ones where there is no rating.
        day: [ratings] whole days; None without times.
    """

    users: np.ndarray
    items: np.ndarray
    user: np.ndarray
    item: np.ndarray
    rating: np.ndarray
    day: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.rating)

    @cached_property
    def by_user(self) -> np.ndarray:
        """Ratings of each user, [users]."""
        return np.bincount(self.user, minlength=len(self.users))

    @cached_property
    def by_item(self) -> np.ndarray:
        """Ratings of each item, [items]."""
        return np.bincount(self.item, minlength=len(self.items))

    def take(self, rows: np.ndarray) -> Ratings:
        """Some of the ratings, of the same users and items."""
        day = None if self.day is None else self.day[rows]
        return Ratings(
            self.users, self.items, self.user[rows], self.item[rows], self.rating[rows], day
        )

    def matrix(self, values: np.ndarray | None = None) -> Any:
        """[users, items] as a sparse matrix; ones where a rating is, unless values are given."""
        from scipy.sparse import csr_array

        shape = len(self.users), len(self.items)
        return csr_array(
            (np.ones(len(self)) if values is None else values, (self.user, self.item)), shape=shape
        )


def read_ratings(frame: Any, columns: Columns, *, more_items: np.ndarray | None = None) -> Ratings:
    """Ratings of a frame, checked: ids that are ids, numbers that are finite, no pair twice.

    Args:
        frame: One line a rating; pandas, polars or Arrow.
        columns: What its columns are called.
        more_items: Ids of items that may have no rating.

    Raises:
        InputError: A column is missing, nothing is there, an id or a rating is missing or is none,
            a pair is rated twice, or there is but one user or one item.
    """
    table = table_of(frame, columns)
    user, item = ids_of(table[columns.user]), ids_of(table[columns.item])
    rating, day = _numbers(table, columns), _days(table, columns)
    _refuse_twice(table, columns)
    users, user_codes = np.unique(user, return_inverse=True)
    everything = item if more_items is None else _same_kind(item, more_items, columns.item)
    items = np.unique(everything)
    for what, distinct in (("user", users), ("item", np.unique(item))):
        if len(distinct) < 2:
            raise InputError(
                f"Ratings must be of two {what}s at least: one alone has nobody to be compared "
                f"with. Received: {len(table)} ratings, all of the {what} {distinct.tolist()[0]!r}."
            )
    return Ratings(users, items, user_codes, np.searchsorted(items, item), rating, day)


def read_some(frame: Any, columns: Columns, items: np.ndarray) -> Ratings:
    """Ratings of known items, by one user or more.

    Args:
        frame: As for `read_ratings`.
        columns: What its columns are called.
        items: The known ids.

    Raises:
        InputError: As `read_ratings`, and for items that are not known.
    """
    table = table_of(frame, columns)
    user, item = ids_of(table[columns.user]), codes_of(table[columns.item], items, columns.item)
    rating, day = _numbers(table, columns), _days(table, columns)
    _refuse_twice(table, columns)
    if (item < 0).any():
        unknown = table.loc[item < 0, columns.item].unique().tolist()
        raise InputError(
            f"Items must be known. Received: {len(unknown)} that are not, such as {unknown[:5]}. "
            "Leave their ratings out, or fit again."
        )
    users, codes = np.unique(user, return_inverse=True)
    return Ratings(users, items, codes, item, rating, day)


def _days(table: Any, columns: Columns) -> np.ndarray | None:
    return None if columns.time is None else days_of(table[columns.time])


def table_of(frame: Any, columns: Columns) -> Any:
    """The columns of a frame that are needed, as a pandas data frame with at least one line."""
    from taut.frames.as_frame import as_frame

    table = as_frame(frame)
    needed = [n for n in (columns.user, columns.item, columns.rating, columns.time) if n]
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise InputError(
            f"Ratings must have the columns {needed}. Received: {list(table.columns)}, without "
            f"{missing}. Name them by `user=`, `item=`, `rating=` and `time=`."
        )
    table = table[needed]
    if table.columns.duplicated().any():
        raise InputError(f"Columns must have different names. Received: {list(table.columns)}.")
    if not len(table):
        raise InputError("Ratings must have at least one line. Received: an empty frame.")
    return table


def ids_of(series: Any) -> np.ndarray:
    """Ids as an array of int64 or of texts.

    Raises:
        InputError: Some are missing, or are neither integers nor texts.
    """
    import pandas as pd

    series = pd.Series(series)
    if series.isna().any():
        raise InputError(
            f"Each line must have an id. Received: {int(series.isna().sum())} lines without "
            f"`{series.name}`. Drop them by `frame.dropna(subset=[{series.name!r}])`."
        )
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)
    if pd.api.types.is_integer_dtype(series.dtype):
        return series.to_numpy(np.int64)
    values = series.to_numpy(object)
    if all(isinstance(value, str) for value in values):
        return values.astype(str) if len(values) else np.zeros(0, "<U1")
    if all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) for v in values):
        return values.astype(np.int64)
    kinds = sorted({type(value).__name__ for value in values})
    raise InputError(
        f"Ids must be integers, or texts. Received: `{series.name}` of {', '.join(kinds)}. "
        "Convert them by `.astype(str)`."
    )


def _same_kind(ids: np.ndarray, more: np.ndarray, name: str) -> np.ndarray:
    if (ids.dtype.kind == "i") != (more.dtype.kind == "i"):
        raise InputError(
            f"Ids of one kind must be of one type. Received: `{name}` as {_kind(ids)} in the "
            f"ratings, and as {_kind(more)} in the features. Convert one of them."
        )
    return np.concatenate([ids, more])


def _kind(ids: np.ndarray) -> str:
    return "integers" if ids.dtype.kind == "i" else "texts"


def codes_of(ids: Any, known: np.ndarray, what: str) -> np.ndarray:
    """The places of ids among those known, −1 for others.

    Raises:
        InputError: They are of another type than those known, or are no ids.
    """
    import pandas as pd

    array = np.atleast_1d(np.asarray(ids))
    if array.ndim > 1:
        raise InputError(
            f"`{what}` must be one id, or a flat list where several are taken. Received an array "
            f"of shape {array.shape}."
        )
    given = ids_of(pd.Series(array, name=what))
    if len(given) and (given.dtype.kind == "i") != (known.dtype.kind == "i"):
        raise InputError(
            f"`{what}` must be {_kind(known)}, as in the ratings. Received: {_kind(given)}, such "
            f"as {given.tolist()[0]!r}."
        )
    places = np.searchsorted(known, given).clip(max=len(known) - 1)
    return np.where(known[places] == given, places, -1)


def _numbers(table: Any, columns: Columns) -> np.ndarray:
    import pandas as pd

    if columns.rating is None:
        return np.ones(len(table))
    series = table[columns.rating]
    if not pd.api.types.is_numeric_dtype(series.dtype):
        raise InputError(
            f"Ratings must be numbers. Received: `{columns.rating}` of {series.dtype}, such as "
            f"{series.iloc[0]!r}. Convert it by `pandas.to_numeric`; without ratings, where only "
            "who saw what is known, use `EASE` or `SLIM`."
        )
    values = series.to_numpy(float, na_value=np.nan)
    if wrong := int((~np.isfinite(values)).sum()):
        raise InputError(
            f"Each rating must be a finite number. Received: {wrong} of {len(values)} that are "
            f"not. Drop them by `frame.dropna(subset=[{columns.rating!r}])`."
        )
    return values


def days_of(series: Any) -> np.ndarray:
    """Whole days since some moment, of seconds or dates.

    Raises:
        InputError: Some are missing, or are neither.
    """
    import pandas as pd

    if series.isna().any():
        raise InputError(
            f"Each rating must have a time. Received: {int(series.isna().sum())} without "
            f"`{series.name}`. Drop them, or leave `time` out."
        )
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        moment = pd.Timestamp(0, tz=series.dt.tz)
        return ((series - moment) // pd.Timedelta(days=1)).to_numpy(np.int64)
    if not pd.api.types.is_numeric_dtype(series.dtype):
        raise InputError(
            f"Times must be seconds or dates. Received: `{series.name}` of {series.dtype}. "
            "Convert it by `pandas.to_datetime`."
        )
    return np.floor(series.to_numpy(float) / DAY).astype(np.int64)


def _refuse_twice(table: Any, columns: Columns) -> None:
    """Raise where a pair of user and item has several lines: which of them counts is not known."""
    again = table.duplicated([columns.user, columns.item])
    if again.any():
        user, item = (table.loc[again, name].tolist()[0] for name in (columns.user, columns.item))
        raise InputError(
            f"A user must rate an item once. Received: {int(again.sum())} lines of pairs that are "
            f"there before, such as user {user!r}, item {item!r}. Keep the last by "
            f"`frame.drop_duplicates([{columns.user!r}, {columns.item!r}], keep='last')`, or take "
            "their mean."
        )


def session_codes(keys: np.ndarray, user: np.ndarray, day: np.ndarray) -> np.ndarray:
    """The places of (user, day) among keys that are sorted, [sessions, 2]; −1 for others."""
    if not len(keys):
        return np.full(len(user), -1)
    least = min(keys[:, 1].min(), day.min())
    width = max(keys[:, 1].max(), day.max()) - least + 1
    of_keys = keys[:, 0] * width + keys[:, 1] - least
    wanted = user * width + day - least
    places = np.searchsorted(of_keys, wanted).clip(max=len(of_keys) - 1)
    return np.where((of_keys[places] == wanted) & (user >= 0), places, -1)
