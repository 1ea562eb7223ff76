"""The rule of choice, against numbers made by hand."""

import numpy as np
import pytest

from taut.studies import choose

STRENGTHS = np.array([1.0, 0.1, 0.01, 0.0])


def test_least_mean_and_the_strongest_within_one_standard_error():
    # Means 5, 2.5, 2, 2.6; the least has deviation 1 over 4 folds, so a standard error of 0.577.
    losses = np.array([[5, 5, 5, 5], [2.5, 2.5, 2.5, 2.5], [1, 3, 1, 3], [2.6, 2.6, 2.6, 2.6]])
    found = choose(losses.astype(float), STRENGTHS)
    assert (found.least, found.one_standard_error) == (2, 1)
    np.testing.assert_allclose(found.mean, [5, 2.5, 2, 2.6])
    np.testing.assert_allclose(found.standard_error, [0, 0, np.sqrt(4 / 3) / 2, 0])


def test_the_second_choice_is_never_less_regularised():
    losses = np.array([[9.0, 9, 9], [1, 2, 3], [3, 3, 3], [1.9, 2.1, 2.1]])
    found = choose(losses, STRENGTHS)
    assert found.least == found.one_standard_error == 1


def test_among_equals_the_stronger_is_chosen():
    losses = np.array([[3.0, 3.0], [2.0, 2.0], [2.0, 2.0], [2.0, 2.0]])
    assert choose(losses, STRENGTHS).least == 1
    assert choose(losses[::-1], STRENGTHS[::-1]).least == 2


def test_the_order_of_strengths_does_not_matter():
    draw = np.random.default_rng(0)
    for _ in range(50):
        losses, order = draw.normal(3, 1, (4, 5)), draw.permutation(4)
        one, other = choose(losses, STRENGTHS), choose(losses[order], STRENGTHS[order])
        assert order[other.least] == one.least
        assert order[other.one_standard_error] == one.one_standard_error
        assert STRENGTHS[one.one_standard_error] >= STRENGTHS[one.least]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_lane_that_diverged_is_never_chosen(bad):
    losses = np.array([[2.0, bad], [5.0, 5.0], [4.0, 4.5], [bad, bad]])
    found = choose(losses, STRENGTHS)
    assert found.least == 2
    assert found.one_standard_error == 2
    assert np.isnan(found.standard_error[[0, 3]]).all()


def test_one_fold_has_no_standard_error():
    found = choose(np.array([[2.0], [1.0], [1.0], [3.0]]), STRENGTHS)
    assert found.least == found.one_standard_error == 1
    assert np.isnan(found.standard_error).all()


def test_all_diverged_still_gives_an_answer():
    found = choose(np.full((4, 3), np.nan), STRENGTHS)
    assert not np.isfinite(found.mean).any()
    assert STRENGTHS[found.one_standard_error] >= STRENGTHS[found.least]
