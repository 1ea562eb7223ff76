"""The groups of a model's weights: what they mean, tested by zeroing them."""

import functools
import math

import keras
import numpy as np
import pytest
from keras import layers

from taut._keras.precision import jitted
from taut.errors import InputError
from taut.layers import Standardize
from taut.structure.views import VariableStructure, View, structure
from taut.tables.network import network

STEPS = 3, 4  # steps and features
IMAGE = 5, 5, 4
FIRST = 4, 5, 5  # channels first


def zeros_at_first(layer):
    """The weights are drawn by NumPy later: JAX compiles an initializer for each shape."""
    config = layer.get_config()
    zeros = {key: "zeros" for key in config if key.endswith("_initializer")}
    return type(layer).from_config(config | zeros) if zeros else layer


def sequential(shape, *chain):
    return keras.Sequential([keras.Input(shape), *map(zeros_at_first, chain)])


def attention(layer):
    x = keras.Input(STEPS)
    return keras.Model(x, zeros_at_first(layer)(x, x))


def hidden_and_skip():
    x = keras.Input((4,))
    noisy = layers.BatchNormalization()(layers.Dropout(0.1)(keras.ops.tanh(x)))
    hidden = layers.Dense(5, activation="relu", name="hidden")(noisy)
    return keras.Model(x, layers.Dense(2, name="last")(hidden) + layers.Dense(2, name="skip")(x))


def nested():
    inner = sequential((4,), Standardize(), layers.Dense(3, name="inner"))
    x = keras.Input((4,))
    return keras.Model(x, layers.Concatenate()([inner(x), layers.Dense(2, name="outer")(x)]))


class Twice(keras.Model):
    """A subclassed model, with layers that may be one that is called twice."""

    def __init__(self, first, second):
        super().__init__()
        self.first, self.second = first, second
        self.norm = layers.BatchNormalization(name="norm")
        self.tail = keras.Sequential([layers.Dense(3, name="a"), layers.LayerNormalization()])

    def call(self, x):
        return self.tail(self.norm(self.second(self.first(x))))


@keras.saving.register_keras_serializable("taut_tests")
class Scaled(layers.Layer):
    """A custom layer with the weights of a dense one, and one more."""

    def build(self, shape):
        self.kernel = self.add_weight(name="kernel", shape=(shape[-1], 3))
        self.bias = self.add_weight(name="bias", shape=(3,))
        self.size = self.add_weight(name="size", shape=())

    def call(self, x):
        return self.size * (x @ self.kernel + self.bias)


def subclassed():
    dense = layers.Dense(4, name="dense")
    model = Twice(dense, dense)
    model(np.zeros((2, 4), "float32"))
    return model


def conv(kind, *size, **options):
    return getattr(layers, kind)(*size, data_format="channels_last", **options)


def conv_first(kind, *size, **options):
    return getattr(layers, kind)(*size, data_format="channels_first", **options)


