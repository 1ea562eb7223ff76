"""Nested parts of rows: contained in one another, with classes and groups as they are."""

from itertools import pairwise

import numpy as np
import pytest

from taut.errors import InputError
from taut.studies.learning import row_counts
from taut.studies.subsets import nested_subsets

ROWS = np.arange(100, 300)


@pytest.mark.parametrize("kind", ["plain", "classes", "groups"])
def test_parts_are_nested_sorted_and_of_these_rows(kind):
    labels = np.repeat([0, 1, 2], [200, 90, 10]) if kind == "classes" else None
    groups = np.arange(300) // 7 if kind == "groups" else None
    sizes = [5, 20, 80, 200]
    parts = nested_subsets(ROWS, sizes, seed=3, labels=labels, groups=groups)
    assert len(parts) == len(sizes)
    for small, large in pairwise(parts):
        assert set(small) < set(large)
    for part, size in zip(parts, sizes, strict=True):
        assert (np.diff(part) > 0).all()
        assert set(part) <= set(ROWS)
        assert len(part) == size if kind != "groups" else size <= len(part) < size + 7
    np.testing.assert_array_equal(parts[-1], ROWS)


def test_each_part_has_the_shares_of_the_classes():
    labels = np.zeros(300, int)
    labels[np.random.default_rng(0).choice(300, 60, replace=False)] = 1
    share = labels[ROWS].mean()
    for part in nested_subsets(ROWS, [10, 20, 50, 100], labels=labels):
        assert abs(labels[part].sum() - share * len(part)) <= 1


def test_a_group_is_in_a_part_as_a_whole():
    groups = np.random.default_rng(0).integers(0, 25, 300)
    for part in nested_subsets(ROWS, [10, 40, 120], groups=groups):
        outside = np.setdiff1d(ROWS, part)
        assert not set(groups[part]) & set(groups[outside])


def test_a_seed_draws_one_order():
    one, same, other = (nested_subsets(ROWS, [50], seed=s)[0] for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert set(one) != set(other)


def test_the_grid_is_geometric_up_to_all_rows():
    counts = row_counts(None, 3200, 0)
    assert (counts[0], counts[-1], len(counts)) == (100, 3200, 7)
    ratios = np.divide(counts[1:], counts[:-1])
    assert ratios.max() / ratios.min() < 1.05


def test_the_smallest_size_has_rows_of_each_class():
    assert row_counts(None, 400, 30)[0] == 60
    assert row_counts(None, 80, 0)[0] == 10


@pytest.mark.parametrize(("rows", "classes"), [(8, 0), (39, 0), (100, 20)])
def test_too_few_rows_for_a_grid_are_refused(rows, classes):
    with pytest.raises(InputError, match="at least"):
        row_counts(None, rows, classes)


def test_listed_sizes_are_sorted_and_none_exceeds_the_rows():
    assert row_counts([30, 10, 20, 10], 30, 0) == [10, 20, 30]
    with pytest.raises(InputError, match="31, of 30"):
        row_counts([10, 20, 31], 30, 0)
