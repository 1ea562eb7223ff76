"""Which of the inputs suffice: the known ones, and as many more as the tables' network asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from taut._mean_loss import mean_and_error

CLEARLY = 2.0
"""Standard errors by which a set is clearly worse than the best one."""
GROWTH = 1.4
"""Each set that is tried is so many times larger than the one before, by one input at least."""

Losses = Callable[[Sequence[np.ndarray]], np.ndarray]
"""Sets of inputs, each [folds, inputs], to their out-of-fold losses, [sets, held]."""


def enough_inputs(
    losses_of: Losses,
    by_fold: np.ndarray,
    whole: np.ndarray,
    known: np.ndarray,
    relevant: np.ndarray,
    *,
    reference: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> np.ndarray:
    r"""The fewest inputs, the known ones at least, that predict as well as more do.

    What each of several inputs tells, the others may tell too: then none is known by itself, and
    all of them together are needed. So networks on the known inputs, and on more and more of the
    relevant ones, in each fold by its own order, are compared with the network on all inputs and
    with each other. The first number is taken whose out-of-fold loss is above that on all inputs by at
    most one standard error of their difference, row by row, and above the least by at most two.
    Where none suffices, all relevant ones are kept.

    Args:
        losses_of: Trains networks on sets of inputs.
        by_fold: [folds, inputs] the order by each fold's training rows.
        whole: [inputs] the order by all rows.
        known: Input numbers that are kept in any case.
        relevant: Numbers of the inputs that may be kept besides.
        reference: [held] the losses of the network on all inputs, which is trained unless given.
        weight: [held] what each held-out row counts; all alike unless given.
        groups: [held] group numbers; the groups, not the rows, are independent.

    Returns:
        Input numbers, in the order of `whole`.
    """
    ranked = [_known_first(order, known, relevant) for order in (*by_fold, whole)]
    numbers, most = [max(len(known), 1)], len(ranked[-1])
    while numbers[-1] < most:
        numbers.append(min(max(numbers[-1] + 1, int(GROWTH * numbers[-1])), most))
    enough = 0
    if len(numbers) > 1:
        sets = [np.stack([order[:number] for order in ranked[:-1]]) for number in numbers]
        losses = losses_of(sets if reference is not None else [*sets, by_fold])
        of_all = losses[-1] if reference is None else reference
        enough = _first(losses[: len(sets)], of_all, weight, groups)
    return whole[np.isin(whole, ranked[-1][: numbers[enough]])]


def _known_first(order: np.ndarray, known: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    first = np.isin(order, known)
    return np.concatenate([order[first], order[~first & np.isin(order, relevant)]])


def _first(
    losses: np.ndarray, of_all: np.ndarray, weight: np.ndarray | None, groups: np.ndarray | None
) -> int:
    """The first of some candidates that suffices; the last where none does."""
    mean, _ = mean_and_error(losses, weight)
    finite = np.isfinite(mean)  # what diverged does not suffice, and is no measure
    if not finite.any():
        return len(losses) - 1
    suffices = finite.copy()
    best = losses[int(np.argmin(np.where(finite, mean, np.inf)))]
    for other, errors in ((best, CLEARLY), (of_all, 1.0)):
        if np.isfinite(other).all():
            worse, error = mean_and_error(losses[finite] - other, weight, groups)
            suffices[finite] &= worse <= errors * error
    return int(np.flatnonzero(suffices)[0]) if suffices.any() else len(losses) - 1
