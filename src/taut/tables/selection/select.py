"""Which inputs are kept: order, number, conditional importance, and how stable that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from taut.engine import Callback, Split
from taut.errors import InputError
from taut.studies.stability import Stability, complementary_pairs, stability
from taut.tables.selection.conditional import conditional_importance
from taut.tables.selection.enough import enough_inputs
from taut.tables.selection.ladder import Ladder, climb
from taut.tables.selection.order import Order, order_inputs, orders_of_halves
from taut.tables.selection.readers import InputRows
from taut.tables.trained import Rows

SURE = 2.3
"""Standard errors that the conditional importance of an input that is sure exceeds: by chance one
in a hundred does."""
PAIRS, FEW_PAIRS, MANY_COLUMNS = 25, 5, 1000
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
        stability: How often halves of the rows had each input among their first; None where none
            is kept.
    """

    kept: np.ndarray
    order: Order
    ladder: Ladder
    rise: np.ndarray
    error: np.ndarray
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
    groups: np.ndarray | None = None,
    seed: int = 0,
    callbacks: Sequence[Callback] = (),
) -> InputSelection:
    r"""Select the inputs that a network on a table needs.

    1. In each fold, and on all rows, a path of group lassos orders the inputs (`order_inputs`).
    2. Networks on the first 1, 2, 3, … inputs of each fold's order say by their out-of-fold loss
       how many are needed (`climb`): the largest number that is within one standard error of
       the best, or none where looking at no input is.
    3. Of the first so many by the order on all rows, those are kept whose conditional importance
       in these networks (`conditional_importance`) exceeds 2.3 standard errors; and where
       networks on these alone are clearly worse than the best number, as many more as are needed
       (`enough_inputs`).
    4. Complementary halves of the rows order the inputs anew; how often an input is among the
       first, as many as are kept, is its selection frequency.

    Args:
        rows: The rows; of more than 5,000 a sample of so many selects.
        input_of: [columns] the number of the input of each encoded column.
        folds: Training and held-out rows.
        number: Keep so many, the first of the order; as many as are needed unless given.
        groups: [rows] group numbers; groups, not rows, are independent and are halved.
        seed: Of everything that is random.
        callbacks: Told of the progress.

    Raises:
        InputError: If more inputs are asked for than there are, or fewer than one.
    """
    data = InputRows(rows, np.asarray(input_of))
    if number is not None and not 1 <= number <= data.inputs:
        raise InputError(
            f"`inputs` must be an integer from 1 to the {data.inputs} inputs that the table has. "
            f"Received: inputs={number!r}."
        )
    data, folds, groups = _sample(data, folds, groups, seed)
    order = order_inputs(data, folds, seed=seed, callbacks=callbacks)
    ladder = climb(data, folds, order.by_fold, groups=groups, seed=seed, callbacks=callbacks)
    rise = error = np.zeros(data.inputs)
    if ladder.best:
        rise, error = conditional_importance(
            data, ladder, ladder.widest, order.by_fold, groups=groups, seed=seed
        )
    if number is None:
        first = order.whole[: ladder.numbers[ladder.widest]]
        kept = first[:0]
        if len(first):
            sure = rise[first] > SURE * error[first]
            # What is not sure goes by the path, whose order is steadier than these small rises.
            ranked = np.concatenate([first[sure], first[~sure]])
            enough = enough_inputs(
                folds,
                ladder,
                ranked,
                sure.sum(),
                groups=groups,
                seed=seed,
                callbacks=callbacks,
            )
            kept = first[np.isin(first, enough)]
    else:
        kept = order.whole[:number]
    stable = None
    if len(kept):
        halves = complementary_pairs(
            len(data.rows.y),
            PAIRS if len(input_of) <= MANY_COLUMNS else FEW_PAIRS,
            seed=seed,
            labels=data.rows.y if rows.outputs > 1 else None,
            groups=groups,
        )
        orders = orders_of_halves(data, halves, order.candidate, seed=seed, callbacks=callbacks)
        ranks = np.argsort(orders, axis=1)
        stable = stability(ranks < len(kept))
    return InputSelection(kept, order, ladder, rise, error, stable)


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
