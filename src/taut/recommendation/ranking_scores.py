"""How good rankings are, on interactions that were held out."""

from __future__ import annotations

from typing import Any

import numpy as np

from taut.checks import check_inner_share, check_whole
from taut.recommendation.ratings import codes_of


def hold_out(frame: Any, *, user: str = "user", share: float = 0.2, seed: int = 0) -> Any:
    """Divide ratings by user: of each user's lines that share, drawn at random, is held out.

    Args:
        frame: One line a rating; pandas, polars or Arrow.
        user: The name of that column.
        share: Of each user's lines, rounded.
        seed: Of the draw.

    Returns:
        Two pandas data frames: what is kept, and what is held out.

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
    codes = np.unique(table[user].to_numpy(), return_inverse=True)[1]
    held = held_out_rows(codes, share, seed)
    return table[~held], table[held]


def held_out_rows(user: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which lines are held out, [lines] booleans."""
    draw = np.random.default_rng(seed).random(len(user))
    order = np.lexsort((draw, user))
    count = np.bincount(user)
    place = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
    held = np.zeros(len(user), bool)
    held[order] = place < np.round(share * count)[user[order]]
    return held


def ndcg(model: Any, held_out: Any, *, k: int = 10) -> np.ndarray:
    r"""NDCG at k of each user with held-out items, over all items that the model knows.

        DCG = Σ_{places ≤ k} 1/log₂(place + 1) where a held-out item stands,

    divided by what it would be with the held-out items first. Items that the model has seen the
    user meet are not ranked.

    Args:
        model: A `RatingModel` or an `ItemModel`.
        held_out: A data frame with the model's columns; ratings are not read.
        k: Places.

    Returns:
        [users with held-out items that the model knows] between 0 and 1.
    """
    from taut.frames.as_frame import as_frame

    table = as_frame(held_out)
    seen = model.ratings
    user = codes_of(table[model.columns.user], seen.users, model.columns.user)
    item = codes_of(table[model.columns.item], seen.items, model.columns.item)
    known = (user >= 0) & (item >= 0)
    user, item = user[known], item[known]
    who = np.unique(user)
    values = np.array(model.scores(who))
    rows, columns = seen.matrix()[who].nonzero()
    values[rows, columns] = -np.inf
    return gains(values, np.searchsorted(who, user), item, k)


def gains(values: np.ndarray, user: np.ndarray, item: np.ndarray, k: int) -> np.ndarray:
    """NDCG at k by row.

    Args:
        values: [rows, items] scores; −inf is not ranked.
        user: [pairs] rows of what was held out, each row at least once.
        item: [pairs] its items.
        k: Places.
    """
    wanted = np.zeros(values.shape, bool)
    wanted[user, item] = True
    k = min(k, values.shape[1])
    top = np.argpartition(-values, k - 1, axis=1)[:, :k]
    of_top = np.take_along_axis(values, top, axis=1)
    top = np.take_along_axis(top, np.argsort(-of_top, axis=1, kind="stable"), axis=1)
    worth = 1 / np.log2(np.arange(2, k + 2))
    best = np.cumsum(worth)[np.minimum(wanted.sum(axis=1), k) - 1]
    return (np.take_along_axis(wanted, top, axis=1) * worth).sum(axis=1) / best
