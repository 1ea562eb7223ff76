"""`fit_table(sparse=True)`: a network on the selected inputs beside the other, saved with it."""

import keras
import numpy as np
import pandas as pd
import pytest

import taut
from taut.errors import InputError
from taut.report import write_report
from taut.report.findings import sparse as sentences
from taut.tables.selection import half_orders, ladder, order

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")

FAST = {"quick": True, "folds": 2, "penalty": "l1", "strengths": [0.01]}
EVIL = "<script>alert(1)</script>"


def table(signal=1.0):
    draw = np.random.default_rng(1)
    x, place = draw.normal(size=(200, 4)), draw.choice(["in", "out", "both"], 200)
    y = signal * (2 * x[:, 1] + 2.0 * (place == "in")) + draw.normal(size=200)
    frame = pd.DataFrame(x, columns=["a", EVIL, "c", "d"]).assign(place=place)
    return frame.assign(y=np.where(y > np.median(y), "more", "less"))


@pytest.fixture(scope="module")
def fewer():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "CANDIDATES", (order.Candidate(0.03, True),))
        patch.setattr(ladder, "NUMBERS", (1, 2, 3))
        patch.setattr(ladder, "SETTINGS", ((1e-2, True),))
        patch.setattr(half_orders, "PAIRS", 3)
        patch.setattr(half_orders, "COPIED_PAIRS", 2)
        yield


@pytest.fixture(scope="module")
def model(fewer):
    return taut.fit_table(table(), target="y", sparse=True, **FAST)


@pytest.mark.slow
def test_the_sparse_network_reads_what_is_needed(model):
    assert set(model.selected_features_) == {EVIL, "place"}
    assert {column.name for column in model.sparse.schema.used} == {EVIL, "place"}
    assert model.sparse.predict(table()[["place", EVIL]]).shape == (200,)
    with pytest.raises(InputError, match="Missing"):
        model.predict(table()[["place", EVIL]])


@pytest.mark.slow
def test_why_an_input_is_kept_is_told(model):
    kept = {item.input: item.reason for item in model.selection.inputs if item.kept}
    assert kept == {EVIL: "sure", "place": "sure"}
    assert all(item.reason is None for item in model.selection.inputs if not item.kept)
    assert all(item.ahead >= 0.5 for item in model.selection.inputs if item.kept)


@pytest.mark.slow
def test_its_price_is_measured_on_the_same_test_rows(model):
    price = model.selection.price
    tests = [m.run.metrics.test for m in (model.sparse, model)]
    one, other = (test.systems[0].scores["log_loss"].value for test in tests)
    assert price.metric == "log_loss"
    assert price.value == pytest.approx(one - other, abs=1e-6)
    assert price.low < price.value < price.high


@pytest.mark.slow
def test_it_is_saved_and_loaded_with_the_run(model, tmp_path):
    model.save(tmp_path / "run")
    again = taut.TableModel.load(tmp_path / "run")
    assert again.selected_features_ == model.selected_features_
    assert again.selection == model.selection
    for which in (lambda m: m, lambda m: m.sparse):
        expected = which(model).predict_proba(table())
        np.testing.assert_allclose(which(again).predict_proba(table()), expected, atol=1e-6)
    page = write_report(tmp_path / "run").read_text()
    assert "The sparse network reads 2 of 5 inputs" in page
    assert EVIL not in page


@pytest.mark.slow
def test_without_it_nothing_is_selected(fewer):
    plain = taut.fit_table(table(), target="y", **FAST)
    assert plain.sparse is None
    assert plain.selection is None
    assert sentences(plain.run.metrics) == []


@pytest.mark.slow
def test_nothing_is_selected_where_nothing_predicts(fewer, tmp_path):
    model = taut.fit_table(table(0.0), target="y", sparse=True, **FAST)
    assert model.selected_features_ == []
    assert model.sparse is None
    assert sentences(model.run.metrics)[0].startswith("There is no sparse network")
    model.save(tmp_path / "run")
    assert taut.TableModel.load(tmp_path / "run").selection.kept == ()


@pytest.mark.parametrize("inputs", [0, 6, 1.5, True])
def test_a_number_of_inputs_that_cannot_be_is_refused_before_training(inputs):
    with pytest.raises(InputError, match="from 1 to the number of inputs, 5 here"):
        taut.fit_table(table(), target="y", inputs=inputs, **FAST)
