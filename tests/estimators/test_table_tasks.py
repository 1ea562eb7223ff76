"""The estimators of tables: frames as people have them, behind scikit-learn's interface."""

import pickle

import numpy as np
import pandas as pd
import polars
import pytest
import skops.io
from sklearn.model_selection import cross_val_score

import taut
from taut.errors import InputError
from taut.frames.roles import RowFacts
from taut.sklearn import TableClassifier, TableRegressor
from taut.tables.split import fold_rows

SETTINGS = {"penalty": "l1", "strengths": [0.003], "quick": True, "folds": 2, "random_state": 0}


@pytest.fixture(scope="module")
def table():
    draw = np.random.default_rng(0)
    number = draw.normal(size=90)
    number[::9] = np.nan
    place = draw.choice(["here", "there", "far"], size=90)
    labels = np.where(np.nan_to_num(number) + (place == "here") > 0.3, "NA", "good ")
    return pd.DataFrame({"number": number, "place": place}), labels


@pytest.fixture(scope="module")
def fitted(table):
    frame, labels = table
    return TableClassifier(**SETTINGS).fit(frame, labels)


def test_labels_come_back_as_they_were(table, fitted):
    frame, labels = table
    assert fitted.classes_.tolist() == ["NA", "good "]
    assert fitted.score(frame, labels) > 0.8
    shares = fitted.predict_proba(frame)
    assert shares.shape == (90, 2)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert isinstance(fitted.model_, taut.TableModel)
    assert fitted.feature_importances_.shape == fitted.get_support().shape == (2,)


def test_other_columns_are_refused(table, fitted):
    frame, _ = table
    for other in (frame[["place", "number"]], frame.rename(columns={"place": "site"})):
        with pytest.raises(ValueError, match="feature names"):
            fitted.predict(other)
    by_place = frame.to_numpy(object)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        np.testing.assert_array_equal(fitted.predict(by_place), fitted.predict(frame))


@pytest.mark.parametrize("kind", ["polars", "polars, lazy", "arrow"])
def test_tables_of_other_packages_keep_names_and_kinds(table, kind):
    frame, _ = table
    other = polars.from_pandas(frame)
    other = {"polars": other, "polars, lazy": other.lazy(), "arrow": other.to_arrow()}[kind]
    model = TableClassifier()
    made = model._frame(other, reset=True)
    assert model.feature_names_in_.tolist() == ["number", "place"]
    assert made["number"].dtype == float
    model._columns = list(made)
    with pytest.raises(ValueError, match="same order"):
        model._frame(other.select(["place", "number"]), reset=False)


def test_columns_are_told_apart_by_name(table):
    frame, _ = table
    for few in (frame[:1], frame[[]]):
        with pytest.raises(InputError, match="2 rows at least, and a column"):
            TableClassifier()._frame(few, reset=True)
    with pytest.raises(InputError, match=r"a name of its own.*'a'"):
        TableClassifier()._frame(frame.set_axis(["a", "a"], axis=1), reset=True)
    model = TableClassifier()
    levels = pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])
    made = model._frame(frame.set_axis(levels, axis=1), reset=True)
    assert list(made) == ["('a', 'b')", "('a', 'c')"]
    model._columns = ["x0", "x1"]  # of an array
    with pytest.warns(UserWarning, match="fitted without feature names"):
        assert list(model._frame(frame, reset=False)) == ["x0", "x1"]


def test_copies_predict_the_same(table, fitted):
    frame, _ = table
    archive = skops.io.dumps(fitted)
    types = skops.io.get_untrusted_types(data=archive)
    assert types == ["taut.estimators.table_tasks.TableClassifier"]
    for copy in (pickle.loads(pickle.dumps(fitted)), skops.io.loads(archive, trusted=types)):
        np.testing.assert_array_equal(copy.predict_proba(frame), fitted.predict_proba(frame))
        assert copy.model_.metrics == fitted.model_.metrics


@pytest.mark.slow
def test_groups_stay_on_one_side_and_are_no_inputs(table):
    frame, labels = table
    patients = np.arange(90) // 3
    model = TableClassifier(**SETTINGS).fit(frame, labels, groups=patients)
    kinds = {column["name"]: column["kind"] for column in model.model_.metrics["columns"]}
    assert kinds["groups"] == "groups"
    assert model.n_features_in_ == 2
    with pytest.raises(InputError, match=r"at least 2 groups|two groups or more"):
        TableClassifier(**SETTINGS).fit(frame, labels, groups=np.zeros(90))


def test_a_rare_class_is_trained_on_and_never_held_out():
    y = np.repeat([0, 1, 2], [6, 5, 1])
    splits = fold_rows(y, RowFacts(), 3, seed=0, classes=True)
    assert all(11 in split.train for split in splits)
    held_out = np.sort(np.concatenate([split.held_out for split in splits]))
    np.testing.assert_array_equal(held_out, np.arange(11))
    assert not any(set(split.train) & set(split.held_out) for split in splits)
    with pytest.raises(InputError, match="at least 7 rows for 7 folds"):
        fold_rows(y, RowFacts(), 7, seed=0, classes=True)


@pytest.mark.slow
def test_arrays_have_names_for_columns(table):
    frame, labels = table
    target = np.nan_to_num(frame["number"]) * 3 + 1
    array = frame.to_numpy(object)
    model = TableRegressor(**SETTINGS, features=["x0"]).fit(array, target)
    assert model.model_.selected_features_ == ["x0"]
    assert model.get_support().tolist() == [True, False]
    assert cross_val_score(TableClassifier(**SETTINGS), array, labels, cv=2).mean() > 0.7


@pytest.mark.slow
def test_the_network_on_the_inputs_that_are_kept_predicts(table):
    frame, _ = table
    target = np.nan_to_num(frame["number"])
    model = TableRegressor(**SETTINGS, inputs=1).fit(frame, target)
    assert model.selected_features_ == ["number"]
    assert model.get_support().tolist() == [True, False]
    np.testing.assert_array_equal(model.predict(frame), model.model_.sparse.predict(frame))
    elsewhere = frame.assign(place="elsewhere")
    np.testing.assert_array_equal(model.predict(elsewhere), model.predict(frame))
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(frame), model.predict(frame))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"folds": 1}, r"`folds` must be an integer >= 2"),
        ({"features": ["size"]}, r"Missing: 'size'"),
        ({"kind": {"number": "colour"}}, r"colour"),
        ({"penalty": "group"}, r"penalty"),
        ({"inputs": 3}, r"`inputs`"),
    ],
)
def test_what_cannot_be_is_refused(table, settings, words):
    with pytest.raises(InputError, match=words):
        TableClassifier(**{**SETTINGS, **settings}).fit(*table)
