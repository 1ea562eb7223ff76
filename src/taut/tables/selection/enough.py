"""Which of the inputs suffice: the known ones, and as many more as the tables' network asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from taut._mean_loss import mean_and_error

CLEARLY = 2.0
"""Standard errors by which a set is clearly worse than the best one."""
GROWTH = 1.4
"""Each set that is tried is so many times larger than the one before, by one input at least."""
TOGETHER = 8
"""Sets of up to so many inputs, or twice the known ones, are trained as one program; each larger
one, twice the size of the one before, by itself, and only if no smaller one suffices."""

Losses = Callable[[Sequence[np.ndarray]], np.ndarray]
"""Sets of inputs, each [folds, inputs], to their out-of-fold losses, [sets, held]."""


def enough_inputs(
    losses_of: Losses,
    by_fold: np.ndarray,
    whole: np.ndarray,
    known: np.ndarray,
    *,
    reference: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> np.ndarray:
    r"""The fewest inputs, the known ones at least, that predict as well as more do.

    What each of several inputs tells, the others may tell too: then none is known by itself, and
    all of them together are needed. So networks on the known inputs, and on more and more of the
    others, in each fold by its own order, are compared with the network on all inputs, the last
    one, and with each other. The first number is taken whose out-of-fold loss is above that on
    all inputs by at most one standard error of their difference, row by row, and above the least
    by at most two.

    Args:
        losses_of: Trains networks on sets of inputs.
        by_fold: [folds, inputs] the order by each fold's training rows.
        whole: [inputs] the order by all rows.
        known: Input numbers that are kept in any case.
        reference: [held] the losses of the network on all inputs, which is trained unless given.
        weight: [held] what each held-out row counts; all alike unless given.
        groups: [held] group numbers; the groups, not the rows, are independent.

    Returns:
        Input numbers, in the order of `whole`.
    """
    count = len(whole)
    ranked = [_known_first(order, known) for order in (*by_fold, whole)]

    def losses(numbers: Sequence[int]) -> np.ndarray:
        return losses_of([np.stack([order[:n] for order in ranked[:-1]]) for n in numbers])

    numbers, most = [max(len(known), 1)], min(max(TOGETHER, 2 * len(known)), count)
    while numbers[-1] < most:
        numbers.append(min(max(numbers[-1] + 1, int(GROWTH * numbers[-1])), most))
    if reference is None and most < count:
        reference = losses([count])[0]
    if reference is None:
        tried = losses(numbers)
    else:
        numbers = [*(n for n in numbers if n < count), count]
        tried = reference[None]
        if len(numbers) > 1:
            tried = np.concatenate([losses(numbers[:-1]), tried])
    enough = _first(tried, weight, groups)
    while enough and enough == len(numbers) - 1 and 2 * numbers[-2] < count:
        numbers.insert(-1, 2 * numbers[-2])
        tried = np.insert(tried, -1, losses(numbers[-2:-1]), axis=0)
        enough = _first(tried, weight, groups)
    return whole[np.isin(whole, ranked[-1][: numbers[enough]])]


def _known_first(order: np.ndarray, known: np.ndarray) -> np.ndarray:
    first = np.isin(order, known)
    return np.concatenate([order[first], order[~first]])


def _first(losses: np.ndarray, weight: np.ndarray | None, groups: np.ndarray | None) -> int:
    """The first of some candidates that is not worse than the best, nor than the last."""
    mean, _ = mean_and_error(losses, weight)
    finite = np.isfinite(mean)
    suffices = finite.copy()
    for other, errors in ((int(mean.argmin()), CLEARLY), (-1, 1.0)):
        if finite[other]:  # otherwise it diverged, and is no measure
            worse, error = mean_and_error(losses[finite] - losses[other], weight, groups)
            suffices[finite] &= worse <= errors * error
    return int(np.flatnonzero(suffices)[0])
