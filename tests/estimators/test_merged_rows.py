"""Equal rows are one row of their summed weight, whatever their order."""

import numpy as np
import pytest

from taut.engine import Split
from taut.errors import InputError
from taut.estimators.merged_rows import merge_rows, rows_to_split

X = np.float32([[1, 2], [3, 4], [1, 2], [0.0, 1], [-0.0, 1], [1, 2]])
Y = np.array([0, 1, 0, 1, 1, 1])


def total(rows):
    """The weighted sum of a function of rows, as a mean over the weights."""
    weight = np.ones(len(rows.x)) if rows.weight is None else rows.weight
    return np.average(rows.x.sum(axis=1) * (rows.y + 2), weights=weight)


def test_the_mean_over_rows_stays():
    rows = merge_rows(X, Y)
    assert len(rows.x) == 4
    assert total(rows) == pytest.approx((X.sum(axis=1) * (Y + 2)).mean())
    assert rows.weight.mean() == pytest.approx(1)


def test_a_weight_is_a_number_of_rows_in_any_order():
    counts = np.array([3, 1, 2, 1, 4, 1])
    weighted, repeated = merge_rows(X, Y, counts), merge_rows(X.repeat(counts, 0), Y.repeat(counts))
    order = np.random.default_rng(0).permutation(len(X))
    shuffled = merge_rows(X[order], Y[order], counts[order])
    for other in (repeated, shuffled):
        for name in ("x", "y", "weight"):
            assert getattr(weighted, name).tobytes() == getattr(other, name).tobytes()


def test_rows_that_count_alike_have_no_weight():
    assert merge_rows(X[:2], Y[:2]).weight is None
    assert merge_rows(X[:2], Y[:2], np.array([0.3, 0.3])).weight is None


def test_equal_rows_of_different_folds_stay_apart():
    splits = [Split(np.arange(3), np.arange(3, 6)), Split(np.arange(3, 6), np.arange(3))]
    rows = merge_rows(X, np.zeros(6), splits=splits)
    # The first, the third and the sixth are equal, the last of them in another fold.
    assert len(rows.x) == 4
    for made, given in zip(rows.splits, splits, strict=True):
        for side in ("train", "held_out"):
            numbers = getattr(made, side)
            ones = np.unique(X[getattr(given, side)] + 0, axis=0)
            np.testing.assert_array_equal(np.unique(rows.x[numbers], axis=0), ones)
    assert not set(rows.splits[0].train) & set(rows.splits[0].held_out)


def test_a_fold_that_names_a_row_twice_is_refused():
    with pytest.raises(InputError, match=r"each row once.*sample_weight"):
        merge_rows(X, Y, splits=[Split(np.array([0, 0, 1]), np.array([3]))])


@pytest.mark.parametrize("grouped", [False, True])
def test_folds_by_number_are_of_rows_that_do_not_tell_a_weight_from_copies(grouped):
    draw = np.random.default_rng(0)
    x = draw.integers(0, 9, size=(60, 2)).astype("float32")
    y, counts = draw.normal(size=60), draw.integers(1, 4, size=60)
    groups = np.arange(60) // 7 if grouped else None

    def made(order, weight):
        of_row = None if groups is None else groups[order]
        of, weight, together = rows_to_split(x[order], y[order], weight, of_row, classes=False)
        parts = [x[order][of], y[order][of], weight]
        return b"".join(part.tobytes() for part in parts), together, x[order][of]

    weighted, together, inputs = made(np.arange(60), counts.astype(float))
    assert made(np.repeat(np.arange(60), counts), np.ones(counts.sum()))[0] == weighted
    order = draw.permutation(60)
    assert made(order, counts[order].astype(float))[0] == weighted
    if not grouped:  # equal inputs stay on one side
        _, numbers = np.unique(inputs, axis=0, return_inverse=True)
        assert len(np.unique(np.stack([numbers, together]), axis=1).T) == len(np.unique(numbers))
