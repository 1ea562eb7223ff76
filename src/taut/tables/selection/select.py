"""Which inputs are kept: order, number, conditional importance, and how stable that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from taut.engine import Callback, Split
from taut.errors import InputError
from taut.studies.stability import Stability, most_per_half, stability
from taut.tables.selection.conditional import conditional_importance
from taut.tables.selection.enough import enough_inputs
from taut.tables.selection.half_orders import HalfOrders, order_halves
from taut.tables.selection.ladder import Ladder, climb
from taut.tables.selection.order import Order, order_inputs
from taut.tables.selection.readers import InputRows, held_out
from taut.tables.selection.sizes import BestSettings, losses_of_sets
from taut.tables.trained import Rows

SURE, OWN = 2.6, 1.0
"""Standard errors that the conditional importance of an input that is sure exceeds: by chance one
in two hundred does; and that of a stable one, which else may lead the halves in another's place."""
STABLE, FALSE = 0.8, 1.0
"""The share of the halves that select an input which is kept for that, and the bound on how many
such inputs are there by chance."""
MOST_ROWS = 5000


@dataclass(frozen=True)
class InputSelection:
    """The inputs that are kept, and what was measured of each.

    Attributes:
        kept: Input numbers, in the order of the path.
        order: How the inputs were ordered.
        ladder: Losses by the number of inputs.
        rise: [inputs] conditional importance: the rise of the out-of-fold loss.
        error: [inputs] its standard error.
        sure: [inputs] whether what an input alone tells is clear: the rise exceeds 2.6 errors.
        stable: [inputs] whether four fifths of the halves have an input among their first, and
            the rise exceeds one error, as far as it is known.
        halves: What halves of the rows make of the inputs; None where nothing predicts and no
            number is asked for.
        stability: How often they had each input among their first, as many as are kept; None where
            none is.
    """

    kept: np.ndarray
    order: Order
    ladder: Ladder
    rise: np.ndarray
    error: np.ndarray
    sure: np.ndarray
    stable: np.ndarray
    halves: HalfOrders | None
    stability: Stability | None

    @property
    def expected_false(self) -> float | None:
        """A bound on how many of the kept are there by chance, at their least frequency."""
        if self.stability is None:
            return None
        return self.stability.expected_false(float(self.stability.frequency[self.kept].min()))


def select_inputs(
    rows: Rows,
    input_of: np.ndarray,
    folds: Sequence[Split],
    *,
    number: int | None = None,
    best: BestSettings | None = None,
    groups: np.ndarray | None = None,
    seed: int = 0,
    callbacks: Sequence[Callback] = (),
) -> InputSelection:
    r"""Select the inputs that a network on a table needs.

    1. In each fold, and on all rows, a path of group lassos orders the inputs (`order_inputs`).
    2. Networks on the first 1, 2, 3, … inputs of each fold's order say by their out-of-fold loss
       how many are needed (`climb`): the largest number that is within one standard error of
       the best, or none where looking at no input is.
    3. An input is sure if its conditional importance in these networks
       (`conditional_importance`) exceeds 2.6 standard errors.
    4. Complementary halves of the rows order the inputs anew. An input is stable if four fifths of
       the halves have it among their first, as many as let one be there by chance at most, and
       its conditional importance, if it was asked for, exceeds one standard error: of inputs that
       are alike one that tells nothing may lead every half. The sure and the stable are kept.
    5. Where the tables' own networks on these alone are worse than on all, by more than a standard
       error, or than on more, by two, as many more are kept as are needed (`enough_inputs`), of
       those that shuffled copies seldom reach. How often an input is among the first of a half,
       as many as are kept, is its frequency.

    Args:
        rows: The rows; of more than 5,000 a sample of so many selects.
        input_of: [columns] the number of the input of each encoded column.
        folds: Training and held-out rows.
        number: Keep so many, the first of the order; as many as are needed unless given.
        best: The tables' networks that say how many are enough, those that predict best from all
            inputs; a usual few of them unless given.
        groups: [rows] group numbers; groups, not rows, are independent and are halved.
        seed: Of everything that is random.
        callbacks: Told of the progress.

    Raises:
        InputError: If more inputs are asked for than there are, or fewer than one.
    """
    best = best or BestSettings()
    data = InputRows(rows, np.asarray(input_of))
    if number is not None and not 1 <= number <= data.inputs:
        raise InputError(
            f"`inputs` must be an integer from 1 to the {data.inputs} inputs that the table has. "
            f"Received: inputs={number!r}."
        )
    sampled = len(rows.y) > MOST_ROWS
    data, folds, groups = _sample(data, folds, groups, seed)
    order = order_inputs(data, folds, seed=seed, callbacks=callbacks)
    ladder = climb(data, folds, order.by_fold, groups=groups, seed=seed, callbacks=callbacks)
    rise = error = np.zeros(data.inputs)
    if ladder.best:
        rise, error = conditional_importance(
            data, ladder, ladder.widest, order.by_fold, groups=groups, seed=seed
        )
    sure, stable = rise > SURE * error, np.zeros(data.inputs, bool)
    kept, halves = order.whole[: number or 0], None
    if ladder.best or number is not None:
        halves = order_halves(data, order.candidate, groups=groups, seed=seed, callbacks=callbacks)
        stable = stable_inputs(halves.ranks, rise, error)
    if halves is not None and number is None:
        held = held_out(folds)
        kept = enough_inputs(
            lambda sets: losses_of_sets(data, folds, sets, best, seed=seed, callbacks=callbacks),
            order.by_fold,
            order.whole,
            np.flatnonzero(sure | stable),
            np.flatnonzero(halves.relevant),
            # Of a sample, networks on all inputs are trained on no more rows than the others.
            reference=None if best.losses is None or sampled else best.losses[held],
            weight=data.rows.counted(held),
            groups=None if groups is None else groups[held],
        )
    frequency = stability(halves.ranks < len(kept)) if halves is not None and len(kept) else None
    return InputSelection(kept, order, ladder, rise, error, sure, stable, halves, frequency)


def stable_inputs(ranks: np.ndarray, rise: np.ndarray, error: np.ndarray) -> np.ndarray:
    """[inputs] whether four fifths of the halves have an input among their first, for itself.

    How many the first are keeps the bound on those that are there by chance.

    Args:
        ranks: [halves, inputs] the place of each input in each half's order, from 0.
        rise: [inputs] conditional importance.
        error: [inputs] its standard error; 0 where it was not asked for.
    """
    halves, inputs = ranks.shape
    per_half = most_per_half(inputs, FALSE, STABLE, pairs=halves // 2)
    for_another = (error > 0) & (rise <= OWN * error)
    return (stability(ranks < per_half).frequency >= STABLE) & ~for_another


def _sample(
    data: InputRows, folds: Sequence[Split], groups: np.ndarray | None, seed: int
) -> tuple[InputRows, list[Split], np.ndarray | None]:
    """At most `MOST_ROWS` rows, and what the folds and groups are among them."""
    count = len(data.rows.y)
    if count <= MOST_ROWS:
        return data, list(folds), groups
    drawn = np.sort(np.random.default_rng(seed).permutation(count)[:MOST_ROWS])
    place = np.full(count, -1)
    place[drawn] = np.arange(MOST_ROWS)
    fewer = [
        Split(*(at[at >= 0] for at in (place[fold.train], place[fold.held_out]))) for fold in folds
    ]
    groups = None if groups is None else groups[drawn]
    return InputRows(data.rows.at(drawn), data.input_of), fewer, groups
