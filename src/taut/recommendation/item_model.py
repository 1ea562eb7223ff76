"""A fitted item model: ranks what users have not met, and says why; it does not change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from taut.checks import check_same_order, check_whole
from taut.errors import InputError
from taut.recommendation.chosen_model import ChosenModel
from taut.recommendation.factor_choice import StrengthChoice
from taut.recommendation.item_weights import FactoredWeights, MatrixWeights
from taut.recommendation.ranked import ranking, some_at_a_time, the_user
from taut.recommendation.rating_ids import codes_of
from taut.recommendation.ratings import Columns, Ratings, read_some
from taut.recommendation.stored_models import item_model_fields, save_item_model

if TYPE_CHECKING:
    import pandas as pd

PLACES = 10
"""Of the NDCG that a strength is chosen by."""


@dataclass(frozen=True, eq=False, repr=False)
class ItemModel(ChosenModel):
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

    _write = staticmethod(save_item_model)
    _read = staticmethod(item_model_fields)

    def scores(self, users: np.ndarray) -> np.ndarray:
        """X·B of users' codes, [users, items]; −1 is somebody unknown: the mean of all users."""
        met = self.ratings.seen
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
            InputError: For ids of another type, or lengths or orders that differ.
        """
        check_same_order(users=users, items=items)
        user = codes_of(users, self.ratings.users, "users")
        item = codes_of(items, self.ratings.items, "items")
        if len(user) != len(item) and 1 not in (len(user), len(item)):
            raise InputError(
                f"`users` and `items` must have one length. Received: {len(user)} and {len(item)}."
            )
        user, item = np.broadcast_arrays(user, item)
        values = np.zeros(len(user))
        known = np.flatnonzero(item >= 0)
        order = known[np.argsort(user[known], kind="stable")]
        sorted_users = user[order]
        for some in some_at_a_time(np.unique(sorted_users), len(self.ratings.items)):
            first, end = np.searchsorted(sorted_users, [some[0], some[-1] + 1])
            rows = order[first:end]
            place = np.searchsorted(some, user[rows])
            values[rows] = self.scores(some)[place, item[rows]]
        return values

    def recommend(
        self, user: Any, k: int = 10, *, among: Iterable[Any] | None = None
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
        if who < 0:
            raise InputError(
                "`user` must be a known user: what somebody unknown has met is not known. "
                "Received: user=None."
            )
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
        new, mine = read_some(interactions, self.columns, self.ratings), self.ratings
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
