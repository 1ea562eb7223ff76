"""The rule of choice, against numbers made by hand."""

import numpy as np
import pytest

from taut.studies.choice import choose, not_clearly_worse

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


def test_of_several_strengths_none_is_less_than_at_the_minimum():
    points = np.array([[a, b] for a in (1.0, 0.1, 0.01) for b in (5.0, 0.5)])
    # The least at (0.1, 0.5), mean 2 with a standard error of 0.577.
    losses = np.array(
        [[9.0] * 4, [2.4] * 4, [2.5] * 4, [1, 3, 1, 3], [2.1] * 4, [2.2] * 4], dtype=float
    )
    found = choose(losses, points)
    assert points[found.least].tolist() == [0.1, 0.5]
    # (1, 0.5) and (0.1, 5) stand as high: the lesser loss decides; (0.01, 5) is no candidate.
    assert points[found.one_standard_error].tolist() == [1.0, 0.5]
    losses[0] = 2.55
    assert points[choose(losses, points).one_standard_error].tolist() == [1.0, 5.0]
    # The best at (0.01, 5): (1, 0.5) stands higher in sum, but not on the second.
    losses = np.array([[9.0] * 4, [2.1] * 4, [9.0] * 4, [9.0] * 4, [1, 3, 1, 3], [9.0] * 4])
    assert points[choose(losses, points).one_standard_error].tolist() == [0.01, 5.0]


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


DRAW = np.random.default_rng(0)


def test_near_is_within_one_standard_error_on_either_side():
    losses = np.array(
        [[1.0, 1.2, 1.1], [0.9, 1.1, 1.0], [1.0, 1.1, 1.05], [2.0, 2, 2], [1, np.inf, 1]]
    )
    choice = choose(losses, np.array([0.1, 0.2, 0.3, 0.4, 0.5]))
    assert choice.least == 1
    bound = losses[1].mean() + losses[1].std(ddof=1) / np.sqrt(3)
    np.testing.assert_array_equal(choice.near, losses.mean(axis=1) <= bound)
    assert choice.near.tolist() == [False, True, True, False, False]
    assert not choose(np.full((2, 3), np.nan), np.array([0.1, 0.2])).near.any()


def test_what_is_not_clearly_worse_may_predict():
    rows = 400
    best = DRAW.normal(1, 1, rows)
    hard = 0.05 * DRAW.normal(size=rows)  # paired: rows that are hard for one are hard for all
    candidates = np.stack(
        [best + 0.1, best + hard - hard.mean(), best - 0.001, np.full(rows, np.inf), best + 0.01]
    )
    assert not_clearly_worse(candidates, at_least=1).tolist() == [2, 1]
    assert not_clearly_worse(candidates).tolist() == [2, 1, 4]
    # Weighing and grouping rows: a hundred copies of a row are one row.
    groups = np.repeat(np.arange(4), 100)
    lucky = np.stack([best, best + np.repeat([0.3, -0.2, 0.25, -0.1], 100)])
    assert not_clearly_worse(lucky, at_least=1).tolist() == [0]
    assert not_clearly_worse(lucky, groups=groups, at_least=1).tolist() == [0, 1]
    only_second = np.repeat([0.0, 1.0, 0.0, 0.0], 100)
    assert not_clearly_worse(lucky, only_second, at_least=1).tolist() == [1]
