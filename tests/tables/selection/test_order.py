"""Halves of the rows order the inputs together, and shuffled copies say which are relevant."""

from itertools import pairwise

import numpy as np

from taut.engine import Split
from taut.tables.selection import order
from taut.tables.selection.order import Candidate, Order, order_inputs, with_shuffled_copies
from taut.tables.selection.readers import InputRows
from taut.tables.trained import Rows

COUNT = 200
FOLDS = [
    Split(np.flatnonzero(np.arange(COUNT) % 2 != k), np.flatnonzero(np.arange(COUNT) % 2 == k))
    for k in range(2)
]
# Columns 6 to 8 are one input, a category of three levels.
INPUT_OF = np.array([0, 1, 2, 3, 4, 5, 6, 6, 6])


def table():
    draw = np.random.default_rng(0)
    numbers, level = draw.normal(size=(COUNT, 6)), draw.integers(3, size=COUNT)
    y = numbers[:, 4] + np.array([-1.0, 0, 1])[level] + 0.3 * draw.normal(size=COUNT)
    x = np.hstack([numbers, np.eye(3)[level]])
    return InputRows(Rows(encoded=x, y=(y - y.mean()) / y.std(), outputs=1, numbers=6), INPUT_OF)


def test_each_copy_is_its_input_shuffled_on_its_own_and_a_category_is_shuffled_as_a_whole():
    data = table()
    both = with_shuffled_copies(data, 0)
    assert both.input_of.tolist() == [*range(6), *range(7, 13), 6, 6, 6, 13, 13, 13]
    assert both.rows.numbers == 12
    x, copied = data.rows.encoded, both.rows.encoded[:, both.input_of >= 7]
    np.testing.assert_array_equal(both.rows.encoded[:, both.input_of < 7], x)
    np.testing.assert_array_equal(np.sort(copied, axis=0), np.sort(x, axis=0))
    np.testing.assert_array_equal(copied[:, 6:].sum(axis=1), 1)
    moved = [
        np.argsort(own)[np.argsort(np.argsort(copy))]
        for own, copy in zip(x.T[:6], copied.T[:6], strict=True)
    ]
    assert all((a != b).mean() > 0.9 for a, b in pairwise(moved))


def test_what_a_half_leaves_out_is_tied():
    """Otherwise the first columns would come before the last ones where neither is read."""
    ranks = order._ranks(np.array([[0.0, 2.0, 0.0, 1.0, 0.0], [np.nan] * 5]))
    assert ranks.tolist() == [[3, 0, 3, 1, 3], [2] * 5]


def test_an_input_is_relevant_if_a_quarter_of_the_halves_put_it_before_all_copies():
    ahead = np.array([1.0, 0.25, 0.24, 0.0])
    ordered = Order(Candidate(0.1, True), np.empty((1, 4)), np.arange(4), ahead, np.empty((2, 4)))
    assert ordered.relevant.tolist() == [True, True, False, False]


def test_a_fold_is_ordered_without_its_held_out_rows(monkeypatch):
    seen = []

    def norms(data, splits, readers, updates, seed, callbacks):
        seen.append((data.inputs, splits))
        return Norms(len(splits), data.inputs)

    monkeypatch.setattr(order, "_train", norms)
    data = table()
    order_inputs(data, FOLDS, seed=0)
    (inputs, halves), (doubled, copied) = seen[1:]
    assert (inputs, doubled) == (7, 14)
    per_fold = 2 * order.FOLD_PAIRS
    for k, fold in enumerate(FOLDS):
        for half in halves[k * per_fold : (k + 1) * per_fold]:
            both = np.sort(np.concatenate([half.train, half.held_out]))
            np.testing.assert_array_equal(both, fold.train)
    assert len(halves) == 2 * per_fold + 2 * order.PAIRS
    assert len(copied) == 2 * order.COPIED_PAIRS


class Norms:
    """What is asked of trained readers."""

    def __init__(self, readers, inputs):
        self.readers, self.inputs = readers, inputs

    def norms(self):
        return np.ones((self.readers, self.inputs))

    def losses(self):
        return np.ones((len(order.CANDIDATES), COUNT))
