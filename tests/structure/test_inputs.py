"""What reads a model's inputs: all of it, or the answer is that it is not known."""

import keras
import pytest
from keras import layers

import taut
from taut.structure import input_readers


def chain(*some, shape=(5,)):
    return keras.Sequential([keras.Input(shape), *some])


def lassonet():
    x = keras.Input((5,))
    first = layers.Dense(3, activation="relu", name="first")(x)
    return keras.Model(x, layers.Dense(1)(first) + layers.Dense(1, name="skip")(x))


def two_inputs():
    a, b = keras.Input((3,)), keras.Input((2,))
    return keras.Model([a, b], layers.Dense(1, name="a")(a) + layers.Dense(1, name="b")(b))


def residual():
    x = keras.Input((5,))
    return keras.Model(x, layers.Dense(1)(layers.Dense(5)(x) + x))


def returned():
    x = keras.Input((5,))
    return keras.Model(x, [layers.Dense(1)(x), layers.Dropout(0.1)(x)])


def joined():
    a, b = keras.Input((3,)), keras.Input((2,))
    return keras.Model([a, b], layers.Dense(1)(layers.Concatenate()([a, b])))


class Custom(layers.Layer):
    def call(self, x):
        return x[:, :2]


KNOWN = {
    "behind layers without weights": (
        lambda: chain(
            taut.layers.Standardize(), layers.Dropout(0.1), layers.Dense(2, name="first")
        ),
        [(5, ["first/kernel"])],
    ),
    "two readers": (lassonet, [(5, ["first/kernel", "skip/kernel"])]),
    "two inputs": (two_inputs, [(3, ["a/kernel"]), (2, ["b/kernel"])]),
    "channels": (
        lambda: chain(layers.Conv2D(2, 3, name="first"), shape=(6, 6, 3)),
        [(3, ["first/kernel"])],
    ),
    "steps": (
        lambda: chain(layers.LSTM(2, name="first"), shape=(4, 3)),
        [(3, ["lstm_cell/kernel"])],
    ),
}
UNKNOWN = {
    "a residual sum": residual,
    "an input that is returned": returned,
    "inputs side by side": joined,
    "a flattened image": lambda: chain(layers.Flatten(), layers.Dense(1), shape=(4, 3)),
    "words": lambda: chain(layers.Embedding(4, 2), layers.Flatten(), layers.Dense(1)),
    "a custom layer": lambda: chain(Custom(), layers.Dense(1)),
}


@pytest.mark.parametrize("name", KNOWN)
def test_all_that_reads_an_input_is_known(name):
    model, expected = KNOWN[name]
    readers = input_readers(model())
    assert [one.count for one in readers] == [count for count, _ in expected]
    for one, (_, ends) in zip(readers, expected, strict=True):
        paths = sorted(variable.path for variable, _ in one.readers)
        assert len(paths) == len(ends)
        assert all(path.endswith(end) for path, end in zip(paths, ends, strict=True))
        assert all(shape[1] == one.count for _, shape in one.readers)


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_known_is_not_guessed(name):
    assert input_readers(UNKNOWN[name]()) is None