# One layer each, and what normalises its units.
ONE = {
    "dense": lambda: sequential((4,), layers.Dense(3)),
    "time distributed": lambda: sequential(STEPS, layers.TimeDistributed(layers.Dense(3))),
    "conv1d": lambda: sequential(STEPS, conv("Conv1D", 3, 2)),
    "conv2d first": lambda: sequential(FIRST, conv_first("Conv2D", 3, 2)),
    "conv2d transpose": lambda: sequential(IMAGE, conv("Conv2DTranspose", 3, 2)),
    "depthwise": lambda: sequential(IMAGE, conv("DepthwiseConv2D", 2, depth_multiplier=2)),
    "separable": lambda: sequential(STEPS, conv("SeparableConv1D", 3, 2, depth_multiplier=2)),
    "simple rnn": lambda: sequential(STEPS, layers.SimpleRNN(3, return_sequences=True)),
    "lstm": lambda: sequential(STEPS, layers.LSTM(3, return_sequences=True)),
    "gru": lambda: sequential(STEPS, layers.GRU(3, return_sequences=True)),
    "gru, reset before": lambda: sequential(STEPS, layers.GRU(3, reset_after=False)),
    "conv lstm": lambda: sequential((2, *STEPS), conv("ConvLSTM1D", 3, 2)),
    "einsum": lambda: sequential(
        STEPS, layers.EinsumDense("btx,xy->bty", output_shape=(3, 3), bias_axes="y")
    ),
    "einsum, turned": lambda: sequential(
        STEPS, layers.EinsumDense("...x,yx->...y", output_shape=3, bias_axes="y")
    ),
    "spectral": lambda: sequential((4,), layers.SpectralNormalization(layers.Dense(3))),
    "dense, norm": lambda: sequential(
        (4,), layers.Dense(3), layers.ReLU(), layers.BatchNormalization()
    ),
    "dense, norms": lambda: sequential(
        (4,), layers.Dense(3), layers.BatchNormalization(), layers.LayerNormalization()
    ),
    "conv, pool, norm": lambda: sequential(
        STEPS, conv("Conv1D", 3, 1), layers.MaxPooling1D(2), layers.LayerNormalization()
    ),
    "conv, norm, first": lambda: sequential(
        FIRST, conv_first("Conv2D", 3, 2), layers.BatchNormalization(axis=1)
    ),
}
SEVERAL = {
    "bidirectional": lambda: sequential(STEPS, layers.Bidirectional(layers.LSTM(3))),
    "cells": lambda: sequential(STEPS, layers.RNN([layers.LSTMCell(2), layers.GRUCell(3)])),
    "attention": lambda: attention(layers.MultiHeadAttention(3, 2)),
    "grouped attention": lambda: attention(layers.GroupQueryAttention(2, 6, 3)),
    "hidden and skip": hidden_and_skip,
    "nested": nested,
}
OTHERS = {
    "grouped conv": lambda: sequential(IMAGE, conv("Conv2D", 4, 2, groups=2)),
    "embedding": lambda: sequential((3,), layers.Embedding(6, 2)),
    "members": lambda: network(4, 2, numbers=3, bins=2, classes=True),
    "custom": lambda: sequential((4,), Scaled()),
    "subclassed": subclassed,
}
MODELS = ONE | SEVERAL | OTHERS
# The axis that features lie on; the last one elsewhere.
AXIS = {"conv2d first": 1, "conv, norm, first": 1}
NOTHING = VariableStructure()


@functools.cache
def cached(name):
    return MODELS[name]()


def number(tensor):
    return np.array(keras.ops.convert_to_numpy(tensor))


def randomise(model):
    draw = np.random.default_rng(0)
    for v in model.trainable_variables:
        v.assign(draw.normal(0, 0.7, v.shape))
    return structure(model)


def zero(model, kind, key, group):
    found, touched = structure(model), 0
    for v in model.weights:
        view = getattr(found.get(id(v)), kind, None)
        if view is not None and view.key == key:
            value = number(v)
            value.reshape(view.shape)[:, group, :] = 0
            v.assign(value)
            touched += 1
    assert touched


def data(model, rows=4):
    return np.random.default_rng(1).normal(size=(rows, *model.input_shape[1:])).astype("float32")


@functools.cache
def compiled(model):
    if keras.backend.backend() != "jax":
        return lambda trainable, state, x: model(x)
    # JAX compiles a recurrent layer anew at each call of the model.
    return jitted(lambda *values: model.stateless_call(*values)[0])


def output(model, x):
    variables = model.trainable_variables, model.non_trainable_variables
    return number(compiled(model)(*([v.value for v in part] for part in variables), x))


def views(model, kind):
    """The views of a kind, one of each key, in the order of the weights."""
    found = structure(model)
    every = [getattr(found[id(v)], kind) for v in model.weights if id(v) in found]
    return list({view.key: view for view in every if view is not None}.values())


def of(model, path):
    """The structure of the one weight whose path ends so."""
    (variable,) = [v for v in model.weights if f"/{v.path}".endswith(f"/{path}")]
    return structure(model)[id(variable)]


@pytest.mark.parametrize("name", ONE | SEVERAL)
def test_a_zero_input_has_no_effect(name):
    model = cached(name)
    randomise(model)
    (key,) = {view.key for view in views(model, "inputs") if view.key.startswith("input 0")}
    axis = AXIS.get(name, -1)
    x = data(model)
    count = x.shape[axis]
    for j in (0, count - 1):
        changed = np.array(x)
        np.moveaxis(changed, axis, 0)[j] += np.random.default_rng(2).normal(size=x.shape[:1])[
            (..., *[None] * (x.ndim - 2))
        ]
        assert not np.allclose(output(model, x), output(model, changed), atol=1e-3)
        zero(model, "inputs", key, j)
        np.testing.assert_allclose(output(model, x), output(model, changed), atol=1e-5)


@pytest.mark.parametrize("name", ONE)
def test_a_zero_unit_makes_nothing(name):
    model = cached(name)
    randomise(model)
    (view,) = views(model, "units")
    x = data(model)
    for k in (0, view.shape[1] - 1):
        made = np.moveaxis(output(model, x), AXIS.get(name, -1), 0)
        assert made.shape[0] == view.shape[1]
        assert (np.abs(made[k]) > 0).any()
        zero(model, "units", view.key, k)
        made = np.moveaxis(output(model, x), AXIS.get(name, -1), 0)
        assert (made[k] == 0).all()
    assert (np.abs(made[1:-1]) > 0).any(axis=tuple(range(1, made.ndim))).all()


