"""A path in double precision, in a process of its own: JAX takes that setting once.

Prints the held-out losses of the lanes, in memory and streamed, and of a network with a convolution.
"""  # noqa: E501

import json
import os

os.environ["JAX_ENABLE_X64"] = "1"

import taut  # isort: skip (before Keras, whose backend it picks)
import keras
import numpy as np

keras.config.set_floatx("float64")
draw = np.random.default_rng(0)
x = draw.normal(size=(60, 4))
y = x[:, 0] - x[:, 1]


def network(*extra):
    made = keras.Sequential(
        [keras.Input((4,)), taut.layers.Standardize(), *extra, keras.layers.Dense(1)]
    )
    made.compile(keras.optimizers.SGD(0.05, momentum=0.5), loss="mse")
    return made


def losses(model, **settings):
    result = taut.regularization_path(
        model, x, y, strengths=[0.2, 0.02], cv=2, epochs=30, **settings
    )
    assert all(a.dtype == np.float64 for a in result.record.trainable)
    return [*result.table["held_out_loss"], result.certificate.largest]


conv = keras.layers.Reshape((4, 1)), keras.layers.Conv1D(2, 2), keras.layers.Flatten()
grouped = {"penalty": taut.GroupLasso(groups="inputs")}
print(
    json.dumps(
        {
            "memory": losses(network()),
            "patience": losses(network(), patience=3),
            "streamed": losses(network(), memory=1 << 20),
            "convolution": losses(network(*conv)),
            "groups": losses(network(keras.layers.Dense(3)), **grouped),
        }
    )
)
