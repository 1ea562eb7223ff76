"""What twice the rows would gain, from what the last two doublings gained."""

from __future__ import annotations

import numpy as np

from taut.diagnosis.diagnosis_result import Interval
from taut.diagnosis.gains import by_student, error_over_folds

NEXT = 0.5
"""A fall goes on with about half of itself: 2^−c of it by a power law, c from a half to one."""
LAWLESS, OF_ITSELF, UNLIKE = 0.75, 0.15, 0.3
"""Standard deviations of the next fall around that: in units of how far the last fall was from half
of the one before, of itself, and of how unlike networks of other rows of one number are. Of drawn
situations (see `docs/benchmarks.md`)."""
FREEDOM = 5
"""Degrees of freedom of that: a fall may also go on quite otherwise."""


def next_fall(
    quarter: np.ndarray,
    halves: np.ndarray,
    whole: np.ndarray,
    fold_of: np.ndarray,
    *,
    level: float = 0.95,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> Interval:
    r"""The fall of the loss from all rows to twice as many.

    With f₁ the fall from a quarter to a half of the rows and f₂ that from a half to all, the next
    one is taken to be

        f₃ = f₂/2 ± s,    s² = (e₂/2)² + 0.75²·(f₂ − f₁/2)² + 0.15²·f₂² + 0.3²·v

    with e₂ the standard error of f₂ and v the variance over disjoint halves of the rows. A law that
    always falls (a power, say) is not taken for granted: networks that are trained for too few
    epochs learn faster with more rows, which are more steps, and those that are trained for too
    many may first get worse. Where the two falls are not as such a law has them, the next one is
    not known either, and f₂ − f₁/2 says by how much. More is promised of regular falls alone.

    Args:
        quarter: [rows] losses of networks that learned from a quarter of the rows.
        halves: [2, rows] the same of disjoint halves.
        whole: [rows] the same of all rows (that a fold leaves).
        fold_of: [rows] the fold of each.
        level: Of the interval, by Student's distribution.
        weights: [rows], or None.
        groups: [rows] labels, or None.

    References:
        Viering and Loog, The shape of learning curves: a review, 2022.
    """
    of_half = halves.mean(axis=0)
    fall, error, _ = error_over_folds(of_half - whole, fold_of, weights=weights, groups=groups)
    before = float(np.average(quarter - of_half, weights=weights))
    unlike = [
        np.average(halves[0] - halves[1], weights=_weights(weights, fold_of == fold)) ** 2 / 2
        for fold in np.unique(fold_of)
    ]
    spread = (
        (NEXT * error) ** 2
        + (LAWLESS * (fall - NEXT * before)) ** 2
        + (OF_ITSELF * fall) ** 2
        + UNLIKE**2 * float(np.mean(unlike))
    )
    return by_student(NEXT * fall, float(np.sqrt(spread)), FREEDOM, level)


def _weights(weights: np.ndarray | None, chosen: np.ndarray) -> np.ndarray:
    return chosen if weights is None else weights * chosen
