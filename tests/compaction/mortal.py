"""Small models, some of whose units, inputs and words are dead, and what is to be removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops

Removed = dict[tuple[str, str], int]


@dataclass(frozen=True)
class Case:
    """A kind of model.

    Attributes:
        build: () -> the model and how much of each (layer, kind) is to go.
        heavy: Whether it takes long.
    """

    build: Callable[[], tuple[Any, Removed]]
    heavy: bool = False


CASES: dict[str, Case] = {}


def case(build: Callable[[], tuple[Any, Removed]]) -> Callable[[], tuple[Any, Removed]]:
    CASES[build.__name__] = Case(build)
    return build


def heavy(build: Callable[[], tuple[Any, Removed]]) -> Callable[[], tuple[Any, Removed]]:
    CASES[build.__name__] = Case(build, heavy=True)
    return build


def numbers(variable: Any) -> np.ndarray:
    return np.array(ops.convert_to_numpy(variable))


def drawn(model: Any) -> Any:
    """The model with random weights, none of them zero."""
    draw = np.random.default_rng(1)
    for variable in model.variables:
        if "float" not in str(variable.dtype):
            continue
        value = draw.uniform(0.2, 0.6, variable.shape)
        if "variance" not in variable.name:
            value *= draw.choice([-1.0, 1.0], variable.shape)
        variable.assign(value)
    return model


def zero(variable: Any, *key: Any) -> None:
    value = numbers(variable)
    value[key] = 0
    variable.assign(value)


def put(variable: Any, key: Any, number: float) -> None:
    value = numbers(variable)
    value[key] = number
    variable.assign(value)


def relu(units: int, name: str, **kwargs: Any) -> Any:
    return layers.Dense(units, activation="relu", name=name, **kwargs)


def x_(*shape: int, name: str = "x", **kwargs: Any) -> Any:
    return keras.Input(shape, name=name, **kwargs)


@case
def dense_constant_units() -> tuple[Any, Removed]:
    model = drawn(
        keras.Sequential([x_(4), relu(6, "a"), layers.Dense(5, "tanh", name="b"), layers.Dense(2)])
    )
    a, b = model.layers[:2]
    zero(a.kernel, slice(None), [1, 3])
    put(a.bias, [1, 3], 0.7)  # alive as a constant: it goes into the bias behind
    zero(b.kernel, slice(None), 2)
    return model, {("a", "unit"): 2, ("b", "unit"): 1}


@case
def dense_unread_units_and_inputs() -> tuple[Any, Removed]:
    model = drawn(keras.Sequential([x_(5), relu(6, "a"), relu(4, "b"), layers.Dense(2, name="c")]))
    a, b, c = model.layers
    zero(a.kernel, [0, 4])
    zero(c.kernel, 3)
    # Units of the first layer that only a dead one reads.
    zero(b.kernel, [0, 5], slice(0, 3))
    return model, {("x", "input"): 2, ("a", "unit"): 2, ("b", "unit"): 1}


@case
def no_bias_gets_one() -> tuple[Any, Removed]:
    model = drawn(
        keras.Sequential([x_(3), relu(4, "a"), layers.Dense(2, use_bias=False, name="b")])
    )
    zero(model.layers[0].kernel, slice(None), 1)
    put(model.layers[0].bias, 1, 0.5)
    return model, {("a", "unit"): 1}


@case
def batch_norm() -> tuple[Any, Removed]:
    model = drawn(
        keras.Sequential(
            [
                x_(3),
                layers.Dense(6, name="a"),
                layers.BatchNormalization(name="norm"),
                layers.ReLU(),
                layers.Dropout(0.5),
                layers.Dense(2),
            ]
        )
    )
    a, norm = model.layers[:2]
    zero(norm.gamma, [0, 4])  # what comes in does not matter
    zero(a.kernel, slice(None), 2)
    return model, {("a", "unit"): 3}


@case
def residual() -> tuple[Any, Removed]:
    x = x_(3)
    stem = relu(5, "stem")(x)
    inner = relu(4, "inner")(stem)
    branch = layers.Dense(5, name="branch")(inner)
    joined = layers.Add()([stem, branch])
    model = drawn(keras.Model(x, layers.Dense(2, name="out")(joined)))
    zero(model.get_layer("inner").kernel, slice(None), 1)
    for name in ("stem", "branch"):
        zero(model.get_layer(name).kernel, slice(None), 2)
    zero(model.get_layer("branch").kernel, slice(None), 0)  # its stem lives: it stays
    zero(model.get_layer("out").kernel, 3)  # dead in the sum, but the inner layer reads its stem
    zero(model.get_layer("out").kernel, 4)
    zero(model.get_layer("inner").kernel, 4)
    return model, {("stem", "unit"): 2, ("branch", "unit"): 2, ("inner", "unit"): 1}


@case
def concatenated() -> tuple[Any, Removed]:
    x = x_(3)
    parts = [relu(4, "a")(x), relu(3, "b")(x), relu(2, "gone")(x)]
    model = drawn(keras.Model(x, layers.Dense(2)(layers.Concatenate()(parts))))
    zero(model.get_layer("a").kernel, slice(None), [0, 1])
    zero(model.get_layer("b").kernel, slice(None), 2)
    zero(model.get_layer("gone").kernel)  # a branch that goes as a whole
    return model, {("a", "unit"): 2, ("b", "unit"): 1, ("gone", "unit"): 2}


def channels(*rows: Any, size: int = 6) -> Any:
    return keras.Sequential([x_(size, size, 2), *rows, layers.Dense(2)])


@case
def convolutions_valid() -> tuple[Any, Removed]:
    model = drawn(
        channels(
            layers.Conv2D(4, 3, activation="relu", name="a"),
            layers.Conv2D(3, 2, use_bias=False, name="b"),
            layers.Flatten(),
        )
    )
    a, b = model.layers[:2]
    zero(a.kernel, ..., [0, 2])
    put(a.bias, 0, 0.6)
    zero(b.kernel, slice(None), slice(None), 3)  # an unread channel
    zero(model.layers[-1].kernel, slice(1, None, 3))  # one that Flatten spreads, unread
    return model, {("a", "channel"): 3, ("b", "channel"): 1}


@case
def convolutions_same() -> tuple[Any, Removed]:
    model = drawn(
        channels(
            layers.Conv2D(5, 3, padding="same", activation="relu", name="a"),
            layers.Conv2D(3, 3, padding="same", name="b"),
            layers.GlobalAveragePooling2D(),
        )
    )
    a = model.layers[0]
    zero(a.kernel, ..., [0, 2, 4])
    put(a.bias, [0, 2], -0.1)  # the constant zero
    put(a.bias, 4, 0.3)  # any other is none at a border of zeros: kept, and named
    return model, {("a", "channel"): 2}


@case
def pooled_and_flat() -> tuple[Any, Removed]:
    model = drawn(
        channels(
            layers.Conv2D(4, 3, padding="same", activation="relu", name="a"),
            layers.MaxPooling2D(),
            layers.AveragePooling2D(2, 1, padding="same"),
            layers.ZeroPadding2D(1),
            layers.UpSampling2D(2),
            layers.Cropping2D(1),
            layers.Flatten(),
            relu(3, "b"),
        )
    )
    zero(model.layers[0].kernel, ..., 1)
    put(model.layers[0].bias, 1, -0.2)
    return model, {("a", "channel"): 1}


@case
def one_dimension() -> tuple[Any, Removed]:
    model = drawn(
        keras.Sequential(
            [
                x_(8, 3),
                layers.Conv1D(4, 3, padding="causal", activation="relu", name="a"),
                layers.SpatialDropout1D(0.2),
                layers.Conv1DTranspose(3, 2, strides=2, name="b"),
                layers.GlobalMaxPooling1D(),
                layers.Dense(2, name="out"),
            ]
        )
    )
    zero(model.get_layer("a").kernel, ..., 0)
    put(model.get_layer("a").bias, 0, -0.2)
    zero(model.get_layer("b").kernel, slice(None), 2)
    return model, {("a", "channel"): 1, ("b", "channel"): 1}


@heavy
def three_dimensions() -> tuple[Any, Removed]:
    model = drawn(
        keras.Sequential(
            [
                x_(4, 4, 4, 2),
                layers.Conv3D(4, 2, activation="relu", name="a"),
                layers.MaxPooling3D(),
                layers.Conv3DTranspose(3, 2, name="b"),
                layers.Flatten(),
                layers.Dense(2),
            ]
        )
    )
    zero(model.get_layer("a").kernel, ..., [1, 2])
    put(model.get_layer("a").bias, [1, 2], -0.2)
    zero(model.get_layer("b").kernel, ..., 0, slice(None))
    return model, {("a", "channel"): 2, ("b", "channel"): 1}


@case
def depthwise() -> tuple[Any, Removed]:
    model = drawn(
        channels(
            layers.Conv2D(4, 1, activation="relu", name="a"),
            layers.DepthwiseConv2D(2, depth_multiplier=2, activation="relu", name="depth"),
            layers.Conv2D(3, 1, name="b"),
            layers.GlobalAveragePooling2D(),
        )
    )
    zero(model.get_layer("a").kernel, ..., 0)
    put(model.get_layer("a").bias, 0, 0.4)
    zero(model.get_layer("depth").kernel, ..., 2, slice(None))  # both that it makes are constant
    zero(model.get_layer("depth").kernel, ..., 3, 1)  # one of two: stays
    return model, {("a", "channel"): 2}


@case
def separable() -> tuple[Any, Removed]:
    model = drawn(
        channels(
            layers.Conv2D(4, 1, activation="relu", name="a"),
            layers.SeparableConv2D(5, 2, depth_multiplier=2, activation="relu", name="b"),
            layers.SeparableConv2D(3, 2, padding="same", name="c"),
            layers.GlobalMaxPooling2D(),
        )
    )
    zero(model.get_layer("a").kernel, ..., 1)
    put(model.get_layer("a").bias, 1, 0.3)
    zero(model.get_layer("b").depthwise_kernel, ..., 2, slice(None))  # unread by its kernel
    zero(model.get_layer("b").pointwise_kernel, ..., 4)
    put(model.get_layer("b").bias, 4, -0.3)
    return model, {("a", "channel"): 2, ("b", "channel"): 1}


@heavy
def u_net() -> tuple[Any, Removed]:
    x = x_(8, 8, 2)

    def conv(tensor: Any, filters: int, name: str) -> Any:
        made = layers.Conv2D(filters, 3, padding="same", name=name)(tensor)
        made = layers.BatchNormalization(name=f"{name}_norm")(made)
        return layers.Activation("relu")(made)

    down = conv(x, 4, "down")
    middle = conv(layers.MaxPooling2D()(down), 6, "middle")
    up = layers.Conv2DTranspose(3, 2, strides=2, padding="same", name="up")(middle)
    joined = layers.Concatenate()([down, up])
    y = layers.Conv2D(1, 1, activation="sigmoid")(conv(joined, 4, "last"))
    model = drawn(keras.Model(x, y))
    for name, dead in (("down", [1]), ("middle", [0, 5])):
        zero(model.get_layer(f"{name}_norm").gamma, dead)
        put(model.get_layer(f"{name}_norm").beta, dead, -0.1)
    zero(model.get_layer("up").kernel, ..., 1, slice(None))
    zero(model.get_layer("up").bias, 1)
    return model, {("down", "channel"): 1, ("middle", "channel"): 2, ("up", "channel"): 1}


@case
def squeeze_and_excite() -> tuple[Any, Removed]:
    x = x_(5, 5, 2)
    made = layers.Conv2D(4, 3, activation="relu", name="a")(x)
    scale = layers.GlobalAveragePooling2D(keepdims=True)(made)
    scale = layers.Conv2D(3, 1, activation="relu", name="squeeze")(scale)
    scale = layers.Conv2D(4, 1, activation="sigmoid", name="excite")(scale)
    y = layers.Dense(2)(layers.Flatten()(layers.Multiply()([made, scale])))
    model = drawn(keras.Model(x, y))
    zero(model.get_layer("a").kernel, ..., 2)
    put(model.get_layer("a").bias, 2, -0.3)
    zero(model.get_layer("squeeze").kernel, ..., 1)
    return model, {("a", "channel"): 1, ("excite", "channel"): 1, ("squeeze", "channel"): 1}


@case
def nested_and_shared() -> tuple[Any, Removed]:
    inner = keras.Sequential([x_(4, name="i"), relu(5, "a"), relu(3, "b")], name="tower")
    left, right = x_(4, name="left"), x_(4, name="right")
    y = layers.Dense(2, name="out")(layers.Subtract()([inner(left), inner(right)]))
    model = drawn(keras.Model([left, right], y))
    zero(inner.layers[0].kernel, 1)  # an input of both
    zero(inner.layers[0].kernel, slice(None), [0, 3])
    zero(model.get_layer("out").kernel, 2)
    return model, {
        ("left", "input"): 1,
        ("right", "input"): 1,
        ("tower/a", "unit"): 2,
        ("tower/b", "unit"): 1,
    }


@case
def shared_layer_in_two_places() -> tuple[Any, Removed]:
    x, z = x_(3), x_(3, name="z")
    shared, head = relu(4, "shared"), layers.Dense(2, name="head")
    one = head(shared(x))
    other = head(relu(4, "own")(z))
    model = drawn(keras.Model([x, z], layers.Add()([one, other])))
    zero(model.get_layer("shared").kernel, slice(None), [0, 1])
    zero(model.get_layer("own").kernel, slice(None), [0, 1])
    for name in ("shared", "own"):  # unit 0 is the same constant in both places, unit 1 is not
        put(model.get_layer(name).bias, 0, 0.5)
    put(model.get_layer("shared").bias, 1, 0.2)
    put(model.get_layer("own").bias, 1, 0.4)
    return model, {("shared", "unit"): 1, ("own", "unit"): 1}


@case
def several_inputs_and_outputs() -> tuple[Any, Removed]:
    a, b, c = x_(3, name="a"), x_(2, name="b"), x_(4, name="c")
    hidden = relu(5, "hidden")(layers.Concatenate()([a, b, c]))
    model = drawn(
        keras.Model(
            {"a": a, "b": b, "c": c},
            {"one": layers.Dense(1, name="one")(hidden), "raw": hidden[:, :2] * 2.0},
        )
    )
    zero(model.get_layer("hidden").kernel, [0, 3, 4, 6])  # one of a, all of b, one of c
    return model, {("a", "input"): 1, ("b", "input"): 2, ("c", "input"): 1}


@case
def operations() -> tuple[Any, Removed]:
    x = x_(4, 3)
    y = layers.Dense(5, name="a")(x)
    y = ops.relu(y) + 1.0
    y = ops.transpose(y, (0, 2, 1))
    y = ops.reshape(y, (-1, 5, 2, 2))
    y = ops.max(y, axis=-1)
    y = ops.expand_dims(ops.mean(y, axis=-1), 1)[:, 0]
    model = drawn(keras.Model(x, layers.Dense(2)(ops.tanh(y))))
    zero(model.get_layer("a").kernel, slice(None), [0, 2])
    return model, {("a", "unit"): 2}


@case
def reshaped_into_channels() -> tuple[Any, Removed]:
    model = drawn(
        keras.Sequential(
            [
                x_(3),
                relu(12, "a"),
                layers.Reshape((2, 2, 3)),
                layers.Conv2D(4, 2, name="b"),
                layers.Flatten(),
                layers.Dense(1),
            ]
        )
    )
    zero(model.get_layer("a").kernel, slice(None), [1, 4, 7, 10])  # channel 1 at each place
    zero(model.get_layer("a").kernel, slice(None), 2)  # channel 2 at one place: stays
    put(model.get_layer("a").bias, slice(None), 0.5)
    return model, {("a", "unit"): 4}


@case
def layer_norm_keeps() -> tuple[Any, Removed]:
    x = x_(3)
    y = layers.Dense(4, name="a")(x)
    y = layers.LayerNormalization(name="norm")(y)
    model = drawn(keras.Model(x, layers.Dense(2)(relu(5, "b")(y))))
    zero(model.get_layer("a").kernel, slice(None), 1)  # the norm reads it
    zero(model.get_layer("b").kernel, slice(None), 2)
    return model, {("b", "unit"): 1}


def words(*after: Any, mask: bool = False, size: int = 9) -> Any:
    ids = x_(5, name="ids", dtype="int32")
    embedding = layers.Embedding(size, 4, mask_zero=mask, name="words")
    return keras.Sequential([ids, embedding, *after])


@case
def embedding_words_and_columns() -> tuple[Any, Removed]:
    model = drawn(words(layers.GlobalAveragePooling1D(), layers.Dense(2)))
    zero(model.layers[0].embeddings, [0, 3, 7])
    put(model.layers[0].embeddings, (slice(None), 1), 0.0)
    return model, {("words", "unit"): 1, ("words", "word"): 2}


@case
def embedding_lstm_masked() -> tuple[Any, Removed]:
    model = drawn(words(layers.LSTM(5, name="lstm"), layers.Dense(2, name="out"), mask=True))
    zero(model.layers[0].embeddings, [0, 2, 8])  # word 0 masks: it stays alone
    cell = model.get_layer("lstm").cell
    for unit in (1, 4):  # the candidate's weights: the states stay zero
        zero(cell.kernel, slice(None), 10 + unit)
        zero(cell.recurrent_kernel, slice(None), 10 + unit)
        zero(cell.bias, 10 + unit)
    zero(cell.kernel, 2)  # a column of the embedding that nothing reads
    return model, {("words", "unit"): 1, ("words", "word"): 1, ("lstm", "unit"): 2}


@case
def lstm_unread() -> tuple[Any, Removed]:
    model = drawn(
        keras.Sequential([x_(4, 3), layers.LSTM(5, name="lstm"), layers.Dense(2, name="out")])
    )
    cell = model.get_layer("lstm").cell
    for unit in (0, 3):  # they read each other, and nobody else does
        rows = numbers(cell.recurrent_kernel).reshape(5, 4, 5)
        rows[unit][:, [1, 2, 4]] = 0
        cell.recurrent_kernel.assign(rows.reshape(5, 20))
        zero(model.get_layer("out").kernel, unit)
    return model, {("lstm", "unit"): 2}


@case
def gru_zero_and_unread() -> tuple[Any, Removed]:
    model = drawn(
        keras.Sequential([x_(4, 3), layers.GRU(6, name="gru"), layers.Dense(2, name="out")])
    )
    cell = model.get_layer("gru").cell
    columns = [12 + 1, 12 + 2]  # states 1 and 2 stay zero though they read each other
    zero(cell.kernel, slice(None), columns)
    zero(cell.bias, slice(None), columns)
    recurrent = numbers(cell.recurrent_kernel)
    recurrent[np.ix_([0, 3, 4, 5], columns)] = 0
    cell.recurrent_kernel.assign(recurrent)
    by_gate = numbers(cell.recurrent_kernel).reshape(6, 3, 6)
    by_gate[5][:, :5] = 0
    cell.recurrent_kernel.assign(by_gate.reshape(6, 18))
    zero(model.get_layer("out").kernel, 5)
    return model, {("gru", "unit"): 3}


@case
def gru_before_and_simple() -> tuple[Any, Removed]:
    x = x_(4, 2)
    y = layers.GRU(4, reset_after=False, use_bias=False, return_sequences=True, name="gru")(x)
    y = layers.SimpleRNN(3, name="simple")(y)
    model = drawn(keras.Model(x, layers.Dense(2, name="out")(y)))
    zero(model.get_layer("gru").cell.kernel, slice(None), 8 + 1)
    zero(model.get_layer("gru").cell.recurrent_kernel, slice(None), 8 + 1)
    simple = model.get_layer("simple").cell
    zero(simple.kernel, slice(None), 2)
    zero(simple.recurrent_kernel, slice(None), 2)
    zero(simple.bias, 2)
    return model, {("gru", "unit"): 1, ("simple", "unit"): 1}


@case
def recurrent_reads_constants() -> tuple[Any, Removed]:
    x = x_(4, 3)
    y = layers.TimeDistributed(relu(4, "step"), name="steps")(x)
    model = drawn(keras.Model(x, layers.Dense(2)(layers.GRU(3, name="gru")(y))))
    step = model.get_layer("steps").layer
    zero(step.kernel, slice(None), [0, 2])
    put(step.bias, 0, 0.7)
    return model, {("steps/step", "unit"): 2}


@case
def bidirectional() -> tuple[Any, Removed]:
    model = drawn(
        keras.Sequential(
            [
                x_(4, 3),
                layers.Bidirectional(
                    layers.LSTM(4, return_sequences=True, name="lstm"), name="both"
                ),
                layers.Bidirectional(layers.GRU(3, name="gru"), merge_mode="sum", name="sum"),
                layers.Dense(2, name="out"),
            ]
        )
    )
    both, second = model.layers[:2]
    forward, backward = both.forward_layer.cell, both.backward_layer.cell
    for cell, unit in ((forward, 1), (forward, 2), (backward, 0)):
        for variable in (cell.kernel, cell.recurrent_kernel, cell.bias):
            zero(variable, ..., 8 + unit)
    zero(model.get_layer("out").kernel, 1)  # a sum: both
    for part in (second.forward_layer, second.backward_layer):
        by_gate = numbers(part.cell.recurrent_kernel).reshape(3, 3, 3)
        by_gate[1][:, [0, 2]] = 0
        part.cell.recurrent_kernel.assign(by_gate.reshape(3, 9))
    # Both directions must have as many: one dead unit of the first stays.
    return model, {
        ("both/forward_lstm", "unit"): 1,
        ("both/backward_lstm", "unit"): 1,
        ("sum/forward_gru", "unit"): 1,
        ("sum/backward_gru", "unit"): 1,
    }


@heavy
def encoder_decoder() -> tuple[Any, Removed]:
    source, target = x_(4, 3, name="source"), x_(5, 2, name="target")
    _, *states = layers.LSTM(4, return_state=True, name="encoder")(source)
    y = layers.LSTM(4, return_sequences=True, name="decoder")(target, initial_state=states)
    model = drawn(keras.Model([source, target], layers.Dense(2, name="out")(y)))
    for name in ("encoder", "decoder"):  # one place in both: it is passed from state to state
        cell = model.get_layer(name).cell
        for variable in (cell.kernel, cell.recurrent_kernel, cell.bias):
            zero(variable, ..., 8 + 1)
    cell = model.get_layer("encoder").cell  # zero in the encoder only: the decoder's lives
    for variable in (cell.kernel, cell.recurrent_kernel, cell.bias):
        zero(variable, ..., 8 + 3)
    return model, {("encoder", "unit"): 1, ("decoder", "unit"): 1}


@case
def attention() -> tuple[Any, Removed]:
    x = x_(5, 4)
    y = layers.MultiHeadAttention(4, 3, name="heads")(x, x)
    y = layers.GlobalAveragePooling1D()(y)
    model = drawn(keras.Model(x, layers.Dense(2, name="out")(y)))
    heads = model.get_layer("heads")
    zero(heads.value_dense.kernel, slice(None), 0)  # constant: its bias goes into the output's,
    bias = heads.value_dense.bias  # large, so that a softmax in single precision would be seen
    bias.assign(100 * keras.ops.convert_to_numpy(bias))
    zero(heads.output_dense.kernel, 3)  # unread
    zero(model.get_layer("out").kernel, 2)
    return model, {("heads", "head"): 2, ("heads", "unit"): 1}


@heavy
def transformer() -> tuple[Any, Removed]:
    ids = x_(6, name="ids", dtype="int32")
    x = layers.Embedding(10, 4, mask_zero=True, name="words")(ids)
    y = layers.MultiHeadAttention(3, 2, use_bias=False, name="heads")(x, x, use_causal_mask=True)
    x = layers.LayerNormalization(name="norm")(layers.Add()([x, y]))
    y = layers.Dense(4, name="down")(layers.Dense(8, activation="gelu", name="up")(x))
    x = layers.Add()([x, y])
    model = drawn(keras.Model(ids, layers.Dense(3, name="out")(x)))
    zero(model.get_layer("heads").value_dense.kernel, slice(None), 1)
    zero(model.get_layer("up").kernel, slice(None), [0, 5])
    zero(model.get_layer("down").kernel, 7)
    zero(model.get_layer("words").embeddings, [4, 6, 9])
    return model, {("heads", "head"): 1, ("up", "unit"): 3, ("words", "word"): 2}


@case
def time_distributed_model() -> tuple[Any, Removed]:
    step = keras.Sequential([x_(3, name="s"), relu(4, "a"), relu(3, "b")], name="step")
    x = x_(4, 3)
    y = layers.TimeDistributed(step, name="steps")(x)
    model = drawn(keras.Model(x, layers.Dense(2)(layers.Flatten()(y))))
    zero(step.layers[0].kernel, slice(None), 1)
    zero(step.layers[1].kernel, slice(None), 2)
    return model, {("steps/step/a", "unit"): 1, ("steps/step/b", "unit"): 1}


@heavy
def channels_first() -> tuple[Any, Removed]:
    first = {"data_format": "channels_first"}
    model = drawn(
        keras.Sequential(
            [
                x_(2, 5, 5),
                layers.Conv2D(4, 2, activation="relu", name="a", **first),
                layers.BatchNormalization(axis=1),
                layers.AveragePooling2D(2, **first),
                layers.Flatten(**first),
                layers.Dense(2),
            ]
        )
    )
    zero(model.get_layer("a").kernel, ..., [0, 2])
    return model, {("a", "channel"): 2}


@case
def images_as_tutorials_have_them() -> tuple[Any, Removed]:
    x = x_(6, 6, 3)
    y = layers.RandomFlip("horizontal")(x)
    y = layers.CenterCrop(5, 5)(layers.RandomContrast(0.1)(y))
    y = layers.Conv2D(4, 2, activation="relu", name="a")(y)
    z = layers.Conv2D(4, 1, activation=layers.LeakyReLU(0.1), name="b")(y)
    y = layers.Add()(
        [layers.Resizing(3, 2)(part) for part in (y, layers.Dropout(0.2, (None, 1, 1, 1))(z))]
    )
    y = layers.GlobalAveragePooling2D()(y)
    model = drawn(keras.Model(x, layers.Dense(2)(y)))
    zero(model.get_layer("a").kernel, ..., 1, slice(None))
    for name in ("a", "b"):
        zero(model.get_layer(name).kernel, ..., [0, 2])
    return model, {("x", "input"): 1, ("a", "channel"): 2, ("b", "channel"): 2}


@heavy
def products_of_features() -> tuple[Any, Removed]:
    one, other, steps = x_(3, name="one"), x_(3, name="other"), x_(4, 2, name="steps")
    a, b, c, d = relu(5, "a")(one), relu(5, "b")(other), relu(4, "c")(one), relu(4, "d")(other)
    e = relu(4, "e")(steps)
    seen = layers.GlobalMaxPooling1D()(layers.Attention()([e, e]))
    made = [layers.Dot(1)([a, b]), layers.Dot(1, normalize=True)([c, d]), layers.Dense(1)(seen)]
    made[0] += ops.sum(ops.square(relu(3, "f")(one)), axis=1, keepdims=True)
    model = drawn(keras.Model([one, other, steps], made))
    # A factor of zero is enough, but for a cosine, where the other counts in its norm.
    deaths = {"a": [0, 3], "b": [0, 1], "c": [1, 2], "d": [2, 3], "e": [1], "f": [0]}
    for name, dead in deaths.items():
        zero(model.get_layer(name).kernel, ..., dead)
        put(model.get_layer(name).bias, dead, -0.1)
    gone = {"a": 3, "b": 3, "c": 1, "d": 1, "e": 1, "f": 1}
    return model, {(name, "unit"): number for name, number in gone.items()}


@case
def activations_with_weights() -> tuple[Any, Removed]:
    model = drawn(
        keras.Sequential(
            [
                x_(3),
                layers.Normalization(name="scaled"),
                layers.Dense(5, name="a"),
                layers.PReLU(name="slope"),
                layers.LeakyReLU(),
                layers.Dense(2),
            ]
        )
    )
    model.get_layer("scaled").adapt(np.arange(12.0).reshape(4, 3))
    zero(model.get_layer("a").kernel, 1)
    zero(model.get_layer("a").kernel, slice(None), [2, 4])
    return model, {("x", "input"): 1, ("a", "unit"): 2}


@case
def statistics_that_are_given() -> tuple[Any, Removed]:
    model = drawn(
        keras.Sequential(
            [
                x_(3),
                layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 5.0, 6.0]),
                layers.Normalization(mean=0.5, variance=2.0),
                layers.Dense(5, name="a"),
                layers.Dense(2),
            ]
        )
    )
    zero(model.get_layer("a").kernel, 1)
    return model, {("x", "input"): 1}


@case
def half_precision() -> tuple[Any, Removed]:
    half = keras.DTypePolicy("mixed_bfloat16")
    model = drawn(
        keras.Sequential([x_(4), relu(6, "a", dtype=half), layers.Dense(2, dtype=half, name="b")])
    )
    zero(model.get_layer("a").kernel, slice(None), [0, 5])
    put(model.get_layer("a").bias, [0, 5], 0.3)
    return model, {("a", "unit"): 2}
