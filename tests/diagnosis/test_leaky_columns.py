"""Laws of inputs that tell the target by themselves."""

import numpy as np
import pytest

from taut.diagnosis import NotChecked, leaked_columns
from taut.errors import InputError


def table(seed, rows=200, weights=(1, 1, 1, 1), noise=1.0):
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(rows, 8))
    return x, x[:, : len(weights)] @ np.array(weights) + noise * draw.normal(size=rows), draw


@pytest.mark.parametrize("weights", [(1, 1, 1, 1), (3, 1, 1)])
def test_inputs_that_share_the_work_are_no_leak_though_one_is_stronger(weights):
    for seed in range(3):
        x, y, _ = table(seed, weights=weights, noise=0.5)
        assert not leaked_columns(x, y).leaked
        assert not leaked_columns(x, y > 0).leaked


def test_a_column_made_from_the_target_is_named_among_classes_and_numbers():
    x, y, draw = table(0)
    x[:, 6] = y + 0.05 * draw.normal(size=200)
    assert leaked_columns(x, y).inputs == ("input 6",)
    x[:, 6] = np.where(draw.random(200) < 0.02, y < 0, y > 0)
    leak = leaked_columns(x, y > 0, names=list("abcdefgh"))
    assert leak.inputs == ("g",)
    assert leak.to_frame()["suspect"].tolist() == [True, False, False, False, False]


def test_a_code_of_three_classes_and_its_copy_are_both_named():
    draw = np.random.default_rng(0)
    y = draw.integers(0, 3, 150)
    x = draw.normal(size=(150, 5))
    x[:, 1] = np.array([7.0, -2.0, 3.0])[y]
    x[:, 4] = y * 10
    assert set(leaked_columns(x, y).inputs) == {"input 1", "input 4"}
    assert set(leaked_columns(x, np.eye(3)[y]).inputs) == {"input 1", "input 4"}


def test_that_a_value_is_missing_may_tell_the_target():
    draw = np.random.default_rng(0)
    y = draw.random(150) < 0.4
    x = draw.normal(size=(150, 4))
    x[y, 2] = np.nan
    assert leaked_columns(x, y).inputs == ("input 2",)


def test_units_do_not_matter_nor_do_columns_that_are_constant_or_missing():
    x, y, draw = table(0)
    x[:, 5], x[:, 7] = 4.0, np.nan
    x[:, 6] = y + 0.05 * draw.normal(size=200)
    one, other = leaked_columns(x, y), leaked_columns(-1e4 * x + 3, 100 * y)
    assert one.inputs == other.inputs == ("input 6",)
    assert np.isclose(one.explained, other.explained, atol=0.02)


def test_folds_do_not_cut_groups():
    """The number of a group tells the targets of its other rows, and none of a new group."""
    draw = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 8)
    y = np.repeat(draw.normal(size=30), 8)
    x = np.c_[groups, draw.normal(size=(240, 3))]
    assert leaked_columns(x, y).leaked
    assert not leaked_columns(x, y, groups=groups).leaked


def test_what_cannot_be_told_is_not_checked():
    assert isinstance(leaked_columns(np.zeros((10, 2)), np.arange(10)), NotChecked)
    assert isinstance(leaked_columns(np.zeros((50, 2)), np.ones(50)), NotChecked)
    assert "columns" in leaked_columns(np.zeros((50, 4, 4)), np.arange(50)).reason
    one = leaked_columns(np.zeros((50, 2)), np.arange(50), groups=np.zeros(50))
    assert "one group" in one.reason


def test_bad_input_gets_one_sentence():
    with pytest.raises(InputError, match="as many rows"):
        leaked_columns(np.zeros((50, 2)), np.zeros(40))
    with pytest.raises(InputError, match="one name for each"):
        leaked_columns(np.zeros((50, 2)), np.arange(50), names=["a"])
    with pytest.raises(InputError, match="Encode text"):
        leaked_columns(np.full((50, 2), "a", object), np.arange(50))
