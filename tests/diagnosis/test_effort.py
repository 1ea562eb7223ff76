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
    met = 64 * sum(v.value.size for v in model.trainable_variables)
    for seeds in (1, 2, 3):
        epochs = int(WORK / ((seeds - 0.5) * met))
        assert seeds_for(replace(few, epochs=epochs)) == seeds
    assert seeds_for(replace(few, epochs=epochs, batch_size=8)) < seeds


@pytest.mark.parametrize(
    ("parts", "shape", "met"),
    [
        ([layers.LSTM(2)], (5, 3), 5 * 4 * 2 * (3 + 2 + 1) + 3),
        ([layers.Conv2D(2, 3), layers.Flatten()], (8, 8, 1), 64 * (2 * 9 + 2) + 73),
        ([keras.Sequential([layers.Dense(2), layers.Flatten()])], (5, 3), 5 * 8 + 11),
        ([layers.Embedding(7, 3), layers.GlobalAveragePooling1D()], (5,), 7 * 3 + 4),
    ],
    ids=["recurrent", "convolution", "dense at each step", "embedding"],
)
def test_a_weight_that_is_met_at_many_places_costs_as_often(monkeypatch, parts, shape, met):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    few = subject(network(*parts, shape=shape))
    epochs = WORK // (64 * met)
    assert seeds_for(replace(few, epochs=epochs)) == 2
    assert seeds_for(replace(few, epochs=epochs + 1)) == 1


def test_what_does_not_say_what_it_reads_has_one():
    query = keras.Input((5, 3))
    attention = layers.MultiHeadAttention(1, 1)(query, query)
    assert seeds_for(subject(keras.Model(query, layers.Flatten()(attention)))) == 1


def test_what_is_trained_one_after_another_has_one(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    assert seeds_for(subject(network())) == 1
