"""Which of the inputs suffice: the sure ones, and as many more as the loss asks for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from taut._mean_loss import mean_and_error
from taut.engine import Callback, Split
from taut.tables.selection.ladder import Ladder, refit
from taut.tables.selection.readers import held_out

CLEARLY = 2.0
"""Standard errors by which a set is clearly worse."""
GROWTH = 1.4
"""Each set that is tried is so many times larger than the one before, by one input at least."""


def enough_inputs(
    folds: Sequence[Split],
    ladder: Ladder,
    ranked: np.ndarray,
    sure: int,
    *,
    groups: np.ndarray | None,
    seed: int,
    callbacks: Sequence[Callback] = (),
) -> np.ndarray:
    r"""The fewest of the ranked inputs, the sure ones at least, that predict as well as the ladder.

    What each of several inputs tells, the others may tell too: then none is sure by itself, and
    all of them together are needed. So networks on the first `sure`, and on more and more, are
    trained, and the first set is kept whose out-of-fold loss is not above that of the ladder's
    best number by more than two standard errors of their difference, row by row.

    Args:
        folds: The folds.
        ladder: Networks on the first inputs of the order.
        ranked: Input numbers, the sure ones first.
        sure: How many are sure by themselves.
        groups: [rows] group numbers; the groups, not the rows, are independent.
        seed: Of initial weights and the order of rows.
        callbacks: Told of the progress.

    Returns:
        The first inputs of `ranked`: all of them, if fewer are not enough.
    """
    numbers = [max(sure, 1)]
    while numbers[-1] < len(ranked):
        numbers.append(min(max(numbers[-1] + 1, int(GROWTH * numbers[-1])), len(ranked)))
    data = ladder.read.data
    sets = [np.tile(ranked[:number], (len(folds), 1)) for number in numbers]
    _, losses, _ = refit(data, folds, sets, seed=seed, callbacks=callbacks)
    held = held_out(folds)
    weight, of_held = data.rows.counted(held), None if groups is None else groups[held]
    difference = losses - ladder.losses[ladder.best]
    worse, error = mean_and_error(difference, weight, of_held)
    suffices = np.flatnonzero(worse <= CLEARLY * error)
    return ranked[: numbers[suffices[0] if len(suffices) else -1]]
