"""Item models of who met what: EASE (L2) and SLIM (L1), and the frozen model that they give."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from taut.checks import check_above, check_new_file, check_whole
from taut.errors import InputError
from taut.recommendation.factor_choice import (
    StrengthChoice,
    candidates_of,
    climb,
    make_choice,
    warn_of_edge,
)
from taut.recommendation.item_weights import FactoredWeights, MatrixWeights, ease, slim
from taut.recommendation.ranked import ranking, the_user
from taut.recommendation.ranking_scores import gains, held_out_rows
from taut.recommendation.ratings import Columns, Ratings, codes_of, read_ratings, read_some
from taut.recommendation.side_features import aligned, read_features

if TYPE_CHECKING:
    import pandas as pd

FIRST, FACTOR, MOST = 200.0, 1.5, 12
HELD_OUT, PLACES = 0.2, 10
FEATURE = 8.0
"""A feature of items counts like so many users squared who met the items that have it."""


@dataclass(frozen=True, kw_only=True)
class EASE:
    r"""Items by items: a linear autoencoder with L2, in closed form.

        J' = ½|X − XB|² + (λ/2)|B|²,    B_jj = 0,    scores = X·B

    X is 1 where a user met an item, whatever the rating. Features of items are further rows of X:
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
            further = FEATURE * aligned(of_items[0], of_items[1], known.items).T

        def learn(some: Ratings, strength: float) -> Any:
            return ease(with_features(some, further), strength)

        return _fit(known, columns, learn, candidates_of(self.strength), self.seed, (FIRST, FACTOR))


@dataclass(frozen=True, kw_only=True)
class SLIM:
    r"""Items by items: a linear autoencoder with L1, exactly, with exact zeros.

        for each item j:  min over b ≥ 0, b_j = 0 of  ½|x_j − Xb|² + (λ₂/2)|b|² + λ₁|b|₁

    Each item keeps a few others that speak for it. In taut's words it is `L1(λ₁) + L2(λ₂) +
    NonNegative()` on the weights of a linear network; an active set solves it to the last digit.

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

        def learn(some: Ratings, strength: float) -> Any:
            return slim(some.matrix(), strength, self.l2)

        known = read_ratings(interactions, columns)
        return _fit(known, columns, learn, candidates_of(self.strength), self.seed, (5.0, 2.0))


def with_features(ratings: Ratings, further: np.ndarray | None) -> Any:
    """X with the features' rows below it, [rows, items] sparse."""
    from scipy.sparse import csr_array, vstack

    met = ratings.matrix()
    return met if further is None else csr_array(vstack([met, csr_array(further)]))


def _fit(
    known: Ratings,
    columns: Columns,
    learn: Any,
    candidates: tuple[float, ...] | None,
    seed: int,
    grid: tuple[float, float],
) -> ItemModel:
    choice = None
    if candidates is not None and len(candidates) == 1:
        strength = candidates[0]
    else:
        held = held_out_rows(known.user, HELD_OUT, seed)
        if not held.any():
            raise InputError(
                "A strength is chosen on a fifth of the interactions of users who have three at "
                f"least. Received: {len(known)} of {len(known.users)} users, none with so many. "
                "Give one, such as strength=200.0."
            )
        kept, rest = known.take(np.flatnonzero(~held)), known.take(np.flatnonzero(held))
        who, met = np.unique(rest.user), kept.matrix()

        def lane(strength: float) -> np.ndarray:
            values = learn(kept, strength).scores(met[who])
            values[met[who].nonzero()] = -np.inf
            return -gains(values, np.searchsorted(who, rest.user), rest.item, PLACES)

        if candidates is None:
            losses = climb(lane, *grid, MOST)
        else:
            losses = {strength: lane(strength) for strength in candidates}
        choice = make_choice(losses, f"minus NDCG@{PLACES} on held-out interactions")
        strength = choice.chosen
        if candidates is not None:
            warn_of_edge(choice, stacklevel=4)
    return ItemModel(columns, known, learn(known, strength), strength, choice)