@pytest.mark.parametrize("name", ["attention", "grouped attention"])
def test_a_zero_head_contributes_nothing(name):
    model = cached(name)
    randomise(model)
    x, (heads, last) = data(model), views(model, "units")
    assert heads.shape[1] == 3
    assert last.key != heads.key
    kernel = next(v for v in model.weights if v.path.endswith("attention_output/kernel"))
    whole = number(kernel)
    without = whole.reshape(3, -1, whole.shape[-1]).copy()
    without[1] = 0
    kernel.assign(without.reshape(whole.shape))
    expected = output(model, x)
    kernel.assign(whole)
    assert not np.allclose(output(model, x), expected, atol=1e-3)
    zero(model, "units", heads.key, 1)
    np.testing.assert_allclose(output(model, x), expected, atol=1e-6)


def test_each_direction_has_its_own_units():
    model = cached("bidirectional")
    randomise(model)
    forward, backward = views(model, "units")
    zero(model, "units", forward.key, 0)
    assert ((output(model, data(model)) == 0).all(axis=0) == [1, 0, 0, 0, 0, 0]).all()
    zero(model, "units", backward.key, 2)
    assert ((output(model, data(model)) == 0).all(axis=0) == [1, 0, 0, 0, 0, 1]).all()
    assert len(views(model, "inputs")) == 1


