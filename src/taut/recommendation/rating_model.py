"""A fitted factorisation: predicts ratings, recommends, takes in new users; it does not change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from taut.checks import check_same_order, check_whole
from taut.errors import InputError
from taut.recommendation.chosen_model import ChosenModel
from taut.recommendation.factor_choice import StrengthChoice, predicted
from taut.recommendation.factor_solver import Factors, Side, Strengths
from taut.recommendation.fold_in import fold_user, with_rows
from taut.recommendation.ranked import ranking, the_user
from taut.recommendation.rating_ids import codes_of
from taut.recommendation.ratings import Columns, Ratings, days_of, read_some, session_codes
from taut.recommendation.side_features import design, moved_rows
from taut.recommendation.stored_models import rating_model_fields, save_rating_model

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class RatingModel(ChosenModel):
    """What `MatrixFactorization.fit` returns.

    Attributes:
        columns: What the columns of frames of ratings are called.
        ratings: What it was fitted on.
        factors: Biases, factors and the features' coefficients, in standard deviations of the
            ratings.
        strengths: Of the penalty; `noise` is the held-out squared error where one was chosen.
        mean, scale: Mean and standard deviation of the ratings.
        session_keys: [sessions, 2] user's code and day.
        limits: The least and the largest rating that it was fitted on.
        features: Of users and items, [rows, columns] sparse or None.
        choice: What each strength lost on held-out ratings; None where one was given.
    """

    columns: Columns
    ratings: Ratings
    factors: Factors
    strengths: Strengths
    mean: float
    scale: float
    session_keys: np.ndarray
    limits: tuple[float, float]
    features: tuple[Any, Any]
    choice: StrengthChoice | None

    _write = staticmethod(save_rating_model)
    _read = staticmethod(rating_model_fields)

    def predict(self, users: Any, items: Any, times: Any = None) -> np.ndarray:
        """Ratings of pairs, within the range of the ratings that were fitted.

        An unknown user or item is one of whom nothing is known: one of average features. An item
        without ratings is what its features say, and otherwise average.

        Args:
            users: [pairs] ids, or one.
            items: [pairs] ids, or one.
            times: [pairs] of each rating, for models with times: on a day when the user has rated,
                the offset of that day counts.

        Returns:
            [pairs] floats.

        Raises:
            InputError: For ids of another type, or lengths or orders that differ.
        """
        check_same_order(users=users, items=items, times=times)
        user = codes_of(users, self.ratings.users, "users")
        item = codes_of(items, self.ratings.items, "items")
        if len(user) != len(item) and 1 not in (len(user), len(item)):
            raise InputError(
                f"`users` and `items` must have one length. Received: {len(user)} and {len(item)}."
            )
        user, item = np.broadcast_arrays(user, item)
        session = np.full(len(user), -1)
        if times is not None:
            session = session_codes(self.session_keys, user, self._days(times, len(user)))
        low, high = self.limits
        values = predicted(self._with_nobody(), user, item, session)
        return (self.mean + self.scale * values).clip(low, high)

    def _days(self, times: Any, pairs: int) -> np.ndarray:
        import pandas as pd

        if self.columns.time is None:
            raise InputError(
                "`times` are for models with times. Received: a model without. Fit with "
                "`MatrixFactorization(time=…)`."
            )
        days = days_of(pd.Series(np.atleast_1d(np.asarray(times)), name="times"))
        if len(days) not in (1, pairs):
            raise InputError(f"`times` must be one a pair. Received: {len(days)} for {pairs}.")
        return np.broadcast_to(days, pairs)

    def scores(self, users: np.ndarray) -> np.ndarray:
        """Predicted ratings of users' codes for all items, not cut to the ratings' range.

        Args:
            users: [users] codes; −1 is somebody unknown.

        Returns:
            [users, items].
        """
        factors = self._with_nobody()
        p, q = factors.user.rows[users], factors.item.rows[:-1]
        values = factors.mean + p[:, :1] + q[:, 0] + p[:, 1:] @ q[:, 1:].T
        return self.mean + self.scale * values

    def _with_nobody(self) -> Factors:
        """The factors with a last row on each side, which −1 points to: that of the unknown."""

        def longer(side: Side) -> Side:
            return replace(side, rows=np.vstack([side.rows, side.unknown]))

        return replace(self.factors, user=longer(self.factors.user), item=longer(self.factors.item))

    def recommend(
        self, user: Any, k: int = 10, *, among: Iterable[Any] | None = None
    ) -> pd.DataFrame:
        """The items that the user has not rated, those of highest predicted rating first.

        Args:
            user: An id; None for somebody unknown.
            k: How many; fewer where fewer are left.
            among: Ids of the items to choose from; all unless given.

        Returns:
            item, score (the predicted rating, which is not cut to the ratings' range).

        Raises:
            InputError: For a user who is not known, or items that are not.
        """
        code = the_user(user, self.ratings.users)
        values = self.scores(np.array([code]))[0]
        return ranking(values, self.ratings, code, k, among)

    def similar_items(self, item: Any, k: int = 10) -> pd.DataFrame:
        """Items whose factors point the same way: those that the same people like.

        Args:
            item: An id.
            k: How many.

        Returns:
            item, similarity: the cosine of the factors, 0 where an item has none.

        Raises:
            InputError: For an item that is not known.
        """
        import pandas as pd

        check_whole(1, k=k)
        code = int(codes_of([item], self.ratings.items, "item")[0])
        if code < 0:
            raise InputError(f"`item` must be a known item. Received: item={item!r}.")
        q = self.factors.item.rows[:, 1:]
        size = np.linalg.norm(q, axis=1)
        cosine = q @ q[code] / np.maximum(size * size[code], np.finfo(float).tiny)
        cosine[code] = -np.inf
        order = np.argsort(-cosine, kind="stable")[: min(k, len(q) - 1)]
        return pd.DataFrame({"item": self.ratings.items[order], "similarity": cosine[order]})

    def fold_in(self, ratings: Any) -> RatingModel:
        """A model that knows further users, without training again.

        Each user's row is what is best for their ratings, everything else as it is: one small
        linear system a user. A user who is known already has these ratings from now on, and no
        others.

        Args:
            ratings: A data frame as for `fit`.

        Raises:
            InputError: As `fit`, and for items that are not known.
        """
        new = read_some(ratings, self.columns, self.ratings)
        mine = self.ratings
        users = np.union1d(mine.users, new.users)
        places = np.searchsorted(users, mine.users)
        places = np.where(np.isin(mine.users, new.users), -1, places)
        features = self._user_features_of(new.users)
        made, offsets, keys = self._fold(new, design(new.seen, features))
        size = len(users)
        user = with_rows(self.factors.user, places, size, made)
        keep = places[self.session_keys[:, 0]] >= 0 if len(self.session_keys) else np.zeros(0, bool)
        fresh = np.searchsorted(users, new.users)
        old_keys = self.session_keys[keep].copy()
        old_keys[:, 0] = places[old_keys[:, 0]]
        keys[:, 0] = fresh[keys[:, 0]]
        all_keys = np.vstack([old_keys, keys])
        order = np.lexsort((all_keys[:, 1], all_keys[:, 0]))
        sessions = np.r_[self.factors.sessions[keep], offsets][order]
        stay = places[mine.user] >= 0
        day = None if mine.day is None or new.day is None else np.r_[mine.day[stay], new.day]
        both = Ratings(
            users,
            mine.items,
            np.r_[places[mine.user[stay]], fresh[new.user]],
            np.r_[mine.item[stay], new.item],
            np.r_[mine.rating[stay], new.rating],
            day,
        )
        table = self.features[0]
        if table is not None:
            kept = places >= 0
            table = moved_rows(table[kept], places[kept], size) + moved_rows(features, fresh, size)
        return replace(
            self,
            ratings=both,
            factors=replace(self.factors, user=user, sessions=sessions),
            session_keys=all_keys[order],
            features=(table, self.features[1]),
        )

    def _user_features_of(self, users: np.ndarray) -> Any:
        """Those of users who are known, zeros for others."""
        table = self.features[0]
        if table is None:
            return None
        codes = codes_of(users, self.ratings.users, "user")
        known = np.flatnonzero(codes >= 0)
        return moved_rows(table[codes[known]], known, len(users))

    def _fold(self, new: Ratings, x: Any) -> tuple[Side, np.ndarray, np.ndarray]:
        side = self.factors.user
        centres = x @ side.maps
        target = (new.rating - self.mean) / self.scale - self.factors.mean
        rows, variances, offsets, keys = [], [], [np.zeros(0)], [np.zeros((0, 2), int)]
        order = np.argsort(new.user, kind="stable")
        for code, mine in enumerate(np.split(order, np.cumsum(new.by_user)[:-1])):
            days, session = np.zeros(0, int), np.zeros(0, int)
            if new.day is not None:
                days, session = np.unique(new.day[mine], return_inverse=True)
            row, variance, offset = fold_user(
                new.item[mine],
                target[mine],
                session.ravel(),
                self.factors,
                self.strengths,
                centres[code],
            )
            rows.append(row)
            variances.append(variance)
            offsets.append(offset)
            keys.append(np.stack([np.full(len(days), code), days], axis=1))
        made = Side(np.stack(rows), np.stack(variances), side.maps, x, side.unknown)
        return made, np.concatenate(offsets), np.vstack(keys)

    def to_frame(self) -> pd.DataFrame:
        """One line an item: item, ratings, bias (in ratings), expected (for an average user)."""
        import pandas as pd

        bias = self.scale * self.factors.item.rows[:, 0]
        expected = self.scores(np.array([-1]))[0].clip(*self.limits)
        return pd.DataFrame(
            {
                "item": self.ratings.items,
                "ratings": self.ratings.by_item,
                "bias": bias,
                "expected": expected,
            }
        )

    def plot_items(self, names: Mapping[Any, str] | None = None, *, most: int = 60) -> Any:
        """The items with most ratings by their factors, as an Altair chart.

        Args:
            names: From ids to what is shown; the id where there is none.
            most: So many items.

        Raises:
            InputError: If Altair is not installed, or `names` is no mapping.
        """
        from taut.recommendation.item_map import item_chart

        check_whole(1, most=most)
        if not (names is None or hasattr(names, "get")):
            raise InputError(
                "`names` must be a mapping from ids to names, such as a dict. Received: a "
                f"{type(names).__name__}."
            )
        return item_chart(self, names, most)

    @cached_property
    def network(self) -> Any:
        """The same model as a Keras model of codes of users, items and, with times, sessions.

        See `taut.recommendation.rating_network.rating_network`.
        """
        from taut.recommendation.rating_network import rating_network

        return rating_network(self)

    def _sentences(self) -> list[str]:
        r, f = self.ratings, self.factors
        lines = [
            f"RatingModel: {len(r)} ratings of {len(r.items)} items by {len(r.users)} users",
            f"rank {f.item.rows.shape[1] - 1}, strength {self.strengths.rows:g}, "
            f"{f.sweeps} sweeps; the last changed ratings by {self.scale * f.change:.2g}",
        ]
        if self.choice is not None:
            rmse = self.scale * np.sqrt(min(self.choice.losses))
            lines.append(
                f"held-out RMSE {rmse:.4g}, on the {self.choice.held_out} ratings that the "
                "strength was chosen on"
            )
        return lines

    def __repr__(self) -> str:
        return "\n  ".join(self._sentences())

    def _repr_html_(self) -> str:
        lines = "<br>".join(map(escape, self._sentences()))
        return f"<p>{lines}</p>" + (
            "" if self.choice is None else self.choice.to_frame().to_html(index=False, border=0)
        )
