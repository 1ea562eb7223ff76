"""Laws of rows and groups that stand on both sides of a split."""

import numpy as np
import pytest

from taut.diagnosis import NotChecked, leaked_groups, leaked_rows
from taut.errors import InputError


def normal(draw, rows, columns):
    return draw.normal(size=(rows, columns))


def with_categories(draw, rows, columns):
    return np.c_[draw.integers(0, 3, (rows, columns - 1)), draw.normal(size=rows)]


def binary(draw, rows, columns):
    return draw.integers(0, 2, (rows, columns)).astype(float)


def rounded_powers(draw, rows, columns):
    """Columns that are functions of one another, of few digits."""
    z = draw.normal(size=rows).round(3)
    return np.stack([z ** (k + 1) for k in range(columns)], axis=1)


def heavy(draw, rows, columns):
    return draw.standard_cauchy((rows, columns))


def mostly_zero(draw, rows, columns):
    return np.where(draw.random((rows, columns)) < 0.7, 0, normal(draw, rows, columns))


KINDS = [normal, with_categories, binary, rounded_powers, heavy, mostly_zero]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("columns", [2, 8])
def test_rows_of_one_population_are_no_leak(kind, columns):
    alarms = 0
    for seed in range(30):
        draw = np.random.default_rng(seed)
        alarms += leaked_rows(kind(draw, 150, columns), kind(draw, 50, columns)).leaked
    assert alarms <= 2  # of 30 at a rate of 1%: more has a probability of 0.3%


@pytest.mark.parametrize("kind", [normal, with_categories, heavy, mostly_zero])
def test_copied_rows_are_a_leak_and_are_named(kind):
    draw = np.random.default_rng(0)
    train, held_out = kind(draw, 300, 8), kind(draw, 100, 8)
    held_out[:12] = train[40:52]
    leak = leaked_rows(train, held_out)
    frame = leak.to_frame()
    assert leak.leaked
    assert leak.equal >= 12
    of_copies = frame[frame["held_out_row"] < 12]
    assert of_copies["train_row"].tolist() == list(range(40, 52))
    assert (of_copies["kind"] == "equal").all()


@pytest.mark.parametrize("jitter", [0.001, 0.05])
def test_near_copies_are_a_leak(jitter):
    draw = np.random.default_rng(0)
    train, held_out = normal(draw, 300, 10), normal(draw, 100, 10)
    held_out[:15] = train[:15] + jitter * normal(draw, 15, 10)
    leak = leaked_rows(train, held_out)
    assert leak.leaked
    assert leak.equal == 0
    assert leak.held_out_rows.tolist() == leak.train_rows.tolist() == list(range(15))


def test_copies_from_before_the_split_are_a_leak_in_measurements_alone():
    draw = np.random.default_rng(0)
    order = draw.permutation(400)
    measured = np.repeat(normal(draw, 200, 6), 2, axis=0)[order]
    assert leaked_rows(measured[:300], measured[300:]).leaked
    categories = np.repeat(binary(draw, 200, 6), 2, axis=0)[order]
    assert not leaked_rows(categories[:300], categories[300:]).leaked


def test_all_held_out_rows_may_be_copies():
    train = normal(np.random.default_rng(0), 200, 5)
    assert leaked_rows(train, train[:60]).leaked


def test_images_are_compared_whole():
    draw = np.random.default_rng(0)
    images = draw.random((260, 8, 8, 1))
    assert not leaked_rows(images[:200], images[200:]).leaked
    assert leaked_rows(images[:200], np.concatenate([images[200:], images[:9]])).equal == 9


def test_a_target_tells_rows_of_few_values_apart():
    draw = np.random.default_rng(0)
    x, y = binary(draw, 400, 4), draw.normal(size=400)
    held_out, of_held_out = x[300:].copy(), y[300:].copy()
    assert not leaked_rows(x[:300], held_out, y_train=y[:300], y_held_out=of_held_out).leaked
    held_out[:20], of_held_out[:20] = x[:20], y[:20]
    leak = leaked_rows(x[:300], held_out, y_train=y[:300], y_held_out=of_held_out)
    assert leak.leaked
    assert leak.same_target == 20


def test_it_knows_neither_units_nor_order_and_missing_values_are_values():
    draw = np.random.default_rng(0)
    x = normal(draw, 300, 6)
    x[draw.random(x.shape) < 0.1] = np.nan
    x[:, 3] = 5.0  # a constant column
    train, held_out = x[:200], np.concatenate([x[200:], x[:10]])
    one = leaked_rows(train, held_out)
    units, order = np.array([1e-6, 1e6, 1, 3, 0.1, 7]), draw.permutation(200)
    other = leaked_rows(train[order] * units + 4 * units, held_out * units + 4 * units)
    assert one.leaked
    assert one.equal == other.equal == 10
    assert np.isclose(one.p_value, other.p_value)


def test_twenty_held_out_rows_and_one_training_row():
    draw = np.random.default_rng(0)
    assert not leaked_rows(normal(draw, 60, 5), normal(draw, 20, 5)).leaked
    assert isinstance(leaked_rows(normal(draw, 1, 5), normal(draw, 20, 5)), NotChecked)


def test_groups_on_both_sides_are_named_the_largest_first():
    leak = leaked_groups(["a", "b", "b", "c"], ["d", "b", "a", "b"])
    assert leak.groups == ("b", "a")
    assert leak.to_frame()["held_out_rows"].tolist() == [2, 1]
    assert leak.share == 0.75
    assert not leaked_groups([1, 2], [3, 4]).leaked


@pytest.mark.parametrize(
    ("train", "held_out", "message"),
    [
        (np.zeros((3, 2)), np.zeros((3, 1)), "the same columns"),
        (np.array([["a"]], object), np.zeros((1, 1)), "Encode text"),
        (np.full((2, 2), np.inf), np.zeros((2, 2)), "finite or NaN"),
        (np.zeros((2, 2)), np.zeros((0, 2)), "must have rows"),
    ],
)
def test_bad_input_gets_one_sentence(train, held_out, message):
    with pytest.raises(InputError, match=message):
        leaked_rows(train, held_out)


def test_targets_come_in_pairs():
    x = np.zeros((4, 2))
    with pytest.raises(InputError, match="both, or neither"):
        leaked_rows(x, x, y_train=np.zeros(4))
    with pytest.raises(InputError, match="one group a row"):
        leaked_groups([], [1])
