"""A checkpoint is of the study that computes the same; what cannot be told is refused."""

import functools
import os
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest
from keras import ops

import taut
from taut.describing import Undescribed, digest_of
from taut.engine import Lane, train_lanes
from taut.errors import InputError, UnsupportedError

X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
Y = X @ np.array([1.0, -1.0, 0.5], "float32")


@keras.saving.register_keras_serializable("taut.tests")
class Scaled(keras.losses.Loss):
    """A loss of which the configuration does not hold the argument."""

    def __init__(self, g=1.0, name="scaled", reduction="sum_over_batch_size", **_):
        super().__init__(name=name, reduction=reduction)
        self.g = g

    def call(self, y, prediction):
        return self.g * ops.mean(ops.square(y - prediction), axis=-1)

    def get_config(self):
        return {"name": self.name}


class Called:
    def __init__(self, g):
        self.g = g

    def __call__(self, y, prediction):
        return self.g * ops.mean(ops.square(y - prediction), axis=-1)

    def method(self, y, prediction):
        return self(y, prediction)


class Slotted:
    __slots__ = ("g",)

    def __init__(self, g):
        self.g = g

    def __call__(self, y, prediction):
        return self.g * ops.mean(ops.square(y - prediction), axis=-1)


def scaled(y, prediction, g=1.0):
    return g * ops.mean(ops.square(y - prediction), axis=-1)


def enclosed(g):
    return lambda y, prediction: g * ops.mean(ops.square(y - prediction), axis=-1)


def nested(g):
    factor = {"of": [np.array([g])]}
    return lambda y, prediction: factor["of"][0][0] * scaled(y, prediction)


def defaulted(g):
    def loss(y, prediction, *, factor=g):
        return scaled(y, prediction, factor)

    return loss


def constant(g):
    found = {}
    exec(f"def loss(y, p):\n    return {g} * (y - p) ** 2", found)
    return found["loss"]


def of_globals(g):
    found = {"G": g}
    exec("def loss(y, p):\n    return G * (y - p) ** 2", found)
    return found["loss"]


LOSSES = {
    "an attribute": Scaled,
    "a partial": lambda g: functools.partial(scaled, g=g),
    "a partial of a partial": lambda g: functools.partial(functools.partial(scaled, g=g)),
    "a callable object": Called,
    "a method": lambda g: Called(g).method,
    "slots": Slotted,
    "a closure": enclosed,
    "an array in a closure": nested,
    "a keyword's default": defaulted,
    "a constant": constant,
    "a global": of_globals,
    "a decorated function": lambda g: functools.lru_cache(enclosed(g)),
}


@pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES.keys())
def test_what_computes_otherwise_is_described_otherwise(make):
    assert digest_of(make(2.0)) == digest_of(make(2.0))
    assert digest_of(make(2.0)) != digest_of(make(1.0))


def test_an_order_that_means_nothing_and_names_that_count_up_are_not_described():
    assert digest_of({"a": 1, "b": {2, 3}}) == digest_of({"b": {3, 2}, "a": 1})
    first, second = keras.initializers.HeNormal(), keras.initializers.HeNormal()
    assert digest_of(first) == digest_of(second)


@pytest.mark.slow
def test_another_process_describes_the_same():
    code = (
        "import sys; sys.path.insert(0, 'tests/describing')\n"
        "from test_describing import LOSSES, digest_of\n"
        "print(*[digest_of(make(2.0)) for make in LOSSES.values()])"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert found[0] == found[1]
    assert len(found[0].split()) == len(LOSSES)


def test_what_cannot_be_described_is_said():
    with open(os.devnull) as file:
        for thing in ((k for k in ()), file, threading.Lock()):
            with pytest.raises(Undescribed, match=type(thing).__name__):
                digest_of({"of": [thing]})


def study(loss, checkpoint):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(taut.Proximal(keras.optimizers.SGD(0.05), taut.L1()), loss=loss)
    return train_lanes(model, X, Y, [Lane((0.01,), 0, 0)], epochs=3, checkpoint=checkpoint)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="checkpoints need JAX")
@pytest.mark.parametrize("kind", ["an attribute", "a partial", "a closure", "a global"])
def test_a_checkpoint_of_another_loss_is_refused(kind, tmp_path):
    make, file = LOSSES[kind], tmp_path / "study.taut"
    record = study(make(2.0), file)
    again = study(make(2.0), file)
    np.testing.assert_array_equal(record.train_loss, again.train_loss)
    with pytest.raises(InputError, match="of a study with other loss"):
        study(make(1.0), file)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="checkpoints need JAX")
def test_a_loss_that_cannot_be_described_is_refused_before_any_work(tmp_path):
    generator = (g for g in [1.0])

    def loss(y, prediction):
        return ops.mean(ops.square(y - prediction), axis=-1) + 0 * len(str(generator))

    with pytest.raises(UnsupportedError, match=r"A checkpoint must tell .* in the loss"):
        study(loss, tmp_path / "study.taut")
    assert not list(tmp_path.iterdir())
    assert study(loss, None).status == ("finished",)
