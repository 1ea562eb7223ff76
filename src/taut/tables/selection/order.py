"""The order of the inputs by the weights that a group lasso leaves them; which are relevant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from taut._mean_loss import mean_and_error
from taut.engine import Callback, Split
from taut.studies.stability import complementary_pairs
from taut.tables.selection.readers import InputRows, Read, Reader, held_out, train_readers
from taut.tables.trained import Rows

HIDDEN, LINEAR = (0.3, 0.1, 0.03), (0.2, 0.1, 0.05)
"""Strengths of the group lasso that are tried on the network, and on its linear part alone."""
LATER, PIECES, UPDATES = 1e-3, 2, 400
PAIRS, COPIED_PAIRS = 25, 10
"""Pairs of halves, and how many of them learn once more with shuffled copies."""
FEW, MANY_COLUMNS = 5, 1000
"""Of more columns than so many, every fifth pair is enough."""
RELEVANT = 0.25
"""Share of the halves in which a relevant input exceeds every shuffled copy. One that tells nothing
does so, on average, in one of as many halves as there are inputs: of all such, four at most can be
expected to be taken for relevant, by Markov's inequality."""


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
        ahead: [inputs] share of the halves in which an input's weights exceed those of every
            shuffled copy of an input.
        ranks: [2·pairs, inputs] the place of each input in the order of each half of all rows,
            from 0, the mean of the places of inputs that are tied; 2b and 2b + 1 are one pair.
    """

    candidate: Candidate
    by_fold: np.ndarray
    whole: np.ndarray
    ahead: np.ndarray
    ranks: np.ndarray

    @property
    def relevant(self) -> np.ndarray:
        """[inputs] whether shuffled copies seldom reach an input."""
        return self.ahead >= RELEVANT


def order_inputs(
    data: InputRows,
    folds: Sequence[Split],
    *,
    groups: np.ndarray | None = None,
    seed: int,
    callbacks: Sequence[Callback] = (),
) -> Order:
    r"""Order the inputs, in each fold by its training rows alone, and say which are relevant.

    All that reads one input, its columns and pieces, in the first layer and in the linear part,
    is one group. Of a few strengths of the group lasso, on the network and on its linear part
    alone, that of least out-of-fold loss orders the inputs, by the norms of their groups.

    Halves of all rows order them once more. Some learn with a shuffled copy of every input beside
    it, which tells nothing: an input is relevant if a quarter of these, at least, put it before all
    copies.

    Args:
        data: The rows.
        folds: The folds.
        groups: [rows] group numbers; groups, not rows, are halved.
        seed: Of initial weights, the order of rows, the halves and the copies.
        callbacks: Told of the progress.

    References:
        Wu, Boos and Stefanski, Controlling variable selection by the addition of
        pseudovariables, 2007.
        Kursa and Rudnicki, Feature selection with the Boruta package, 2010.
    """
    rows = data.rows

    def trained(
        data: InputRows, splits: Sequence[Split], candidates: Sequence[Candidate], updates: int
    ) -> Read:
        return train_readers(
            data,
            splits,
            [
                Reader(k, (c.strength, LATER), c.hidden)
                for c in candidates
                for k in range(len(splits))
            ],
            bins=PIECES,
            grouped=True,
            updates=updates,
            seed=seed,
            callbacks=callbacks,
        )

    # The last split trains on all rows; its held-out loss is of no use, and not used.
    whole = Split(np.arange(len(rows.y)), folds[0].held_out)
    read = trained(data, [*folds, whole], CANDIDATES, UPDATES)
    mean, _ = mean_and_error(read.losses(len(folds)), rows.counted(held_out(folds)))
    best = int(np.argmin(np.where(np.isfinite(mean), mean, np.inf)))
    norms = read.norms().reshape(len(CANDIDATES), len(folds) + 1, -1)[best]
    orders = np.argsort(_ranks(norms), axis=1, kind="stable")

    fewer = FEW if len(data.input_of) > MANY_COLUMNS else 1
    pairs = complementary_pairs(
        len(rows.y),
        PAIRS // fewer,
        seed=seed,
        labels=rows.y if rows.outputs > 1 else None,
        groups=groups,
    )
    halves = [Split(*both) for pair in pairs for both in (pair, pair[::-1])]
    candidate = [CANDIDATES[best]]
    ranks = _ranks(trained(data, halves, candidate, UPDATES // 2).norms())
    copied, some = with_shuffled_copies(data, seed), halves[: 2 * COPIED_PAIRS]
    norms = trained(copied, some, candidate, UPDATES // 2).norms()
    real, copies = norms[:, : data.inputs], norms[:, data.inputs :]
    ahead = (real > copies.max(axis=1, keepdims=True)).mean(axis=0)
    return Order(candidate[0], orders[:-1], orders[-1], ahead, ranks)


def with_shuffled_copies(data: InputRows, seed: int) -> InputRows:
    """The rows with a shuffled copy of every input: copy j is input `inputs` + j.

    Each is shuffled on its own: of copies that keep to each other, as the inputs do, few would
    stand for many inputs that tell nothing, each in its own way.
    """
    rows, numbers, draw = data.rows, data.rows.numbers, np.random.default_rng(seed)
    copies = np.empty_like(rows.encoded)
    for number in range(data.inputs):
        own = np.flatnonzero(data.input_of == number)
        copies[:, own] = rows.encoded[np.ix_(draw.permutation(len(rows.y)), own)]
    parts, names = (rows.encoded, copies), (data.input_of, data.input_of + data.inputs)
    both = Rows(
        encoded=np.hstack([*(p[:, :numbers] for p in parts), *(p[:, numbers:] for p in parts)]),
        y=rows.y,
        outputs=rows.outputs,
        numbers=2 * numbers,
        weight=rows.weight,
    )
    return InputRows(
        both, np.hstack([*(n[:numbers] for n in names), *(n[numbers:] for n in names)])
    )


def _ranks(norms: np.ndarray) -> np.ndarray:
    """[halves, inputs] places from 0; what a half leaves out is tied, and so is all of one that
    diverged."""
    return rankdata(np.where(np.isfinite(norms), -norms, 0.0), axis=-1) - 1
