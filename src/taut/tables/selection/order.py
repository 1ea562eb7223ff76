"""The order of the inputs: by how early halves of the rows, on average, take them in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from taut._mean_loss import mean_and_error
from taut.engine import Callback, Split
from taut.studies.stability import complementary_pairs
from taut.tables.selection.readers import InputRows, Reader, held_out, train_readers
from taut.tables.trained import Rows

HIDDEN, LINEAR = (0.3, 0.1, 0.03), (0.2, 0.1, 0.05)
"""Strengths of the group lasso that are tried on the network, and on its linear part alone."""
LATER, PIECES, UPDATES = 1e-3, 2, 400
PAIRS, COPIED_PAIRS, FOLD_PAIRS = 25, 10, 5
"""Pairs of halves of all rows, of those with shuffled copies, and of each fold's training rows."""
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
    r"""Order the inputs, in each fold by its training rows alone.

    All that reads one input, its columns and pieces, in the first layer and in the linear part,
    is one group. Of a few strengths of the group lasso, on the network and on its linear part
    alone, that of least out-of-fold loss orders the inputs: half of the rows by the norms of
    their groups, and halves of the rows together by the mean of their ranks. One training alone
    puts what it happens to see before what is there.

    Some of the halves of all rows learn once more with a shuffled copy of every input beside it,
    which tells nothing: an input is relevant if a quarter of them, at least, put it before all
    copies. In the order itself copies have no part: among twice as many inputs, what only tells
    something together with another is found less often.

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
    candidate = _candidate(data, folds, seed, callbacks)
    fewer = FEW if len(data.input_of) > MANY_COLUMNS else 1

    def norms(data: InputRows, halves: list[Split]) -> np.ndarray:
        readers = [_reader(candidate, k) for k in range(len(halves))]
        return _train(data, halves, readers, UPDATES // 2, seed, callbacks).norms()

    def halves(rows: np.ndarray, pairs: int, seed: int) -> list[Split]:
        both = complementary_pairs(
            len(rows),
            pairs // fewer,
            seed=seed,
            labels=data.rows.y[rows] if data.rows.outputs > 1 else None,
            groups=None if groups is None else groups[rows],
        )
        return [Split(rows[a], rows[b]) for pair in both for a, b in (pair, pair[::-1])]

    of_folds = [h for k, fold in enumerate(folds) for h in halves(fold.train, FOLD_PAIRS, seed + k)]
    of_all = halves(np.arange(len(data.rows.y)), PAIRS, seed)
    ranks = _ranks(norms(data, [*of_folds, *of_all]))
    by_fold = ranks[: len(of_folds)].reshape(len(folds), -1, data.inputs).mean(axis=1)
    ranks = ranks[len(of_folds) :]
    copied = norms(with_shuffled_copies(data, seed), of_all[: 2 * COPIED_PAIRS // fewer])
    real, copies = copied[:, : data.inputs], copied[:, data.inputs :]
    return Order(
        candidate=candidate,
        by_fold=np.argsort(by_fold, axis=1, kind="stable"),
        whole=np.argsort(ranks.mean(axis=0), kind="stable"),
        ahead=(real > copies.max(axis=1, keepdims=True)).mean(axis=0),
        ranks=ranks,
    )


def with_shuffled_copies(data: InputRows, seed: int) -> InputRows:
    """The rows with a shuffled copy of every input: copy j is input `inputs` + j.

    Each is shuffled on its own: of copies that keep to each other, as the inputs do, few would
    stand for many inputs that tell nothing, each in its own way.
    """
    rows, numbers, draw = data.rows, data.rows.numbers, np.random.default_rng(seed)
    order = draw.permuted(np.tile(np.arange(len(rows.y)), (data.inputs, 1)), axis=1)
    copies = np.take_along_axis(rows.encoded, order[data.input_of].T, axis=0)
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


def _candidate(
    data: InputRows, folds: Sequence[Split], seed: int, callbacks: Sequence[Callback]
) -> Candidate:
    readers = [_reader(c, k) for c in CANDIDATES for k in range(len(folds))]
    losses = _train(data, folds, readers, UPDATES, seed, callbacks).losses()
    mean, _ = mean_and_error(losses, data.rows.counted(held_out(folds)))
    return CANDIDATES[int(np.argmin(np.where(np.isfinite(mean), mean, np.inf)))]


def _train(data, splits, readers, updates, seed, callbacks):
    return train_readers(
        data,
        splits,
        readers,
        bins=PIECES,
        grouped=True,
        updates=updates,
        seed=seed,
        callbacks=callbacks,
    )


def _reader(candidate: Candidate, split: int) -> Reader:
    return Reader(split, (candidate.strength, LATER), candidate.hidden)


def _ranks(norms: np.ndarray) -> np.ndarray:
    """[halves, inputs] places from 0; what a half leaves out is tied, and so is all of one that
    diverged."""
    return rankdata(np.where(np.isfinite(norms), -norms, 0.0), axis=-1) - 1
