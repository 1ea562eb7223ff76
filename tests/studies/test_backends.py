"""Studies on every backend: elsewhere than on JAX their lanes are trained one by one."""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.linear_model import Lasso

import taut
from taut.engine import Lane, Split, predict_lanes, train_lanes
from taut.errors import InputError


def linear(loss="mse"):
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), loss=loss)
    return model


def test_a_path_finds_the_lasso(diabetes):
    x, y = diabetes
    rows = np.arange(len(y))
    held_out = len(y) + np.arange(50)  # copies, so that all rows are trained on
    x_more, y_more = np.concatenate([x, x[:50]]), np.concatenate([y, y[:50]])
    result = taut.regularization_path(
        linear(),
        x_more,
        y_more,
        strengths=[0.2, 0.4],
        cv=[(rows, held_out)],
        epochs=60,
        batch_size=442,
    )
    assert result.table["status"].tolist() == ["finished"] * 2
    for strength in (0.2, 0.4):
        expected = Lasso(alpha=strength / 2).fit(x, y).coef_
        [model] = result.models(strength)
        found = model.get_weights()[0].ravel()
        np.testing.assert_array_equal(found != 0, expected != 0)
        np.testing.assert_allclose(found, expected, atol=2e-3)


def test_a_path_finds_its_own_strengths(diabetes):
    x, y = diabetes
    result = taut.regularization_path(linear(), x, y, strengths=3, cv=2, epochs=4, batch_size=221)
    assert len(result.strengths) == 3
    assert result.strengths[0] > result.strengths[-1] > 0
    assert result.table["status"].tolist() == ["finished"] * 6


def test_lanes_are_checked_and_predict(diabetes):
    x, y = diabetes
    model = linear()
    model.compile(taut.Proximal("sgd", taut.L1(0.1)), loss="mse")
    rows = np.arange(len(y))
    splits = [Split(rows[:300], rows[300:])]
    with pytest.raises(InputError, match="split"):
        train_lanes(model, x, y, [Lane((0.1,), 1)], splits=splits)
    lanes = [Lane((strength,), 0, 1) for strength in (0.1, 0.3)]
    record = train_lanes(model, x, y, lanes, splits=splits, epochs=2)
    predicted = predict_lanes(model, record, x)[..., 0]
    held_out = np.mean((predicted[:, 300:] - y[300:]) ** 2, axis=1)
    np.testing.assert_allclose(held_out, record.held_out_loss[:, -1], rtol=1e-4)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="tests/tables has it")
def test_a_table_is_fitted(monkeypatch):
    monkeypatch.setattr("taut.tables.candidates.Schedule.of", staticmethod(_short))
    model = taut.fit_table(
        load_wine(as_frame=True).frame, target="target", quick=True, strengths=[0.01], folds=2
    )
    assert model.metrics["test"]["systems"][0]["scores"]["accuracy"]["value"] > 0.8


def _short(rows, *, quick, most=None):
    from taut.tables.candidates import Schedule

    del rows, quick, most
    return Schedule(epochs=4, batch_size=16)