@dataclass(frozen=True, eq=False, repr=False)
class ItemModel:
    """What `EASE.fit` and `SLIM.fit` return.

    Attributes:
        columns: What the columns of frames are called.
        ratings: Who met what, as ones.
        weights: Item-to-item weights, with an empty diagonal.
        strength: λ or λ₁.
        choice: What each strength lost on held-out interactions; None where one was given.
    """

    columns: Columns
    ratings: Ratings
    weights: MatrixWeights | FactoredWeights
    strength: float
    choice: StrengthChoice | None

    def scores(self, users: np.ndarray) -> np.ndarray:
        """X·B of users' codes, [users, items]; −1 is somebody unknown: the mean of all users."""
        met = self.ratings.matrix()
        values = self.weights.scores(met[np.maximum(users, 0)])
        if (users < 0).any():
            values[users < 0] = self.weights.scores(_mean_of_rows(met))
        return values

    def predict(self, users: Any, items: Any) -> np.ndarray:
        """Scores of pairs: high for items that go with what the user met.

        Args:
            users: [pairs] ids, or one; unknown ones have the mean of all users.
            items: [pairs] ids, or one; unknown ones have 0.

        Raises:
            InputError: For ids of another type, or lengths that differ.
        """
        user = codes_of(users, self.ratings.users, "users")
        item = codes_of(items, self.ratings.items, "items")
        if len(user) != len(item) and 1 not in (len(user), len(item)):
            raise InputError(
                f"`users` and `items` must have one length. Received: {len(user)} and {len(item)}."
            )
        user, item = np.broadcast_arrays(user, item)
        who, place = np.unique(user, return_inverse=True)
        return np.where(item >= 0, self.scores(who)[place.ravel(), item], 0.0)

    def recommend(
        self, user: Any, k: int = 10, *, among: Sequence[Any] | None = None
    ) -> pd.DataFrame:
        """The items that the user has not met, those of highest score first.

        Args:
            user: An id; None for somebody unknown.
            k: How many; fewer where fewer are left.
            among: Ids of the items to choose from; all unless given.

        Returns:
            item, score.

        Raises:
            InputError: For a user who is not known, or items that are not.
        """
        code = the_user(user, self.ratings.users)
        return ranking(self.scores(np.array([code]))[0], self.ratings, code, k, among)

    def similar_items(self, item: Any, k: int = 10) -> pd.DataFrame:
        """Items for whose scores it counts most to have met this one.

        Args:
            item: An id.
            k: How many; fewer where a sparse model has fewer.

        Returns:
            item, weight; positive ones alone.

        Raises:
            InputError: For an item that is not known.
        """
        code = self._item(item)
        check_whole(1, k=k)
        return self._positive(self.weights.row(code), k)

    def because(self, user: Any, item: Any, k: int = 10) -> pd.DataFrame:
        """What the user met that speaks for an item: the terms of its score.

        Args:
            user: An id.
            item: An id.
            k: How many at most.

        Returns:
            item, weight; positive ones alone.

        Raises:
            InputError: For a user or item that is not known.
        """
        check_whole(1, k=k)
        code = self._item(item)
        who = the_user(user, self.ratings.users)
        met = np.zeros(len(self.ratings.items))
        met[self.ratings.item[self.ratings.user == who]] = 1.0
        return self._positive(self.weights.column(code) * met, k)

    def _item(self, item: Any) -> int:
        code = int(codes_of([item], self.ratings.items, "item")[0])
        if code < 0:
            raise InputError(f"`item` must be a known item. Received: item={item!r}.")
        return code

    def _positive(self, values: np.ndarray, k: int) -> pd.DataFrame:
        import pandas as pd

        order = np.argsort(-values, kind="stable")[:k]
        order = order[values[order] > 0]
        return pd.DataFrame({"item": self.ratings.items[order], "weight": values[order]})

    def fold_in(self, interactions: Any) -> ItemModel:
        """A model that knows further users, without training again: scores need their X alone.

        A user who is known already has met these items from now on, and no others.

        Args:
            interactions: A data frame as for `fit`.

        Raises:
            InputError: As `fit`, and for items that are not known.
        """
        new, mine = read_some(interactions, self.columns, self.ratings.items), self.ratings
        users = np.union1d(mine.users, new.users)
        stay = ~np.isin(mine.users, new.users)[mine.user]
        user = np.r_[
            np.searchsorted(users, mine.users)[mine.user[stay]],
            np.searchsorted(users, new.users)[new.user],
        ]
        item = np.r_[mine.item[stay], new.item]
        return replace(self, ratings=Ratings(users, mine.items, user, item, np.ones(len(item))))

    def to_frame(self) -> pd.DataFrame:
        """One line a weight that is not 0, the largest first: item, other (whose score), weight.

        Raises:
            InputError: For more than 20 million weights: those of EASE are all not 0.
        """
        import pandas as pd
        from scipy.sparse import coo_array

        items = self.ratings.items
        if isinstance(self.weights, FactoredWeights):
            if len(items) ** 2 > 20_000_000:
                raise InputError(
                    f"A frame has 20 million weights at most. Received: {len(items)} "
                    "items, all with weights. Use `similar_items`."
                )
            matrix = np.stack([self.weights.row(j) for j in range(len(items))])
        else:
            matrix = self.weights.matrix
        table = coo_array(matrix)
        order = np.argsort(-table.data, kind="stable")
        row, column = table.coords
        return pd.DataFrame(
            {
                "item": items[row[order]],
                "other": items[column[order]],
                "weight": table.data[order],
            }
        )

    def plot(self) -> Any:
        """What each strength lost on held-out interactions, as an Altair chart.

        Raises:
            InputError: Where a strength was given, or Altair is not installed.
        """
        if self.choice is None:
            raise InputError(
                "`plot` shows how the strength was chosen. Received: a model whose strength was "
                "given. Fit with strength=None."
            )
        return self.choice.plot()

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write one NumPy archive, whole or not at all.

        Args:
            path: A new file.
            overwrite: Whether a file may be replaced.

        Raises:
            InputError: If it exists and may not be replaced.
        """
        from taut.recommendation.stored_models import save_item_model

        return save_item_model(self, check_new_file(path, overwrite=overwrite))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote. Nothing is unpickled.

        Raises:
            InputError: If it is no such file, or is damaged.
        """
        from taut.recommendation.stored_models import item_model_fields

        return cls(**item_model_fields(path))

    def _sentences(self) -> list[str]:
        r = self.ratings
        lines = [
            f"ItemModel: {len(r)} interactions of {len(r.items)} items and {len(r.users)} users",
            f"strength {self.strength:g}",
        ]
        if isinstance(self.weights, MatrixWeights) and hasattr(self.weights.matrix, "nnz"):
            count = self.weights.matrix.nnz
            lines.append(f"{count} weights are not 0, {count / len(r.items):.3g} an item")
        if self.choice is not None:
            lines.append(
                f"NDCG@{PLACES} {-min(self.choice.losses):.4g}, on the {self.choice.held_out} "
                "users that the strength was chosen by"
            )
        return lines

    def __repr__(self) -> str:
        return "\n  ".join(self._sentences())

    def _repr_html_(self) -> str:
        return f"<p>{'<br>'.join(map(escape, self._sentences()))}</p>"


def _mean_of_rows(met: Any) -> Any:
    from scipy.sparse import csr_array

    return csr_array(met.mean(axis=0)[None])
