"""Layers that have a weight or a few for each feature, and make as many as they read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import layers

from taut.compaction.atoms import Atoms, Features, Reading
from taut.compaction.layer_rule import Cut, Dead, Inputs, Keeps, LayerRule
from taut.compaction.linear_cuts import channels_axis
from taut.compaction.on_values import activated, not_followed
from taut.compaction.reasons import MIXES, NotUnderstood
from taut.compaction.traced import Call


class PerFeature(LayerRule):
    """slope·x + offset, a number of each for every feature; a slope of zero makes a constant."""

    expected: tuple[str, ...] = ()

    def __init__(self, atoms: Atoms, layer: Any):
        super().__init__(atoms, layer)
        self.stored = self.weights(layer, *self.expected)
        self.axis = self._axis()
        self.inputs: Inputs | None = None

    def _axis(self) -> int:
        return -1

    def _applied(self, value: np.ndarray) -> np.ndarray:
        """What becomes of these values, NaN where it varies."""
        raise NotImplementedError

    def call(self, call: Call, reads: Sequence[Features]) -> list[Features]:
        axis = self._axis_of(call)
        if len(reads) != 1 or reads[0].axis not in (axis, None):
            raise NotUnderstood("its weights lie on another axis than the features that it reads")
        features = reads[0]
        if self.inputs is None:
            number = call.reads[0].shape[axis]
            assert number is not None  # its weights have this length
            self.inputs = Inputs(self.atoms, axis, number)
        value = self._applied(self.inputs.add(features))
        if features.axis is None:
            return [features]
        return [Features(features.axis, features.atoms, value)]

    def _axis_of(self, call: Call) -> int:
        return self.axis if self.axis < 0 else self.axis - len(call.reads[0].shape)

    def readings(self) -> list[Reading]:
        return []

    def dead(self) -> list[Dead]:
        found = self.inputs
        return [] if found is None else [Dead(found.atoms[self._flat()])]

    def _flat(self) -> np.ndarray:
        """[features] of bool: whose slope is zero."""
        return np.zeros(0 if self.inputs is None else len(self.inputs.atoms), bool)

    def cut(self, keeps: Keeps) -> Cut:
        assert self.inputs is not None
        kept = keeps(self.inputs.atoms)
        weights = {
            (id(self.layer), name): self._sliced(array, kept) for name, array in self.stored.items()
        }
        return Cut({}, weights)

    def _sliced(self, array: np.ndarray, kept: np.ndarray) -> np.ndarray:
        return array[kept] if array.ndim else array


class BatchNorm(PerFeature):
    """In inference: (x − mean)·gamma/√(variance + epsilon) + beta."""

    expected = "gamma", "beta", "moving_mean", "moving_variance"

    def _axis(self) -> int:
        axis = self.layer.axis
        axis = list(axis) if isinstance(axis, (list, tuple)) else [axis]
        if len(axis) != 1:
            raise NotUnderstood("it has several axes")
        return axis[0]

    def _applied(self, value: np.ndarray) -> np.ndarray:
        mean, variance = self.stored["moving_mean"], self.stored["moving_variance"]
        slope = self.stored.get("gamma", 1.0) / np.sqrt(variance + self.layer.epsilon)
        offset = self.stored.get("beta", np.zeros(len(mean)))
        return np.where(slope == 0, offset, (value - mean) * slope + offset)

    def _flat(self) -> np.ndarray:
        return self.stored["gamma"] == 0 if "gamma" in self.stored else super()._flat()


class Normalized(PerFeature):
    """`Normalization` by statistics that it was adapted to, or given."""

    expected = "mean", "variance", "count"

    def __init__(self, atoms: Atoms, layer: Any):
        super().__init__(atoms, layer)
        self.given = layer.input_mean is not None
        if self.given:  # then they are no weights, but a part of the configuration
            features = int(np.prod(layer.mean.shape))
            for name, value in ("mean", layer.input_mean), ("variance", layer.input_variance):
                self.stored[name] = np.broadcast_to(np.ravel(np.asarray(value, float)), features)

    def _axis(self) -> int:
        axis = self.layer.axis
        if self.layer.invert or not isinstance(axis, (int, tuple, list)) or np.size(axis) != 1:
            raise NotUnderstood("it inverts a normalisation, or has not one axis")
        return int(np.ravel(axis)[0])

    def cut(self, keeps: Keeps) -> Cut:
        cut = super().cut(keeps)
        if not self.given:
            return cut
        return Cut({name: value.tolist() for (_, name), value in cut.weights.items()})

    def _applied(self, value: np.ndarray) -> np.ndarray:
        deviation = np.maximum(np.sqrt(self.stored["variance"]), 1e-7)
        return (value - self.stored["mean"]) / deviation


class Standardized(PerFeature):
    """taut's `Standardize`; a column that did not vary is a constant."""

    expected = "fill", "centre", "multiplier"

    def _applied(self, value: np.ndarray) -> np.ndarray:
        made = (value - self.stored["centre"]) * self.stored["multiplier"]
        return np.where(self.stored["multiplier"] == 0, 0.0, made)

    def _flat(self) -> np.ndarray:
        return self.stored["multiplier"] == 0


