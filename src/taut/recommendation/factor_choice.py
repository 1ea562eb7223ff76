"""The strength of a factorisation, chosen on ratings that are held out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from taut._mean_loss import mean_and_error
from taut.checks import is_number
from taut.errors import EdgeWarning, InputError
from taut.recommendation.factor_solver import Factors, Strengths, scores, solve
from taut.recommendation.ratings import Ratings

if TYPE_CHECKING:
    import pandas as pd

FIRST, FACTOR, MOST = 8.0, 2.0, 20
HELD_OUT = 0.1
LISTS = list, tuple, np.ndarray
FLAT = 1e-3
"""A further strength that gains no more than this share of the loss ends the search."""
SHARED, SWEEPS = 8, 12
"""Sweeps that all lanes have in common, at the first strength, and further ones of each."""


@dataclass(frozen=True, repr=False)
class StrengthChoice:
    """What was tried, and what each strength lost on held-out ratings or interactions.

    Attributes:
        strengths: In rising order.
        losses: The mean held-out loss of each (`loss_name`), least is best.
        errors: Standard errors of the differences to the best one's, over the held-out rows.
        chosen: The strength of least loss.
        held_out: Ratings (for rankings users) that nothing was fitted on.
        loss_name: What the loss is.
    """

    strengths: tuple[float, ...]
    losses: tuple[float, ...]
    errors: tuple[float, ...]
    chosen: float
    held_out: int
    loss_name: str

    @property
    def at_edge(self) -> bool:
        """Whether something better may lie beyond what was tried."""
        return len(self.strengths) > 1 and self.chosen in (self.strengths[0], self.strengths[-1])

    def to_frame(self) -> pd.DataFrame:
        """One line a strength: strength, loss, error (of the difference to the best), chosen."""
        import pandas as pd

        return pd.DataFrame(
            {
                "strength": self.strengths,
                "loss": self.losses,
                "error": self.errors,
                "chosen": [strength == self.chosen for strength in self.strengths],
            }
        )

    def plot(self) -> Any:
        """The held-out loss by strength as an Altair chart.

        Bars are two standard errors of the difference to the least.

        Raises:
            InputError: If Altair is not installed.
        """
        from taut.charts import altair, offline

        alt = altair()
        frame = self.to_frame()
        frame = frame.assign(
            low=frame["loss"] - 2 * frame["error"], high=frame["loss"] + 2 * frame["error"]
        )
        x = alt.X("strength:Q", scale=alt.Scale(type="log"), title="strength")
        y = alt.Y("loss:Q", title=self.loss_name, scale=alt.Scale(zero=False))
        base = alt.Chart(frame)
        ends = alt.Y("low:Q", title=self.loss_name, scale=alt.Scale(zero=False)), alt.Y2("high")
        layers = [
            base.mark_rule(opacity=0.5).encode(x, *ends),
            base.mark_line(color="#1f77b4").encode(x, y),
            base.mark_point(filled=True, size=70).encode(x, y, color=alt.Color("chosen:N")),
        ]
        title = alt.Title(
            f"Strength {self.chosen:g} has the least held-out loss",
            subtitle="bars: two standard errors of the difference to it",
        )
        return offline(alt.layer(*layers).properties(title=title, width=480, height=280))

    def __repr__(self) -> str:
        tried = ", ".join(
            f"{s:g}: {v:.4g}" for s, v in zip(self.strengths, self.losses, strict=True)
        )
        return f"StrengthChoice({self.chosen:g}; {self.loss_name} by strength {tried})"


def make_choice(losses: dict[float, np.ndarray], loss_name: str) -> StrengthChoice:
    """The least mean loss, [rows] for each strength."""
    order = sorted(losses)
    rows = np.stack([losses[strength] for strength in order])
    means = rows.mean(axis=1)
    best = int(np.argmin(means))
    _, errors = mean_and_error(rows - rows[best])
    return StrengthChoice(
        tuple(order),
        tuple(means.tolist()),
        tuple(errors.tolist()),
        order[best],
        rows.shape[1],
        loss_name,
    )


def warn_of_edge(choice: StrengthChoice, *, stacklevel: int) -> None:
    """Tell that something better may lie beyond what was tried."""
    if choice.at_edge:
        warnings.warn(
            f"The best of the strengths tried, {choice.chosen:g}, is the first or the last of "
            f"them, from {choice.strengths[0]:g} to {choice.strengths[-1]:g}: give further ones.",
            EdgeWarning,
            stacklevel=stacklevel,
        )


def candidates_of(given: Any) -> tuple[float, ...] | None:
    """What `strength` asks for, in rising order; None where it is to be searched.

    Raises:
        InputError: It is something else than None, a number > 0 or several.
    """
    if given is None:
        return None
    several = (given,) if is_number(given) or not isinstance(given, LISTS) else tuple(given)
    if not several or not all(is_number(s) and float(s) > 0 for s in several):
        raise InputError(
            "`strength` must be a finite number > 0, several of them, or None, which chooses it. "
            f"Received: strength={given!r}."
        )
    return tuple(sorted({float(s) for s in several}))


def climb(
    lane: Any, first: float, factor: float, most: int, *, stacklevel: int = 2
) -> dict[float, np.ndarray]:
    """Losses of strengths that are multiplied or divided as long as the mean clearly falls.

    Args:
        lane: From a strength to its losses, [rows].
        first: The strength to begin with.
        factor: Between neighbours.
        most: So many strengths at most.

    Warns:
        EdgeWarning: If the mean clearly falls to the last of these.
    """
    tried = {first: lane(first)}
    for towards in (1 / factor, factor):
        at, least = first, tried[first].mean()
        while len(tried) < most:
            at *= towards
            tried[at] = lane(at)
            gain = least - tried[at].mean()
            if gain <= FLAT * abs(least):
                break
            least -= gain
        else:
            warnings.warn(
                f"The loss still falls at strength {at:g}, the last of {most} that were tried: "
                "give further ones.",
                EdgeWarning,
                stacklevel=stacklevel,
            )
        if least < tried[first].mean():
            break  # on the other side it rises; where little was gained, nothing says so
    return tried


def choose_strength(
    ratings: Ratings,
    begin: Any,
    candidates: Sequence[float] | None,
    strengths: Strengths,
    seed: int,
) -> tuple[StrengthChoice, float]:
    """Try strengths on nine tenths of the ratings, by the squared error on the others.

    All lanes begin at one place, where a few sweeps at the first strength end: factors that begin
    at random take longer to grow under a larger strength, which says nothing against it.

    Args:
        ratings: All that may be looked at.
        begin: From ratings to their target, sessions and first factors.
        candidates: What to try; None tries neighbours, factor two apart, as long as the loss falls.
        strengths: The others of the penalty.
        seed: Which ratings are held out.

    Returns:
        The choice, and the least mean squared error, in variances of the ratings.
    """
    draw = np.random.default_rng(seed)
    rows = ratings.sorted[draw.permutation(len(ratings))]
    few = max(round(HELD_OUT * len(rows)), 1)
    held, kept = ratings.take(rows[:few]), ratings.take(np.sort(rows[few:]))
    problem = begin(kept)
    truth = (held.rating - problem.mean) / problem.scale
    held_session = problem.sessions_of(held)

    def swept(start: Factors, strength: float, noise: float, sweeps: int) -> Factors:
        penalty = replace(strengths, rows=strength, noise=noise)
        target, session = problem.target, problem.session
        return solve(kept, target, session, start, penalty, sweeps=sweeps, tolerance=0.0)

    first = FIRST if candidates is None else float(np.median(candidates))
    start = swept(problem.start, first, strengths.noise, SHARED)

    def losses_of(now: Factors) -> np.ndarray:
        return (truth - predicted(now, held.user, held.item, held_session)) ** 2

    # What the first sweeps leave unexplained is a better guess of the noise than any constant.
    noise = least_noise(float(losses_of(start).mean()))

    def lane(strength: float) -> np.ndarray:
        return losses_of(swept(start, strength, noise, SWEEPS))

    if candidates is None:
        losses = climb(lane, FIRST, FACTOR, MOST, stacklevel=4)
    else:
        losses = {strength: lane(strength) for strength in candidates}
    # What is fitted afterwards is in units of all ratings, not of those kept.
    unit = (problem.scale / (ratings.rating.std() or 1.0)) ** 2
    losses = {strength: unit * loss for strength, loss in losses.items()}
    choice = make_choice(losses, "held-out squared error, in variances of the ratings")
    return choice, min(choice.losses)


def least_noise(value: float) -> float:
    """The value, or a little where ratings are met exactly: 0 has no variances."""
    return max(value, 1e-3)


def predicted(
    factors: Factors, user: np.ndarray, item: np.ndarray, session: np.ndarray
) -> np.ndarray:
    """Predictions of pairs of codes; a session of −1 is not known, and has no offset."""
    values = scores(factors, user, item)
    if len(factors.sessions):
        values = values + np.where(session >= 0, factors.sessions[session], 0.0)
    return values
