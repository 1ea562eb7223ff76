"""What stays though it is dead is told: where, how much, what stands in its way, and a remedy."""

import importlib

import keras
import numpy as np
import pytest
from keras import layers, ops

from taut.compaction import compact
from taut.compaction.analysis import Analysis
from taut.compaction.kept_units import Kept, kept_lines
from taut.compaction.plan import plan
from taut.compaction.traced import trace
from tests.compaction.mortal import drawn, numbers, put, relu, x_, zero


def kept(model):
    traced = trace(model)
    return {one.layer: one for one in plan(model, traced, Analysis(traced)).kept}


def own(x):
    return ops.relu(x) * 2


def dense(activation=None, *between, **kwargs):
    first = layers.Dense(5, activation=activation, name="a", **kwargs)
    model = drawn(keras.Sequential([x_(3), first, *between, layers.Dense(2, name="out")]))
    zero(model.get_layer("a").kernel, slice(None), [1, 3])
    return model


def recurrent(**kwargs):
    kind = layers.LSTM(4, name="a", **kwargs)
    model = drawn(keras.Sequential([x_(3, 2), kind, layers.Dense(1, name="out")]))
    for weights in (kind.cell.kernel, kind.cell.recurrent_kernel):
        columns = [gate * 4 + unit for gate in range(4) for unit in (0, 2)]
        zero(weights, ..., columns)
    return model


def convolutions(*between, padding="same", **kwargs):
    first = layers.Conv2D(4, 2, name="a", padding=padding, **kwargs)
    last = layers.Conv2D(2, 2, name="out", padding=padding)
    return drawn(keras.Sequential([x_(4, 4, 1), first, *between, last]))


def scale_of_a_normalisation():
    model = convolutions(layers.BatchNormalization(name="norm"), layers.ReLU())
    zero(model.get_layer("norm").gamma, [0, 2])
    put(model.get_layer("norm").beta, [0, 2], 0.5)
    return model


def padded_apart():
    model = convolutions(layers.ZeroPadding2D(name="pad"), padding="valid")
    zero(model.get_layer("a").kernel, ..., [0, 2])
    return model


def kernels_of_a_depthwise_convolution():
    depth = layers.DepthwiseConv2D(2, depth_multiplier=2, name="depth")
    model = convolutions(depth, padding="valid")
    zero(depth.kernel, ..., 1, 0)
    return model


def added_to_units_that_live():
    x = x_(3)
    y = layers.Add(name="sum")([relu(4, "a")(x), relu(4, "b")(x)])
    model = drawn(keras.Model(x, layers.Dense(1)(y)))
    zero(model.get_layer("a").kernel, slice(None), [1, 3])
    return model


def cut_apart():
    x = x_(3)
    y = relu(4, "a")(x)
    model = drawn(keras.Model(x, layers.Dense(1)(y[:, :2] * y[:, 2:])))
    zero(model.get_layer("a").kernel, slice(None), [1, 3])
    return model


