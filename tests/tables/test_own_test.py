"""A table of test rows that the user brings: nothing is learned from it, and all of it is told."""

import keras
import numpy as np
import pandas as pd
import pytest

import taut
from taut.errors import InputError
from taut.frames.roles import Roles
from taut.frames.understand import understand
from taut.tables.caveats import notes_of, warnings_of
from taut.tables.prepared import prepare

FAST = {"quick": True, "folds": 2, "penalty": "l1", "strengths": [0.01]}


def table(rows=60, seed=0):
    draw = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "x": draw.normal(size=rows),
            "level": draw.choice(["one", "two", "three"], rows),
            "patient": [f"{seed}-{k // 3}" for k in range(rows)],
            "day": pd.date_range("2024-01-01", periods=rows).astype(str),
            "count": 1 + np.arange(rows) % 2,
            "y": draw.normal(size=rows) * 3 + 10,
        }
    )


def prepared(frame, test, *, roles=None, test_size=0.2):
    roles = Roles(**(roles or {}))
    inputs = ["x", "level"]
    schema = understand(frame, target="y", task="regression", features=inputs, roles=roles)
    return prepare(frame, schema, roles, test=test, test_size=test_size, folds=2, seed=0)


@pytest.mark.parametrize(
    "roles", [{}, {"groups": "patient"}, {"time": "day"}, {"weights": "count"}], ids=str
)
def test_what_is_learned_does_not_depend_on_the_test(roles):
    frame, test = table(), table(30, seed=1)
    alone = prepared(frame, None, roles=roles, test_size=0.0)
    strange = test.assign(x=test["x"] * 1e6, level="none of these", y=-1e9)
    for own in (test, strange):
        data = prepared(frame, own, roles=roles)
        np.testing.assert_array_equal(data.encoded, alone.encoded)
        np.testing.assert_array_equal(data.y, alone.y)
        assert (data.mean, data.deviation) == (alone.mean, alone.deviation)
        for fold, same in zip(data.splits, alone.splits, strict=True):
            np.testing.assert_array_equal(fold.train, same.train)
            np.testing.assert_array_equal(fold.held_out, same.held_out)
        assert len(data.test_x) == len(own)


def test_test_rows_are_encoded_as_those_learned_from():
    frame = table()
    learned = prepared(frame, None, test_size=0.0)
    same = prepared(frame, frame.sample(frac=1, random_state=0))
    order = np.random.RandomState(0).permutation(60)  # what pandas draws
    np.testing.assert_array_equal(same.test_x, learned.encoded[order])
    np.testing.assert_allclose(same.test_y, frame["y"].to_numpy()[order])
    assert same.copies == 60


def test_rows_without_a_target_or_a_weight_are_left_out_and_places_stay():
    test = table(10, seed=1)
    test.loc[[0, 4], "y"] = np.nan
    test.loc[[5, 6], "count"] = 0
    test.index = np.arange(10)[::-1]  # an index is no place
    data = prepared(table(), test, roles={"weights": "count"})
    assert data.test_rows.tolist() == [1, 2, 3, 7, 8, 9]
    assert data.test_facts.weights.tolist() == [2, 1, 2, 2, 1, 2]
    assert any("Dropped 2 of 10 rows" in note for note in data.notes)


def test_groups_and_times_that_are_learned_from_too_are_told():
    frame, test = table(), table(30, seed=1)
    test["patient"] = [f"{k // 10}-{k // 3}" for k in range(30)]  # the first ten rows: 0-0 to 0-3
    grouped = prepared(frame, test, roles={"groups": "patient"})
    (told,) = _warned(grouped)
    assert told.startswith("4 of 12 groups of 'patient'")
    assert "the test split" not in " ".join(notes_of(grouped))
    timed = prepared(frame, test, roles={"time": "day"})
    (told,) = _warned(timed)
    assert told.startswith("30 of 30 test rows are not later")
    later = test.assign(day=pd.date_range("2025-01-01", periods=30).astype(str))
    assert _warned(prepared(frame, later, roles={"time": "day"})) == []


def _warned(data):
    from taut.run_metrics import Learned

    return warnings_of(data, learned=Learned(), carriers=())


