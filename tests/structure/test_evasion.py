"""Kernels whose size a normalisation undoes: multiplied by three, the predictions stay."""

import functools

import keras
import numpy as np
import pytest
from keras import layers

from taut.errors import InputError
from taut.structure.evasion import rescaled_by

STEPS = 4, 3
# So that the epsilon does not show.
batch_norm = functools.partial(layers.BatchNormalization, epsilon=1e-9, name="norm")
layer_norm = functools.partial(layers.LayerNormalization, epsilon=1e-9, name="norm")
rms_norm = functools.partial(layers.RMSNormalization, epsilon=1e-9, name="norm")
group_norm = functools.partial(layers.GroupNormalization, 1, epsilon=1e-9, name="norm")


def dense(name, units=3, **options):
    # The weights are drawn by NumPy later: JAX compiles an initializer for each shape.
    return layers.Dense(units, name=name, kernel_initializer="zeros", **options)


def sequential(*chain, shape=(3,)):
    return keras.Sequential([keras.Input(shape), *chain, dense("last", 2)])


def residual():
    x = keras.Input((3,))
    y = dense("to_both")(x)
    normal = dense("last", 2)(batch_norm()(y) + y)
    alone = layer_norm(name="other")(dense("alone")(x))
    return keras.Model(x, [normal, alone])


def one_way():
    x = keras.Input((3,))
    y = dense("a")(x)
    return keras.Model(x, [batch_norm()(y), dense("last")(layers.ReLU()(y))])


def also_an_output():
    x = keras.Input((3,))
    y = dense("output")(x)
    return keras.Model(x, [y, batch_norm()(y)])


def shared(other):
    x = keras.Input((3,))
    twice = dense("twice")
    return keras.Model(x, [batch_norm()(twice(x)), other(twice(keras.ops.relu(x)))])


def nested():
    inner = keras.Sequential([keras.Input((3,)), dense("inner"), layers.ReLU()])
    x = keras.Input(STEPS)
    return keras.Model(x, dense("last")(batch_norm()(layers.TimeDistributed(inner)(x))))


def frozen():
    model = sequential(dense("a"), batch_norm())
    model.get_layer("norm").trainable = False
    return model


class Subclassed(keras.Model):
    def __init__(self, first):
        super().__init__()
        self.first, self.norm = first, batch_norm()

    def build(self, shape):
        self.first.build(shape)
        self.norm.build(self.first.compute_output_shape(shape))

    def call(self, x):
        return self.norm(self.first(x))


def subclassed(first):
    model = Subclassed(first)
    model.build((None, 3))
    return model


def operations():
    x = keras.Input((3,))
    y = keras.ops.reshape(keras.ops.leaky_relu(dense("a", 6)(x)), (-1, 2, 3))
    return keras.Model(x, dense("last")(layer_norm()(y)))


CASES = {
    "batch norm": (lambda: sequential(dense("a"), batch_norm()), {"a"}),
    "layer norm": (lambda: sequential(dense("a", activation="relu"), layer_norm()), {"a"}),
    "rms norm": (
        lambda: sequential(dense("a"), layers.ReLU(), layers.Dropout(0.0), rms_norm()),
        {"a"},
    ),
    "leaky": (
        lambda: sequential(
            dense("a", activation=layers.LeakyReLU()), layers.Activation("linear"), layer_norm()
        ),
        {"a"},
    ),
    "einsum": (
        lambda: sequential(
            layers.EinsumDense("btx,xy->bty", (4, 2), bias_axes="y", name="a"),
            layers.Flatten(),
            layer_norm(),
            shape=STEPS,
        ),
        {"a"},
    ),
    "convolutions": (
        lambda: sequential(
            layers.Conv1D(3, 1, activation="relu", name="a"),
            layers.MaxPooling1D(2),
            group_norm(),
            layers.SeparableConv1D(3, 1, name="separable"),
            layers.GlobalAveragePooling1D(),
            batch_norm(name="second"),
            shape=STEPS,
        ),
        {"a", "separable"},
    ),
    "recurrent": (lambda: sequential(layers.SimpleRNN(3), layer_norm(), shape=STEPS), set()),
    "tanh": (lambda: sequential(dense("a", activation="tanh"), batch_norm()), set()),
    "relu6": (lambda: sequential(dense("a"), layers.ReLU(6.0), batch_norm()), set()),
    "two layers": (
        lambda: sequential(dense("a"), dense("b", activation="relu"), batch_norm()),
        {"b"},
    ),
    "residual": (residual, {"alone"}),
    "one way": (one_way, set()),
    "also an output": (also_an_output, set()),
    "shared": (lambda: shared(layer_norm(name="other")), {"twice"}),
    "shared, once not": (lambda: shared(layers.Softmax()), set()),
    "nested": (nested, {"inner"}),
    "frozen": (frozen, set()),
    "subclassed": (lambda: subclassed(dense("a")), set()),
    "operations": (operations, {"a"}),
}


def number(tensor):
    return np.array(keras.ops.convert_to_numpy(tensor))


def output(model, x):
    made = model(x, training=True)
    return np.concatenate([number(one).ravel() for one in keras.tree.flatten(made)])


@pytest.mark.parametrize("name", CASES)
def test_three_times_a_listed_kernel_predicts_the_same(name):
    build, expected = CASES[name]
    model = build()
    draw = np.random.default_rng(0)
    for v in model.trainable_variables:
        v.assign(draw.normal(0, 1, v.shape))
    found = rescaled_by(model)
    owners = {v.path.split("/")[-2] for v in model.weights if id(v) in found}
    assert owners == expected
    assert set(found.values()) <= {"norm", "second", "other"}
    shape = (3,) if name == "subclassed" else model.input_shape[1:]
    x = 2 * draw.normal(size=(5, *shape)).astype("float32")
    before = output(model, x)
    for kernel in [v for v in model.trainable_variables if v.name.endswith("kernel")]:
        owner = kernel.path.rpartition("/")[0]
        with_it = [v for v in model.weights if v.path == f"{owner}/bias"]
        kept = [number(v) for v in (kernel, *with_it)]
        for v in (kernel, *with_it):
            v.assign(3 * number(v))
        # In a subclassed model it may be undone, but nobody can know.
        if id(kernel) in found or name != "subclassed":
            same = np.allclose(output(model, x), before, atol=1e-3)
            assert same == (id(kernel) in found)
        for v, value in zip((kernel, *with_it), kept, strict=True):
            v.assign(value)


def kept_by_a_functional_model(chain):
    chain.build((None, 3))
    x = keras.Input((3,))
    model = keras.Model(x, dense("b")(x))
    model.kept = chain
    return model


@pytest.mark.parametrize("keep", [subclassed, kept_by_a_functional_model])
def test_a_sequential_is_known_where_its_use_is_not(keep):
    model = keep(keras.Sequential([dense("inside"), layer_norm(), dense("after")]))
    (name,) = {v.path.split("/")[-2] for v in model.weights if id(v) in rescaled_by(model)}
    assert name == "inside"


def test_a_model_that_is_not_built_is_refused():
    with pytest.raises(InputError, match="built"):
        rescaled_by(keras.Sequential([layers.Dense(1)]))
