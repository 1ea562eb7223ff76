"""What fails after training is told, and does not lose what was trained."""

import os
import signal

import keras
import numpy as np
import pytest

import taut
from taut.engine import Callback, Lane, Split, afterwards, train_lanes

JAX = keras.backend.backend() == "jax"
ROWS = 40
SHORT = {"strengths": [0.1, 0.01], "cv": 2, "epochs": 2}


def classifier(*metrics, units=3):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)])
    model.compile("sgd", loss="mse", metrics=list(metrics))
    return model


def data(units=3):
    draw = np.random.default_rng(0)
    x = draw.normal(size=(ROWS, 4)).astype("float32")
    return x, np.eye(units, dtype="float32")[draw.integers(0, units, ROWS)]


def test_a_failure_is_told_with_what_remains():
    with pytest.warns(UserWarning, match=r"The share must not cost.*ZeroDivisionError.*Ask\."):
        assert afterwards("The share", lambda: 1 / 0, 7, remedy="Ask.") == 7
    assert afterwards("The share", lambda: 1 / 2, 7) == 0.5
    with pytest.raises(KeyboardInterrupt):
        afterwards("The share", lambda: os.kill(os.getpid(), signal.SIGINT), None)


def test_metrics_of_several_numbers_have_a_column_for_each():
    x, y = data()
    f1, r2 = keras.metrics.F1Score(), keras.metrics.R2Score(class_aggregation=None)
    result = taut.regularization_path(classifier(f1, r2), x, y, **SHORT)
    columns = [c for c in result.table if c.startswith("held_out_") and c != "held_out_loss"]
    assert columns == [f"held_out_{m}_{k}" for m in ("f1_score", "r2_score") for k in range(3)]
    for line, fold in zip(result.table.to_dict("records"), result.table["fold"], strict=True):
        if line["strength"] != 0.1:
            continue
        [model] = [m for m, f in zip(result.models(0.1), (0, 1), strict=True) if f == fold]
        held_out = taut.studies.folds(y, 2)[fold].held_out
        own = keras.metrics.F1Score()
        own.update_state(y[held_out], model.predict(x[held_out], verbose=0))
        expected = keras.ops.convert_to_numpy(own.result())
        found = [line[f"held_out_f1_score_{k}"] for k in range(3)]
        np.testing.assert_allclose(found, expected, rtol=1e-5)


class Broken(keras.metrics.Metric):
    """It holds while Keras builds it, and not afterwards."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        raise ZeroDivisionError("no such score")

    def result(self):
        return 0.0


def test_a_metric_that_fails_leaves_the_path(monkeypatch):
    x, y = data()
    with pytest.warns(UserWarning, match=r"held-out metrics must not cost.*no such score"):
        result = taut.regularization_path(classifier(Broken(name="broken")), x, y, **SHORT)
    assert np.isfinite(result.table["held_out_loss"]).all()
    assert result.certificate is not None

    def fails(*_, **__):
        raise MemoryError("no room")

    monkeypatch.setattr("taut.studies.folded.stationarity", fails)
    with pytest.warns(UserWarning, match=r"certificate must not cost.*no room"):
        result = taut.regularization_path(classifier(), x, y, **SHORT)
    assert result.certificate is None
    assert len(result.models()) == 2


class Fails(Callback):
    def __init__(self, *methods):
        self.called = []
        for method in methods:
            setattr(self, method, self.fail)

    def fail(self, news=None):
        self.called.append(news)
        if getattr(news, "ended", 2) == 2:
            raise OSError("the server is gone")


@pytest.mark.parametrize("method", ["on_update", "on_end"])
def test_a_callback_that_fails_at_the_end_leaves_the_record(method):
    x, y = data()
    model = classifier()
    model.compile(taut.Proximal("sgd", taut.L1(0.1)), "mse")
    split = Split(np.arange(30), np.arange(30, ROWS))
    lanes = [Lane((0.1,)), Lane((0.2,))]
    fails, other = Fails(method), Fails()
    with pytest.warns(UserWarning, match=rf"`{method}` of Fails must not cost.*server is gone"):
        record = train_lanes(model, x, y, lanes, splits=[split], epochs=2, callbacks=[fails, other])
    assert fails.called
    assert record.status == ("finished", "finished")


def test_before_the_end_a_callback_may_end_the_study():
    class Ends(Callback):
        def on_start(self, lanes, epochs):
            raise LookupError("enough")

    x, y = data()
    with pytest.raises(LookupError, match="enough"):
        taut.regularization_path(classifier(), x, y, **SHORT, callbacks=[Ends()])


@pytest.mark.skipif(not JAX, reason="streaming needs JAX")
def test_streamed_lanes_too():
    x, y = data()
    model = classifier()
    model.compile(taut.Proximal("sgd", taut.L1(0.1)), "mse")
    with pytest.warns(UserWarning, match="`on_end` of Fails"):
        record = train_lanes(
            model, x, y, [Lane((0.1,))], epochs=1, memory=1 << 20, callbacks=[Fails("on_end")]
        )
    assert record.status == ("finished",)
