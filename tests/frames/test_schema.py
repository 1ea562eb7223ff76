import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.model_selection import train_test_split

from taut.errors import InputError
from taut.frames.enough_rows import check_enough_rows
from taut.frames.read import read_table
from taut.frames.schema import Schema
from taut.frames.understand import MINIMUM_ROWS, understand
from taut.typed_json import plain, typed

N = 120
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "row": np.arange(N),
            "age": np.where(np.arange(N) % 9, rng.normal(size=N), np.nan),
            SCRIPT: rng.choice(["a", "b", "c"], N),
            "smoker": rng.choice([True, False, None], N),
            "since": pd.date_range("2020-01-01", periods=N, tz="Europe/Paris").astype(str),
            "same": 1,
            "nothing": np.nan,
            "name": [f"p{i}" for i in range(N)],
            5: rng.integers(0, 9, N),
            "y": ["M ", "B", "B", None] * (N // 4),
        }
    )


def test_what_is_understood_of_a_table(frame):
    before = frame.copy()
    schema = understand(frame, target="y")
    pd.testing.assert_frame_equal(frame, before)
    assert (schema.target, schema.task, schema.classes) == ("y", "binary", ("B", "M"))
    assert (schema.counts, schema.rows, schema.rows_dropped) == ((60, 30), 90, 30)
    assert {column.name: column.kind for column in schema.columns} == {
        "row": "identifier",
        "age": "numeric",
        SCRIPT: "category",
        "smoker": "boolean",
        "since": "date",
        "same": "constant",
        "nothing": "empty",
        "name": "identifier",
        "5": "numeric",
    }
    assert [column.name for column in schema.used] == ["age", SCRIPT, "smoker", "since", "5"]
    notes = " ".join(schema.notes)
    for told in ("30 of 120 rows", "'row'", "'same'", "'nothing'", "'name'"):
        assert told in notes


def test_a_schema_survives_json(frame):
    frame["f"] = np.linspace(0, 1, N)
    for target in ("y", "f", "5", "smoker"):
        schema = understand(frame, target=target)
        assert typed(Schema, json.loads(json.dumps(plain(schema)))) == schema
        assert json.loads(json.dumps(plain(schema))) == plain(schema)


def test_preparing_takes_the_used_columns_and_the_codes(frame):
    schema = understand(frame, target="y")
    frame.index = pd.Index(["same label"] * N)
    features, y = schema.prepare(frame)
    kept = frame[frame["y"].notna()]
    assert list(features) == [column.name for column in schema.used]
    assert features.index.equals(kept.index)
    assert features.dtypes.astype(str).tolist() == ["float64", "object"] + ["float64"] * 3
    np.testing.assert_array_equal(features["age"], kept["age"])
    assert schema.labels(y).tolist() == kept["y"].str.strip().tolist()


def test_regression_targets_are_prepared_as_numbers(frame):
    frame["f"] = np.linspace(0, 1, N)
    schema = understand(frame, target="f")
    assert (schema.task, schema.classes, schema.counts) == ("regression", (), ())
    np.testing.assert_array_equal(schema.prepare(frame)[1], frame["f"])


def test_order_surplus_and_a_missing_target_do_not_matter_at_prediction(frame):
    schema = understand(frame, target="y")
    expected, y = schema.prepare(frame, require_target=False)
    assert y is None
    assert len(expected) == N
    other = frame.loc[:, ::-1].drop(columns=["y", "name", "same"])
    got, _ = schema.prepare(other.assign(new="x"), require_target=False)
    pd.testing.assert_frame_equal(got, expected)
    one, _ = schema.prepare(frame.iloc[[3]], require_target=False)
    pd.testing.assert_frame_equal(one, expected.iloc[[3]])


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_and_a_frame_mean_the_same(frame, tmp_path, suffix):
    frame.columns = frame.columns.astype(str)
    path = tmp_path / f"t{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    schema, from_file = understand(frame, target="y"), understand(read_table(path), target="y")
    assert from_file == schema
    for expected, got in zip(schema.prepare(frame), schema.prepare(read_table(path)), strict=True):
        assert pd.DataFrame(got).equals(pd.DataFrame(expected))


def test_unseen_levels_are_no_error_but_unreadable_values_are(frame):
    schema = understand(frame, target="y")
    frame[SCRIPT] = "never seen"
    schema.prepare(frame, require_target=False)
    frame["age"] = ["abc"] + ["1"] * (N - 1)
    frame["since"] = "yesterday"
    frame["smoker"] = 2
    with pytest.raises(InputError) as caught:
        schema.prepare(frame, require_target=False)
    for told in ("'age'", "'abc'", "'since'", "'yesterday'", "'smoker'"):
        assert told in str(caught.value)


def test_all_missing_columns_are_named_at_once_with_near_names(frame):
    schema = understand(frame, target="y")
    renamed = frame.rename(columns={"age": "Age "}).drop(columns="smoker")
    with pytest.raises(InputError, match=r"'age' \(did you mean 'Age '\?\), 'smoker'"):
        schema.prepare(renamed, require_target=False)


