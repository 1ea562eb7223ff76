"""Laws of the comparison of how both sides of a split are drawn."""

import numpy as np
import pytest

from taut.diagnosis import NotChecked, distribution_shift, shift
from taut.errors import InputError


def normal(draw, rows):
    return draw.normal(size=(rows, 4))


def categories(draw, rows):
    x = draw.integers(0, 3, (rows, 4)).astype(float)
    x[draw.random(x.shape) < 0.2] = np.nan
    return x


@pytest.mark.parametrize("kind", [normal, categories])
@pytest.mark.parametrize("rows", [(60, 20), (90, 60)])
def test_random_splits_are_no_shift(kind, rows):
    found = []
    for seed in range(60):
        draw = np.random.default_rng(seed)
        found.append(distribution_shift(kind(draw, rows[0]), kind(draw, rows[1])))
    # The law of a probability: at most 5% below 0.05. More than 8 of 60 have a chance of 0.3%.
    assert sum(one.p_value <= 0.05 for one in found) <= 8
    assert sum(one.shifted for one in found) <= 3


def test_groups_that_differ_are_no_shift_of_their_rows():
    """Ten rows of a group are alike: as rows they would differ between any two sets of groups."""
    alarms = {"rows": 0, "groups": 0}
    for seed in range(12):
        draw = np.random.default_rng(seed)
        x = np.repeat(normal(draw, 40), 10, axis=0) + 0.1 * normal(draw, 400)
        groups = np.repeat(np.arange(40), 10)
        parts = {"groups_train": groups[:250], "groups_held_out": groups[250:]}
        alarms["rows"] += distribution_shift(x[:250], x[250:]).shifted
        alarms["groups"] += distribution_shift(x[:250], x[250:], **parts).shifted
    assert alarms["rows"] > 6
    assert alarms["groups"] <= 2


def test_the_input_that_differs_is_named_by_its_values_or_by_what_is_missing():
    draw = np.random.default_rng(0)
    train, held_out = normal(draw, 300), normal(draw, 100)
    held_out[:, 2] += 1
    found = distribution_shift(train, held_out, names=list("abcd"))
    assert found.shifted
    assert found.inputs == ("c",)
    assert found.to_frame()["input"][0] == "c"
    held_out[:, 2] -= 1
    held_out[:40, 1] = np.nan
    assert distribution_shift(train, held_out).inputs == ("input 1",)


def test_a_correlation_that_differs_is_a_shift_of_no_single_input():
    draw = np.random.default_rng(0)
    train, held_out = normal(draw, 400), normal(draw, 300)
    held_out[:, 0] = 0.9 * held_out[:, 1] + np.sqrt(1 - 0.81) * held_out[:, 0]
    found = distribution_shift(train, held_out)
    assert found.shifted
    assert found.inputs == ()


def test_a_difference_that_does_not_matter_is_none():
    draw = np.random.default_rng(0)
    train, held_out = draw.normal(size=(20_000, 2)), draw.normal(size=(20_000, 2))
    assert not distribution_shift(train, held_out + np.array([0.05, 0])).shifted


def test_units_do_not_matter_nor_do_columns_that_are_constant_or_missing():
    draw = np.random.default_rng(0)
    train, held_out = normal(draw, 100), normal(draw, 60) + np.array([0.5, 0, 0, 0])
    for part in (train, held_out):
        part[:, 2], part[:, 3] = 5.0, np.nan
    one = distribution_shift(train, held_out)
    other = distribution_shift(1e5 * train - 2, 1e5 * held_out - 2)
    assert np.allclose(one.distance, other.distance)
    assert np.isclose(one.auc, other.auc)
    assert (one.p_values[2:] == 1).all()


def test_what_cannot_be_told_is_not_checked():
    draw = np.random.default_rng(0)
    assert isinstance(distribution_shift(normal(draw, 50), normal(draw, 5)), NotChecked)
    assert isinstance(distribution_shift(np.zeros((50, 8, 8)), np.zeros((50, 8, 8))), NotChecked)
    with pytest.raises(InputError, match="the same columns"):
        distribution_shift(normal(draw, 50), normal(draw, 50)[:, :2])
    with pytest.raises(InputError, match="both, or neither"):
        distribution_shift(normal(draw, 50), normal(draw, 50), groups_train=np.arange(50))


def test_of_many_inputs_it_solves_for_the_rows_and_finds_the_same(monkeypatch):
    """A matrix of 30,000 features would take 7 GB."""
    draw = np.random.default_rng(0)
    train, held_out = draw.normal(size=(60, 40)), draw.normal(size=(40, 40)) + 0.3
    train[draw.random(train.shape) < 0.1] = np.nan
    sizes, solve = [], np.linalg.solve

    def spied(matrix, right):
        sizes.append(len(matrix))
        return solve(matrix, right)

    monkeypatch.setattr(np.linalg, "solve", spied)
    by_rows = distribution_shift(train, held_out)
    assert sizes == [50, 50]
    monkeypatch.setattr(shift, "INPUTS_AT_ONCE", 9)  # the last piece has four inputs
    in_pieces = distribution_shift(train, held_out)
    monkeypatch.setattr(shift, "KINDS", 0)  # of which there are then never too many
    by_features = distribution_shift(train, held_out)
    assert sizes[4:] == [120, 120]
    assert 0.5 < by_rows.auc < 1
    for same in (in_pieces, by_features):
        assert same.auc == pytest.approx(by_rows.auc, rel=1e-12)
        assert same.auc_p_value == pytest.approx(by_rows.auc_p_value, rel=1e-9)
