"""Arrays as people have them, all read the same; and what no network can read."""

from decimal import Decimal

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import taut
from taut._data import as_arrays, check_inputs, group_labels
from taut.diagnosis import distribution_shift, leaked_groups
from taut.errors import InputError

VALUES = np.array([[0, 1], [1, 1], [1, 0]])
FRAME = pd.DataFrame(VALUES, columns=["a", "b"])


@pytest.mark.parametrize(
    "given",
    [
        VALUES,
        VALUES.tolist(),
        FRAME,
        FRAME.astype("Int64"),
        FRAME.astype("boolean"),
        FRAME.astype({"a": bool, "b": float}),  # together they are objects
        FRAME.astype({"a": "Int8", "b": "float32"}),
        VALUES.astype(object),
        [[Decimal(0), True], [1, np.float32(1)], [1.0, 0]],
    ],
    ids=lambda given: type(given).__name__,
)
def test_numbers_of_every_type_are_one_array(given):
    found = as_arrays(given, "x")
    assert found.dtype.kind in "biuf"
    np.testing.assert_array_equal(found.astype(float), VALUES)


def test_missing_objects_are_missing_numbers():
    gap = FRAME.astype("Int64").where(FRAME["a"] == 0)
    np.testing.assert_array_equal(as_arrays(gap, "x"), [[0, 1], [np.nan] * 2, [np.nan] * 2])
    np.testing.assert_array_equal(as_arrays([1, None, 2], "y"), [1, np.nan, 2])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.array([1j, 2]), "numbers.*complex128, such as"),
        (np.array([1, "a"], object), "numbers.*such as 1"),
        (np.array(["2020-01-01"], "datetime64[D]"), "numbers.*such as"),
        (scipy.sparse.csr_matrix(VALUES), r"a sparse csr_matrix. Write `x.toarray\(\)`"),
        (scipy.sparse.coo_array(VALUES), "a sparse coo_array"),
        (np.ma.masked_less(VALUES, np.max(VALUES)), "a masked array"),
    ],
    ids=["complex", "mixed", "dates", "matrix", "array", "masked"],
)
def test_what_no_network_reads_is_refused(given, message):
    with pytest.raises(InputError, match=f"(?s){message}"):
        as_arrays(given, "x")


@pytest.mark.parametrize("value", [1e300, -np.inf, np.nan])
def test_numbers_that_no_network_can_hold_are_told(value):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    x = VALUES.astype(float)
    check_inputs(model, x)
    x[1, 0] = value
    with pytest.raises(InputError, match=r"beyond 3.4e\+38 in 1 of 3 rows, first in row 1"):
        check_inputs(model, x)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (["a", "b", "a"], ["a", "b", "a"]),
        ([1, "a", 1], ["1", "a", "1"]),
        (np.array([3, 1, 3]), [3, 1, 3]),
        (pd.Series([2, 2, 7], dtype="Int64"), [2, 2, 7]),
        (pd.Categorical(["x", "y", "x"]), ["x", "y", "x"]),
        ([10**30, 2, 2], [10**30, 2, 2]),
    ],
    ids=str,
)
def test_labels_of_groups_stay_what_they_are(groups, expected):
    found = group_labels(groups)
    assert found.tolist() == expected
    assert len(np.unique(found)) == 2


@pytest.mark.parametrize(
    "groups",
    [["a", None, "b"], ["a", float("nan")], pd.Series([1, None]), np.array([1.0, np.nan])],
    ids=str,
)
def test_a_missing_group_is_no_group(groups):
    rows = np.zeros((len(groups), 1))
    y = np.arange(len(groups))
    for use in (
        lambda: group_labels(groups),
        lambda: taut.studies.folds(y, 2, groups=groups, classes=False),
        lambda: leaked_groups(groups, groups),
        lambda: distribution_shift(rows, rows, groups_train=groups, groups_held_out=groups),
    ):
        with pytest.raises(InputError, match="must have a value in every row"):
            use()


def test_labels_that_differ_in_type_alone_are_refused():
    with pytest.raises(InputError, match="all text or all numbers"):
        group_labels([1, "1", 2])
