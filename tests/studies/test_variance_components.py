"""Variance components, on losses that are drawn from known ones."""

import numpy as np
import pytest

from taut.studies.variance_components import NAMES, _solved, variance_components

TRUE = {"split": 2.0, "weights": 0.5, "order": 1.0, "both": 0.7}


def drawn(draw, splits=5, without=()):
    s, w, o, r = (0.0 if name in without else TRUE[name] for name in NAMES)
    return (
        3
        + s * draw.normal(size=(splits, 1, 1))
        + w * draw.normal(size=(splits, 4, 1))
        + o * draw.normal(size=(splits, 1, 4))
        + r * draw.normal(size=(splits, 4, 4))
    )


def test_estimates_are_right_on_average():
    draw = np.random.default_rng(0)
    many = [variance_components(drawn(draw, splits=40)).variance for _ in range(60)]
    for name, deviation in TRUE.items():
        found = np.array([v[name] for v in many])
        error = found.std(ddof=1) / np.sqrt(len(found))
        assert abs(found.mean() - deviation**2) <= 4 * error


@pytest.mark.parametrize("name", NAMES)
def test_intervals_contain_the_deviation_as_often_as_they_say(name):
    draw, inside = np.random.default_rng(1), 0
    for _ in range(100):
        _, low, high = variance_components(drawn(draw)).deviation(name, level=0.8)
        inside += low <= TRUE[name] <= high
    assert 68 <= inside <= 92  # 80, within three standard errors


@pytest.mark.parametrize("name", NAMES[:3])
def test_what_does_not_vary_is_nought(name):
    found = variance_components(drawn(np.random.default_rng(5), splits=30, without=[name]))
    deviation, low, high = found.deviation(name)
    assert low == 0
    assert deviation <= high <= 0.6


def test_equal_losses_have_no_variance():
    found = variance_components(np.full((3, 2, 2), 1.5))
    assert all(value == 0 for value in found.variance.values())


def test_expected_mean_squares_are_solved_for_the_variances():
    weights, orders = 4, 3
    s, w, o, r = (TRUE[name] ** 2 for name in NAMES)
    expected = {
        "split": r + orders * w + weights * o + weights * orders * s,
        "weights": r + orders * w,
        "order": r + weights * o,
        "both": r,
    }
    found = _solved(expected, weights, orders)
    assert found == pytest.approx({name: TRUE[name] ** 2 for name in NAMES})


def test_sums_of_squares_are_those_of_the_analysis_of_variance():
    y = drawn(np.random.default_rng(3), splits=1000, without=NAMES[:3])
    found = variance_components(y)
    assert found.degrees == {"split": 999, "weights": 3000, "order": 3000, "both": 9000}
    assert found.variance["both"] == pytest.approx(0.49, rel=0.05)
    total, _, _ = found.deviation(*NAMES)
    assert total == pytest.approx(y.std(), rel=0.03)
