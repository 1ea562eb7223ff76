"""Laws of segments where a model fails."""

import numpy as np
import pytest

from taut.diagnosis import NotChecked, failing_segments
from taut.errors import InputError


def rows_and_losses(seed, rows=300, inputs=5):
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(rows, inputs))
    x[:, 1] = draw.integers(0, 3, rows)
    return x, draw.chisquare(1, rows), draw


@pytest.mark.parametrize("rows", [50, 120])
def test_a_model_that_fails_alike_everywhere_has_no_such_segment(rows):
    low = alarms = 0
    for seed in range(60):
        x, losses, _ = rows_and_losses(seed, rows)
        found = failing_segments(x, losses)
        low += min(one.p_value for one in found.worst) <= 0.05
        alarms += bool(found.failing)
    assert low <= 8  # 3 are expected; more than 8 have a chance of 0.3%
    assert alarms <= 3


def test_segments_by_one_input_and_by_two_are_named():
    x, losses, _ = rows_and_losses(0)
    one = failing_segments(x, losses * np.where(x[:, 1] == 2, 4, 1), names=list("abcde"))
    assert one.failing[0].where == "b = 2"
    both = (x[:, 0] > 0.5) & (x[:, 3] < -0.5)
    two = failing_segments(x, losses + 6 * both)
    assert two.failing[0].inputs == ("input 0", "input 3")
    assert two.failing[0].low > 0
    assert two.to_frame()["fails"][0]


def test_missing_values_are_a_segment():
    x, losses, draw = rows_and_losses(0)
    x[draw.random(300) < 0.2, 4] = np.nan
    found = failing_segments(x, losses + 3 * np.isnan(x[:, 4]))
    assert found.failing[0].where == "input 4 is missing"


def test_units_order_and_constant_columns_do_not_matter():
    x, losses, draw = rows_and_losses(0)
    x[:, 4] = 7.0
    losses = losses * np.where(x[:, 0] > 0.8, 4, 1)
    order = draw.permutation(300)
    one = failing_segments(x, losses)
    other = failing_segments((1e4 * x)[order], 5 * losses[order])
    assert one.failing[0].inputs == other.failing[0].inputs == ("input 0",)
    assert one.failing[0].rows == other.failing[0].rows
    assert np.isclose(5 * one.failing[0].loss, other.failing[0].loss)


def test_rows_of_a_group_are_no_more_than_the_group():
    alarms = {"rows": 0, "groups": 0}
    for seed in range(12):
        x, losses, _ = rows_and_losses(seed, 40)
        x, losses, groups = (np.repeat(one, 10, axis=0) for one in (x, losses, np.arange(40)))
        alarms["rows"] += bool(failing_segments(x, losses).failing)
        alarms["groups"] += bool(failing_segments(x, losses, groups=groups).failing)
    assert alarms["rows"] > 6
    assert alarms["groups"] <= 2


def test_what_cannot_be_told_is_not_checked():
    x, losses, _ = rows_and_losses(0)
    assert isinstance(failing_segments(x[:20], losses[:20]), NotChecked)
    assert isinstance(failing_segments(x, losses, groups=np.arange(300) % 5), NotChecked)
    assert isinstance(failing_segments(np.zeros((300, 4, 4)), losses), NotChecked)
    assert failing_segments(np.zeros((300, 2)), losses).tested == 0
    assert failing_segments(x, np.ones(300)).failing == ()
    with pytest.raises(InputError, match="as many rows"):
        failing_segments(x, losses[:-1])
