"""Multiply-adds by hand."""

import keras
import pytest
from keras import layers

from taut.compaction import multiply_adds

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
