"""Halves of the rows order the inputs together, and shuffled copies say which are relevant."""

from itertools import pairwise

import numpy as np

from taut.engine import Split
from taut.tables.selection import half_orders, order
from taut.tables.selection.half_orders import HalfOrders, order_halves, with_shuffled_copies
from taut.tables.selection.order import order_inputs
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
    ranks = order.ranks(np.array([[0.0, 2.0, 0.0, 1.0, 0.0], [np.nan] * 5]))
    assert ranks.tolist() == [[3, 0, 3, 1, 3], [2] * 5]


def test_an_input_is_relevant_if_a_quarter_of_the_halves_put_it_before_all_copies():
    ahead = np.array([1.0, 0.25, 0.24, 0.0])
    assert HalfOrders(np.empty((2, 4)), ahead).relevant.tolist() == [True, True, False, False]


def test_halves_are_of_all_rows_and_the_first_learn_with_copies_too(monkeypatch):
    seen = []

    def train(data, splits, readers, **options):
        seen.append((data.inputs, splits, readers))
        return Norms(len(readers), data.inputs)

    monkeypatch.setattr(order, "train_readers", train)
    ordered = order_inputs(table(), FOLDS, seed=0)
    found = order_halves(table(), ordered.candidate, seed=0)
    (_, path, readers), (inputs, halves, _), (doubled, copied, _) = seen
    assert path[:-1] == FOLDS
    assert len(readers) == 3 * len(order.CANDIDATES)
    assert (inputs, doubled) == (7, 14)
    assert (len(halves), len(copied)) == (2 * half_orders.PAIRS, 2 * half_orders.COPIED_PAIRS)
    for half, same in zip(halves, copied, strict=False):
        np.testing.assert_array_equal(half.train, same.train)
        both = np.sort(np.concatenate([half.train, half.held_out]))
        np.testing.assert_array_equal(both, np.arange(COUNT))
    # Input 6 leads in everything; no other exceeds the copies, which are as good.
    assert ordered.whole[0] == 6
    assert found.ahead.tolist() == [0] * 6 + [1]
    assert ordered.candidate == order.CANDIDATES[0]


class Norms:
    """What is asked of trained readers; of all inputs, number 6 has weights of 2, the others 1."""

    def __init__(self, readers, inputs):
        self.readers, self.inputs = readers, inputs

    def norms(self):
        return np.tile(np.where(np.arange(self.inputs) == 6, 2.0, 1.0), (self.readers, 1))

    def losses(self, folds):
        return np.ones((len(order.CANDIDATES), COUNT))
