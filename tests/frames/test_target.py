from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from taut.errors import InputError
from taut.frames.target import read_target, understand_target

N = 200


def target(values):
    return pd.Series(values, name="y")


# Every row: a target, its task, and its classes in the type in which they come back.
TARGETS = {
    "text": (["M", "B"] * 100, "binary", ("B", "M")),
    "text with spaces": (["M ", "M", " B", "B"] * 50, "binary", ("B", "M")),
    "three texts": (["b", "a", "c", "a"] * 50, "multiclass", ("a", "b", "c")),
    "None is a class": (["None", "Mild"] * 100, "binary", ("Mild", "None")),
    "bool": ([True, False] * 100, "binary", (False, True)),
    "nullable bool": (pd.array([True, False] * 100, dtype="boolean"), "binary", (False, True)),
    "ints": ([2, 1] * 100, "binary", (1, 2)),
    "nullable ints": (pd.array([2, 1] * 100, dtype="Int64"), "binary", (1, 2)),
    "ints as floats": ([2.0, 1.0] * 100, "binary", (1, 2)),
    "two floats": ([0.5, 1.5] * 100, "binary", (0.5, 1.5)),
    "two far ints": ([-7, 90000] * 100, "binary", (-7, 90000)),
    "decimals": ([Decimal("0.5"), Decimal(2)] * 100, "binary", (0.5, 2.0)),
    "ints as text": (["2", "1"] * 100, "binary", ("1", "2")),
    "few ints": (list(range(10)) * 20, "multiclass", tuple(range(10))),
    "categories": (pd.Categorical(["b", "a"] * 100), "binary", ("a", "b")),
    "int categories": (pd.Categorical(list(range(100)) * 2), "multiclass", tuple(range(100))),
    "arrow text": (pd.array(["b", "a"] * 100, dtype="string[pyarrow]"), "binary", ("a", "b")),
    "mixed": ([1, "1", "a", True] * 50, "multiclass", ("1", "True", "a")),
    "codes": (["007", "010", "100", "007"] * 50, "multiclass", ("007", "010", "100")),
    "many codes": (
        [f"{i:05d}" for i in range(40)] * 5,
        "multiclass",
        tuple(f"{i:05d}" for i in range(40)),
    ),
    "months and a word": (
        [*map(str, range(10, 20)), "other"] * 20,
        "multiclass",
        (*map(str, range(10, 20)), "other"),
    ),
    "ints beyond a float": ([10**18, 10**18 + 1] * 100, "binary", (str(10**18), str(10**18 + 1))),
    "a flag and a word": (["True", "-", "False"] * 50, "multiclass", ("-", "False", "True")),
    "numbers with a unit": (["1 star", "2 stars"] * 100, "binary", ("1 star", "2 stars")),
    "floats": (np.linspace(0, 1, N), "regression", ()),
    "three floats": ([0.5, 1.5, 2.0, 2.0] * 50, "regression", ()),
    "many ints": (list(range(21)) * 50, "regression", ()),
    "few rows an int": (list(range(20)) * 9, "regression", ()),
    "numbers as text": ([f" {i / 7}" for i in range(N)], "regression", ()),
}


@pytest.mark.parametrize("name", TARGETS)
def test_the_task_is_detected(name):
    values, expected, labels = TARGETS[name]
    task, reason, classes, counts = understand_target(target(values))
    assert (task, classes) == (expected, labels)
    assert [type(label) for label in classes] == [type(label) for label in labels]
    assert reason
    assert sum(counts) == (len(values) if classes else 0)


@pytest.mark.parametrize("name", TARGETS)
def test_codes_stand_for_the_labels(name):
    values, task, classes = TARGETS[name]
    y = read_target(target(values), task, classes)
    if task == "regression":
        assert y.dtype == np.float64
        np.testing.assert_allclose(y, [float(value) for value in values])
    else:
        assert y.dtype == np.int64
        for value, code in zip(values, y, strict=True):
            label = classes[code]
            assert label == (str(value).strip() if isinstance(label, str) else value)


def test_labels_are_recognised_in_another_type():
    for values in ([2, 1], [2.0, 1.0], ["2", " 1"], pd.Categorical([2, 1])):
        assert read_target(target(values), "binary", (1, 2)).tolist() == [1, 0]
    for values in ([True, False], [1, 0], ["TRUE", "false"]):
        assert read_target(target(values), "binary", (False, True)).tolist() == [1, 0]
    for values in (["2", "1"], [2, 1], [2.0, 1.0]):
        assert read_target(target(values), "binary", ("1", "2")).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("values", "asked", "task"),
    [
        (list(range(10)) * 20, "regression", "regression"),
        ([True, False] * 100, "regression", "regression"),
        (["true", "false"] * 100, "regression", "regression"),
        (pd.Categorical([1, 5] * 100), "regression", "regression"),
        (list(range(50)) * 4, "classification", "multiclass"),
        (list(range(50)) * 4, "multiclass", "multiclass"),
        ([0.5, 1.5] * 100, "classification", "binary"),
        ([0.5, 1.5] * 100, "binary", "binary"),
    ],
)
def test_the_task_can_be_asked_for(values, asked, task):
    assert understand_target(target(values), asked)[0] == task


@pytest.mark.parametrize(
    ("values", "task", "says"),
    [
        (["a"] * N, None, "'a'"),
        ([1.0] * N, "regression", "two different values"),
        (["a", "b"] * 100, "regression", "'a'"),
        (["1", "2", "abc", "3"] * 50, "regression", "'abc'"),
        (["1", "2", "None", "3"] * 50, "regression", "'None'"),
        ([1, 2, 3, 4] * 50, "binary", "Received 4"),
        ([1, 2] * 100, "multiclass", "Received 2"),
        ([1, 2] * 100, "ranking", "'ranking'"),
        ([0.5, np.inf, 1.0, 2.0] * 50, None, "finite"),
        ([0.5, np.inf] * 100, None, "finite"),
        ([0.5, 1e200, 3.0] * 100, "regression", "finite"),
        ([*(f"{i / 7:.2f}" for i in range(N - 1)), "many"], None, "numbers but for 'many'"),
        ([f"{i}{'+' * (i > 99)}" for i in range(N)], None, "signs that are not read, such as"),
        ([f"{i} {'kg' if i % 2 else 'g'}" for i in range(N)], None, "in several units. Write all"),
        ([f"{i % 24:02d}:{i % 60:02d}" for i in range(N)], None, r"times.*\(such as minutes\)"),
        (pd.date_range("2020", periods=N), None, "dates"),
        (["2020-01-01", "2020-01-02"] * 100, None, "dates.*set the task to classification"),
        (["Q1 2020", "Q2 2020"] * 100, None, "dates"),
    ],
)
def test_targets_that_do_not_fit_are_refused(values, task, says):
    with pytest.raises(InputError, match=says):
        understand_target(target(values), task)


def test_dates_can_be_classes_where_that_is_asked_for():
    values = target(["Q1 2020", "Q2 2020"] * 100)
    assert understand_target(values, "classification")[2] == ("Q1 2020", "Q2 2020")


def test_a_flag_and_a_word_are_no_booleans():
    assert "categories" in understand_target(target(["True", "-", "False"] * 50))[1]


def test_an_unknown_label_is_refused():
    with pytest.raises(InputError, match="'X'"):
        read_target(target(["M", "X"]), "binary", ("B", "M"))
    with pytest.raises(InputError, match="'3'"):
        read_target(target([1, 3]), "binary", (1, 2))
