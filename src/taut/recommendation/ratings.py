"""Ratings as numbers: who rated what, how, and when."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from taut._read_only import ReadOnly
from taut.errors import InputError
from taut.recommendation.plain_columns import plain
from taut.recommendation.rating_ids import check_kind, codes_of, numbered

DAY = 86_400
LONGEST = 1e11
"""Seconds: of times beyond it, 3,000 years, the unit is another."""
HIGHEST = 1e100
"""Of ratings: the sums of the squares of larger ones may be infinite."""


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
        names = [self.user, self.item, *(n for n in (self.rating, self.time) if n is not None)]
        if not all(isinstance(name, str) for name in names):
            raise InputError(f"Columns must be named by texts. Received: {names}.")
        if len(set(names)) < len(names):
            raise InputError(f"Each column must have a name of its own. Received: {names}.")


@dataclass(frozen=True, eq=False)
class Ratings(ReadOnly):
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

    @cached_property
    def sorted(self) -> np.ndarray:
        """[ratings] places by user and then item: what is drawn does not depend on their order."""
        return np.lexsort((self.item, self.user))

    def take(self, rows: np.ndarray) -> Ratings:
        """Some of the ratings, of the same users and items."""
        day = None if self.day is None else self.day[rows]
        return Ratings(
            self.users, self.items, self.user[rows], self.item[rows], self.rating[rows], day
        )

    def matrix(self, values: np.ndarray) -> Any:
        """[users, items] as a sparse matrix of values, [ratings]."""
        from scipy.sparse import csr_array

        return csr_array((values, (self.user, self.item)), (len(self.users), len(self.items)))

    @cached_property
    def seen(self) -> Any:
        """[users, items] as a sparse matrix, ones where a rating is."""
        return self.matrix(np.ones(len(self)))


def read_ratings(
    frame: Any,
    columns: Columns,
    *,
    more_users: np.ndarray | None = None,
    more_items: np.ndarray | None = None,
) -> Ratings:
    """Ratings of a frame, checked: ids that are ids, numbers that are finite, no pair twice.

    Args:
        frame: One line a rating; pandas, polars or Arrow.
        columns: What its columns are called. Without ratings lines of a pair count once.
        more_users, more_items: Ids of those that may have no rating.

    Raises:
        InputError: A column is missing, nothing is there, an id or a rating is missing or is none,
            a pair is rated twice, or there is but one user or one item.
    """
    table = table_of(frame, columns)
    users, user = numbered(table[columns.user], columns.user)
    items, item = numbered(table[columns.item], columns.item)
    once = _once(user, item, table, columns)
    table, user, item = table[once], user[once], item[once]
    rating, day = _numbers(table, columns), _days(table, columns)
    for what, distinct in (("user", users), ("item", items)):
        if len(distinct) < 2:
            raise InputError(
                f"Ratings must be of two {what}s at least: one alone has nobody to be compared "
                f"with. Received: {len(table)} ratings, all of the {what} {distinct.tolist()[0]!r}."
            )
    users, user = _with_more(users, user, more_users, columns.user)
    items, item = _with_more(items, item, more_items, columns.item)
    return Ratings(users, items, user, item, rating, day)


def _with_more(
    ids: np.ndarray, codes: np.ndarray, more: np.ndarray | None, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Ids with those of the features among them, and the codes that the ratings then have."""
    if more is None:
        return ids, codes
    check_kind(more, ids, name)
    if not np.isin(more, ids).any():
        raise InputError(
            f"Features must be of ids that are in the ratings. Received: `{name}` of {len(more)} "
            f"ids such as {more.tolist()[0]!r}, none of them rated; those rated are such as "
            f"{ids.tolist()[0]!r}."
        )
    every = np.union1d(ids, more)
    return every, np.searchsorted(every, ids)[codes]


def read_some(frame: Any, columns: Columns, known: Ratings) -> Ratings:
    """Ratings of known items, by one user or more.

    Args:
        frame: As for `read_ratings`.
        columns: What its columns are called.
        known: What the model was fitted on.

    Raises:
        InputError: As `read_ratings`, and for items that are not known.
    """
    table = table_of(frame, columns)
    users, user = numbered(table[columns.user], columns.user)
    check_kind(users, known.users, columns.user)
    item = codes_of(table[columns.item], known.items, columns.item)
    if (item < 0).any():
        unknown = table.loc[item < 0, columns.item].unique().tolist()
        raise InputError(
            f"Items must be known. Received: {len(unknown)} that are not, such as {unknown[:5]}. "
            "Leave their ratings out, or fit again."
        )
    once = _once(user, item, table, columns)
    table, user, item = table[once], user[once], item[once]
    rating, day = _numbers(table, columns), _days(table, columns)
    return Ratings(users, known.items, user, item, rating, day)


def _days(table: Any, columns: Columns) -> np.ndarray | None:
    return None if columns.time is None else days_of(table[columns.time])


def table_of(frame: Any, columns: Columns) -> Any:
    """The columns of a frame that are needed, as a pandas data frame with at least one line."""
    from taut.frames.as_frame import as_frame

    table = as_frame(frame)
    names = (columns.user, columns.item, columns.rating, columns.time)
    needed = [name for name in names if name is not None]
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


def _numbers(table: Any, columns: Columns) -> np.ndarray:
    import pandas as pd

    if columns.rating is None:
        return np.ones(len(table))
    series = plain(table[columns.rating])
    kinds = pd.api.types
    if not kinds.is_numeric_dtype(series.dtype) or kinds.is_complex_dtype(series.dtype):
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
    if (largest := float(np.abs(values).max())) >= HIGHEST:
        raise InputError(
            f"Ratings must be less than {HIGHEST:g}, since they are squared. Received: "
            f"`{columns.rating}` up to {largest:g}. Divide them."
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
    series = plain(series)
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        # In seconds: of nanoseconds, a date far away would have too many.
        return series.dt.as_unit("s").astype("int64").to_numpy() // int(DAY)
    kinds = pd.api.types
    if not (kinds.is_float_dtype(series.dtype) or kinds.is_integer_dtype(series.dtype)):
        raise InputError(
            f"Times must be seconds or dates. Received: `{series.name}` of {series.dtype}. "
            "Convert it by `pandas.to_datetime`."
        )
    seconds = series.to_numpy(float)
    if not (np.abs(seconds) < LONGEST).all():
        raise InputError(
            "Times must be seconds or dates. Received: "
            f"`{series.name}` up to {np.abs(seconds).max():g}, thousands of years of seconds. "
            "Divide milliseconds by 1000, or convert it by `pandas.to_datetime(…, unit='ms')`."
        )
    return np.floor(seconds / DAY).astype(np.int64)


def _once(user: np.ndarray, item: np.ndarray, table: Any, columns: Columns) -> np.ndarray:
    """Lines with each pair of user and item once, [lines] booleans.

    Raises:
        InputError: A pair has several ratings: which of them counts is not known.
    """
    import pandas as pd

    again = pd.DataFrame({"user": user, "item": item}).duplicated().to_numpy()
    if columns.rating is None or not again.any():
        return ~again
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
