"""The laws of compaction, on every kind of model."""

import keras
import numpy as np
import pytest

from taut.compaction import compact
from taut.compaction.analysis import Analysis
from taut.compaction.plan import plan
from taut.compaction.traced import trace
from tests.compaction.mortal import CASES

KINDS = [
    pytest.param(name, marks=[pytest.mark.slow] if case.heavy else [])
    for name, case in CASES.items()
]


def rows(model, number=7):
    draw = np.random.default_rng(3)
    made = []
    for tensor in model.inputs:
        shape = (number, *tensor.shape[1:])
        whole = "int" in str(tensor.dtype)
        made.append(draw.integers(0, 9, shape) if whole else draw.normal(size=shape))
    return made


def outputs(model, x):
    return [np.asarray(a, float) for a in keras.tree.flatten(model.predict(x, verbose=0))]


def left_to_remove(model):
    traced = trace(model)
    return plan(model, traced, Analysis(traced)).removed


@pytest.mark.parametrize("name", KINDS)
def test_what_is_dead_goes_and_nothing_else(name):
    model, expected = CASES[name].build()
    before = [np.array(keras.ops.convert_to_numpy(v)) for v in model.variables]
    result = compact(model, measure=False)

    assert {(r.layer, r.kind): len(r.indices) for r in result.removed} == expected
    assert result.report.after.weights < result.report.before.weights
    assert result.report.equality.double is not None
    assert not left_to_remove(result.model)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), value)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_smaller_model_predicts_saves_loads_and_trains(name, tmp_path):
    model, _ = CASES[name].build()
    result = compact(model, measure=False)
    x = rows(model)
    x = x[0] if len(x) == 1 else dict(zip(result.names, x, strict=True))
    fed = result.prepare(x)
    tolerance = 0.05 if name == "half_precision" else 1e-5
    for ours, theirs in zip(outputs(model, x), outputs(result.model, fed), strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=tolerance, atol=tolerance)

    result.model.save(tmp_path / "small.keras")
    loaded = keras.models.load_model(tmp_path / "small.keras")
    first = outputs(loaded, fed)
    for ours, theirs in zip(outputs(result.model, fed), first, strict=True):
        np.testing.assert_allclose(theirs, ours, atol=1e-6)
    if len(first) == 1:
        loaded.compile("sgd", loss="mse")
        loaded.fit(fed, first[0] + 1, verbose=0)
        assert (outputs(loaded, fed)[0] != first[0]).any()
