"""The generalisation gap of one trained model, with an interval that holds for skewed losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from taut._mean_loss import mean_loss_interval
from taut._weights import weights_of_rows
from taut.diagnosis.array_inputs import (
    NotChecked,
    check_level,
    group_numbers,
    losses,
)


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

    Given the model, the second term is a known number. So the interval is that of the mean of the
    held-out losses, which are few and skewed. It is all μ with

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
    train_w = weights_of_rows(train_weights, len(train), name="train_weights")
    weights = weights_of_rows(held_out_weights, len(held_out), name="held_out_weights")
    numbers = group_numbers("groups", groups, len(held_out))
    units = weights if numbers is None else np.bincount(numbers, weights)
    if np.count_nonzero(units) < 2:
        what = "row" if numbers is None else "group of rows"
        return NotChecked(f"One held-out {what} tells nothing of how far its loss may be off.")
    t = float(np.average(train, weights=train_w))
    m = float(np.average(held_out, weights=weights))
    ends = mean_loss_interval(
        held_out, train, level, weights=weights, train_weights=train_w, groups=numbers
    )
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
