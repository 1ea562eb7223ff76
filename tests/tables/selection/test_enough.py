"""As many inputs are kept as it takes to predict; the losses are those of the tables' networks."""

import keras
import numpy as np
import pytest

from taut.engine import Split
from taut.tables.candidates import Setting
from taut.tables.selection.enough import enough_inputs
from taut.tables.selection.readers import InputRows
from taut.tables.selection.sizes import BestSettings, losses_of_sets
from taut.tables.trained import Rows, row_loss, train

needs_lanes = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")

WHOLE = np.array([3, 0, 2, 1, 4, 5, 6, 7, *range(8, 40)])
BY_FOLD = np.stack([WHOLE, [0, 3, 1, 2, 4, 6, 5, 7, *range(8, 40)]])
ALTERNATING = np.tile([-1.0, 1.0], 50)


class Networks:
    """Losses by the number of inputs, those of the nearest smaller number named; what was asked."""

    def __init__(self, losses, spread=None):
        self.losses, self.spread, self.sets = losses, spread or {}, []

    def __call__(self, sets):
        self.sets += sets
        return np.stack([self.rows(of_set.shape[1]) for of_set in sets])

    def rows(self, number):
        loss = self.losses[max(n for n in self.losses if n <= number)]
        return loss + self.spread.get(number, 0.0) * ALTERNATING

    @property
    def numbers(self):
        return [of_set.shape[1] for of_set in self.sets]


def kept(networks, known, relevant=range(40), **options):
    known, relevant = np.array(known, int), np.array(relevant, int)
    return enough_inputs(networks, BY_FOLD, WHOLE, known, relevant, **options).tolist()


def test_the_known_ones_are_kept_alone_where_more_predict_no_better():
    assert kept(Networks({1: 1.0, 2: 0.5}), [4, 0]) == [0, 4]
    assert kept(Networks({1: 1.0, 2: 0.5}), [], [3, 0]) == [3, 0]


def test_more_are_kept_in_order_until_the_loss_is_within_one_standard_error_of_that_on_all():
    losses = {1: 1.0, 4: 0.54, 5: 0.5}
    assert kept(Networks(losses), [4, 0]) == [3, 0, 2, 1, 4]
    # The difference's standard error is 0.5/√100, which is above 0.04, or three fifths of that.
    assert kept(Networks(losses, {4: 0.5}), [4, 0]) == [3, 0, 2, 4]
    assert kept(Networks(losses, {4: 0.3}), [4, 0]) == [3, 0, 2, 1, 4]


def test_and_within_two_of_the_best():
    losses = {1: 1.0, 4: 0.54, 5: 0.5, 7: 0.8}
    assert kept(Networks(losses, {4: 0.3}), [4, 0]) == [3, 0, 2, 4]
    assert kept(Networks(losses, {4: 0.1}), [4, 0]) == [3, 0, 2, 1, 4]


def test_only_relevant_ones_are_kept_besides_and_all_of_them_where_none_suffices():
    losses = {1: 1.0, 3: 0.9, 4: 0.8, 40: 0.5}
    networks = Networks(losses)
    assert kept(networks, [4, 0], [1, 5]) == [0, 1, 4, 5]
    assert max(n for n in networks.numbers if n < len(WHOLE)) == 4
    # A known one stays, relevant or not; where no other is relevant nothing need be trained.
    alone = Networks(losses)
    assert kept(alone, [4, 0], [0]) == [0, 4]
    assert alone.sets == []


def test_networks_that_diverge_do_not_suffice_and_are_no_measure():
    assert kept(Networks({1: np.inf, 3: 0.5}), [4, 0]) == [3, 0, 4]
    assert kept(Networks({1: 0.5, 40: np.inf}), [4, 0]) == [0, 4]
    assert kept(Networks({1: np.inf}), [4, 0], [1, 2]) == [0, 2, 1, 4]


def test_groups_not_rows_are_independent():
    networks = Networks({1: 1.0, 4: 0.54, 5: 0.5}, {4: 0.5})
    of_pairs = np.arange(100) // 2  # in which the differences cancel
    assert kept(networks, [4, 0], groups=of_pairs) == [3, 0, 2, 1, 4]


def test_each_fold_reads_the_known_ones_and_the_first_of_its_own_order():
    networks = Networks({1: 1.0, 3: 0.5})
    kept(networks, [4], [3, 0, 1])
    by_number = {n: s.tolist() for n, s in zip(networks.numbers, networks.sets, strict=True)}
    assert by_number[1] == [[4], [4]]
    assert by_number[3] == [[4, 3, 0], [4, 0, 3]]


def test_all_inputs_are_trained_once_unless_their_losses_are_given():
    networks = Networks({1: 0.5})
    kept(networks, [4], [0, 3])
    assert networks.numbers.count(len(WHOLE)) == 1
    given = Networks({1: 0.5})
    assert kept(given, [4], [0, 3], reference=np.full(100, 0.1)) == [3, 0, 4]
    assert len(WHOLE) not in given.numbers


COUNT = 60
FOLDS = [
    Split(np.flatnonzero(np.arange(COUNT) % 2 != k), np.flatnonzero(np.arange(COUNT) % 2 == k))
    for k in range(2)
]
BEST = BestSettings((Setting("L1", 1e-3),), quick=True, epochs=2)
# Columns 2 and 3 are one input.
INPUT_OF = np.array([0, 1, 2, 2])


def table():
    x = np.random.default_rng(0).normal(size=(COUNT, 4))
    y = np.abs(x[:, 0]) + x[:, 2]
    return Rows(encoded=x, y=(y - y.mean()) / y.std(), outputs=1, numbers=3)


EVERY, SOME = np.tile([0, 1, 2], (2, 1)), np.array([[0, 2], [0, 2]])


@needs_lanes
def test_on_all_inputs_the_losses_are_those_of_the_tables_own_networks():
    rows, options = table(), {"quick": True, "most_epochs": 2, "callbacks": ()}
    own = train(rows, FOLDS, BEST.settings, seeds=1, seed=3, **options)
    expected = row_loss(own.out_of_fold.mean(axis=0), rows.y)
    losses = losses_of_sets(InputRows(rows, INPUT_OF), FOLDS, [EVERY, SOME], BEST, seed=3)
    np.testing.assert_allclose(losses[0], expected, rtol=1e-4, atol=1e-6)
    assert np.abs(losses[1] - losses[0]).mean() > 1e-3


@needs_lanes
@pytest.mark.slow
def test_nothing_counts_of_an_input_that_no_fold_reads():
    rows = table()
    every, some = losses_of_sets(InputRows(rows, INPUT_OF), FOLDS, [EVERY, SOME], BEST, seed=3)
    rows.encoded[:, 1] = np.random.default_rng(1).normal(size=COUNT)
    other, same = losses_of_sets(InputRows(rows, INPUT_OF), FOLDS, [EVERY, SOME], BEST, seed=3)
    np.testing.assert_allclose(same, some, rtol=1e-4, atol=1e-6)
    assert np.abs(other - every).mean() > 1e-3
