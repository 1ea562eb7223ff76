"""The generalisation gap of one trained model, with an interval that holds for skewed losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from taut.diagnosis.array_inputs import (
    NotChecked,
    check_level,
    group_numbers,
    losses,
    row_weights,
)
from taut.studies.choice import mean_and_error

PRIOR_ROWS = 40
"""The spread of the training rows' losses counts as much as so many held-out rows: measured, it
mends the intervals of 20 and 50 rows and is forgotten at 2,000."""
SCALE_ROWS = 20, 60
"""The relative spread of the training rows weighs a/(n + b): a quarter at 20 rows. It alone knows
the tail of a model that is overfitted, whose training losses are small throughout."""
PRIOR_FREEDOM = 20
"""Degrees of freedom that the training rows add: the spread is better known than from n rows."""
LEAST_TRAINING = 20
"""Fewer training rows tell too little of a tail."""


@dataclass(frozen=True)
class Gap:
    """How much worse a trained model does on fresh rows than on its own training rows.

    Attributes:
        estimate: Mean held-out loss less mean training loss.
        low: Lower end of the interval.
        high: Upper end of the interval.
        level: Confidence of the interval.
        train: Mean loss of the training rows.
        held_out: Mean loss of the held-out rows.
        held_out_low: Lower end of the interval of the loss on fresh rows.
        held_out_high: Upper end of it.
        train_rows: How many training rows there are.
        rows: How many held-out rows there are.
        groups: How many groups of held-out rows there are; None without groups.
    """

    estimate: float
    low: float
    high: float
    level: float
    train: float
    held_out: float
    held_out_low: float
    held_out_high: float
    train_rows: int
    rows: int
    groups: int | None

    def __repr__(self) -> str:
        return (
            f"Gap {self.estimate:.4g} ({self.level:.0%} interval {self.low:.4g} to "
            f"{self.high:.4g}): loss {self.train:.4g} on {self.train_rows} training rows, "
            f"{self.held_out:.4g} on {self.rows} held-out rows"
        )


def generalization_gap(
    train_losses: Any,
    held_out_losses: Any,
    *,
    level: float = 0.95,
    train_weights: Any = None,
    held_out_weights: Any = None,
    groups: Any = None,
) -> Gap | NotChecked:
    r"""The generalisation gap of *this* model, E[loss on fresh rows] − mean training loss.

    Given the model, the second term is a known number. So the interval is that of the mean μ of
    the held-out losses, which are few and skewed. It is all μ with

        (m − μ)² ≤ q²·e²·(1 + c·(μ − m)/e),    c = e/max(m, t)

    where m and t are the mean held-out and training losses, e is the standard error of m and q a
    quantile of Student's distribution. The term in c is the variance as a function of the mean:
    of a loss that cannot be negative both are small together by chance (of a binomial share the
    same inequality, with the variance μ(1 − μ), is Wilson's interval, which is used where all
    losses are 0 or 1). The standard error learns from the training rows: a model's losses spread
    no less on fresh rows than on those it was fitted to, and about as much relative to their mean.

    Args:
        train_losses: [rows] the data loss of each training row, without penalties.
        held_out_losses: [rows] that of each held-out row.
        level: Confidence of the interval.
        train_weights: [rows] what each training row counts; all alike unless given.
        held_out_weights: [rows] the same of held-out rows.
        groups: [rows] the group of each held-out row, of any kind: rows of a group depend on one
            another, and groups take the place of rows in the standard error.

    Returns:
        The gap; `NotChecked` with fewer than two held-out rows (or groups) of some weight.

    Raises:
        InputError: If losses are not one finite number a row, or `level`, weights or groups do not
            fit.

    Example:
        >>> import numpy as np
        >>> from taut.diagnosis import generalization_gap
        >>> draw = np.random.default_rng(0)
        >>> gap = generalization_gap(draw.exponential(0.2, 500), draw.exponential(0.5, 100))
        >>> gap.low > 0
        True

    References:
        Wilson, Probable inference, the law of succession, and statistical inference, 1927.
        Hall, On the removal of skewness by transformation, 1992.
    """
    check_level(level)
    train, held_out = (
        losses("train_losses", train_losses),
        losses("held_out_losses", held_out_losses),
    )
    train_w = row_weights("train_weights", train_weights, len(train))
    weights = row_weights("held_out_weights", held_out_weights, len(held_out))
    numbers = group_numbers("groups", groups, len(held_out))
    units = weights if numbers is None else np.bincount(numbers, weights)
    if np.count_nonzero(units) < 2:
        what = "row" if numbers is None else "group of rows"
        return NotChecked(f"One held-out {what} tells nothing of how far its loss may be off.")
    t = float(np.average(train, weights=train_w))
    m = float(np.average(held_out, weights=weights))
    ends = _interval(train, train_w, held_out, weights, numbers, level)
    return Gap(
        estimate=m - t,
        low=ends[0] - t,
        high=ends[1] - t,
        level=float(level),
        train=t,
        held_out=m,
        held_out_low=ends[0],
        held_out_high=ends[1],
        train_rows=len(train),
        rows=len(held_out),
        groups=None if numbers is None else int(np.count_nonzero(units)),
    )


def _interval(
    train: np.ndarray,
    train_weights: np.ndarray,
    held_out: np.ndarray,
    weights: np.ndarray,
    groups: np.ndarray | None,
    level: float,
) -> tuple[float, float]:
    """Both ends of the interval of the expected held-out loss."""
    from scipy import stats

    units = weights if groups is None else np.bincount(groups, weights)
    count = float(units.sum() ** 2 / (units**2).sum())  # units of equal weight that are worth this
    correction = np.sqrt(count / max(count - 1, 1e-9))
    mean, error = (float(v) for v in mean_and_error(held_out, weights, groups))
    error *= correction
    if np.isin(held_out, (0, 1)).all() and np.isin(train, (0, 1)).all():
        return _wilson(mean, error, count, weights, groups is not None, level)
    freedom, skew = count - 1, 0.0
    usable = np.count_nonzero(train_weights) >= LEAST_TRAINING
    t = float(np.average(train, weights=train_weights))
    positive = min(train.min(), held_out.min()) >= 0
    if usable:
        spread = float(np.sqrt(np.average((train - t) ** 2, weights=train_weights)))
        of_train = spread * float(np.sqrt((weights**2).sum()) / weights.sum())
        share = PRIOR_ROWS / (count + PRIOR_ROWS)
        error = float(np.sqrt((1 - share) * error**2 + share * max(error, of_train) ** 2))
        if positive and t > 0:
            share = SCALE_ROWS[0] / (count + SCALE_ROWS[1])
            error = max(error, (1 - share) * error + share * of_train * mean / t)
        # Of dependent rows it knows the spread of rows only, and adds no certainty.
        freedom += PRIOR_FREEDOM if groups is None else 0
    if positive and max(mean, t) > 0:
        skew = error / max(mean, t)
    q = float(stats.t.ppf(0.5 + level / 2, freedom))
    middle, half = q * q * skew / 2, q * np.sqrt((q * skew / 2) ** 2 + 1)
    low, high = mean + error * (middle - half), mean + error * (middle + half)
    return float(max(low, 0.0) if positive else low), float(high)


def _wilson(
    share: float,
    error: float,
    count: float,
    weights: np.ndarray,
    grouped: bool,
    level: float,
) -> tuple[float, float]:
    """Wilson's interval of a share, with as many rows as its standard error is worth."""
    from scipy import stats

    if grouped:
        most = float(weights.sum() ** 2 / (weights**2).sum())
        worth = share * (1 - share) / error**2 if error > 0 else count
        z = float(stats.t.ppf(0.5 + level / 2, count - 1))
        count = min(most, max(worth, count / 2)) if error > 0 else count
    else:
        z = float(stats.norm.ppf(0.5 + level / 2))
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return max(float(middle - half), 0.0), min(float(middle + half), 1.0)
