"""A run directory is read back as it was written, by this release and from earlier ones."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from taut.errors import InputError
from taut.run import Run
from taut.run_metrics import ClassScore, Metrics, Predicting, Score, Test
from taut.typed_json import plain, typed

_spec = importlib.util.spec_from_file_location(
    "synthetic_run", Path(__file__).parent / "report" / "synthetic_run.py"
)
assert _spec is not None
assert _spec.loader is not None
synthetic_run = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(synthetic_run)


@pytest.fixture(params=["binary", "multiclass", "regression"])
def folder(request, tmp_path):
    return synthetic_run.make_run(tmp_path / "run", task=request.param)


def edited(folder, change):
    values = json.loads((folder / "metrics.json").read_text())
    change(values)
    (folder / "metrics.json").write_text(json.dumps(values))
    return folder


def test_what_is_saved_is_loaded(folder, tmp_path):
    run = Run.load(folder)
    (tmp_path / "again").mkdir()
    run.save(tmp_path / "again")
    again = Run.load(tmp_path / "again")
    assert again.metrics == run.metrics
    pd.testing.assert_frame_equal(again.path, run.path)
    pd.testing.assert_frame_equal(again.features, run.features)
    assert run.features["kept"].dtype == bool


def test_test_rows_and_epochs_are_there_or_not(folder, tmp_path):
    """A run of an earlier release has none; its report is drawn all the same."""
    run = Run.load(folder)
    assert run.test_rows is None
    assert run.epochs is None
    rows = pd.DataFrame({"row": [3, 1], "actual": [0, 1], "predicted": [0.5, 1.5]})
    epochs = pd.DataFrame({"setting": ["best"], "fold": [0], "seed": [0], "epoch": [1]})
    (tmp_path / "again").mkdir()
    replace(run, test_rows=rows, epochs=epochs).save(tmp_path / "again")
    again = Run.load(tmp_path / "again")
    pd.testing.assert_frame_equal(again.test_rows, rows)
    pd.testing.assert_frame_equal(again.epochs, epochs)


def test_the_file_holds_what_it_held_before_it_was_typed(folder):
    values = json.loads((folder / "metrics.json").read_text())
    stored = plain(Run.load(folder).metrics)
    assert _held(stored, values) == values


def _held(stored, values):
    """What is stored of what was there; later releases have added to it."""
    if not isinstance(values, dict):
        return stored
    return {key: _held(stored.get(key), value) for key, value in values.items()}


def test_what_is_not_finite_is_null(folder, tmp_path):
    run = Run.load(folder)
    lost = replace(run, metrics=replace(run.metrics, seconds=np.inf))
    lost.save(tmp_path)
    assert Run.load(tmp_path).metrics.seconds is None


def test_keys_that_a_later_release_added_have_defaults(folder):
    metrics = Run.load(edited(folder, lambda m: m.pop("seconds"))).metrics
    assert metrics.learned is None
    assert metrics.seconds is None
    assert metrics.warnings == ()
    assert metrics.split.groups is None
    (best,) = metrics.choice.predicting
    assert (best.penalty, best.models) == (metrics.choice.penalty, metrics.choice.models)


def test_rows_that_were_not_scored_have_no_systems(folder):
    metrics = Run.load(edited(folder, lambda m: m.update(test=None))).metrics
    assert metrics.test is None
    assert metrics.tested == Test()


@pytest.mark.parametrize(
    "damage",
    [
        lambda m: m["split"].pop("train"),
        lambda m: m.update(columns={"a": 1}),
        lambda m: m.update(choice=[]),
        lambda m: m["test"].update(systems=[1]),
    ],
)
def test_what_has_another_shape_is_refused(folder, damage):
    with pytest.raises(InputError, match=r"as `taut fit` wrote them"):
        Run.load(edited(folder, damage))


def test_dataclasses_are_plain_and_back():
    share = Score(0.5, 0.1, 0.9)
    one = Test(
        metrics=("accuracy",),
        classes=(ClassScore(True, 3, 2, 1, share, Score(None, withheld="too few")),),
    )
    values = plain(one)
    assert values["classes"][0]["class"] is True
    assert values["rare"] is None
    assert "withheld" not in values["classes"][0]["recall"]
    assert typed(Test, json.loads(json.dumps(values)) | {"unknown": 1}) == one
    assert "classes" not in plain(replace(one, classes=None))
    assert plain({"a": (np.float32(0.5), np.int64(2))}) == {"a": [0.5, 2]}
    with pytest.raises(TypeError, match="strength"):
        typed(Predicting, {"penalty": "L1"})
    with pytest.raises(TypeError, match="dict"):
        typed(Metrics, [])