def test_only_a_used_column_given_twice_is_refused_at_prediction(frame):
    schema = understand(frame, target="y")
    schema.prepare(pd.concat([frame, frame[["name"]]], axis=1), require_target=False)
    with pytest.raises(InputError, match="twice: 'age'"):
        schema.prepare(pd.concat([frame, frame[["age"]]], axis=1), require_target=False)


def test_features_chooses_columns_and_forces_identifiers(frame):
    schema = understand(frame, target="y", features=["row", "age", "name", "same"])
    assert {c.name: c.kind for c in schema.used} == {
        "row": "numeric",
        "age": "numeric",
        "name": "category",
    }
    features, _ = schema.prepare(frame)
    assert list(features) == ["row", "age", "name"]


def test_infinite_numbers_are_refused_by_name_where_they_are_used(frame):
    schema = understand(frame, target="y")
    frame["same"] = np.inf
    understand(frame, target="y")
    frame.loc[3:, "age"], frame[5] = -np.inf, [np.inf, *range(1, N)]
    with pytest.raises(InputError, match=r"finite.*'age', '5'"):
        understand(frame, target="y")
    with pytest.raises(InputError, match=r"finite.*'age', '5'"):
        schema.prepare(frame)


def test_a_column_named_like_the_target_is_told(frame):
    assert "'Y'" in " ".join(understand(frame.assign(Y=frame["age"]), target="y").notes)
    with pytest.raises(InputError, match="did you mean 'Y'"):
        understand(frame.rename(columns={"y": "Y"}), target="y")


@pytest.mark.parametrize(
    ("change", "arguments", "says"),
    [
        (lambda f: f, {"target": "yy"}, r"did you mean 'y'"),
        (lambda f: f, {"target": "zebra"}, "Its columns are 'row', 'age'"),
        (lambda f: f.head(10), {"target": "y"}, f"at least {MINIMUM_ROWS} rows"),
        (lambda f: f.head(0), {"target": "y"}, "Received: 0"),
        (lambda f: f, {"target": "nothing"}, r"Received: 0 \(of 120\)"),
        (lambda f: f, {"target": "same"}, "two different values"),
        (lambda f: f.assign(y="M"), {"target": "y"}, "two different values"),
        (lambda f: f.rename(columns={"row": "5"}), {"target": "y"}, "more than once: '5'"),
        (lambda f: f[["row", "same", "y"]], {"target": "y"}, "'row': it numbers the rows"),
        (lambda f: f[["y"]], {"target": "y"}, "column to learn from"),
        (lambda f: f, {"target": "y", "features": ["y", "age"]}, "the target 'y'"),
        (lambda f: f, {"target": "y", "features": []}, "none"),
        (lambda f: f, {"target": "y", "features": "age"}, "list of names"),
        (lambda f: f, {"target": "y", "features": ["agee"]}, "did you mean 'age'"),
        (lambda f: f, {"target": "y", "task": "regression"}, "must hold numbers"),
        (lambda f: f.to_dict("list"), {"target": "y"}, "pandas DataFrame. Received: dict"),
    ],
)
def test_bad_tables_are_refused(frame, change, arguments, says):
    with pytest.raises(InputError, match=says):
        understand(change(frame), **arguments)


def test_a_table_without_rows_is_refused_at_prediction(frame):
    schema = understand(frame, target="y")
    with pytest.raises(InputError, match="needs rows"):
        schema.prepare(frame.head(0), require_target=False)
    with pytest.raises(InputError, match="value in 'y'"):
        schema.prepare(frame[frame["y"].isna()])


def test_a_class_needs_as_many_rows_as_there_are_folds(frame):
    frame["y"] = ["M"] * 5 + ["B"] * (N - 5)
    schema = understand(frame, target="y")
    check_enough_rows(schema, folds=5)
    with pytest.raises(InputError, match=r"'M' has 5.*fewer folds"):
        check_enough_rows(schema, folds=6)
    with pytest.raises(InputError, match=r"at least 7 rows for 5 folds with 20% .*'M' has 5"):
        check_enough_rows(schema, folds=5, test_size=0.2)
    frame["f"] = np.linspace(0, 1, N)
    with pytest.raises(InputError, match=f"Received: {N}"):
        check_enough_rows(understand(frame, target="f"), folds=N + 1)


