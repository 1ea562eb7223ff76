"""Studies in several threads are those that each would be alone."""

import random
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

import taut
from taut.engine import Lane, Split, train_lanes

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")

X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
Y = X @ np.array([1.0, -1.0, 0.5], "float32")
LANES = [Lane((0.01,), fold, seed) for fold in range(2) for seed in range(6)]
SPLITS = [Split(np.arange(20), np.arange(20, 40)), Split(np.arange(20, 40), np.arange(20))]


def model():
    found = keras.Sequential(
        [
            keras.Input((3,)),
            # An initializer without a seed takes the lane's.
            keras.layers.Dense(8, kernel_initializer=keras.initializers.RandomNormal()),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(1, bias_initializer="random_uniform"),
        ]
    )
    found.compile(taut.Proximal(keras.optimizers.SGD(0.05), taut.L1()), loss="mse")
    return found


def study(own):
    return train_lanes(own, X, Y, LANES, splits=SPLITS, epochs=3, batch_size=8)


@pytest.mark.slow
def test_two_threads_train_what_one_would():
    alone = study(model())
    models = [model() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(study, models))
    for record in together:
        np.testing.assert_array_equal(record.train_loss, alone.train_loss)
        for ours, theirs in zip(record.trainable, alone.trainable, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    starts = {lane.seed: alone.trainable[0][k].tobytes() for k, lane in enumerate(LANES)}
    assert len(set(starts.values())) == 6


def test_the_streams_of_the_process_are_left_alone():
    own = model()
    keras.utils.set_random_seed(3)
    expected = random.random(), np.random.random(), float(keras.random.uniform(()))  # noqa: NPY002
    keras.utils.set_random_seed(3)
    study(own)
    found = random.random(), np.random.random(), float(keras.random.uniform(()))  # noqa: NPY002
    assert found == expected
