"""What a model makes of rows, whoever else asks at the same time."""

from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from keras import layers

from taut.engine.outputs import outputs_of

X = np.random.default_rng(0).normal(size=(70, 3)).astype("float32")
TREE = {"numbers": X, "codes": np.arange(70, dtype="int32") % 5}


@pytest.fixture(scope="module")
def model():
    numbers = keras.Input((3,), name="numbers")
    codes = keras.Input((), dtype="int32", name="codes")
    rows = layers.Concatenate()([numbers, layers.Embedding(5, 2)(codes)])
    rows = layers.Dropout(0.5)(layers.BatchNormalization()(rows))
    return keras.Model({"numbers": numbers, "codes": codes}, layers.Dense(2)(rows))


def expected(model, x):
    return keras.ops.convert_to_numpy(model(x, training=False))


@pytest.mark.parametrize("size", [None, 32, 70])
def test_they_are_those_of_a_call(model, size):
    made = outputs_of(model, TREE, size=size)
    np.testing.assert_allclose(made, expected(model, TREE), atol=1e-6)
    assert made.dtype == np.float64
    none = {name: a[:0] for name, a in TREE.items()}
    assert outputs_of(model, none, size=size).shape == (0, 2)


def test_a_model_that_predicted_can_be_exported(model):
    """Also by a program that another one's call has made."""
    outputs_of(model, TREE)
    twin = keras.models.clone_model(model)
    assert not twin._called
    outputs_of(twin, TREE)
    assert twin._called


def test_threads_do_not_take_the_weights_from_each_other(model):
    truth = expected(model, TREE)

    def ask(count):
        return outputs_of(model, {name: a[:count] for name, a in TREE.items()}, size=count)

    counts = [5, 6, 7, 8] * 4
    with ThreadPoolExecutor(4) as threads:
        for count, made in zip(counts, threads.map(ask, counts), strict=True):
            np.testing.assert_allclose(made, truth[:count], atol=1e-6)
    np.testing.assert_array_equal(expected(model, TREE), truth)
