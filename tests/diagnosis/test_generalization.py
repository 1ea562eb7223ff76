"""Laws of the interval of a trained model's own gap."""

import numpy as np
import pytest

from taut.diagnosis import NotChecked, generalization_gap
from taut.errors import InputError


def coverage(draw_losses, expected, rows, level, *, draws=400, groups=None):
    """Shares of the intervals that cover, and their mean width."""
    inside, widths = 0, []
    for seed in range(draws):
        train, held_out = draw_losses(np.random.default_rng(seed), rows)
        gap = generalization_gap(train, held_out, level=level, groups=groups)
        assert gap
        inside += gap.low <= expected - gap.train <= gap.high
        widths.append(gap.high - gap.low)
    return inside / draws, np.mean(widths)


def squared_errors(draw, rows):
    return draw.chisquare(1, 300) * 0.8, draw.chisquare(1, rows)


def overfitted(draw, rows):
    """Small losses in training; cross-entropy with a long tail on fresh rows."""
    return draw.gamma(0.2, 0.05, 200), draw.gamma(0.3, 3.0, rows)


def wrong_or_right(draw, rows):
    return draw.random(200) < 0.1, draw.random(rows) < 0.2


# Losses, their expectation and their standard deviation.
KINDS = [(squared_errors, 1.0, np.sqrt(2)), (overfitted, 0.9, 1.643), (wrong_or_right, 0.2, 0.4)]


@pytest.mark.parametrize(
    ("kind", "expected", "spread"), KINDS, ids=lambda k: getattr(k, "__name__", "")
)
@pytest.mark.parametrize("rows", [20, 200])
def test_the_interval_covers_the_expected_loss_at_little_more_than_the_least_width(
    kind, expected, spread, rows
):
    """Standard errors of the coverage over 400 draws: 1.1% and 2%."""
    for level, z, least, most in [(0.95, 1.96, 0.91, 0.99), (0.8, 1.2816, 0.74, 0.87)]:
        covered, width = coverage(kind, expected, rows, level)
        assert least <= covered <= most
        assert width <= 1.2 * 2 * z * spread / np.sqrt(rows)


def test_rows_of_a_group_depend_on_one_another():
    """Equal losses within a group: the rows would say that they are ten times as many."""

    def copies(draw, rows):
        return draw.chisquare(1, 300), np.repeat(draw.chisquare(1, rows // 10), 10)

    groups = np.repeat(np.arange(40), 10)
    covered, _ = coverage(copies, 1.0, 400, 0.95, groups=groups)
    alone, _ = coverage(copies, 1.0, 400, 0.95)
    assert covered > 0.9
    assert alone < 0.6


def test_groups_of_one_row_are_rows_but_for_what_training_adds():
    draw = np.random.default_rng(0)
    train, held_out = draw.exponential(size=100), draw.exponential(size=500)
    rows = generalization_gap(train, held_out)
    groups = generalization_gap(train, held_out, groups=[f"patient {i}" for i in range(500)])
    assert np.allclose([rows.low, rows.high], [groups.low, groups.high], atol=1e-3)


@pytest.mark.parametrize("kind", [squared_errors, overfitted, wrong_or_right])
def test_it_knows_neither_the_order_of_rows_nor_their_groups_names(kind):
    draw = np.random.default_rng(3)
    train, held_out = kind(draw, 60)
    groups = draw.integers(0, 20, 60)
    order = draw.permutation(60)
    one = generalization_gap(train, held_out, groups=groups)
    other = generalization_gap(train[::-1], held_out[order], groups=-groups[order])
    assert np.allclose([one.low, one.high], [other.low, other.high])


def test_it_is_in_the_units_of_the_loss():
    train, held_out = overfitted(np.random.default_rng(0), 50)
    one, other = generalization_gap(train, held_out), generalization_gap(7 * train, 7 * held_out)
    assert np.allclose([7 * one.low, 7 * one.high], [other.low, other.high])


def test_a_weight_of_two_is_the_row_twice_in_the_estimate_and_no_second_row_in_the_interval():
    train, held_out = squared_errors(np.random.default_rng(0), 50)
    weighted = generalization_gap(train, held_out, held_out_weights=np.full(50, 2.0))
    once = generalization_gap(train, held_out)
    assert np.allclose([weighted.low, weighted.high], [once.low, once.high])
    left_out = np.r_[np.ones(40), np.zeros(10)]
    part = generalization_gap(train, held_out, held_out_weights=left_out)
    assert np.isclose(part.low, generalization_gap(train, held_out[:40]).low)


def test_losses_below_zero_are_allowed_and_others_have_no_expectation_below_zero():
    draw = np.random.default_rng(0)
    likelihoods = generalization_gap(draw.normal(-3, 1, 50), draw.normal(-2, 1, 50))
    assert likelihoods.held_out_high < 0
    rare = np.zeros(30)
    rare[0] = 1e-3
    assert generalization_gap(rare, rare).held_out_low >= 0


def test_no_error_among_few_rows_is_no_proof_of_none():
    gap = generalization_gap(np.zeros(100), np.zeros(20))
    assert gap.held_out_low == 0
    assert 0.1 < gap.held_out_high < 0.2


def test_one_row_or_group_tells_nothing():
    assert isinstance(generalization_gap([0.1] * 30, [0.5]), NotChecked)
    one_group = generalization_gap([0.1] * 30, [0.5] * 9, groups=["a"] * 9)
    assert "group" in one_group.reason


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"held_out_losses": []}, "one loss a row"),
        ({"held_out_losses": [[1.0, 2.0]]}, "one loss a row"),
        ({"held_out_losses": [1.0, np.nan]}, "1 of 2 values"),
        ({"held_out_losses": ["a", "b"]}, "array of numbers"),
        ({"level": 95}, "0.95 is a 95% interval"),
        ({"groups": [1, 2, 3]}, "one label for each of the 2 rows"),
        ({"held_out_weights": [0, 0]}, "zero in every row"),
        ({"train_weights": [-1]}, ">= 0"),
    ],
)
def test_bad_input_gets_one_sentence(arguments, message):
    given = {"train_losses": [0.1], "held_out_losses": [0.2, 0.3], **arguments}
    train, held_out = given.pop("train_losses"), given.pop("held_out_losses")
    with pytest.raises(InputError, match=message):
        generalization_gap(train, held_out, **given)