class ParametricRelu(PerFeature):
    """max(x, 0) + alpha·min(x, 0), alpha [1, …, features]."""

    expected = ("alpha",)

    def __init__(self, atoms: Atoms, layer: Any):
        super().__init__(atoms, layer)
        if math.prod(self.stored["alpha"].shape[:-1]) != 1:
            raise NotUnderstood("its slopes are not shared over all axes but the last")

    def _applied(self, value: np.ndarray) -> np.ndarray:
        slope = self.stored["alpha"].reshape(-1)
        return np.maximum(value, 0) + slope * np.minimum(value, 0)

    def _sliced(self, array: np.ndarray, kept: np.ndarray) -> np.ndarray:
        return array[..., kept]


class Depthwise(LayerRule):
    """Each channel by kernels of its own: [*window, channels, each]."""

    def __init__(self, atoms: Atoms, layer: Any):
        super().__init__(atoms, layer)
        self.stored = self.weights(layer, "kernel", "bias")
        if activated(layer.activation, np.zeros(1)) is None:
            raise NotUnderstood(*(not_followed(layer.activation) or MIXES))
        kernel = self.stored["kernel"]
        self.channels, self.each = kernel.shape[-2:]
        self.kernel = kernel.reshape(-1, self.channels * self.each)
        self.pads = layer.padding != "valid" and len(self.kernel) > 1
        self.inputs = Inputs(atoms, channels_axis(layer), self.channels)

    def call(self, call: Call, reads: Sequence[Features]) -> list[Features]:
        value = np.repeat(self.inputs.add(reads[0]), self.each)
        folds = value == 0 if self.pads else ~np.isnan(value)
        constant = folds | ~(self.kernel != 0).any(axis=0)
        bias = self.stored.get("bias", np.zeros(len(constant)))
        made = activated(self.layer.activation, bias + np.nan_to_num(value) * self.kernel.sum(0))
        assert made is not None  # known from `__init__`
        atoms = np.repeat(self.inputs.atoms, self.each)
        return [Features(self.inputs.axis, atoms, np.where(constant, made, np.nan))]

    def readings(self) -> list[Reading]:
        return []

    def dead(self) -> list[Dead]:
        zero = ~(self.kernel != 0).any(axis=0)
        return [Dead(np.repeat(self.inputs.atoms, self.each)[zero])]

    def cut(self, keeps: Keeps) -> Cut:
        kept = keeps(self.inputs.atoms)
        weights = {(id(self.layer), "kernel"): self.stored["kernel"][..., kept, :]}
        if "bias" in self.stored:
            weights[id(self.layer), "bias"] = self.stored["bias"][np.repeat(kept, self.each)]
        return Cut({}, weights)


PER_FEATURE: dict[type, type[LayerRule]] = {
    layers.BatchNormalization: BatchNorm,
    layers.Normalization: Normalized,
    layers.PReLU: ParametricRelu,
    layers.DepthwiseConv1D: Depthwise,
    layers.DepthwiseConv2D: Depthwise,
}
