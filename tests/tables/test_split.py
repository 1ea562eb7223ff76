"""Columns that group, order or weigh the rows, and the test rows that follow from them."""

import numpy as np
import pandas as pd
import pytest

from taut.errors import InputError
from taut.frames.roles import Roles, RowFacts, row_facts
from taut.frames.understand import understand
from taut.tables.split import fold_rows, set_test_aside

ROWS = 120
DRAW = np.random.default_rng(0)


def frame():
    return pd.DataFrame(
        {
            "patient": [f"p{k % 30}" for k in range(ROWS)],
            "day": pd.date_range("2024-01-01", periods=ROWS // 2).repeat(2).astype(str),
            "count": np.arange(ROWS) % 7,
            "x": DRAW.normal(size=ROWS),
            "y": ["a", "b"] * (ROWS // 2),
        }
    )


def split(facts, y=None, **options):
    y = np.arange(ROWS) % 2 if y is None else y
    options = {"test_size": 0.2, "folds": 3, "seed": 0, "classes": True} | options
    return set_test_aside(y, facts, **options)


@pytest.mark.parametrize("groups", [4, 30, 60, 120])
@pytest.mark.parametrize("test_size", [0.05, 0.2, 0.5])
def test_no_group_is_in_the_test_and_in_training(groups, test_size):
    of = np.arange(ROWS) % groups
    rows, test = split(RowFacts(groups=of), test_size=test_size)
    assert sorted([*rows, *test]) == list(range(ROWS))
    assert not set(of[rows]) & set(of[test])
    assert len(set(of[rows])) >= 3
    assert len(test) >= 1
    if groups >= 30 and test_size >= 0.2:
        assert len(test) / ROWS == pytest.approx(test_size, abs=0.06)


def test_whole_groups_are_drawn_alike_in_class():
    of = np.repeat(np.arange(60), 2)
    y = (np.arange(60) % 3 == 0).astype(int)[of]
    _, test = split(RowFacts(groups=of), y)
    assert y[test].mean() == pytest.approx(1 / 3, abs=0.1)


@pytest.mark.parametrize("distinct", [5, 12, 120])
def test_the_test_is_the_latest_rows_and_ties_stay_together(distinct):
    time = DRAW.permutation(np.arange(ROWS) % distinct)
    rows, test = split(RowFacts(time=time))
    assert time[rows].max() < time[test].min()
    assert len(test) / ROWS == pytest.approx(0.2, abs=0.05)
    for fold in fold_rows(np.zeros(len(rows)), RowFacts(time=time[rows]), 3, seed=0, classes=True):
        assert time[rows][fold.train].max() < time[rows][fold.held_out].min()


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (RowFacts(groups=np.arange(ROWS) % 3), "at least 4 groups for 3 folds and a test set"),
        (RowFacts(time=np.arange(ROWS) % 4), "at least 5 different times"),
    ],
)
def test_too_few_groups_or_times_are_refused(facts, words):
    with pytest.raises(InputError, match=words):
        split(facts)


@pytest.mark.parametrize("role", ["time", "groups"])
def test_a_value_that_most_rows_share_is_refused(role):
    values = np.minimum(np.arange(ROWS), 4)
    if role == "groups":  # three folds and a test: the large one goes where it may
        _, test = split(RowFacts(groups=values))
        assert len(test) < 60
        return
    with pytest.raises(InputError, match="no latest rows but 97% of them"):
        split(RowFacts(time=values))


def test_a_test_set_smaller_than_the_classes_is_refused():
    y = np.arange(40) % 10
    with pytest.raises(InputError, match=r"=0\.2, which is 8 of 40 rows.*size of 0\.25 or more"):
        split(RowFacts(), y)
    assert len(split(RowFacts(), y, test_size=0.25)[1]) == 10


def test_values_are_read_of_rows_with_a_target():
    table = frame()
    table.loc[[0, 5], "y"] = None
    table.loc[5, ["patient", "count"]] = None  # of no interest: the row is dropped
    facts = row_facts(table, Roles("patient", None, "count"), target="y")
    assert len(facts.groups) == len(facts.weights) == ROWS - 2
    np.testing.assert_array_equal(facts.weights, table["count"].drop([0, 5]))
    days = row_facts(table, Roles(time="day"), target="y").time
    assert (np.diff(days) >= 0).all()
    assert np.ptp(days) == ROWS // 2 - 1


@pytest.mark.parametrize(
    ("column", "value", "roles", "words"),
    [
        ("patient", None, Roles(groups="patient"), "in 1 of 120 rows"),
        ("patient", "?", Roles(groups="patient"), "in 1 of 120 rows"),
        ("day", None, Roles(time="day"), "drop these rows"),
        ("day", "soon", Roles(time="day"), "Write dates as"),
        ("count", -1, Roles(weights="count"), "-1"),
        ("count", np.inf, Roles(weights="count"), "inf"),
        ("count", "much", Roles(weights="count"), "much"),
        ("count", None, Roles(weights="count"), "0 leaves a row out"),
    ],
)
def test_what_is_not_known_is_refused(column, value, roles, words):
    table = frame()
    table[column] = table[column].astype(object)
    table.loc[7, column] = value
    with pytest.raises(InputError, match=words):
        row_facts(table, roles, target="y")


def test_weights_and_groups_must_tell_rows_apart():
    with pytest.raises(InputError, match="all 0"):
        row_facts(frame().assign(count=0), Roles(weights="count"), target="y")
    with pytest.raises(InputError, match="two groups"):
        row_facts(frame().assign(patient="p"), Roles(groups="patient"), target="y")


@pytest.mark.parametrize(
    ("roles", "features", "words"),
    [
        (Roles(groups="patient", time="day"), None, "cannot be combined"),
        (Roles(groups="patient", weights="patient"), None, "'patient' twice"),
        (Roles(weights="y"), None, "another column than the target"),
        (Roles(groups="patient"), ["x", "patient"], "no input"),
        (Roles(groups="patients"), None, "did you mean 'patient'"),
        (Roles(weights="wait"), None, "'wait'"),
    ],
)
def test_roles_that_contradict_are_refused(roles, features, words):
    with pytest.raises(InputError, match=words):
        understand(frame(), target="y", features=features, roles=roles)


def test_columns_with_a_role_are_no_inputs():
    roles = Roles(groups="patient", weights="count")
    schema = understand(frame(), target="y", roles=roles)
    kinds = {c.name: (c.kind, c.used) for c in schema.columns}
    assert kinds["patient"] == ("groups", False)
    assert kinds["count"] == ("weights", False)
    assert not schema.warnings
    schema.prepare(frame().drop(columns=["patient", "count"]))  # nor are they needed later
    schema = understand(frame(), target="y", roles=Roles(time="day"))
    assert "day" not in {c.name for c in schema.used}
    schema = understand(frame(), target="y", features=["x", "day"], roles=Roles(time="day"))
    assert {c.name for c in schema.used} == {"x", "day"}
