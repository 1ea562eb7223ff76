"""Every backend comes to the same weights: those that JAX came to when this was written.

`KERAS_BACKEND=jax python -m tests.optimizers.test_backends` writes them again.
"""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import taut
from tests.conftest import load_diabetes, standardised

REFERENCE = Path(__file__).with_name("reference.json")
EPOCHS = 30

OPTIMIZERS = {
    "nesterov": lambda: keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
    "clipped": lambda: keras.optimizers.SGD(0.05, global_clipnorm=0.5),
    "accumulated": lambda: keras.optimizers.SGD(0.1, gradient_accumulation_steps=3),
    "adam": lambda: keras.optimizers.Adam(0.01, clipnorm=0.3),
    "averaged": lambda: keras.optimizers.Adam(
        0.02, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=50
    ),
    "adamax": lambda: keras.optimizers.Adamax(0.02),
    "nadam": lambda: keras.optimizers.Nadam(0.01),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.002, momentum=0.5, epsilon=1e-4),
    "adagrad": lambda: keras.optimizers.Adagrad(0.1),
    "adadelta": lambda: keras.optimizers.Adadelta(10.0),
    "lamb": lambda: keras.optimizers.Lamb(0.02),
    "adafactor": lambda: keras.optimizers.Adafactor(0.1),
}


def trained(name):
    """The weights of a small network after 210 steps on batches of 64 rows."""
    x, y = load_diabetes(return_X_y=True)
    x, y = standardised(x)[:440], standardised(y)[:440]
    model = taut.models.Sequential(
        [
            keras.Input((10,)),
            keras.layers.Dense(4, "tanh", name="hidden"),
            keras.layers.Dense(1, name="last"),
        ]
    )
    penalty = {"hidden": taut.GroupLasso(0.02, groups="inputs"), "last": taut.L1(0.03)}
    model.compile(OPTIMIZERS[name](), "mse", weight_regularizer=penalty)
    rng = np.random.default_rng(0)
    model.set_weights([0.5 * rng.normal(size=w.shape) for w in model.get_weights()])
    x, y = np.tile(x, (EPOCHS, 1)), np.tile(y, EPOCHS)
    model.fit(x, y, batch_size=64, shuffle=False, verbose=0)
    return np.concatenate([w.ravel() for w in model.get_weights()]).astype("float64")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_weights_are_those_of_jax(name):
    expected = np.array(json.loads(REFERENCE.read_text())[name])
    found = trained(name)
    np.testing.assert_array_equal(found == 0, expected == 0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


if __name__ == "__main__":
    weights = {name: [float(f"{w:.7g}") for w in trained(name)] for name in OPTIMIZERS}
    REFERENCE.write_text(json.dumps(weights, indent=0) + "\n")
