"""The order of the inputs, by the weights that a path of group lassos leaves them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from taut._mean_loss import mean_and_error
from taut.engine import Callback, Split
from taut.tables.selection.readers import InputRows, Read, Reader, held_out, train_readers

HIDDEN, LINEAR = (0.3, 0.1, 0.03), (0.2, 0.1, 0.05)
"""Strengths of the group lasso that are tried on the network, and on its linear part alone."""
LATER, PIECES, UPDATES = 1e-3, 2, 400


@dataclass(frozen=True)
class Candidate:
    """A strength of the group lasso, on the network or on a linear model."""

    strength: float
    hidden: bool


CANDIDATES = (*(Candidate(a, True) for a in HIDDEN), *(Candidate(a, False) for a in LINEAR))


@dataclass(frozen=True)
class Order:
    """The order of the inputs, the first one read most.

    Attributes:
        candidate: Of least out-of-fold loss, by whose weights the inputs are ordered.
        by_fold: [folds, inputs] input numbers, from each fold's training rows.
        whole: [inputs] input numbers, from all rows.
    """

    candidate: Candidate
    by_fold: np.ndarray
    whole: np.ndarray


def order_inputs(
    data: InputRows, folds: Sequence[Split], *, seed: int, callbacks: Sequence[Callback] = ()
) -> Order:
    r"""Order the inputs, in each fold by its training rows alone.

    All that reads one input, its columns and pieces, in the first layer and in the linear part,
    is one group. Of a few strengths of the group lasso, on the network and on its linear part
    alone, that of least out-of-fold loss orders the inputs, by the norms of their groups.

    Args:
        data: The rows.
        folds: The folds.
        seed: Of initial weights and the order of rows.
        callbacks: Told of the progress.
    """
    # The last split trains on all rows; its held-out loss is of no use, and not used.
    splits = [*folds, Split(np.arange(len(data.rows.y)), folds[0].held_out)]
    read = train_candidates(data, splits, CANDIDATES, UPDATES, seed=seed, callbacks=callbacks)
    mean, _ = mean_and_error(read.losses(len(folds)), data.rows.counted(held_out(folds)))
    best = int(np.argmin(np.where(np.isfinite(mean), mean, np.inf)))
    norms = read.norms().reshape(len(CANDIDATES), len(splits), -1)[best]
    orders = np.argsort(ranks(norms), axis=1, kind="stable")
    return Order(CANDIDATES[best], orders[:-1], orders[-1])


def train_candidates(
    data: InputRows,
    splits: Sequence[Split],
    candidates: Sequence[Candidate],
    updates: int,
    *,
    seed: int,
    callbacks: Sequence[Callback],
) -> Read:
    """Train each candidate on each split; the splits of one candidate are together."""
    return train_readers(
        data,
        splits,
        [Reader(k, (c.strength, LATER), c.hidden) for c in candidates for k in range(len(splits))],
        bins=PIECES,
        grouped=True,
        updates=updates,
        seed=seed,
        callbacks=callbacks,
    )


def ranks(norms: np.ndarray) -> np.ndarray:
    """[trainings, inputs] places from 0; what a training leaves out is tied, and so is all of one
    that diverged."""
    return rankdata(np.where(np.isfinite(norms), -norms, 0.0), axis=-1) - 1
