"""EASE (L2) and SLIM (L1): the settings, and `fit`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from taut.checks import check_above, check_whole
from taut.errors import InputError
from taut.recommendation.factor_choice import candidates_of, climb, make_choice, warn_of_edge
from taut.recommendation.item_model import PLACES, ItemModel
from taut.recommendation.item_weights import ease, slim
from taut.recommendation.ranking_scores import gains, held_out_rows
from taut.recommendation.ratings import Columns, Ratings, read_ratings
from taut.recommendation.side_features import aligned, read_features

Learned = Callable[[float], Any]
"""From a strength to item-to-item weights."""
FIRST, FACTOR, MOST = 200.0, 1.5, 20
HELD_OUT = 0.2
FEATURE = 8.0
"""A feature of items counts like so many users squared who met the items that have it."""


@dataclass(frozen=True, kw_only=True)
class EASE:
    r"""Items by items: a linear autoencoder with L2, in closed form.

        J' = ½|X − XB|² + (λ/2)|B|²,    B_jj = 0,    scores = X·B

    X is 1 where a user met an item, whatever the rating. It costs one inverse a strength, of items
    by items or users by users: some 4 s of CPU for 3,700, eight times as long for twice as many.
    Features of items are further rows of X:
    as if users had met what has a feature. So items that nobody met are ranked too.

    Args:
        strength: λ. None chooses it by NDCG@10 on a fifth of each user's interactions, factor 1.5
            by factor 1.5; several numbers are tried; one is taken.
        user, item: The columns' names.
        seed: Of what is held out.

    Example:
        >>> import pandas as pd
        >>> from taut.recommendation import EASE
        >>> met = pd.DataFrame({"user": [1, 1, 2, 2, 3], "item": list("abaca")})
        >>> EASE(strength=1.0).fit(met).recommend(3, k=2)["item"].tolist()
        ['b', 'c']

    Reference:
        Steck, Embarrassingly shallow autoencoders for sparse data, WWW 2019.
    """

    strength: float | Sequence[float] | None = None
    user: str = "user"
    item: str = "item"
    seed: int = 0

    def __post_init__(self) -> None:
        check_whole(0, seed=self.seed)
        candidates_of(self.strength)

    def fit(self, interactions: Any, *, item_features: Any = None) -> ItemModel:
        """Fit who met what, and return a frozen model.

        Args:
            interactions: A data frame, one line for each pair; other columns are not read.
            item_features: A data frame, one line an item, with the column `item`; numbers, and
                texts with `|` between several categories.

        Raises:
            InputError: For frames that cannot be read.

        Warns:
            EdgeWarning: If the best of several given strengths is the first or the last.
        """
        of_items = None if item_features is None else read_features(item_features, self.item)
        columns = Columns(self.user, self.item, None)
        more = None if of_items is None else of_items[0]
        known = read_ratings(interactions, columns, more_items=more)
        further = None
        if of_items is not None:
            further = FEATURE * aligned(of_items[0], of_items[1], known.items).T.tocsr()

        def learn(some: Ratings) -> Learned:
            return ease(with_features(some, further))

        return _fit(known, columns, learn, candidates_of(self.strength), self.seed, (FIRST, FACTOR))


@dataclass(frozen=True, kw_only=True)
class SLIM:
    r"""Items by items: a linear autoencoder with L1, exactly, with exact zeros.

        for each item j:  min over b ≥ 0, b_j = 0 of  ½|x_j − Xb|² + (λ₂/2)|b|² + λ₁|b|₁

    Each item keeps a few others that speak for it. In taut's words it is `L1(λ₁) + L2(λ₂) +
    NonNegative()` on the weights of a linear network; an active set solves it to the last digit. It
    costs 14 s of CPU for a million interactions of 3,700 items at λ₁ = 5, six times that where
    λ₁ is chosen, and less the larger λ₁ is.

    Args:
        strength: λ₁: items that were met together no more often have no weight. None chooses it by
            NDCG@10 on a fifth of each user's interactions; several numbers are tried; one is taken.
        l2: λ₂.
        user, item: The columns' names.
        seed: Of what is held out.

    Example:
        >>> import pandas as pd
        >>> from taut.recommendation import SLIM
        >>> met = pd.DataFrame({"user": [1, 1, 2, 2, 3], "item": list("ababa")})
        >>> SLIM(strength=0.5, l2=1.0).fit(met).recommend(3)["item"].tolist()
        ['b']

    Reference:
        Ning and Karypis, SLIM: sparse linear methods for top-N recommender systems, ICDM 2011.
    """

    strength: float | Sequence[float] | None = 5.0
    l2: float = 50.0
    user: str = "user"
    item: str = "item"
    seed: int = 0

    def __post_init__(self) -> None:
        check_whole(0, seed=self.seed)
        check_above(0, l2=self.l2)
        candidates_of(self.strength)

    def fit(self, interactions: Any) -> ItemModel:
        """Fit who met what, and return a frozen model.

        Args:
            interactions: A data frame, one line for each pair; other columns are not read.

        Raises:
            InputError: For frames that cannot be read.

        Warns:
            EdgeWarning: If the best of several given strengths is the first or the last.
        """
        columns = Columns(self.user, self.item, None)

        def learn(some: Ratings) -> Learned:
            return slim(some.seen, self.l2)

        known = read_ratings(interactions, columns)
        return _fit(known, columns, learn, candidates_of(self.strength), self.seed, (5.0, 2.0))


def with_features(ratings: Ratings, further: Any) -> Any:
    """X with the features' rows below it, [rows, items] sparse."""
    from scipy.sparse import csr_array, vstack

    return ratings.seen if further is None else csr_array(vstack([ratings.seen, further]))


def _fit(
    known: Ratings,
    columns: Columns,
    learn: Callable[[Ratings], Learned],
    candidates: tuple[float, ...] | None,
    seed: int,
    grid: tuple[float, float],
) -> ItemModel:
    choice = None
    if candidates is not None and len(candidates) == 1:
        strength = candidates[0]
    else:
        held = np.zeros(len(known), bool)
        held[known.sorted] = held_out_rows(known.user[known.sorted], HELD_OUT, seed)
        if not held.any():
            raise InputError(
                "A strength is chosen on a fifth of the interactions of users who have three at "
                f"least. Received: {len(known)} of {len(known.users)} users, none with so many. "
                "Give one, such as strength=200.0."
            )
        kept, rest = known.take(np.flatnonzero(~held)), known.take(np.flatnonzero(held))
        who, met, of_kept = np.unique(rest.user), kept.seen, learn(kept)

        def lane(strength: float) -> np.ndarray:
            values = of_kept(strength).scores(met[who])
            values[met[who].nonzero()] = -np.inf
            return -gains(values, np.searchsorted(who, rest.user), rest.item, PLACES)

        if candidates is None:
            losses = climb(lane, *grid, MOST, stacklevel=4)
        else:
            losses = {strength: lane(strength) for strength in candidates}
        choice = make_choice(losses, f"minus NDCG@{PLACES} on held-out interactions")
        strength = choice.chosen
        if candidates is not None:
            warn_of_edge(choice, stacklevel=4)
    return ItemModel(columns, known, learn(known)(strength), strength, choice)
