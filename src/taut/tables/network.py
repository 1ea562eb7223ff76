"""The default network on tables: several members side by side, each with its own statistics.

    logits = skip·z + last·relu(second·relu(first·z)) + bias,    z = inputs(x)

Every weight has a first axis `members`. It is 1 while lanes are trained; the weights of many
trained lanes, put one after another, are one model that predicts with their mean.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from taut.tables.table_cuts import MemberCut

UNITS = 64
CLIP = 3.0
LARGEST = 1e6


# Made by NumPy: JAX would compile a program for each shape.
def _zeros(shape: Any, dtype: Any = None) -> np.ndarray:
    return np.zeros(shape, dtype or "float32")


def _ones(shape: Any, dtype: Any = None) -> np.ndarray:
    return np.ones(shape, dtype or "float32")


@keras.saving.register_keras_serializable("taut")
class Normal(keras.initializers.Initializer):
    """Normal numbers around 0 of a standard deviation; others each time without a seed."""

    def __init__(self, deviation: float, seed: int | None = None):
        self.deviation, self.seed = deviation, seed

    def __call__(self, shape: Any, dtype: Any = None) -> np.ndarray:
        drawn = np.random.default_rng(self.seed).normal(0.0, self.deviation, shape)
        return drawn.astype(dtype or "float32")

    def get_config(self) -> dict[str, Any]:
        return {"deviation": self.deviation, "seed": self.seed}


@keras.saving.register_keras_serializable("taut")
class TableInputs(keras.layers.Layer):
    r"""Fill, standardise and bin the columns of an encoded table, by each member's statistics.

    For every column z = (where(isnan(x), fill, x) − centre)·multiplier. The first `numbers`
    columns are numeric: they are clipped smoothly, z/√(1+(z/3)²), and come a second time as
    `bins` piecewise-linear pieces each, clip((x − lower)·slope, 0, 1), centred and times two.

    Args:
        numbers: How many of the first columns are numeric.
        bins: Pieces of each numeric column; 0 for none.
        members: Networks side by side.

    Call arguments:
        x: [rows, columns], NaN where a value is missing.

    Returns:
        [rows, members, columns + numbers·bins].

    References:
        Gorishniy, Rubachev and Babenko, On embeddings for numerical features in tabular deep
        learning, 2022 (piecewise-linear encoding).
    """

    def __init__(self, numbers: int, bins: int, *, members: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        self.numbers, self.bins, self.members = numbers, bins, members

    def build(self, input_shape: tuple[int | None, int]) -> None:
        def add(name: str, *shape: int) -> Any:
            return self.add_weight(
                name=name, shape=(self.members, *shape), initializer=_zeros, trainable=False
            )

        columns = input_shape[-1]
        self.fill, self.centre = add("fill", columns), add("centre", columns)
        self.multiplier = add("multiplier", columns)
        if self.bins:
            pieces = self.numbers, self.bins
            self.lower, self.slope = add("lower", *pieces), add("slope", *pieces)
            self.level = add("level", *pieces)

    def call(self, x: Any) -> Any:
        x = ops.expand_dims(x, 1)
        x = ops.where(ops.isnan(x), ops.convert_to_tensor(self.fill), x)
        z = (x - self.centre) * self.multiplier
        # A larger square would overflow, and turn the largest values into 0 or NaN.
        z = ops.clip(z, -LARGEST, LARGEST)
        numeric = z[..., : self.numbers]
        parts = [numeric / ops.sqrt(1 + ops.square(numeric / CLIP)), z[..., self.numbers :]]
        if self.bins:
            value = ops.expand_dims(x[..., : self.numbers], -1)
            pieces = ops.clip((value - self.lower) * self.slope, 0, 1) - self.level
            # A piece of slope 0 is not used: it is 0 for every row.
            pieces = 2 * pieces * ops.cast(ops.not_equal(self.slope, 0), pieces.dtype)
            flat = (-1, self.members, self.numbers * self.bins)
            parts.append(ops.reshape(pieces, flat))
        return ops.concatenate(parts, axis=-1)

    def get_config(self) -> dict[str, Any]:
        config = {"numbers": self.numbers, "bins": self.bins, "members": self.members}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable("taut")
class MemberDense(keras.layers.Layer):
    """A dense layer for each member: [rows, members, in] to [rows, members, units].

    Args:
        units: Outputs.
        activation: As in Keras.
        use_bias: Whether it has a bias.
        scale: Variance of the initial (normal) weights times the number of inputs.
    """

    compaction_rule = MemberCut

    def __init__(
        self,
        units: int,
        *,
        activation: Any = None,
        use_bias: bool = True,
        scale: float = 2.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units, self.use_bias, self.scale = units, use_bias, scale
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: tuple[int | None, int, int]) -> None:
        _, members, inputs = input_shape
        deviation = float(np.sqrt(self.scale / inputs))
        self.kernel = self.add_weight(
            name="kernel",
            shape=(members, inputs, self.units),
            initializer=Normal(deviation),
        )
        self.bias = None
        if self.use_bias:
            shape = members, self.units
            self.bias = self.add_weight(name="bias", shape=shape, initializer=_zeros)

    def call(self, x: Any) -> Any:
        if self.kernel.shape[0] == 1:
            # One member is trained: a plain product is a quarter faster than a batched one.
            y = ops.expand_dims(ops.matmul(x[:, 0], self.kernel[0]), 1)
        else:
            y = ops.einsum("bmi,mio->bmo", x, self.kernel)
        return self.activation(y if self.bias is None else y + self.bias)

    def multiply_adds(self) -> int:
        """Of one row, in all members."""
        return math.prod(self.kernel.shape)

    def get_config(self) -> dict[str, Any]:
        config = {
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "scale": self.scale,
        }
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable("taut")
class Combine(keras.layers.Layer):
    """linear·gate₀ + hidden·gate₁ + bias; the gates (0 or 1) switch a part of a member off."""

    def build(self, input_shape: list[tuple[int | None, int, int]]) -> None:
        _, members, units = input_shape[0]
        self.gates = self.add_weight(
            name="gates", shape=(members, 2), initializer=_ones, trainable=False
        )
        self.bias = self.add_weight(name="bias", shape=(members, units), initializer=_zeros)

    def call(self, parts: list[Any]) -> Any:
        linear, hidden = parts
        gates = ops.expand_dims(self.gates, -1)
        return linear * gates[:, 0] + hidden * gates[:, 1] + self.bias

    def multiply_adds(self) -> int:
        """None: gates switch parts on or off, and biases are added."""
        return 0


@keras.saving.register_keras_serializable("taut")
class MeanOfMembers(keras.layers.Layer):
    r"""The prediction of an ensemble, from the members' outputs [rows, members, outputs].

    Classes: p ∝ (mean over members of softmax)^(1/T), with T the temperature. Regression: the
    mean, of the standardised target, [rows, 1].
    """

    def __init__(self, classes: bool, **kwargs: Any):
        super().__init__(**kwargs)
        self.classes = classes

    def build(self, input_shape: tuple[int | None, int, int]) -> None:
        del input_shape

        self.temperature = self.add_weight(
            name="temperature", shape=(), initializer=_ones, trainable=False
        )

    def call(self, outputs: Any) -> Any:
        if not self.classes:
            return ops.mean(outputs, axis=1)
        mean = ops.mean(ops.softmax(outputs, axis=-1), axis=1)
        return ops.softmax(ops.log(ops.maximum(mean, 1e-7)) / self.temperature, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "classes": self.classes}


def size(columns: int, outputs: int, *, numbers: int, bins: int) -> int:
    """Weights of one member that a row meets; arguments as in `network`."""
    inputs = columns + numbers * bins
    return (inputs + UNITS) * (UNITS + outputs)


def network(
    columns: int, outputs: int, *, numbers: int, bins: int, members: int = 1, classes: bool | None
) -> Any:
    """Build the network.

    Args:
        columns: Encoded columns.
        outputs: Classes, or 1.
        numbers: How many of the first columns are numeric.
        bins: Piecewise-linear pieces of each numeric column.
        members: Networks side by side.
        classes: Whether the ensemble predicts classes; None leaves one member's raw outputs,
            [rows, outputs], for training.
    """
    x = keras.Input((columns,), name="table")
    z = TableInputs(numbers, bins, members=members, name="inputs")(x)
    first = MemberDense(UNITS, activation="relu", scale=1.4**2, name="first")(z)
    second = MemberDense(UNITS, activation="relu", name="second")(first)
    hidden = MemberDense(outputs, use_bias=False, scale=0.3**2, name="last")(second)
    linear = MemberDense(outputs, use_bias=False, scale=0.0, name="skip")(z)
    y = Combine(name="combine")([linear, hidden])
    if classes is None:
        y = keras.layers.Reshape((outputs,), name="one_member")(y)
    else:
        y = MeanOfMembers(classes, name="mean")(y)
    return keras.Model(x, y, name="table_network")
