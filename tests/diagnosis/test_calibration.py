"""Laws of the comparison of probabilities with outcomes."""

import numpy as np
import pytest

from taut.diagnosis import NotChecked, calibration_test
from taut.errors import InputError


def binary(draw, rows):
    return 1 / (1 + np.exp(-2 * draw.normal(size=rows)))


def rare(draw, rows):
    return 0.1 * draw.random(rows) + 0.1


def several(draw, rows):
    logits = 1.5 * draw.normal(size=(rows, 3))
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def outcomes(draw, p):
    p = np.stack([1 - p, p], axis=1) if p.ndim == 1 else p
    return (p.cumsum(axis=1) < draw.random((len(p), 1))).sum(axis=1).clip(max=p.shape[1] - 1)


def too_sure(p, power=2.5):
    p = np.stack([1 - p, p], axis=1) if p.ndim == 1 else p
    sharp = p**power
    return sharp / sharp.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("kind", [binary, rare, several])
@pytest.mark.parametrize("rows", [30, 120])
def test_right_probabilities_are_seldom_called_wrong(kind, rows):
    low = alarms = 0
    for seed in range(80):
        draw = np.random.default_rng(seed)
        p = kind(draw, rows)
        y = outcomes(draw, p)
        if len(np.unique(y)) > 1:
            found = calibration_test(p, y)
            low, alarms = low + (found.p_value <= 0.05), alarms + found.miscalibrated
    assert low <= 10  # 4 are expected; more than 10 have a chance of 0.2%
    assert alarms <= 4


@pytest.mark.parametrize("kind", [binary, several])
def test_a_model_too_sure_of_itself_is_miscalibrated_and_its_slope_says_by_how_much(kind):
    draw = np.random.default_rng(0)
    p = kind(draw, 800)
    found = calibration_test(too_sure(p), outcomes(draw, p))
    assert found.miscalibrated
    assert found.slope_low < 1 / 2.5 < found.slope_high < 1
    assert found.error > found.error_by_chance
    assert found.to_frame()["rows"].sum() == 800


def test_a_base_rate_that_is_off_is_seen():
    draw = np.random.default_rng(0)
    p = binary(draw, 500)
    found = calibration_test(np.clip(p * 1.4, 0, 1), outcomes(draw, p))
    assert found.miscalibrated
    assert found.shift[1] < -0.05


def test_an_error_that_does_not_matter_is_none():
    draw = np.random.default_rng(0)
    p = binary(draw, 10_000)
    found = calibration_test(too_sure(p, 1.08), outcomes(draw, p))
    assert found.moved < 0.03
    assert not found.miscalibrated


def test_the_slope_s_interval_covers():
    inside = 0
    for seed in range(60):
        draw = np.random.default_rng(seed)
        p = binary(draw, 150)
        found = calibration_test(too_sure(p, 2), outcomes(draw, p))
        inside += found.slope_low <= 0.5 <= found.slope_high
    assert inside >= 51


def test_copies_of_rows_are_no_more_evidence_where_they_are_groups():
    alarms = 0
    for seed in range(40):
        draw = np.random.default_rng(seed)
        p = binary(draw, 40)
        y = outcomes(draw, p)
        p, y, groups = (np.repeat(one, 10) for one in (p, y, np.arange(40)))
        alarms += calibration_test(p, y, groups=groups).p_value <= 0.05
    assert alarms <= 7


def test_one_class_and_few_rows_are_not_checked():
    assert isinstance(calibration_test(np.full(50, 0.1), np.zeros(50)), NotChecked)
    assert isinstance(calibration_test(np.full(9, 0.1), np.arange(9) % 2), NotChecked)
    sure = calibration_test(np.r_[np.zeros(20), np.ones(20)], np.r_[np.zeros(20), np.ones(20)])
    assert not sure.miscalibrated


@pytest.mark.parametrize(
    ("p", "y", "message"),
    [
        (np.array([0.2, 1.7]), [0, 1], "Logits become"),
        (np.array([[0.2, 0.3]]), [0], "sum to 1"),
        (np.array([0.2, 0.7]), [0, 2], "from 0 to 1"),
        (np.array([0.2, 0.7]), [0, 1, 1], "as many rows"),
        (np.array([0.2, np.nan]), [0, 1], "finite"),
    ],
)
def test_bad_input_gets_one_sentence(p, y, message):
    with pytest.raises(InputError, match=message):
        calibration_test(p, y)
