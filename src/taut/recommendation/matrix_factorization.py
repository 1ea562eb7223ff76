"""Matrix factorisation with biases, side features and sessions: the settings, and `fit`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from taut.checks import check_above, check_whole
from taut.errors import InputError
from taut.recommendation.factor_choice import (
    candidates_of,
    choose_strength,
    least_noise,
    warn_of_edge,
)
from taut.recommendation.factor_solver import Factors, Strengths, first_factors, solve
from taut.recommendation.rating_model import RatingModel
from taut.recommendation.ratings import Columns, Ratings, read_ratings, session_codes
from taut.recommendation.side_features import aligned, design, read_features

NOISE = 0.7
"""Of the ratings' variance, while nothing has been measured."""


@dataclass(frozen=True, kw_only=True)
class MatrixFactorization:
    r"""Ratings from factors and biases, L2 counted once per rating, in closed forms.

        r̂_ui = μ + b_u + b_i + p_u·q_i + s_(u, day)

        J' = (1/n)·Σ_ratings [ (r − r̂)² + Σ_f (p_uf²·V_if + q_if²·V_uf + V_uf·V_if) ] + (1/n)·R

    The L2 of each rating has the other side's variances V as strengths: what is known of an item
    by few ratings shrinks the users' factors there, and the other way. R holds users and items to
    what their features say, with `strength` α; see `taut.recommendation.factor_solver`. Among the
    features is always who rated what (of a user the items, of an item the users).

    Args:
        rank: Length of p and q.
        strength: α, which counts like so many ratings of a user or item. None chooses it on a tenth
            of the ratings, factor two by factor two; several numbers are tried and the best is
            chosen; one number is taken. Ratings are in units of their standard deviation inside.
        user, item, rating: The columns' names.
        time: The column of times, in seconds or dates: users then have an offset a day. None leaves
            times out.
        sweeps: Rounds of closed forms, at most.
        tolerance: They end when one changes the fitted ratings by less, in standard deviations of
            the ratings (root mean square).
        seed: Of the first factors, and of what is held out.

    Example:
        >>> import pandas as pd
        >>> from taut.recommendation import MatrixFactorization
        >>> ratings = pd.DataFrame({"user": [1, 1, 2, 2, 3], "item": ["a", "b", "a", "c", "b"],
        ...                         "rating": [5.0, 3.0, 4.0, 1.0, 2.0]})
        >>> model = MatrixFactorization(rank=2, strength=1.0).fit(ratings)
        >>> model.recommend(3, k=1)["item"].tolist()
        ['a']

    References:
        Koren, Bell and Volinsky, Matrix factorization techniques for recommender systems, 2009.
        Lim and Teh, Variational Bayesian approach to movie rating prediction, 2007.
    """

    rank: int = 10
    strength: float | Sequence[float] | None = None
    user: str = "user"
    item: str = "item"
    rating: str = "rating"
    time: str | None = None
    sweeps: int = 100
    tolerance: float = 2e-3
    seed: int = 0

    def __post_init__(self) -> None:
        check_whole(1, rank=self.rank, sweeps=self.sweeps)
        check_whole(0, seed=self.seed)
        check_above(0, tolerance=self.tolerance)
        candidates_of(self.strength)
        if not isinstance(self.rating, str):
            raise InputError(
                f"`rating` must name a column. Received: rating={self.rating!r}. Without ratings, "
                "where only who saw what is known, use `EASE` or `SLIM`."
            )

    def fit(
        self, ratings: Any, *, user_features: Any = None, item_features: Any = None
    ) -> RatingModel:
        """Fit ratings, and return a frozen model.

        Args:
            ratings: A data frame, one line a rating.
            user_features: A data frame, one line a user, with the column `user`; numbers, dates,
                and texts with `|` between several categories. Users without ratings are predicted
                by it.
            item_features: The same of items.

        Raises:
            InputError: For ratings that cannot be read (see `read_ratings`), or fewer than ten to
                choose a strength by.

        Warns:
            EdgeWarning: If the best of several given strengths is the first or the last, or the
                held-out error still falls at the last that is tried.
            UserWarning: If the last of `sweeps` changes ratings by more than `tolerance`.
        """
        columns = Columns(self.user, self.item, self.rating, self.time)
        of_users = None if user_features is None else read_features(user_features, self.user)
        of_items = None if item_features is None else read_features(item_features, self.item)
        known = read_ratings(
            ratings,
            columns,
            more_users=None if of_users is None else of_users[0],
            more_items=None if of_items is None else of_items[0],
        )
        features = (
            None if of_users is None else aligned(of_users[0], of_users[1], known.users),
            None if of_items is None else aligned(of_items[0], of_items[1], known.items),
        )
        candidates, choice, noise = candidates_of(self.strength), None, NOISE

        def begin(some: Ratings) -> Problem:
            return _begin(some, features, self.rank, self.seed)

        if candidates is not None and len(candidates) == 1:
            strength = candidates[0]
        else:
            if len(known) < 10:
                raise InputError(
                    "A strength is chosen on a tenth of at least ten ratings. Received: "
                    f"{len(known)}. Give one, such as strength=8.0."
                )
            choice, noise = choose_strength(
                known, begin, candidates, Strengths(1.0, NOISE), self.seed
            )
            strength = choice.chosen
            if candidates is not None:
                warn_of_edge(choice, stacklevel=3)
        problem = begin(known)
        strengths = Strengths(strength, least_noise(noise))
        factors = solve(
            known,
            problem.target,
            problem.session,
            problem.start,
            strengths,
            sweeps=self.sweeps,
            tolerance=self.tolerance,
        )
        if factors.change >= self.tolerance:
            warnings.warn(
                f"The factors are not at rest: the last of {self.sweeps} sweeps changed ratings by "
                f"{factors.change:.2g} of their standard deviation. Give more `sweeps`, or a "
                f"larger `tolerance` than {self.tolerance:g}.",
                UserWarning,
                stacklevel=2,
            )
        return RatingModel(
            columns=columns,
            ratings=known,
            factors=factors,
            strengths=strengths,
            mean=problem.mean,
            scale=problem.scale,
            session_keys=problem.keys,
            limits=(float(known.rating.min()), float(known.rating.max())),
            features=features,
            choice=choice,
        )


