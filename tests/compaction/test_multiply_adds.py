"""Multiply-adds by hand."""

import keras
import numpy as np
import pytest
from keras import layers

from taut.compaction import CompactResult, Costs, Report, compact, multiply_adds
from taut.compaction.equality import Equality
from taut.compaction.multiply_adds import uncounted
from taut.compaction.plan import Removed
from taut.errors import InputError

COUNTS = {
    "dense over steps": (lambda: [keras.Input((5, 3)), layers.Dense(4)], 5 * 3 * 4),
    "convolution": (
        lambda: [keras.Input((8, 8, 2)), layers.Conv2D(4, 3, strides=2)],
        3 * 3 * 9 * 2 * 4,
    ),
    "groups": (lambda: [keras.Input((4, 4)), layers.Conv1D(6, 3, groups=2)], 2 * 3 * 2 * 6),
    "transposed": (
        lambda: [keras.Input((4, 4, 2)), layers.Conv2DTranspose(3, 2, strides=2)],
        16 * 4 * 2 * 3,
    ),
    "depthwise": (
        lambda: [keras.Input((4, 4, 2)), layers.DepthwiseConv2D(3, depth_multiplier=2)],
        4 * 9 * 4,
    ),
    "separable": (
        lambda: [keras.Input((6, 2)), layers.SeparableConv1D(5, 3)],
        4 * (3 * 2 + 2 * 5),
    ),
    "lstm": (lambda: [keras.Input((7, 3)), layers.LSTM(4)], 7 * 4 * 4 * (3 + 4)),
    "gru both ways": (
        lambda: [keras.Input((7, 3)), layers.Bidirectional(layers.GRU(4))],
        2 * 7 * 3 * 4 * (3 + 4),
    ),
    "steps": (
        lambda: [keras.Input((7, 3)), layers.TimeDistributed(layers.Dense(2))],
        7 * 3 * 2,
    ),
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts(name):
    build, expected = COUNTS[name]
    assert multiply_adds(keras.Sequential(build())) == expected


def test_attention():
    x = keras.Input((5, 6))
    model = keras.Model(x, layers.MultiHeadAttention(2, 3)(x, x))
    assert multiply_adds(model) == 5 * 4 * 6 * 2 * 3 + 5 * 5 * 2 * (3 + 3)


def test_open_lengths():
    model = keras.Sequential([keras.Input((None, 3)), layers.LSTM(4)])
    assert multiply_adds(model) == 4 * 4 * 7
    assert multiply_adds(model, shapes=[(10, 3)]) == 10 * 4 * 4 * 7


class Own(layers.Layer):
    def build(self, shape):
        self.kernel = self.add_weight(name="kernel", shape=(shape[-1], 2))

    def call(self, x):
        return keras.ops.matmul(x, self.kernel)


class Counted(Own):
    def multiply_adds(self):
        return 2 * int(self.kernel.shape[0])


def test_what_is_not_counted_is_named():
    def model(kind):
        made = keras.Sequential([keras.Input((3,)), kind(name="own"), layers.Dense(4)])
        made.compile("sgd", "mse")
        return made

    assert uncounted(model(Own)) == ("own",)
    assert multiply_adds(model(Own)) == 2 * 4
    assert uncounted(model(Counted)) == ()
    assert multiply_adds(model(Counted)) == 3 * 2 + 2 * 4
    costs = Costs(1, 8)
    report = Report(costs, costs, Equality(1, None, 0.0, 0.0, 0.0), uncounted=("own",))
    result = CompactResult(None, (), (Removed("a", "unit", (0,), 2),), (), {}, report, ("x",))
    assert "multiply-adds 8 → 8 without 'own'" in result.summary()
    with pytest.raises(InputError, match=r"multiply-adds are known\. Received: 'own'"):
        compact(model(Own), np.zeros((9, 3)), np.zeros((9, 4)), target_macs=100)


def test_the_network_of_tables_is_counted():
    from taut.tables.network import network

    model = network(5, 2, numbers=0, bins=0, classes=None)
    first, second, last, skip = 5 * 64, 64 * 64, 64 * 2, 5 * 2
    assert multiply_adds(model) == first + second + last + skip
    assert uncounted(model) == ()


def test_slopes_of_an_activation_are_no_multiply_adds():
    slopes = layers.PReLU(shared_axes=[1, 2])
    model = keras.Sequential([keras.Input((4, 4, 1)), layers.Conv2D(2, 1), slopes])
    assert uncounted(model) == ()
    assert multiply_adds(model) == 16 * 2