def test_what_the_test_has_other_than_the_table_is_told():
    test = table(20, seed=1)
    test["level"] = ["ONE", "four"] + ["two"] * 18
    notes = " ".join(prepared(table(), test).notes)
    assert "The table of test rows: Column 'level': 'ONE' was read as 'one' (1 row)." in notes
    assert "levels that training did not have in 1 row of 20 ('four')" in notes


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (lambda test: test.drop(columns="y"), {}, "Missing: 'y'"),
        (lambda test: test.drop(columns="x"), {}, "Missing: 'x'"),
        (lambda test: test.assign(x="words"), {}, "'x' (numeric) holds 'words'"),
        (lambda test: test.assign(y=np.nan), {}, "rows with a value in 'y'"),
        (lambda test: test.iloc[:0], {}, "rows with a value in 'y'"),
        (lambda test: test.assign(day=None), {"time": "day"}, "a value in every row"),
        (lambda test: test.drop(columns="day"), {"time": "day"}, "Missing: 'day'"),
        (lambda test: test.assign(count=0), {"weights": "count"}, "all weights are 0"),
        (lambda test: test.to_numpy(), {}, "A table is a data frame"),
    ],
)
def test_a_test_that_cannot_be_ends_before_training(monkeypatch, change, options, words):
    monkeypatch.setattr("taut.tables.plans.train", lambda *_, **__: pytest.fail("it trained"))
    with pytest.raises(InputError, match="The table of test rows") as caught:
        taut.fit_table(table(), target="y", test=change(table(20, seed=1)), **FAST, **options)
    assert words in str(caught.value)


def test_a_share_and_a_test_are_refused_together():
    with pytest.raises(InputError, match="Leave one out"):
        taut.fit_table(table(), target="y", test=table(20), test_size=0.3)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")
def test_scores_and_faults_are_of_the_given_rows(tmp_path):
    frame = table(120).drop(columns=["patient", "day", "count"])
    frame["y"] = 2 * frame["x"] + (frame["level"] == "one") + frame["y"] / 10
    test = pd.concat([frame.iloc[60:100].assign(x=lambda t: t["x"] + 3), frame.iloc[:20]])
    model = taut.fit_table(frame, target="y", test=test, **FAST)
    split = model.metrics["split"]
    assert (split["train"], split["test"], split["own_test"]) == (120, 60, True)
    rows = model.run.test_rows
    assert rows is not None
    np.testing.assert_allclose(rows["actual"], test["y"])
    np.testing.assert_allclose(rows["predicted"], model.predict(test), rtol=1e-5)
    assert {"leak_rows", "shift"} <= {v.code for v in model.diagnosis.verdicts}
    assert "test=test" in model.metrics["command"]
    assert_scores_are_those_of_later_rows(model, test)
    loaded = taut.TableModel.load(model.save(tmp_path / "run"))
    assert loaded.run.metrics.split.own_test
    html = taut.report.write_report(tmp_path / "run").read_text()
    assert "60 rows of a table of their own" in html
    assert "set aside" not in html


def assert_scores_are_those_of_later_rows(model, test):
    found = model.evaluate(test.sample(frac=1, random_state=0).assign(other=1)).set_index("metric")
    of_taut = found[found["system"] == "taut"]
    scores = model.metrics["test"]["systems"][0]["scores"]
    assert of_taut["value"].to_dict() == pytest.approx({k: v["value"] for k, v in scores.items()})
    assert (of_taut["low"] < of_taut["value"]).all()
    of_base = found[found["system"] == "always the mean"]
    mean = model.metrics["target"]["mean"]
    assert of_base.loc["mae", "value"] == pytest.approx((test["y"] - mean).abs().mean())
    some = test.assign(y=test["y"].where(np.arange(len(test)) >= 30))  # the rest has no target
    fewer = model.evaluate(some).set_index("metric")["value"]
    same = model.evaluate(test.iloc[30:]).set_index("metric")["value"]
    assert fewer.to_dict() == pytest.approx(same.to_dict())
    with pytest.raises(InputError, match="Missing: 'y'"):
        model.evaluate(test.drop(columns="y"))
    with pytest.raises(InputError, match="rows with a value in 'y'"):
        model.evaluate(test.assign(y=np.nan))
