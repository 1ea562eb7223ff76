"""Saved indices and columns that look like groups; and real tables that hold neither."""

import numpy as np
import pandas as pd
import pytest
import sklearn.datasets

from taut.frames.suspects import named_like_a_group
from taut.frames.understand import understand


def patients(rows=6, people=40, seed=0):
    """Measurements that differ little within a patient, and a label of the patient's own."""
    draw = np.random.default_rng(seed)
    of = np.repeat(np.arange(people), rows)
    x = draw.normal(size=(people, 4))[of] + 0.1 * draw.normal(size=(people * rows, 4))
    y = draw.permutation(np.arange(people) % 2)[of]
    table = pd.DataFrame(x, columns=list("abcd")).assign(of=of, y=np.where(y, "ill", "well"))
    return table.sample(frac=1, random_state=seed, ignore_index=True)


def column(schema, name):
    return next(c for c in schema.columns if c.name == name)


@pytest.mark.parametrize("values", [lambda k: k, lambda k: f"P{k:03d}", lambda k: 70000 + 13 * k])
@pytest.mark.parametrize(
    "name", ["patient", "Patient_ID", "subjectNo", "user id", "pid", "患者ID", "Kunden-Nr."]
)
def test_a_column_named_like_a_group_is_set_aside_and_warned_of(name, values):
    table = patients()
    table[name] = [values(k) for k in table.pop("of")]
    schema = understand(table, target="y")
    assert not column(schema, name).used
    (warning,) = schema.warnings
    assert repr(name) in warning
    assert "--groups" in warning
    asked = understand(table, target="y", features=["a", "b", name])
    assert column(asked, name).used
    assert len(asked.warnings) == 1


@pytest.mark.parametrize("write", [float, lambda x: f"{x:g}".replace(".", ","), "{:g} kg".format])
def test_a_measurement_is_no_group_however_it_is_written_and_called(write):
    table = patients()
    table["pat"] = [write(0.5 + k / 4) for k in table.pop("of")]
    assert column(understand(table, target="y"), "pat").used


@pytest.mark.parametrize("name", ["visitors", "num_satisfactory_accounts", "nCustomers", "Users"])
def test_numbers_of_people_or_things_are_no_group(name):
    table = patients()
    table[name] = table.pop("of")
    assert column(understand(table, target="y"), name).used
    table[name] = table[name].map("P{}".format)  # but texts are names
    assert not column(understand(table, target="y"), name).used


@pytest.mark.parametrize("name", ["customer_ids", "account_num", "patient no", "user number"])
def test_numbers_that_name_people_or_things_are_groups(name):
    table = patients()
    table[name] = table.pop("of")
    assert not column(understand(table, target="y"), name).used


def test_rows_without_a_target_do_not_make_a_name_repeat():
    table = patients(rows=1)
    table["patient"] = table.pop("of").map("P{:03d}".format)
    table.loc[[3, 7], "y"] = None
    schema = understand(table, target="y")
    assert column(schema, "patient").reason == "every value occurs once"
    assert schema.warnings == ()


@pytest.mark.parametrize("rows", [2, 6])
@pytest.mark.parametrize("text", [True, False])
def test_a_column_that_behaves_like_a_group_is_warned_of(rows, text):
    table = patients(rows)
    draw = np.random.default_rng(1).permutation(40)
    table["kiwi"] = [f"k{draw[k]}" if text else draw[k] for k in table.pop("of")]
    schema = understand(table, target="y")
    (warning,) = schema.warnings
    assert "'kiwi'" in warning
    assert "hardly differs" in warning


def test_other_columns_that_repeat_give_a_group_away():
    table = patients()
    draw = np.random.default_rng(2)
    of = table.pop("of").to_numpy()
    table["y"] = draw.normal(size=len(of))
    table["kiwi"] = [f"k{k}" for k in of]
    table["born"], table["height"] = draw.normal(size=40)[of], draw.normal(size=40)[of]
    (warning,) = understand(table, target="y").warnings
    assert "'born', 'height'" in warning


@pytest.mark.parametrize(
    "name", ["load_iris", "load_wine", "load_breast_cancer", "load_diabetes", "load_digits"]
)
def test_real_tables_without_groups_are_not_suspected(name):
    table = getattr(sklearn.datasets, name)(as_frame=True).frame
    schema = understand(table, target="target")
    assert schema.warnings == ()
    assert not [c for c in schema.columns if c.kind == "identifier"]


def test_a_quantity_that_fixes_the_target_is_no_group():
    dose = np.tile(np.arange(30), 8)
    table = pd.DataFrame({"dose": dose, "x": np.random.default_rng(0).normal(size=240)})
    table["y"] = np.sqrt(dose) + 0.01 * table["x"]
    assert understand(table, target="y").warnings == ()


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("patient", 5),
        ("PatientID", 5),
        ("customer number", 5),
        ("store_id", 20),
        ("device", 20),
        ("driver_age", None),
        ("family_size", None),
        ("humidity", None),
        ("userRating", None),
        ("country_code", None),
        ("name", None),
        ("", None),
    ],
)
def test_names_of_groups(name, least):
    assert named_like_a_group(name) == least


@pytest.mark.parametrize(
    ("name", "values", "left_out"),
    [
        ("Unnamed: 0", range(60), True),
        ("Unnamed: 0.1", range(1, 61), True),
        ("index", range(60), True),
        ("X", range(1, 61), True),
        ("rownames", range(60), True),
        ("Unnamed: 0", [*range(30), *range(30)], True),  # of two tables, one below the other
        ("Unnamed: 0", np.random.default_rng(0).permutation(60), True),
        ("Unnamed: 3", np.arange(60) % 7 * 2, False),
        ("x", np.arange(60) % 7, False),
        ("X", np.arange(60) ** 2, False),
    ],
)
def test_a_saved_index_is_left_out_and_told(name, values, left_out):
    draw = np.random.default_rng(0)
    table = pd.DataFrame({name: list(values), "z": draw.normal(size=60)})
    table["y"] = np.sort(draw.normal(size=60))  # a sorted table: its index tells the target
    schema = understand(table, target="y")
    assert column(schema, name).used != left_out
    assert any("saved index" in note for note in schema.notes) == left_out
    assert column(understand(table, target="y", features=[name, "z"]), name).used


@pytest.mark.parametrize("value", [1 + 2j, np.array(3), {1}, object])
def test_objects_of_any_kind_are_no_index(value):
    frame = pd.DataFrame(
        {"index": [value, "a"] * 20, "z": [0.5, 1.5, 2.5, 1.5] * 10, "y": [0, 1] * 20}
    )
    understand(frame, target="y")
