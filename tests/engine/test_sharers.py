"""Devices that share each batch: the same training, up to the order of sums."""

import jax
import keras
import numpy as np
import pytest

import taut
from taut.engine import Lane, Split, train_lanes
from taut.errors import InputError

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")


def network():
    model = keras.Sequential(
        [keras.Input((10,)), keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(1)]
    )
    model.compile(taut.Proximal(keras.optimizers.SGD(0.05), taut.L1()), loss="mse")
    return model


def test_devices_that_share_a_batch_train_the_same_lane(diabetes):
    devices = len(jax.devices())
    if devices < 2:
        pytest.skip("one device")
    rows = np.random.default_rng(0).permutation(442)
    # The last batch has fewer rows than devices times its share, and the splits differ in length.
    splits = [Split(rows[:331], rows[331:]), Split(rows[:65], rows[300:])]
    lanes = [Lane((s,), f, 0) for s in (0.0, 0.05) for f in (0, 1)]
    weight = np.random.default_rng(1).uniform(0.5, 2, 442)
    settings = {"splits": splits, "epochs": 4, "sample_weight": weight}
    one = train_lanes(network(), *diabetes, lanes, **settings)
    shared = train_lanes(network(), *diabetes, lanes, sharers=2, **settings)
    np.testing.assert_allclose(shared.train_loss, one.train_loss, rtol=1e-5)
    np.testing.assert_allclose(shared.held_out_loss, one.held_out_loss, rtol=1e-5)
    for a, b in zip(shared.trainable, one.trainable, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_sharers_must_divide(diabetes):
    with pytest.raises(InputError, match="must divide"):
        train_lanes(network(), *diabetes, [Lane((0.1,))], sharers=7)
    with pytest.raises(InputError, match="must divide"):
        train_lanes(network(), *diabetes, [Lane((0.1,))], sharers=2, batch_size=33)
