"""The laws of fitting what is left of each layer."""

import keras
import numpy as np
import pytest
from keras import layers

import taut
from taut.compaction import compact, multiply_adds
from taut.compaction.reconstruction import reconstruct
from taut.compaction.remade import Remaking, remade
from tests.compaction.mortal import drawn, numbers, put, relu, x_, zero


def dense():
    """Units 0 and 1 of `a` are equal, 2 is the sum of 3 and 4 while these are positive."""
    model = drawn(keras.Sequential([x_(3), relu(5, "a"), relu(4, "b"), layers.Dense(2, name="c")]))
    kernel, bias = numbers(model.get_layer("a").kernel), numbers(model.get_layer("a").bias)
    kernel[:, 1], bias[1] = kernel[:, 0], bias[0]
    model.get_layer("a").set_weights([kernel, bias])
    return model


def convolved(kind, size, **options):
    inputs = keras.Input((*[5] * int(kind[4]), 2))
    h = getattr(layers, kind)(4, size, padding="same", name="a")(inputs)
    h = layers.ReLU()(layers.BatchNormalization(name="norm")(h))
    h = getattr(layers, kind)(3, size, name="b", **options)(h)
    model = drawn(keras.Model(inputs, layers.Flatten()(h)))
    first = model.get_layer("a")
    for weight in (first.kernel, first.bias):
        value = numbers(weight)
        value[..., 1] = 2 * value[..., 0]
        weight.assign(value)
    norm = model.get_layer("norm")
    norm.set_weights([np.ones(4), np.zeros(4), np.zeros(4), np.ones(4)])
    return model


def off(model, name, units):
    copy = remade(model, Remaking())
    layer = copy.get_layer(name)
    zero(layer.kernel, ..., units)
    zero(layer.bias, units)
    return copy


def apart(model, copy, x):
    return np.abs(numbers(model(x)) - numbers(copy(x))).max()


def rows(model, number=250):
    return (
        np.random.default_rng(1).normal(size=(number, *model.inputs[0].shape[1:])).astype("float32")
    )


def test_what_the_units_that_are_left_can_make_is_made():
    model = dense()
    copy, x = off(model, "a", [1]), rows(model)
    before = apart(model, copy, x)
    reconstruct(model, copy, [x], 0)
    # The ridge holds weights a little where they were.
    assert apart(model, copy, x) < 0.02 * before
    assert not numbers(copy.get_layer("a").kernel)[:, 1].any()


@pytest.mark.parametrize(
    ("kind", "size", "options"),
    [
        ("Conv1D", 3, {"dilation_rate": 2, "padding": "same"}),
        ("Conv2D", (3, 2), {"strides": 2}),
    ],
)
def test_convolutions_too(kind, size, options):
    model = convolved(kind, size, **options)
    copy, x = off(model, "a", [1]), rows(model)
    before = apart(model, copy, x)
    reconstruct(model, copy, [x], 0)
    assert apart(model, copy, x) < 0.02 * before


def test_where_no_unit_is_off_nothing_moves():
    model = convolved("Conv2D", 3)
    copy = remade(model, Remaking())
    reconstruct(model, copy, [rows(model)], 0)
    for ours, theirs in zip(model.weights, copy.weights, strict=True):
        np.testing.assert_array_equal(numbers(ours), numbers(theirs))


def test_moments_move_as_those_of_what_is_read():
    model = drawn(
        keras.Sequential([x_(3), relu(6, "a"), layers.Dense(2), layers.BatchNormalization()])
    )
    x = rows(model)
    norm, reads = model.layers[2], keras.Sequential(model.layers[:2])
    made = numbers(reads(x))
    put(norm.moving_mean, slice(None), made.mean(0) + 0.5)
    put(norm.moving_variance, slice(None), 2 * made.var(0))
    copy = off(model, "a", [0, 1, 2])
    reconstruct(model, copy, [x], 0)
    now = numbers(keras.Sequential(copy.layers[:2])(x))
    after = copy.layers[2]
    np.testing.assert_allclose(numbers(after.moving_mean), now.mean(0) + 0.5, atol=1e-4)
    np.testing.assert_allclose(numbers(after.moving_variance), 2 * now.var(0), rtol=1e-3)


def test_layers_that_are_shared_or_of_another_kind_and_rows_that_are_not_finite_change_nothing():
    inputs, shared = keras.Input((3,)), relu(3, "shared")
    h = relu(3, "a")(inputs)
    h = layers.EinsumDense("ab,bc->ac", 2, name="einsum")(shared(shared(h)))
    model = drawn(keras.Model(inputs, h))
    x = rows(model)
    copy = off(model, "a", [0])
    before = [numbers(w) for w in copy.weights]
    reconstruct(model, copy, [x], 0)
    for ours, theirs in zip(before, copy.weights, strict=True):
        np.testing.assert_array_equal(ours, numbers(theirs))
    model = dense()
    copy = off(model, "a", [1])
    before = [numbers(w) for w in copy.weights]
    x[0] = np.nan
    reconstruct(model, copy, [x], 0)
    for ours, theirs in zip(before, copy.weights, strict=True):
        np.testing.assert_array_equal(ours, numbers(theirs))


def test_a_budget_without_training_needs_no_targets():
    model = dense()
    x = rows(model)
    target = multiply_adds(model) // 2
    result = compact(model, x, target_macs=target, epochs=0, measure=False)
    assert result.report.after.multiply_adds <= target
    assert not result.report.training
    assert result.report.equality.double < 1e-9
    with pytest.raises(taut.InputError, match=r"with `epochs=0`. Received: x missing"):
        compact(model, target_macs=target, epochs=0)
