"""What halves of the rows make of the inputs: their order, and which inputs are relevant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from taut.engine import Callback, Split
from taut.studies.stability import complementary_pairs
from taut.tables.selection.order import UPDATES, Candidate, ranks, train_candidates
from taut.tables.selection.readers import InputRows

PAIRS, COPIED_PAIRS = 25, 10
"""Pairs of halves, and how many of them learn once more with shuffled copies."""
FEW, MANY_COLUMNS = 5, 1000
"""Of more columns than so many, every fifth pair is enough."""
RELEVANT = 0.25
"""Share of the halves in which a relevant input exceeds every shuffled copy. One that tells nothing
does so, on average, in one of as many halves as there are inputs: of all such, four at most can be
expected to be taken for relevant, by Markov's inequality."""


@dataclass(frozen=True)
class HalfOrders:
    """What complementary halves of all rows make of the inputs.

    Attributes:
        ranks: [2·pairs, inputs] the place of each input in the order of each half, from 0, the
            mean of the places of inputs that are tied; 2b and 2b + 1 are one pair.
        ahead: [inputs] share of the halves in which an input's weights exceed those of every
            shuffled copy of an input.
    """

    ranks: np.ndarray
    ahead: np.ndarray

    @property
    def relevant(self) -> np.ndarray:
        """[inputs] whether shuffled copies seldom reach an input."""
        return self.ahead >= RELEVANT


def order_halves(
    data: InputRows,
    candidate: Candidate,
    *,
    groups: np.ndarray | None = None,
    seed: int,
    callbacks: Sequence[Callback] = (),
) -> HalfOrders:
    r"""Order the inputs by each of complementary halves of all rows.

    Some halves learn once more with a shuffled copy of every input beside it, which tells nothing:
    an input is relevant if a quarter of these, at least, put it before all copies.

    Args:
        data: The rows.
        candidate: By whose weights the inputs are ordered.
        groups: [rows] group numbers; groups, not rows, are halved.
        seed: Of initial weights, the order of rows, the halves and the copies.
        callbacks: Told of the progress.

    References:
        Wu, Boos and Stefanski, Controlling variable selection by the addition of
        pseudovariables, 2007.
        Kursa and Rudnicki, Feature selection with the Boruta package, 2010.
    """
    pairs = complementary_pairs(
        len(data.rows.y),
        PAIRS // FEW if len(data.input_of) > MANY_COLUMNS else PAIRS,
        seed=seed,
        labels=data.rows.y if data.rows.outputs > 1 else None,
        groups=groups,
    )
    halves = [Split(*both) for pair in pairs for both in (pair, pair[::-1])]

    def norms(data: InputRows, halves: Sequence[Split]) -> np.ndarray:
        read = train_candidates(
            data, halves, [candidate], UPDATES // 2, seed=seed, callbacks=callbacks
        )
        return read.norms()

    alone = norms(data, halves)
    copied = norms(with_shuffled_copies(data, seed), halves[: 2 * COPIED_PAIRS])
    real, copies = copied[:, : data.inputs], copied[:, data.inputs :]
    ahead = (real > copies.max(axis=1, keepdims=True)).mean(axis=0)
    return HalfOrders(ranks(alone), ahead)


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
    both = replace(
        rows,
        encoded=np.hstack([*(p[:, :numbers] for p in parts), *(p[:, numbers:] for p in parts)]),
        numbers=2 * numbers,
    )
    return InputRows(
        both, np.hstack([*(n[:numbers] for n in names), *(n[numbers:] for n in names)])
    )
