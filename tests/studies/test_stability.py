"""Frequencies over half-samples, and the bounds on false selections that follow from them."""

import numpy as np
import pytest

from taut.errors import InputError
from taut.studies.stability import complementary_pairs, expected_false, stability


def test_pairs_are_disjoint_halves_of_all_rows_with_equal_parts_of_each_class():
    labels = np.repeat([0, 1], [12, 8])
    pairs = complementary_pairs(20, 5, seed=3, labels=labels)
    assert len(pairs) == 5
    assert len({tuple(one) for one, _ in pairs}) == 5
    for one, other in pairs:
        assert sorted([*one, *other]) == list(range(20))
        assert len(one) == len(other) == 10
        assert np.bincount(labels[one]).tolist() == [6, 4]


def test_a_group_is_in_one_half_as_a_whole():
    groups = np.repeat(np.arange(7), 3)
    for one, other in complementary_pairs(21, 4, groups=groups):
        assert not set(groups[one]) & set(groups[other])
        assert len(one) + len(other) == 21


def test_frequencies_count_halves_and_pairs():
    result = stability(np.array([[1, 0, 1], [1, 1, 0], [1, 0, 0], [1, 0, 1]]))
    assert result.frequency.tolist() == [1.0, 0.25, 0.5]
    assert result.both.tolist() == [1.0, 0.0, 0.0]
    assert (result.per_half, result.pairs) == (1.75, 2)


# Meinshausen and Bühlmann, theorem 1: q = √((2τ − 1)·p) has one false selection at most.
@pytest.mark.parametrize(("inputs", "threshold"), [(1000, 0.9), (250, 0.75), (88, 0.6)])
def test_the_number_that_the_first_bound_allows_one_false_selection(inputs, threshold):
    per_half = ((2 * threshold - 1) * inputs) ** 0.5
    assert expected_false(per_half, inputs, threshold) == pytest.approx(1.0)


def test_the_second_bound_is_the_published_formula_on_both_sides_of_three_quarters():
    blind = 20**2 / 400
    gap = 2 * 0.7 - 1 - 1 / 100
    assert expected_false(20, 400, 0.7, pairs=50) == pytest.approx(blind / (2 * gap))
    above = 4 * (1 - 0.9 + 1 / 100) / (1 + 1 / 50)
    assert expected_false(20, 400, 0.9, pairs=50) == pytest.approx(blind * above)


def test_no_bound_holds_at_half_of_the_halves_and_none_exceeds_the_inputs():
    assert expected_false(5, 10, 0.5, pairs=50) is None
    assert expected_false(10, 10, 0.51) == 10


@pytest.mark.parametrize("threshold", [0.6, 0.7, 0.8, 0.9])
def test_blind_selection_keeps_within_the_bound(threshold):
    draw, inputs, per_half, pairs = np.random.default_rng(0), 100, 10, 25
    chance = draw.random((200, 2 * pairs, inputs)).argsort(axis=-1) < per_half
    frequency = chance.mean(axis=1)
    false = (frequency >= threshold).sum(axis=1).mean()
    bound = expected_false(per_half, inputs, threshold, pairs=pairs)
    assert bound is not None
    assert false <= bound < expected_false(per_half, inputs, threshold)


@pytest.mark.parametrize("selected", [np.ones((3, 2)), np.ones(4), np.ones((0, 2))])
def test_what_is_no_matrix_of_pairs_is_refused(selected):
    with pytest.raises(InputError, match="pairs"):
        stability(selected)


@pytest.mark.parametrize("wrong", [{"per_half": 11}, {"threshold": 1.1}, {"inputs": 0}])
def test_numbers_that_cannot_be_are_refused(wrong):
    with pytest.raises(InputError):
        expected_false(**{"per_half": 5, "inputs": 10, "threshold": 0.9, **wrong})