@dataclass(frozen=True, eq=False)
class Problem:
    """What is minimised: ratings as targets, sessions, and where to begin.

    Attributes:
        mean, scale: Target = (rating − mean)/scale.
        target: [ratings].
        session: [ratings] codes; empty without times.
        keys: [sessions, 2] the user's code and the day of each.
        start: The first factors.
    """

    mean: float
    scale: float
    target: np.ndarray
    session: np.ndarray
    keys: np.ndarray
    start: Factors

    def sessions_of(self, ratings: Ratings) -> np.ndarray:
        """The codes of other ratings' sessions; −1 where there is none."""
        if ratings.day is None:
            return np.zeros(0, int)
        return session_codes(self.keys, ratings.user, ratings.day)


def _begin(ratings: Ratings, features: tuple[Any, Any], rank: int, seed: int) -> Problem:
    mean, scale = float(ratings.rating.mean()), float(ratings.rating.std()) or 1.0
    keys, session = np.zeros((0, 2), int), np.zeros(0, int)
    if ratings.day is not None:
        pairs = np.stack([ratings.user, ratings.day], axis=1)
        keys, session = np.unique(pairs, axis=0, return_inverse=True)
    seen = ratings.seen
    designs = design(seen, features[0]), design(seen.T.tocsr(), features[1])
    start = first_factors(*designs, rank, len(keys), seed)
    return Problem(mean, scale, (ratings.rating - mean) / scale, session.ravel(), keys, start)
