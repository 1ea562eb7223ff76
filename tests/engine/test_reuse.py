"""What is compiled is used again where it is the same, and only there; nothing is kept alive."""

import gc
import weakref

import keras
import numpy as np
import pytest

import taut
from taut.engine import Lane, Split, train_lanes

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")


def network():
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    model.compile(taut.Proximal("adam", taut.L1()), loss="mse")
    return model


def test_another_loss_is_another_program(diabetes):
    model = network()
    lanes, optimizer = [Lane((0.0,))], model.optimizer
    squared = train_lanes(model, *diabetes, lanes, epochs=1)
    model.compile(optimizer, loss="mae")
    absolute = train_lanes(model, *diabetes, lanes, epochs=1)
    assert absolute.compiles == 1
    assert absolute.train_loss[0, 0] != squared.train_loss[0, 0]


def test_a_program_does_not_keep_its_model_alive(diabetes):
    model = network()
    train_lanes(model, *diabetes, [Lane((0.0,))], epochs=1)
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None


def test_a_second_path_of_the_same_shape_compiles_nothing(diabetes):
    model = network()
    model.compile("adam", loss="mse")
    first, second = (
        taut.regularization_path(model, *diabetes, strengths=[0.1, 0.01], cv=2, epochs=2)
        for _ in range(2)
    )
    assert first.record.compiles == 1
    assert second.record.compiles == 0
    np.testing.assert_array_equal(first.summary["held_out_loss"], second.summary["held_out_loss"])


def test_lanes_start_with_a_fresh_optimizer(diabetes):
    model = network()
    before = train_lanes(model, *diabetes, [Lane((0.01,))], epochs=2)
    model.fit(*diabetes, epochs=2, verbose=0)
    after = train_lanes(model, *diabetes, [Lane((0.01,))], epochs=2)
    np.testing.assert_array_equal(before.trainable[0], after.trainable[0])


def test_folds_of_unequal_length_do_not_see_each_other(diabetes):
    model = network()
    splits = [Split(np.arange(65)), Split(np.arange(64))]
    both = train_lanes(
        model, *diabetes, [Lane((0.0,), 0), Lane((0.0,), 1)], splits=splits, epochs=3, width=2
    )
    alone = train_lanes(model, *diabetes, [Lane((0.0,), 0)], splits=splits[1:], epochs=3)
    # The order of rows is drawn from the number of the split: 0 here and 1 there.
    same = train_lanes(model, *diabetes, [Lane((0.0,), 1)], splits=[splits[1], splits[1]], epochs=3)
    np.testing.assert_allclose(both.trainable[0][1], same.trainable[0][0], atol=1e-6)
    assert np.abs(alone.trainable[0][0] - same.trainable[0][0]).max() > 0
