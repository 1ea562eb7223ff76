"""Inputs are selected: the real ones, as whole inputs, and none where nothing predicts."""

import keras
import numpy as np
import pytest

from taut.engine import Split
from taut.errors import InputError
from taut.studies.stability import most_per_half
from taut.tables.candidates import Setting
from taut.tables.selection import half_orders, ladder, order, select
from taut.tables.selection.conditional import conditional_importance
from taut.tables.selection.enough import enough_inputs
from taut.tables.selection.readers import InputRows, Reader, train_readers
from taut.tables.selection.select import select_inputs, stable_inputs
from taut.tables.selection.sizes import BestSettings, losses_of_sets
from taut.tables.trained import Rows

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")

COUNT = 150
FOLDS = [
    Split(np.flatnonzero(np.arange(COUNT) % 3 != k), np.flatnonzero(np.arange(COUNT) % 3 == k))
    for k in range(3)
]
BEST = BestSettings((Setting("L2", 1e-2),), quick=True)
# Columns 4 to 6 are one input, a category of three levels.
INPUT_OF = np.array([0, 1, 2, 3, 4, 4, 4])


def table(signal):
    draw = np.random.default_rng(0)
    numbers, level = draw.normal(size=(COUNT, 4)), draw.integers(3, size=COUNT)
    x = np.hstack([numbers, np.eye(3)[level]])
    # A gap in what is of no use.
    x[draw.random(COUNT) < 0.1, 1] = np.nan
    y = signal * (np.abs(x[:, 2]) + np.array([-1.0, 0, 1])[level]) + 0.3 * draw.normal(size=COUNT)
    return Rows(encoded=x, y=(y - y.mean()) / y.std(), outputs=1, numbers=4)


@pytest.fixture(scope="module")
def fewer():
    """Fewer lanes: enough for a table of five inputs."""
    with pytest.MonkeyPatch.context() as patch:
        candidates = (order.Candidate(0.1, True), order.Candidate(0.1, False))
        patch.setattr(order, "CANDIDATES", candidates)
        patch.setattr(ladder, "NUMBERS", (1, 2, 3))
        patch.setattr(ladder, "SETTINGS", ((1e-2, True), (1e-2, False)))
        patch.setattr(half_orders, "PAIRS", 4)
        patch.setattr(half_orders, "COPIED_PAIRS", 2)
        yield


@pytest.fixture(scope="module")
def selected(fewer):
    return select_inputs(table(1.0), INPUT_OF, FOLDS, best=BEST)


def test_a_curve_and_a_category_are_kept_as_whole_inputs_and_noise_is_not(selected):
    assert sorted(selected.kept) == [2, 4]
    assert selected.order.candidate.hidden  # |x| is not linear


def test_they_come_first_in_every_order_and_shuffled_copies_do_not_reach_them(selected):
    orders = [selected.order.whole, *selected.order.by_fold]
    assert all({*first[:2].tolist()} == {2, 4} for first in orders)
    assert selected.halves.ahead[[2, 4]].tolist() == [1, 1]
    assert selected.halves.relevant[[2, 4]].all()


def test_what_is_kept_is_sure_where_that_predicts(selected):
    assert selected.sure[selected.kept].all()
    assert selected.ladder.numbers[selected.ladder.best] >= 2


def rungs(worse, error):
    """A ladder of 0, 1, 2, … inputs, of which only the losses are known."""
    losses = np.array(worse)[:, None]
    values = {"numbers": np.arange(len(worse)), "losses": losses, "mean": losses[:, 0]}
    other = {"worse": np.array(worse), "error": np.array(error), "read": None, "setting": None}
    return ladder.Ladder(**values, **other)


def test_the_widest_network_is_the_last_that_is_not_clearly_worse_than_the_best():
    climbed = rungs([1.0, 0.3, 0.0, 0.2, 0.05, 0.1], [0.1] * 6)
    assert (climbed.best, climbed.widest) == (2, 5)
    climbed = rungs([1.0, 0.3, 0.0, 0.2, 0.05, 0.1], [0.07] * 6)
    assert (climbed.best, climbed.widest) == (2, 4)
    # Where looking at no input is as good, none is asked.
    climbed = rungs([0.05, 0.3, 0.0, 0.2], [0.1] * 4)
    assert (climbed.best, climbed.widest) == (0, 0)


class Asked(Exception):
    """Ends a selection where networks are asked; its argument is the rung."""


def test_what_an_input_tells_is_asked_of_the_widest_network(monkeypatch):
    def asked(data, climbed, rung, *others, **settings):
        raise Asked(rung)

    everything = np.tile(np.arange(5), (3, 1))
    ordered = order.Order(order.CANDIDATES[0], everything, everything[0])
    monkeypatch.setattr(select, "order_inputs", lambda *rows, **settings: ordered)
    climbed = rungs([1.0, 0.3, 0.0, 0.2, 0.05], [0.1] * 5)
    monkeypatch.setattr(select, "climb", lambda *rows, **settings: climbed)
    monkeypatch.setattr(select, "conditional_importance", asked)
    with pytest.raises(Asked, match="4"):
        select_inputs(table(1.0), INPUT_OF, FOLDS)


