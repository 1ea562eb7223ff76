"""Rows of a table's fit: a weight is a number of rows, and folds cannot tell one from the other."""

import numpy as np
import pandas as pd
import pytest

from taut.errors import InputError
from taut.estimators.counted import labels_that_count
from taut.estimators.merged_table import merge_table
from taut.sklearn import TableClassifier, TableRegressor

SETTINGS = {"penalty": "l1", "strengths": [0.003], "quick": True, "folds": 2, "random_state": 0}


def _table(rows, levels, seed=0):
    draw = np.random.default_rng(seed)
    kinds = draw.choice(np.array(["a", "b", None, True, 1, "1"], object), rows)
    frame = pd.DataFrame({"number": draw.integers(0, levels, rows) / 4, "kind": kinds})
    frame.loc[::7, "number"] = np.nan
    return frame, draw.integers(0, 2, rows), draw.integers(0, 4, rows).astype(float)


def _given(frame, y, weight, **options):
    merged = merge_table(frame, weight, {"y": y}, **options)
    rows = frame.iloc[merged.rows].assign(y=y[merged.rows]).reset_index(drop=True)
    return rows, merged


@pytest.mark.parametrize(("rows", "levels"), [(12, 9), (60, 1000), (60, 8), (300, 2)])
@pytest.mark.parametrize("classes", [False, True])
def test_a_weight_is_a_number_of_rows_in_whatever_order(rows, levels, classes):
    frame, y, weight = _table(rows, levels)
    drawn = np.random.default_rng(1).permutation(rows)
    again = np.random.default_rng(2).permutation(np.repeat(np.arange(rows), weight.astype(int)))
    weighed = _given(frame.iloc[drawn], y[drawn], weight[drawn], classes=classes)
    repeated = _given(frame.iloc[again], y[again], np.ones(len(again)), classes=classes)
    pd.testing.assert_frame_equal(weighed[0], repeated[0])
    for name in ("weight", "together"):
        one, other = getattr(weighed[1], name), getattr(repeated[1], name)
        assert (one is None) == (other is None)
        assert one is None or np.array_equal(one, other)
    counts = 1 if weighed[1].weight is None else weighed[1].weight
    assert np.isclose((counts * np.ones(len(weighed[0]))).sum(), weight.sum())


def test_rows_that_are_all_different_stay_as_they_are():
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(size=50)})
    merged = merge_table(frame, np.full(50, 0.3), {"y": np.arange(50) % 2})
    np.testing.assert_array_equal(merged.rows, np.arange(50))
    assert merged.weight is None
    assert merged.together is None


def test_equal_inputs_stay_together_and_what_only_looks_equal_does_not():
    frame = pd.DataFrame({"x": np.repeat(np.arange(30.0), 2)})
    frame["kind"] = np.array(["a"] * 56 + [1, True, None, np.nan], object)
    merged = merge_table(frame, np.ones(60), {"y": np.arange(60) / 3})
    assert sorted(merged.rows.tolist()) == list(range(60))
    groups = pd.Series(merged.together).groupby(frame["x"].to_numpy()[merged.rows])
    assert groups.nunique().tolist() == [1] * 28 + [2, 2]
    placed = merge_table(frame, np.ones(60), {"y": np.ones(60), "time": frame["x"]}, placed=True)
    assert placed.together is None
    assert len(placed.rows) == 32


def test_a_table_of_counts_is_written_out_as_rows():
    frame = pd.DataFrame({"x": [0, 0, 1, 1]})
    y = np.array(["yes", "no", "yes", "no"])
    merged = merge_table(frame, np.array([30.0, 10.0, 2.0, 0.0]), {"y": y}, classes=True)
    assert merged.weight is None
    assert np.bincount(merged.rows).tolist() == [30, 10, 2]
    shares = merge_table(frame, np.array([0.75, 0.25, 0.05, 0.0]), {"y": y}, classes=True)
    assert np.bincount(shares.rows).tolist() == [15, 5, 1]
    many = merge_table(frame, np.array([3e6, 1e6, 1.0, 0.0]), {"y": y}, classes=True)
    assert len(many.rows) == pytest.approx(20_000, abs=1)
    assert np.bincount(many.rows, many.weight) == pytest.approx([3e6, 1e6, 1])


@pytest.mark.parametrize(
    ("weight", "options", "words"),
    [
        ([-1.0] + [1.0] * 5, {}, r"`sample_weight` must be finite numbers >= 0"),
        ([1.0, 0.0] * 3, {}, r"at least two classes .* Received: one class, 'a'"),
        (None, {"class_weight": {"c": 2}}, r"`class_weight` must name classes"),
        (None, {"class_weight": {"a": 0}}, r"`class_weight` must be above 0 for two classes"),
    ],
)
def test_weights_that_cannot_be_are_refused(weight, options, words):
    frame = pd.DataFrame({"x": np.arange(6.0)})
    model = TableClassifier(**SETTINGS, **options)
    with pytest.raises(InputError, match=words):
        model.fit(frame, np.array(["a", "b"] * 3), sample_weight=weight)


def test_a_class_of_weight_zero_is_as_if_its_rows_were_left_out():
    y, weight = np.array(list("abcab")), np.array([1.0, 2.0, 1.0, 0.0, 3.0])
    classes, codes, counted = labels_that_count(y, weight, {"c": 0, "b": 2})
    assert classes.tolist() == ["a", "b"]
    assert counted.tolist() == [1, 4, 0, 0, 6]
    assert classes[codes][counted > 0].tolist() == ["a", "b", "b"]
    with pytest.raises(InputError, match="two classes"):
        labels_that_count(y, weight, {"c": 0, "b": 0})


@pytest.mark.slow
def test_class_weights_are_weights():
    frame, y, _ = _table(90, 10**6)
    balanced = TableClassifier(**SETTINGS, class_weight="balanced").fit(frame, y)
    weight = np.where(y == 1, 45 / (y == 1).sum(), 45 / (y == 0).sum())
    weighed = TableClassifier(**SETTINGS).fit(frame, y, sample_weight=weight)
    shares = weighed.predict_proba(frame)
    np.testing.assert_allclose(balanced.predict_proba(frame), shares, rtol=1e-5)
    plain = TableClassifier(**SETTINGS).fit(frame, y).predict_proba(frame)
    assert not np.allclose(plain, shares)


@pytest.mark.slow
def test_weights_are_routed_to_fit_and_score():
    import sklearn
    from sklearn.model_selection import cross_validate

    frame, _, weight = _table(90, 10**6)
    target = frame["number"].fillna(0).to_numpy()
    with sklearn.config_context(enable_metadata_routing=True):
        model = TableRegressor(**SETTINGS)
        model.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        found = cross_validate(model, frame, target, cv=2, params={"sample_weight": weight})
        alike = cross_validate(model, frame, target, cv=2, params={"sample_weight": weight * 0 + 1})
    assert not np.allclose(found["test_score"], alike["test_score"])