@pytest.mark.parametrize("labels", [("B", "M"), (1, 2), (False, True), (0.5, 1.5)])
def test_labels_come_back_in_their_own_type(frame, labels):
    frame["y"] = list(labels) * (N // 2)
    schema = understand(frame, target="y")
    back = schema.labels(schema.prepare(frame)[1])
    assert back.tolist() == frame["y"].tolist()
    assert back.dtype == {str: object, int: np.int64}.get(type(labels[0]), type(labels[0]))
    assert schema.labels(np.array([[0, 1]])).shape == (1, 2)


def test_a_test_set_for_many_classes_is_not_asked_for_beyond_all_rows():
    with pytest.raises(InputError, match=r"40 classes.*Received: 8 of 40 rows.* Add rows, merge"):
        check_enough_rows(counted([1] * 40), folds=2, test_size=0.2)
    with pytest.raises(InputError, match=r"Use a test size of 0\.5 or more"):
        check_enough_rows(counted([2] * 20), folds=2, test_size=0.2)


def test_names_that_are_numbers_are_told():
    table = pd.DataFrame([[0.5, 1, 2]] * 30, columns=["0.13", "0", "-1,5"])
    with pytest.raises(InputError, match=r"the first line of a file must name the columns"):
        understand(table, target="y")
    with pytest.raises(InputError, match=r"'-1,5', 'b'\.$"):
        understand(table.assign(b=1), target="y")


def counted(counts):
    labels = tuple(range(len(counts)))
    task = "multiclass" if len(counts) > 2 else "binary" if counts else "regression"
    return Schema("y", task, "", labels, tuple(counts), (), sum(counts), 0, ())


@pytest.mark.parametrize("test_size", [0, 0.01, 0.05, 0.1, 0.2, 0.33, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("folds", [2, 3, 5])
@pytest.mark.parametrize(
    "counts", [[4] * 10, [3, 57], [30, 30], [7, 93], [20, 20, 5], [10, 1000], [4, 36], [6, 5, 9]]
)
def test_what_is_accepted_can_be_split(counts, folds, test_size):
    try:
        check_enough_rows(counted(counts), folds=folds, test_size=test_size)
    except InputError:
        return
    y = np.repeat(np.arange(len(counts)), counts)
    train = np.arange(len(y))
    if test_size:
        train, test = train_test_split(train, test_size=test_size, random_state=0, stratify=y)
        if len(counts) == 2:
            assert len(set(y[test])) == 2
    assert np.bincount(y[train]).min() >= folds


@pytest.mark.parametrize(
    ("counts", "folds", "test_size", "says"),
    [
        ([30, 30], 5, 0.01, "needs at least 2 rows.*Received: 1 of 60 rows.*test size of 0.04 or"),
        ([4] * 10, 3, 0.2, "needs at least 10 rows for the 10 classes.*Received: 8 of 40.*0.25"),
        ([20, 380], 5, 0.01, "a row of each class.*4 test rows, where 0 has 20 .*0.05 or more"),
        ([30, 30], 5, 0.99, "needs at least"),
    ],
)
def test_test_sizes_that_cannot_be_are_refused(counts, folds, test_size, says):
    with pytest.raises(InputError, match=says):
        check_enough_rows(counted(counts), folds=folds, test_size=test_size)


def test_a_quantity_needs_two_test_rows(frame):
    frame["f"] = np.linspace(0, 1, N)
    schema = understand(frame, target="f")
    with pytest.raises(InputError, match=r"2 rows for a score.*1 of 120 rows"):
        check_enough_rows(schema, folds=5, test_size=0.005)
    check_enough_rows(schema, folds=5, test_size=0.02)


@pytest.mark.parametrize(
    "values",
    [
        [[k, 1] for k in range(N)],
        [None, *({"a": k % 3} for k in range(N - 1))],
        [np.arange(3) for _ in range(N)],
        [(k % 2, 1) for k in range(N)],
        [complex(k, 1) for k in range(N)],
        pd.Series([[k % 2] for k in range(N)], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
    ],
)
def test_a_column_of_several_values_each_is_left_out_and_told(frame, values):
    frame = frame.assign(index=values).set_axis([0] * N)
    schema = understand(frame, target="y")
    (column,) = (c for c in schema.columns if c.name == "index")
    assert (column.kind, column.used) == ("text", False)
    assert "'index' (text): each value holds several" in " ".join(schema.notes)


@pytest.mark.parametrize("target", [None, pd.Series([1]), [5], np.zeros(N), {"y": 1}])
def test_a_target_is_a_name(frame, target):
    with pytest.raises(InputError, match=r"name of a column\. Received: [a-zA-Z]+\. Give"):
        understand(frame, target=target)


def test_what_was_decided_of_a_file_is_told_where_a_column_is_missing(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a report\n\na;b\n" + "1;2\n" * 30)
    with pytest.raises(InputError, match=r"'a', 'b'\. Of the file: The header is in line 3; above"):
        understand(read_table(path), target="y")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (np.where(np.arange(N) % 9, np.arange(N) / 7, -999), "-999 is far from all others in 14"),
        (np.where(np.arange(N) % 9, 1000 + np.arange(N) / 7, 0), None),  # nothing was sold
        (np.arange(N) / 7, None),
        (1000 + np.arange(N), "'customer_id' looks like an identifier (every whole number"),
    ],
)
def test_a_quantity_that_may_be_none_is_told(frame, values, told):
    frame = frame.drop(columns="y").assign(customer_id=values)
    notes = [n for n in understand(frame, target="customer_id").notes if "arget" in n]
    assert len(notes) == (told is not None)
    assert told is None or told in notes[0]


def test_an_infinity_can_be_named_as_a_mark(frame):
    frame = frame.assign(age=[np.inf, -np.inf, 1.5] * (N // 3))
    schema = understand(frame, target="y", na=["inf", "-inf"])
    (age,) = (c for c in schema.columns if c.name == "age")
    assert age.missing == schema.rows * 2 // 3