@pytest.fixture(scope="module")
def repeated(fewer):
    """Input 0 is nearly input 2: (ladder on both and the category, rises, errors)."""
    rows = table(1.0)
    x = rows.encoded.copy()
    x[:, 0] = x[:, 2] + 1e-3 * np.random.default_rng(2).normal(size=COUNT)
    data = InputRows(Rows(encoded=x, y=rows.y, outputs=1, numbers=4), INPUT_OF)
    orders = np.tile([0, 2, 4, 1, 3], (3, 1))
    climbed = ladder.climb(data, FOLDS, orders, groups=None, seed=0)
    return climbed, *conditional_importance(data, climbed, 3, orders, groups=None, seed=0)


@pytest.mark.slow
def test_an_input_that_repeats_others_tells_nothing_by_itself(repeated):
    """Of two columns that are nearly the same, permuting one would raise the loss."""
    _, rise, error = repeated
    assert rise[4] > 2 * error[4]
    assert max(rise[0], rise[2]) < 0.1 * rise[4]


def test_of_inputs_that_repeat_each_other_as_many_are_kept_as_predict():
    """None of the repeating ones tells anything by itself, and one of them is needed."""
    x = table(1.0).encoded.copy()
    x[:, 0] = x[:, 2] + 1e-3 * np.random.default_rng(2).normal(size=COUNT)
    rows = Rows(encoded=x, y=table(1.0).y, outputs=1, numbers=4)
    data, path = InputRows(rows, INPUT_OF), np.array([0, 2, 4, 1, 3])
    kept = enough_inputs(
        lambda sets: losses_of_sets(data, FOLDS, sets, BEST, seed=0),
        np.tile(path, (3, 1)),
        path,
        np.array([4]),
        np.array([0, 2, 4]),
    )
    assert kept.tolist() == [0, 4]


def test_what_four_fifths_of_the_halves_have_among_their_first_is_stable():
    """Of five inputs two are: of the first three of each half more might be there by chance."""
    halves, inputs = 20, 5
    ranks = np.tile(np.arange(inputs), (halves, 1))
    assert most_per_half(inputs, 1.0, 0.8, pairs=10) == 2
    ranks[:4, [1, 2]] = ranks[:4, [2, 1]]
    unknown = np.zeros(inputs)
    assert stable_inputs(ranks, unknown, unknown).tolist() == [True, True, False, False, False]
    ranks[4, [1, 2]] = ranks[4, [2, 1]]
    assert stable_inputs(ranks, unknown, unknown).tolist() == [True, False, False, False, False]


def test_what_leads_the_halves_for_another_is_not_stable():
    ranks = np.tile(np.arange(5), (20, 1))
    rise, error = np.array([0.03, 0.02, 0.9, 0.9, 0.9]), np.full(5, 0.02)
    assert stable_inputs(ranks, rise, error).tolist() == [True, False, False, False, False]


def test_half_of_the_rows_find_them_too_and_the_bound_is_told(selected):
    assert selected.stability.pairs == 4
    assert selected.stability.per_half == 2
    assert (selected.stability.frequency[selected.kept] > 0.8).all()
    assert 0 <= selected.expected_false < 2


def test_nothing_is_kept_where_nothing_predicts(fewer):
    nothing = select_inputs(table(0.0), INPUT_OF, FOLDS)
    assert len(nothing.kept) == 0
    assert nothing.stability is None
    assert nothing.halves is None  # nor is any half trained
    assert nothing.expected_false is None


@pytest.mark.slow
def test_as_many_are_kept_as_are_asked_for(fewer):
    asked = select_inputs(table(1.0), INPUT_OF, FOLDS, number=3)
    assert set(asked.kept) > {2, 4}
    assert len(asked.kept) == 3


@pytest.mark.parametrize("number", [0, 6])
def test_more_inputs_than_there_are_is_refused(number):
    with pytest.raises(InputError, match="from 1 to the 5 inputs"):
        select_inputs(table(1.0), INPUT_OF, FOLDS, number=number)


def test_a_reader_sees_its_inputs_and_nothing_else(selected):
    data = InputRows(table(1.0), INPUT_OF)
    readers = [Reader(k, (1e-2, 1e-2), True, np.array([2, 4])) for k in range(3)]
    read = train_readers(data, FOLDS, readers, bins=4, grouped=False, updates=20, seed=0)
    x = data.rows.encoded[:8].copy()
    others = x.copy()
    others[:, [0, 1, 3]] = np.random.default_rng(1).normal(size=(8, 3))
    np.testing.assert_array_equal(read.predict(x, [0]), read.predict(others, [0]))
    others[:, 2] += 1
    assert np.abs(read.predict(x, [0]) - read.predict(others, [0])).max() > 1e-3
