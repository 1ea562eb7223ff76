"""Strengths that change while a model trains begin at those that it was trained with."""

import keras
import numpy as np
import pytest
from keras import ops

import taut
from taut.engine import Lane, train_lanes
from taut.errors import InputError


def network(optimizer="sgd", units=1):
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(units)])
    model.compile(optimizer, loss="mse")
    return model


def scheduled(model, x, y):
    """The strengths after three epochs at half, a third and a quarter."""
    schedule = taut.callbacks.StrengthSchedule(lambda epoch: 1 / (2 + epoch))
    model.fit(x, y, epochs=3, verbose=0, callbacks=[schedule])
    return [float(ops.convert_to_numpy(s)) for s in model.optimizer.strengths]


def test_a_schedule_begins_at_the_strength_of_a_paths_model(diabetes, tmp_path):
    x, y = diabetes
    result = taut.regularization_path(network(), x, y, strengths=[0.4, 0.2], cv=2, epochs=2)
    for strength in (0.4, 0.2):
        model = result.models(strength)[0]
        assert model.optimizer.compiled_strengths == [pytest.approx(strength)]
        model.save(tmp_path / "before.keras")
        assert scheduled(model, x, y) == [pytest.approx(strength / 4)]
        model.save(tmp_path / "after.keras")
        # What a schedule has made of the strength is saved, and where it began too.
        after = keras.saving.load_model(tmp_path / "after.keras")
        [present] = after.optimizer.strengths
        assert float(ops.convert_to_numpy(present)) == pytest.approx(strength / 4)
        for name in ("before", "after"):
            loaded = keras.saving.load_model(tmp_path / f"{name}.keras")
            assert loaded.optimizer.compiled_strengths == [pytest.approx(strength)]
            assert scheduled(loaded, x, y) == [pytest.approx(strength / 4)]


@pytest.mark.parametrize("built", [False, True])
def test_a_lane_of_several_strengths_is_applied(diabetes, built, tmp_path):
    """Also to a model whose optimizer has no variables yet."""
    x, y = diabetes

    def made():
        return network(taut.Proximal("sgd", taut.L1(0.01) + taut.L2(0.02)))

    lanes = [Lane((0.3, 0.1)), Lane((0.0, 0.5))]
    record = train_lanes(made(), x, y, lanes, epochs=1)
    model = made()
    if built:
        model.optimizer.build(model.trainable_variables)
    record.apply(1, model)
    assert scheduled(model, x, y) == [0.0, pytest.approx(0.125)]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.compiled_strengths == [0.0, 0.5]
    with pytest.raises(InputError, match="one for each of the 2"):
        model.optimizer.set_strengths([0.1])
    with pytest.raises(InputError, match=r"finite numbers >= 0.*\[0.1, -1.0\]"):
        model.optimizer.set_strengths([0.1, -1])


def test_predictions_of_lanes_leave_the_strengths_alone(diabetes):
    x, y = diabetes
    model = network(taut.Proximal("sgd", taut.L1(0.01)))
    record = train_lanes(model, x, y, [Lane((0.3,))], epochs=1)
    taut.engine.predict_lanes(model, record, x)
    assert model.optimizer.compiled_strengths == [0.01]
    np.testing.assert_allclose(ops.convert_to_numpy(model.optimizer.strengths[0]), 0.01)
