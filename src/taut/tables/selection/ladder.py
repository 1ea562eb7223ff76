"""How many inputs: networks that read the first 1, 2, 3, … of the order and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from taut._mean_loss import mean_and_error
from taut.engine import Callback, Split
from taut.tables.peers import base_prediction
from taut.tables.selection.readers import InputRows, Read, Reader, held_out, train_readers
from taut.tables.trained import row_loss

NUMBERS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 19, 24)
"""Numbers of inputs that are tried, up to how many there are."""
SETTINGS = ((1e-2, True), (1e-1, True), (1e-2, False))
"""The strength of L2, and whether there are hidden layers; the best counts for each number."""
LATER, PIECES, UPDATES = 0.3, 4, 300


@dataclass(frozen=True)
class Ladder:
    """Losses by the number of inputs read.

    Attributes:
        numbers: [rungs] of inputs, from 0.
        losses: [rungs, held] out-of-fold losses of the rows that some fold holds out.
        mean: [rungs] their means.
        worse: [rungs] mean difference to the best rung, row by row.
        error: [rungs] its standard error.
        read: The trained networks.
        setting: [rungs] the number of the best setting; −1 for no inputs.
    """

    numbers: np.ndarray
    losses: np.ndarray
    mean: np.ndarray
    worse: np.ndarray
    error: np.ndarray
    read: Read
    setting: np.ndarray

    @property
    def best(self) -> int:
        """The rung of least loss; the first if that is within one standard error of it."""
        best = int(np.argmin(self.mean))
        return 0 if self.worse[0] <= self.error[0] else best

    @property
    def widest(self) -> int:
        """The rung of most inputs whose loss is within one standard error of the best.

        What an input tells that others do not is asked where as many others as can be are read:
        of correlated inputs a network of few reads one for another, and cannot tell them apart.
        """
        if not self.best:
            return 0
        return int(np.flatnonzero(self.worse <= self.error)[-1])

    def lanes(self, rung: int) -> list[int]:
        """The networks of a rung's best setting, one a fold."""
        folds = len(self.read.splits)
        first = ((rung - 1) * len(SETTINGS) + int(self.setting[rung])) * folds
        return list(range(first, first + folds))


def climb(
    data: InputRows,
    folds: Sequence[Split],
    orders: np.ndarray,
    *,
    groups: np.ndarray | None,
    seed: int,
    callbacks: Sequence[Callback] = (),
) -> Ladder:
    """Train networks on the first inputs of each fold's own order, for a ladder of numbers.

    Args:
        data: The rows.
        folds: The folds.
        orders: [folds, inputs] the order by each fold's training rows.
        groups: [rows] group numbers; the groups, not the rows, are independent.
        seed: Of initial weights and the order of rows.
        callbacks: Told of the progress.
    """
    numbers = [number for number in NUMBERS if number <= data.inputs]
    first = data.of(data.columns(np.unique(orders[:, : numbers[-1]])))
    sets = [orders[:, :number] for number in numbers]
    read, losses, setting = _refit(first, folds, sets, seed=seed, callbacks=callbacks)
    held = held_out(folds)
    weight, of_held = data.rows.counted(held), None if groups is None else groups[held]
    losses = np.stack([_base(data, folds), *losses])
    mean, _ = mean_and_error(losses, weight)
    worse, error = mean_and_error(losses - losses[mean.argmin()], weight, of_held)
    return Ladder(
        numbers=np.array([0, *numbers]),
        losses=losses,
        mean=mean,
        worse=worse,
        error=error,
        read=read,
        setting=np.array([-1, *setting]),
    )


def _refit(
    data: InputRows,
    folds: Sequence[Split],
    sets: Sequence[np.ndarray],
    *,
    seed: int,
    callbacks: Sequence[Callback],
) -> tuple[Read, np.ndarray, np.ndarray]:
    """Train networks that read sets of inputs, each at every setting.

    Args:
        data: The rows.
        folds: The folds.
        sets: For each set, [folds, inputs] the input numbers that it has in each fold.
        seed: Of initial weights and the order of rows.
        callbacks: Told of the progress.

    Returns:
        (the networks: by set, then by setting, then by fold; [sets, held] out-of-fold losses of
        each set's best setting; [sets] the number of that setting).
    """
    readers = [
        Reader(fold, (strength, LATER * strength), hidden, of_fold[fold])
        for of_fold in sets
        for strength, hidden in SETTINGS
        for fold in range(len(folds))
    ]
    read = train_readers(
        data,
        folds,
        readers,
        bins=PIECES,
        grouped=False,
        updates=UPDATES,
        seed=seed,
        callbacks=callbacks,
    )
    losses = read.losses(len(folds)).reshape(len(sets), len(SETTINGS), -1)
    weight = data.rows.counted(held_out(folds))
    setting = mean_and_error(losses, weight)[0].argmin(axis=1)
    return read, losses[np.arange(len(sets)), setting], setting


def _base(data: InputRows, folds: Sequence[Split]) -> np.ndarray:
    """[held] losses of predictions that look at no input."""
    rows, base = data.rows, np.empty(len(data.rows.y))
    for fold in folds:
        predicted = base_prediction(
            rows.y[fold.train],
            len(fold.held_out),
            outputs=rows.outputs,
            weights=rows.counted(fold.train),
        )
        predicted = predicted.reshape(len(fold.held_out), -1)
        base[fold.held_out] = row_loss(predicted, rows.y[fold.held_out])
    return base[held_out(folds)]
