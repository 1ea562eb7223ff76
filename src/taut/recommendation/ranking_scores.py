"""How good rankings are, on interactions that were held out."""

from __future__ import annotations

from typing import Any

import numpy as np

from taut.checks import check_inner_share, check_whole
from taut.errors import InputError
from taut.recommendation.ranked import some_at_a_time
from taut.recommendation.rating_ids import codes_of, numbered
from taut.recommendation.ratings import Columns, table_of


def hold_out(frame: Any, *, user: str = "user", share: float = 0.2, seed: int = 0) -> Any:
    """Divide ratings by user: of each user's lines that share, drawn at random, is held out.

    Each user keeps a line at least.

    Args:
        frame: One line a rating; pandas, polars or Arrow.
        user: The name of that column.
        share: Of each user's lines, rounded.
        seed: Of the draw.

    Returns:
        Two pandas data frames: what is kept, and what is held out.

    Raises:
        InputError: The column is missing, or holds no ids.

    Example:
        >>> import pandas as pd
        >>> from taut.recommendation import hold_out
        >>> kept, held = hold_out(pd.DataFrame({"user": [1] * 5, "item": [1, 2, 3, 4, 5]}))
        >>> len(kept), len(held)
        (4, 1)
    """
    from taut.frames.as_frame import as_frame

    check_inner_share(share=share)
    check_whole(0, seed=seed)
    table = as_frame(frame)
    if user not in table.columns:
        raise InputError(
            f"Ratings must have the column {user!r}. Received: {list(table.columns)}. Name it by "
            "`user=`."
        )
    held = held_out_rows(numbered(table[user], user)[1], share, seed)
    return table[~held], table[held]


def held_out_rows(user: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which lines are held out, [lines] booleans."""
    draw = np.random.default_rng(seed).random(len(user))
    order = np.lexsort((draw, user))
    count = np.bincount(user)
    place = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
    held = np.zeros(len(user), bool)
    held[order] = place < np.minimum(np.round(share * count), count - 1)[user[order]]
    return held


def ndcg(model: Any, held_out: Any, *, k: int = 10) -> np.ndarray:
    r"""NDCG at k of each user with held-out items, over all items that the model knows.

        DCG = Σ_{places ≤ k} 1/log₂(place + 1) where a held-out item stands,

    divided by what it would be with the held-out items first. Items are ranked as `recommend` ranks
    them: without those that the model has seen the user meet, ties in the order of the ids.

    Args:
        model: A `RatingModel` or an `ItemModel`.
        held_out: A data frame with the model's columns; ratings are not read. Lines of users or
            items that the model does not know, or of what it has seen, do not count.
        k: Places.

    Returns:
        [users with held-out items that count], in the order of their ids, between 0 and 1.

    Raises:
        InputError: No line counts, or they cannot be read.
    """
    check_whole(1, k=k)
    columns, known = model.columns, model.ratings
    table = table_of(held_out, Columns(columns.user, columns.item, None))
    user = codes_of(table[columns.user], known.users, columns.user)
    item = codes_of(table[columns.item], known.items, columns.item)
    inside = (user >= 0) & (item >= 0)
    new = inside.copy()
    new[inside] = ~np.isin(
        user[inside] * len(known.items) + item[inside], known.user * len(known.items) + known.item
    )
    if not new.any():
        raise InputError(
            "Held-out lines must be of users and items that the model knows, and that it has not "
            f"seen. Received: {len(table)} lines, {int((user < 0).sum())} of unknown users, "
            f"{int((item < 0).sum())} of unknown items, {int((inside & ~new).sum())} seen."
        )
    user, item = user[new], item[new]
    who = np.unique(user)
    found = []
    for some in some_at_a_time(who, len(known.items)):
        values = np.array(model.scores(some))
        rows, met = known.seen[some].nonzero()
        values[rows, met] = -np.inf
        mine = (user >= some[0]) & (user <= some[-1])
        found.append(gains(values, np.searchsorted(some, user[mine]), item[mine], k))
    return np.concatenate(found)


def gains(values: np.ndarray, user: np.ndarray, item: np.ndarray, k: int) -> np.ndarray:
    """NDCG at k by row; of equal scores the first item is first.

    Args:
        values: [rows, items] scores; −inf is not ranked.
        user: [pairs] rows of what was held out, each row at least once.
        item: [pairs] its items, which are ranked.
        k: Places.
    """
    wanted = np.zeros(values.shape, bool)
    wanted[user, item] = True
    k = min(k, values.shape[1])
    least = np.partition(values, -k, axis=1)[:, [-k]]
    above, equal = values > least, values == least
    left = k - above.sum(axis=1, keepdims=True)
    top = np.nonzero(above | (equal & (np.cumsum(equal, axis=1) <= left)))[1].reshape(-1, k)
    of_top = np.take_along_axis(values, top, axis=1)
    top = np.take_along_axis(top, np.argsort(-of_top, axis=1, kind="stable"), axis=1)
    worth = 1 / np.log2(np.arange(2, k + 2))
    best = np.cumsum(worth)[np.minimum(wanted.sum(axis=1), k) - 1]
    return (np.take_along_axis(wanted, top, axis=1) * worth).sum(axis=1) / best