def test_the_groups_of_an_embedding():
    model = cached("embedding")
    randomise(model)
    (words,), (units,) = views(model, "rows"), views(model, "units")
    assert words == of(model, "embeddings").inputs
    x = np.array([[0, 1, 5]])
    zero(model, "rows", words.key, 1)
    assert ((output(model, x) == 0).all(axis=-1) == [[False, True, False]]).all()
    zero(model, "units", units.key, 0)
    assert (output(model, x)[..., 0] == 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_views_are_reshapes_and_equal_keys_have_equal_numbers_of_groups(name):
    model = cached(name)
    found = structure(model)
    assert set(found) == {id(v) for v in model.trainable_variables}
    for kind in ("inputs", "units", "rows"):
        count = {}
        for v in model.trainable_variables:
            view = getattr(found[id(v)], kind)
            if view is not None:
                assert math.prod(view.shape) == math.prod(v.shape)
                assert count.setdefault(view.key, view.shape[1]) == view.shape[1]


@pytest.mark.parametrize("name", MODELS)
def test_only_the_kinds_that_have_groups_have_them(name):
    model = cached(name)
    found = structure(model)
    none = {v.path.rpartition("/")[2] for v in model.weights if found.get(id(v)) == NOTHING}
    assert none == {"members": {"kernel", "bias"}, "custom": {"size"}}.get(name, set())
    no_inputs = name in {"grouped conv", "members"}
    assert (views(model, "inputs") == []) == no_inputs


def test_inputs_are_shared_by_what_reads_one_tensor():
    model = hidden_and_skip()
    hidden, skip, last = (of(model, f"{n}/kernel").inputs for n in ("hidden", "skip", "last"))
    # The batch normalisation and tanh before the hidden layer keep each feature in its place.
    assert hidden.key == skip.key != last.key
    model = nested()
    assert of(model, "inner/kernel").inputs.key == of(model, "outer/kernel").inputs.key


def test_a_normalisation_that_mixes_makes_other_inputs():
    x = keras.Input((4,))
    mixed = layers.Dense(2, name="b")(layers.LayerNormalization()(x))
    model = keras.Model(x, layers.Dense(2, name="a")(x) + mixed)
    assert of(model, "a/kernel").inputs.key != of(model, "b/kernel").inputs.key


def test_a_layer_used_on_two_tensors_shares_with_neither():
    x, z = keras.Input((4,)), keras.Input((4,))
    shared = layers.Dense(3, name="shared")
    one = [layers.Dense(3, name=n)(t) for n, t in (("x", x), ("z", z))]
    model = keras.Model([x, z], layers.Add()([shared(x), shared(z), *one]))
    keys = {of(model, f"{n}/kernel").inputs.key for n in ("shared", "x", "z")}
    assert len(keys) == 3


def test_axes_and_words_of_one_tensor_are_not_mixed_up():
    x = keras.Input((4, 4))
    first = conv_first("Conv1D", 2, 4, name="first")(x)
    model = keras.Model(x, [first, conv("Conv1D", 2, 4, name="last")(x)])
    assert of(model, "first/kernel").inputs.key != of(model, "last/kernel").inputs.key
    ids = keras.Input((3,))
    sizes = {"a": 6, "b": 6, "c": 5}
    model = keras.Model(ids, [layers.Embedding(n, 2, name=k)(ids) for k, n in sizes.items()])
    a, b, c = (of(model, f"{k}/embeddings").rows.key for k in sizes)
    assert a == b != c


def test_query_key_and_value_share_by_what_they_read():
    x, context = keras.Input(STEPS), keras.Input(STEPS)
    layer = layers.MultiHeadAttention(2, 3, name="attention")
    model = keras.Model([x, context], layer(x, key=context, value=context))
    keys = {n: of(model, f"attention/{n}/kernel").inputs.key for n in ("query", "key", "value")}
    assert keys["query"] != keys["key"] == keys["value"]
    assert of(model, "attention_output/kernel").inputs is None


def test_a_normalisation_joins_the_units_that_it_directly_reads():
    x = keras.Input(IMAGE)
    y = conv("Conv2D", 5, 1, name="conv")(x)
    joined = layers.BatchNormalization(name="joined")(layers.Dropout(0.1)(layers.ReLU()(y)))
    other_axis = layers.BatchNormalization(axis=1, name="other_axis")(y)
    summed = layers.LayerNormalization(name="summed")(joined + other_axis)
    model = keras.Model(x, summed)
    key = of(model, "conv/kernel").units.key
    joining = {n: of(model, f"{n}/gamma").units.key == key for n in ("joined", "other_axis")}
    assert joining == {"joined": True, "other_axis": False}
    assert of(model, "summed/beta").units.key != key


def test_outputs_are_the_units_that_become_the_models_outputs():
    model = hidden_and_skip()
    found = {n: of(model, f"{n}/bias").output for n in ("hidden", "last", "skip")}
    assert found == {"hidden": False, "last": True, "skip": True}
    inner = sequential((4,), layers.Dense(3, name="first"), layers.Dense(3, name="second"))
    model = sequential((4,), inner, layers.BatchNormalization(name="norm"), layers.Softmax())
    weights = {"first/kernel": False, "second/kernel": True, "norm/gamma": True}
    assert {n: of(model, n).output for n in weights} == weights


def test_without_a_graph_everything_has_keys_of_its_own():
    model = subclassed()
    inputs = {of(model, f"{n}/kernel").inputs.key for n in ("dense", "a")}
    assert len(inputs) == 2
    assert of(model, "norm/gamma").units.key != of(model, "dense/kernel").units.key
    assert not any(s.output for s in structure(model).values())
    # A Sequential inside has a graph: its normalisation joins the dense layer before it.
    assert len(views(model, "units")) == 3


def test_layers_of_one_name_are_told_apart():
    model = Twice(layers.Dense(4, name="dense"), layers.Dense(4, name="dense"))
    model(np.zeros((2, 4), "float32"))
    kernels = [v for v in model.weights if v.name == "kernel"]
    found = structure(model)
    assert len({found[id(v)].units.key for v in kernels}) == len(kernels) == 3


def test_frozen_weights_have_groups_and_moving_statistics_do_not():
    model = ONE["dense, norm"]()
    before = structure(model)
    model.trainable = False
    assert model.trainable_variables == []
    assert structure(model) == before
    assert len(before) == len(model.weights) - 2


def test_a_custom_layer_is_read_as_dense_with_keys_of_its_own():
    x = keras.Input((4,))
    model = keras.Model(x, Scaled(name="own")(x) + layers.Dense(3, name="dense")(x))
    kernel, bias = of(model, "own/kernel"), of(model, "own/bias")
    assert kernel.inputs.shape == (1, 4, 3)
    assert kernel.inputs.key != of(model, "dense/kernel").inputs.key
    assert kernel.units == View(bias.units.key, (4, 3, 1))


def test_keys_are_the_same_in_another_build():
    keras.utils.clear_session()
    models = [m for _ in range(2) for m in [hidden_and_skip(), nested()]]
    keys = []
    for model in models:
        found = structure(model)
        named = [(v.path, found[id(v)]) for v in model.trainable_variables]
        keys.append([s for path, s in named if "batch" not in path])
    # Only the inner model has another name here, and it is in the keys.
    assert keys[0] == keys[2]
    assert [s.inputs for s in keys[1]] == [s.inputs for s in keys[3]]


def test_a_model_that_is_not_built_is_refused():
    with pytest.raises(InputError, match="built"):
        structure(keras.Sequential([layers.Dense(1)]))
