"""How many folds and seeds a model's trials have."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

from taut.diagnosis.effort import MOST_SEEDS, WORK, seeds_for
from taut.diagnosis.subject import Rows, Subject


def subject(model, rows=64, epochs=10):
    x = np.zeros((rows, *model.input_shape[1:]), "float32")
    train = Rows(x, np.zeros(rows), None, None, 1.0, None, None)
    return Subject(model, train, None, epochs, 32, 1.0, (), None, (), 0)


def network(*parts, shape=(4,)):
    return keras.Sequential([keras.Input(shape), *parts, layers.Dense(1)])


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="is for trainings side by side")
def test_seeds_are_as_many_as_the_work_allows():
    model = network(layers.BatchNormalization(), layers.Dense(3, "relu"), layers.Dropout(0.1))
    few = subject(model)
    assert seeds_for(few) == MOST_SEEDS
    updates = 2  # an epoch of 64 rows, 32 at a time
    for seeds in (1, 2, 3):
        epochs = int(WORK / ((seeds - 0.5) * updates * model.count_params()))
        assert seeds_for(replace(few, epochs=epochs)) == seeds
    assert seeds_for(subject(network(layers.Dense(2000)))) == 1


@pytest.mark.parametrize(
    "model",
    [
        network(layers.LSTM(2), shape=(5, 2)),
        network(layers.Conv2D(1, 2), layers.Flatten(), shape=(4, 4, 1)),
        network(keras.Sequential([layers.Dense(2), layers.Flatten()]), shape=(5, 2)),
    ],
    ids=["recurrent", "convolution", "dense at each step"],
)
def test_what_uses_a_weight_many_times_has_one(model):
    assert seeds_for(subject(model)) == 1


def test_what_is_trained_one_after_another_has_one(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    assert seeds_for(subject(network())) == 1
