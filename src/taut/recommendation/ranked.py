"""The best of an array of scores, as a frame, without what was seen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from taut.checks import check_whole
from taut.errors import InputError
from taut.recommendation.rating_ids import codes_of
from taut.recommendation.ratings import Ratings

if TYPE_CHECKING:
    import pandas as pd


AT_A_TIME = 1 << 24
"""Scores that are held at once."""


def some_at_a_time(users: np.ndarray, items: int) -> list[np.ndarray]:
    """Users in parts, in order: the scores of all for all items would not fit in memory."""
    return np.array_split(users, max(-(-len(users) * items // AT_A_TIME), 1)) if len(users) else []


def the_user(user: Any, users: np.ndarray) -> int:
    """The code of a known user; −1 for None.

    Raises:
        InputError: The user is not known.
    """
    if user is None:
        return -1
    code = int(codes_of([user], users, "user")[0])
    if code < 0:
        raise InputError(
            f"`user` must be a known user, or None for somebody unknown. Received: user={user!r}. "
            "A user with ratings of their own is taken in by `fold_in(ratings)`."
        )
    return code


def ranking(
    values: np.ndarray, ratings: Ratings, user: int, k: int, among: Iterable[Any] | None
) -> pd.DataFrame:
    """item and score of the k best that the user has not met; ties in the order of the ids.

    Args:
        values: [items].
        ratings: What was met.
        user: A code; −1 for somebody unknown.
        k: How many at most.
        among: Ids to choose from.
    """
    import pandas as pd

    check_whole(1, k=k)
    allowed = np.ones(len(values), bool)
    if among is not None:
        if isinstance(among, str) or not isinstance(among, Iterable):
            raise InputError(f"`among` must be a list of items. Received: among={among!r:.60}.")
        of_arrow = getattr(among, "to_pandas", None)
        listed = list(among if of_arrow is None else of_arrow())
        codes = codes_of(listed, ratings.items, "among")
        if (codes < 0).any():
            unknown = [v for v, code in zip(listed, codes, strict=True) if code < 0][:5]
            raise InputError(f"`among` must be of known items. Received: {unknown}, which are not.")
        allowed[:] = False
        allowed[codes] = True
    if user >= 0:
        allowed[ratings.item[ratings.user == user]] = False
    left = np.flatnonzero(allowed)
    order = left[np.argsort(-values[left], kind="stable")][:k]
    return pd.DataFrame({"item": ratings.items[order], "score": values[order]})