@keras.saving.register_keras_serializable("tests")
class Block(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = layers.Dense(4, name="inner")

    def call(self, x):
        return self.inner(x)


def inside_of_a_layer_of_ones_own():
    block = Block(name="block")
    model = drawn(keras.Sequential([x_(3), block, layers.Dense(1)]))
    zero(block.inner.kernel, slice(None), [1, 3])
    return model


def unread_behind_a_lambda():
    scaled = layers.Lambda(lambda x: x / 255, name="scaled")
    first = relu(4, "a")
    model = drawn(keras.Sequential([x_(3), scaled, layers.Dropout(0.1), first, layers.Dense(1)]))
    zero(first.kernel, [0, 2])
    return model


def with_lora():
    model = dense("relu")
    model.get_layer("a").enable_lora(2)
    return model


CASES = {
    "function": (lambda: dense(own), "a", 2, "may mix units", "keras.activations"),
    "weights": (lambda: dense(layers.PReLU()), "a", 2, "layer with weights", "layer of its own"),
    "lambda": (
        lambda: dense(None, layers.Lambda(own, name="own")),
        *("a", 2, "read by 'own' (no rule)", "`keras.ops` in the model itself"),
    ),
    "mixed": (
        lambda: dense("relu", layers.LayerNormalization(name="norm")),
        *("a", 2, "read by 'norm' (mixes all the features that it reads)", ""),
    ),
    "scale": (
        lambda: dense(None, layers.LayerNormalization(name="norm", gamma_initializer="zeros")),
        *("norm", 5, "LayerNormalization: mixes", ""),
    ),
    "biases": (recurrent, "a", 2, "from step to step", "Penalise biases"),
    "never zero": (
        lambda: recurrent(activation="sigmoid", use_bias=False),
        *("a", 2, "does not make 0 of 0", "tanh"),
    ),
    "offset": (scale_of_a_normalisation, "norm", 2, "read by 'out' (pads", "Penalise biases"),
    "padding": (padded_apart, "a", 2, "read by 'pad' (pads", "Penalise biases"),
    "depthwise": (kernels_of_a_depthwise_convolution, "depth", 1, "is read by others too", ""),
    "sum": (added_to_units_that_live, "a", 2, "meets units that live in 'sum'", "have to die"),
    "slices": (cut_apart, "a", 2, "in one place with units that live behind 'get_item", ""),
    "own layer": (inside_of_a_layer_of_ones_own, "block", 2, "Block: no rule", "`keras.ops`"),
    "unread": (
        unread_behind_a_lambda,
        "scaled",
        2,
        "2 of what it makes are read with",
        "keras.ops",
    ),
    "of Keras": (
        lambda: dense(None, layers.UnitNormalization(), layers.GroupNormalization(1, name="norm")),
        *("norm", 0, "mixes", ""),
    ),
    "lora": (with_lora, "a", 2, "it has a LoRA", "before `enable_lora`"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_stands_in_the_way_is_told(name):
    build, layer, count, words, remedy = CASES[name]
    model = build()
    if name == "scale":
        zero(model.get_layer("norm").gamma)
    found = kept(model)
    assert found[layer].count == count
    assert words in found[layer].reason
    assert remedy in found[layer].remedy
    assert bool(found[layer].remedy) == bool(remedy)


def of_backend(name):
    """A function of the backend itself, as tutorials have it."""
    module = {"torch": "torch.nn.functional", "tensorflow": "tensorflow.nn"}
    return getattr(importlib.import_module(module.get(keras.backend.backend(), "jax.nn")), name)


def test_a_function_of_the_backend_is_followed():
    model = dense(of_backend("relu"))
    traced = trace(model)
    planned = plan(model, traced, Analysis(traced))
    assert not planned.kept
    assert planned.removed[0].indices == (1, 3)


def test_softmax_makes_no_unit_dead():
    assert "a" not in kept(dense("softmax"))


def test_what_is_dead_twice_is_told_once():
    model = scale_of_a_normalisation()
    zero(model.get_layer("a").kernel, ..., [0, 2])
    zero(model.get_layer("a").bias, [0, 2])
    assert {name: one.count for name, one in kept(model).items()} == {"a": 2}


def test_a_result_without_anything_removed_says_that_dead_units_stay():
    result = compact(dense(own), measure=False)
    assert not result.removed
    title, line, _ = repr(result).splitlines()
    assert "nothing was removed: 2 dead units stay" in title
    assert "Give the layer a function of `keras.activations`" in line


def test_layers_that_stay_for_one_reason_are_one_line():
    alike = [Kept(f"norm_{k}", 0, "Norm: mixes") for k in range(6)]
    assert kept_lines(
        [*alike, Kept("a", 2, "read by 'norm_1'", "Do this"), Kept("b", 0, "no")]
    ) == [
        "kept: a: 2 dead stay: read by 'norm_1'. Do this",
        "kept: norm_0, norm_1, norm_2, norm_3 and 2 more: stay as they are: Norm: mixes",
        "kept: b: stays as it is: no",
    ]


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="it goes on with the new ones")
def test_a_model_that_is_more_than_its_configuration_is_refused():
    model = keras.Sequential([x_(3), layers.Normalization(name="scaled"), relu(4, "a")])
    drawn(model)  # its weights are set, and it goes on with those that it had
    before = numbers(model.get_layer("scaled").variables[0])
    with pytest.raises(ValueError, match=r"a mere copy of that kind .*finalize_state"):
        compact(model, np.ones((4, 3)), measure=False)
    np.testing.assert_array_equal(numbers(model.get_layer("scaled").variables[0]), before)


def test_an_activation_with_weights_is_carried_over():
    model = dense(layers.PReLU())
    with pytest.raises(ValueError, match="has no weights yet"):
        compact(model, measure=False)
    assert not model.get_layer("a").activation.built
    model(np.ones((1, 3)))
    drawn(model)
    zero(model.get_layer("out").kernel, slice(None), 0)
    result = compact(model, measure=False)
    slopes = model.get_layer("a").activation.alpha, result.model.get_layer("a").activation.alpha
    np.testing.assert_array_equal(*map(numbers, slopes))
