"""A checkpoint is of the study that computes the same; what cannot be told is refused."""

import enum
import functools
import os
import subprocess
import sys
import threading
import types
from collections import defaultdict, namedtuple

import jax
import keras
import numpy as np
import pandas as pd
import pytest
from keras import ops

import taut
from taut.describing import Undescribed, digest_of
from taut.engine import Lane, train_lanes
from taut.engine.checkpoint.identity import program_key
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


def enumerated(g):
    return enum.Enum("Choice", {"ONE": g}).ONE


def by_metaclass(g):
    class Meta(type):
        def __getattr__(cls, name):
            return g

    class Made(metaclass=Meta):
        pass

    return Made


def over_a_function_of_a_library(g):
    @functools.wraps(keras.losses.mean_squared_error)
    def loss(y, prediction):
        return g * ops.mean(ops.square(y - prediction), axis=-1)

    return loss


class Wrapping:
    def __init__(self, function, g):
        functools.update_wrapper(self, function)
        self.g = g

    def __call__(self, y, prediction):
        return self.g * self.__wrapped__(y, prediction)


def own_gradient(g):
    function = jax.custom_vjp(lambda x: x)
    function.defvjp(lambda x: (x, None), lambda _, upstream: (g * upstream,))
    return function


def with_attribute(kind):
    def make(g):
        made = type("Own", (kind,), {"__module__": __name__})()
        made.g = g
        return made

    return make


class Named(keras.losses.Loss):
    def call(self, y, prediction):
        return prediction if self.name == "g1.0" else y


module_of_settings = types.ModuleType("settings_of_a_test")


def of_a_module(g):
    module_of_settings.factor = g
    found = {"module": module_of_settings}
    exec("def loss(y, p):\n    return getattr(module, 'factor') * (y - p) ** 2", found)
    return found["loss"]


VALUES = {
    "an entry called name": lambda g: [{"name": g}, {"name": str(g)}],
    "an own loss's name": lambda g: Named(name=f"g{g}"),
    "an enum's value": enumerated,
    "a metaclass": by_metaclass,
    "a class's constant": lambda g: type("Own", (), {"__factor__": g, "__module__": __name__}),
    "a default of a mapping": lambda g: defaultdict(functools.partial(float, g)),
    "an attribute of a text": with_attribute(str),
    "an attribute of a list": with_attribute(list),
    "an attribute of a mapping": with_attribute(dict),
    "a tuple or a list": lambda g: [(1,), [1]][int(g) - 1],
    "a mask": lambda g: np.ma.array([1.0, 2.0], mask=[g == 1, False]),
    "the fields of a tuple": lambda g: namedtuple("T", ["a", "b"] if g == 1 else ["b", "a"])(1, 2),
    "the rows of a table": lambda g: pd.DataFrame({"a": [1, 2]}, index=[0, int(g)]),
    "a column": lambda g: pd.Series([1.0, g]),
    "over a function of a library": over_a_function_of_a_library,
    "around a function": lambda g: Wrapping(scaled, g),
    "a gradient of one's own": own_gradient,
    "what a library made of a function": lambda g: jax.vmap(enclosed(g)),
    "a module's constant by its name": of_a_module,
}


@pytest.mark.parametrize("make", VALUES.values(), ids=VALUES.keys())
def test_what_differs_in_one_thing_is_described_otherwise(make):
    first = digest_of(make(2.0))
    assert digest_of(make(2.0)) == first
    assert digest_of(make(1.0)) != first


@keras.saving.register_keras_serializable("taut.tests")
class Counting(keras.layers.Layer):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.counted = keras.metrics.Mean()
        self.dense = keras.layers.Dense(1)

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x):
        return self.dense(x)


def counting(name=None):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Activation("relu")])
    model.add(Counting(name=name))
    model.compile("sgd", "mse")
    return model


def test_a_model_built_again_is_the_same_whatever_its_layers_count_and_are_called():
    keys = {program_key(counting()), program_key(counting(name="counted")), program_key(counting())}
    assert None not in keys
    assert len(keys) == 1


@pytest.mark.parametrize("change", ["dtype_policy", "autocast", "supports_masking", "epsilon"])
def test_what_is_set_after_a_model_is_built_makes_it_another(change):
    model, epsilon = counting(), keras.config.epsilon()
    before, layer = program_key(model), model.layers[0]
    try:
        if change == "epsilon":
            keras.config.set_epsilon(1e-3)
        elif change == "dtype_policy":
            layer.dtype_policy = "mixed_bfloat16"
        else:
            setattr(layer, change, not getattr(layer, change))
        assert program_key(model) != before
    finally:
        keras.config.set_epsilon(epsilon)


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
