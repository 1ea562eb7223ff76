"""Folds that keep groups together, and folds from past to future."""

import numpy as np
import pytest

from taut.errors import InputError
from taut.studies import forward_folds, group_folds
from taut.studies.folds import MANY_GROUPS, folds


def _whole(splits, groups):
    held = np.concatenate([split.held_out for split in splits])
    assert sorted(held) == list(range(len(groups)))  # every row is held out once
    for split in splits:
        assert not set(groups[split.train]) & set(groups[split.held_out])
        assert len(split.train) + len(split.held_out) == len(groups)
        assert len(split.held_out)


@pytest.mark.parametrize("classes", [True, False])
@pytest.mark.parametrize("groups", [5, 23, MANY_GROUPS + 1])
def test_no_group_is_on_both_sides(groups, classes):
    draw = np.random.default_rng(0)
    of = draw.permutation(np.concatenate([np.arange(groups), draw.integers(0, groups, groups)]))
    y = draw.integers(0, 2, len(of)) if classes else draw.normal(size=len(of))
    _whole(group_folds(y, of, 5, classes=classes), of)


def test_classes_are_shared_out_as_far_as_groups_allow():
    of = np.repeat(np.arange(40), 5)
    y = (np.arange(40) % 4 == 0).astype(int)[of]
    for split in group_folds(y, of, 5, seed=3):
        assert y[split.held_out].mean() == pytest.approx(0.25, abs=0.07)


def test_one_large_group_leaves_no_fold_empty():
    of = np.array([0] * 50 + [1, 2, 3, 4])
    _whole(group_folds(np.zeros(54), of, 5, classes=False), of)


def test_more_folds_than_rows_of_any_class():
    of = np.arange(14)
    _whole(group_folds(of % 7, of, 5), of)


def test_another_seed_gives_other_folds():
    of = np.repeat(np.arange(30), 2)
    one, two, again = (group_folds(np.zeros(60), of, 3, seed=s, classes=False) for s in (0, 1, 0))
    assert [s.held_out.tolist() for s in one] == [s.held_out.tolist() for s in again]
    assert [s.held_out.tolist() for s in one] != [s.held_out.tolist() for s in two]


@pytest.mark.parametrize("given", [{}, {"groups": np.arange(12)}, {"classes": False}])
def test_a_seed_may_be_large(given):
    y = [0, 1] * 6
    assert len(folds(y, 2, seed=2**40, **given)) == 2


def test_a_class_with_fewer_rows_than_folds_is_named_as_it_is():
    with pytest.raises(InputError, match=r"Received: 1 of class 7\."):
        folds(np.array([3] * 9 + [7]), 2, classes=True)


def test_groups_must_be_known_and_enough():
    with pytest.raises(InputError, match="4 groups"):
        group_folds(np.zeros(8), np.repeat(np.arange(4), 2), 5)
    with pytest.raises(InputError, match="missing"):
        group_folds(np.zeros(4), [1.0, 2.0, np.nan, 3.0], 2)


@pytest.mark.parametrize("missing", [np.nan, None])
def test_a_group_that_is_missing_among_text_is_none_of_that_name(missing):
    """NumPy would make the text "nan" of it: all such rows would be of one group."""
    with pytest.raises(InputError, match="first in row 2"):
        folds([0, 1] * 2, 2, groups=["a", "nan", missing, "b"])
    with pytest.raises(InputError, match="missing"):
        group_folds([0, 1] * 2, ["a", "nan", missing, "b"], 2)


@pytest.mark.parametrize("distinct", [6, 17, 200])
def test_the_future_is_held_out_and_ties_stay_together(distinct):
    draw = np.random.default_rng(1)
    time = draw.permutation(np.concatenate([np.arange(distinct), draw.integers(0, distinct, 300)]))
    splits = forward_folds(time, 5)
    held = np.concatenate([split.held_out for split in splits])
    assert len(held) == len(set(held))
    for split in splits:
        assert time[split.train].max() < time[split.held_out].min()
        # Everything earlier is learned from.
        assert len(split.train) == (time < time[split.held_out].min()).sum()
    assert max(time[held]) == time.max()
    if distinct == 200:
        assert len(splits[0].train) == pytest.approx(len(time) / 2, abs=20)
        assert {round(len(s.held_out) / len(time), 1) for s in splits} == {0.1}


def test_there_must_be_more_times_than_folds():
    assert len(forward_folds([1, 2, 3], 2)) == 2
    with pytest.raises(InputError, match="Received: 2"):
        forward_folds([1, 2, 2, 1], 2)
