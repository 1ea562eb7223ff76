"""Layers that multiply by a kernel: dense ones and convolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import layers

from taut.compaction.atoms import Atoms, Features, Reading
from taut.compaction.layer_rule import Cut, Dead, Inputs, Keeps, LayerRule, Units
from taut.compaction.on_values import activated, not_followed
from taut.compaction.reasons import GROUPS, OTHER_CONSTANTS, PADDING, NotUnderstood, Reason
from taut.compaction.traced import Call


class Linear(LayerRule):
    """act(Σ_k kernel[k]ᵀ·x + bias), k a place of the window.

    A unit is constant where its weights are zero but on inputs that are constant too; the value is
    act(bias + Σ weight·constant). At a border that is padded with zeros that holds for the
    constant 0 alone.
    """

    kind = "unit"
    pads_reason = PADDING
    unlike: Reason | None = None
    """Why units may be zero and constant, but not one constant."""

    def __init__(self, atoms: Atoms, layer: Any):
        super().__init__(atoms, layer)
        self.stored = self.weights(layer, "kernel", "bias")
        self.kernel = self._kernel()
        self.pads = self._pads()
        inputs, self.number = self.kernel.shape[1:]
        self.total = self.kernel.sum(axis=0)
        self.nonzero = (self.kernel != 0).any(axis=0)
        self.inputs = Inputs(atoms, self._axis(), inputs)
        self.made: np.ndarray | None = None
        self.zero = np.ones(self.number, bool)
        self.constant = np.ones(self.number, bool)

    def _kernel(self) -> np.ndarray:
        """[places, inputs, units]."""
        return self.stored["kernel"][None]

    def _pads(self) -> bool:
        return False

    def _axis(self) -> int:
        return -1

    @property
    def bias(self) -> np.ndarray:
        return self.stored.get("bias", np.zeros(self.number))

    def call(self, call: Call, reads: Sequence[Features]) -> list[Features]:
        if len(reads) != 1:
            raise NotUnderstood("it is called with several tensors")
        value = self.inputs.add(reads[0])
        if self.made is None:
            self.made = self.atoms.new(self.number)
        constant = ~(self.nonzero & ~self._folds(value)[:, None]).any(axis=0)
        made = self._constants(value)
        if made is None:
            self.atoms.tie_all(self.made)  # softmax, or a function of the user's
            made = np.full(self.number, np.nan)
        value = np.where(constant, made, np.nan)
        self.zero &= constant
        self.constant &= ~np.isnan(value)
        return [Features(self.inputs.axis, self.made, value)]

    def _constants(self, value: np.ndarray) -> np.ndarray | None:
        """What the units make of the inputs that are known; None where units are mixed."""
        return activated(self.layer.activation, self.bias + np.nan_to_num(value) @ self.total)

    def _folds(self, value: np.ndarray) -> np.ndarray:
        """Which inputs of these values can go into the bias."""
        return value == 0 if self.pads else ~np.isnan(value)

    def readings(self) -> list[Reading]:
        needs = self.nonzero & ~self._folds(self.inputs.value)[:, None]
        return [
            Reading(
                self.layer,
                self.inputs.atoms,
                self.made_atoms,
                needs,
                self.inputs.seen,
                self.pads_reason if self.pads else OTHER_CONSTANTS,
            )
        ]

    @property
    def made_atoms(self) -> np.ndarray:
        assert self.made is not None  # a rule is asked when its layer was called
        return self.made

    def units(self) -> list[Units]:
        return [Units(self.kind, self.made_atoms, self.constant)]

    def dead(self) -> list[Dead]:
        varies, reason = self.zero & ~self.constant, self.hindrance() or self.unlike
        found = super().dead()
        return found if reason is None else [*found, Dead(self.made_atoms[varies], reason=reason)]

    def hindrance(self) -> Reason | None:
        return not_followed(self.layer.activation)

    def cut(self, keeps: Keeps) -> Cut:
        reads, makes = keeps(self.inputs.atoms), keeps(self.made_atoms)
        folded = np.nan_to_num(self.inputs.value[~reads]) @ self.total[~reads][:, makes]
        config, weights = self._sliced(reads, makes)
        here = id(self.layer)
        cut = Cut(config, {(here, name): array for name, array in weights.items()})
        if "bias" in self.stored or folded.any():
            cut.config["use_bias"] = True
            cut.weights[here, "bias"] = self.bias[makes] + folded
        return cut

    def _sliced(
        self, reads: np.ndarray, makes: np.ndarray
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        kernel = self.stored["kernel"][reads][:, makes]
        return {"units": int(makes.sum())}, {"kernel": kernel}


class EinsumLinear(Linear):
    """`EinsumDense` that does what `Dense` does."""

    def _kernel(self) -> np.ndarray:
        read, rest = self.layer.equation.replace(" ", "").split(",")
        weight, made = rest.split("->")
        plain = len(weight) == 2 and read[-1] == weight[0] and made == read[:-1] + weight[1]
        if not plain or self.layer.bias_axes not in (None, made[-1]):
            raise NotUnderstood(f"its equation is {self.layer.equation!r}")
        return super()._kernel()

    def cut(self, keeps: Keeps) -> Cut:
        cut = super().cut(keeps)
        if cut.config.pop("use_bias", False):
            cut.config["bias_axes"] = self.layer.equation.replace(" ", "")[-1]
        return cut

    def _sliced(
        self, reads: np.ndarray, makes: np.ndarray
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        shape = self.layer.partial_output_shape
        output = [*shape[:-1], int(makes.sum())]
        return {"output_shape": output}, super()._sliced(reads, makes)[1]


class Convolution(Linear):
    """`Conv1D`, `Conv2D` and `Conv3D` without groups."""

    kind = "channel"

    def _kernel(self) -> np.ndarray:
        if self.layer.groups != 1:
            raise NotUnderstood(*GROUPS)
        kernel = self.stored["kernel"]
        return kernel.reshape(-1, *kernel.shape[-2:])

    def _pads(self) -> bool:
        return self.layer.padding != "valid" and math.prod(self.layer.kernel_size) > 1

    def _axis(self) -> int:
        return channels_axis(self.layer)

    def _sliced(
        self, reads: np.ndarray, makes: np.ndarray
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        kernel = self.stored["kernel"][..., reads, :][..., makes]
        return {"filters": int(makes.sum())}, {"kernel": kernel}


class TransposedConvolution(Convolution):
    """`Conv1DTranspose`, `Conv2DTranspose`, `Conv3DTranspose`: kernel [*window, units, inputs]."""

    def _kernel(self) -> np.ndarray:
        kernel = np.moveaxis(self.stored["kernel"], -1, -2)
        return kernel.reshape(-1, *kernel.shape[-2:])

    def _pads(self) -> bool:
        # Each place of what is made gets another part of the kernel.
        return math.prod(self.layer.kernel_size) > 1 or math.prod(self.layer.strides) > 1

    def _sliced(
        self, reads: np.ndarray, makes: np.ndarray
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        kernel = self.stored["kernel"][..., makes, :][..., reads]
        return {"filters": int(makes.sum())}, {"kernel": kernel}


class SeparableConvolution(Convolution):
    """Each channel by a kernel of its own, then `Conv` with a window of one place."""

    def __init__(self, atoms: Atoms, layer: Any):
        super().__init__(atoms, layer)
        parts = self._parts()
        # Products may cancel, which is no zero that a rounding error leaves alone.
        self.nonzero = np.einsum("kim,imo->io", abs(parts[0]), abs(parts[1])) > 0

    def weights(self, layer: Any, *expected: str) -> dict[str, np.ndarray]:
        return super().weights(layer, "depthwise_kernel", "pointwise_kernel", "bias")

    def _parts(self) -> tuple[np.ndarray, np.ndarray]:
        depthwise, pointwise = self.stored["depthwise_kernel"], self.stored["pointwise_kernel"]
        inputs, each = depthwise.shape[-2:]
        return depthwise.reshape(-1, inputs, each), pointwise.reshape(inputs, each, -1)

    def _kernel(self) -> np.ndarray:
        return np.einsum("kim,imo->kio", *self._parts())

    def _sliced(
        self, reads: np.ndarray, makes: np.ndarray
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        depthwise, pointwise = self.stored["depthwise_kernel"], self.stored["pointwise_kernel"]
        between = np.repeat(reads, depthwise.shape[-1])
        return {"filters": int(makes.sum())}, {
            "depthwise_kernel": depthwise[..., reads, :],
            "pointwise_kernel": pointwise[..., between, :][..., makes],
        }


def channels_axis(layer: Any) -> int:
    return -1 if layer.data_format == "channels_last" else -layer.rank - 1


LINEAR: dict[type, type[LayerRule]] = {
    layers.Dense: Linear,
    layers.EinsumDense: EinsumLinear,
    **dict.fromkeys((layers.Conv1D, layers.Conv2D, layers.Conv3D), Convolution),
    **dict.fromkeys(
        (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose),
        TransposedConvolution,
    ),
    **dict.fromkeys((layers.SeparableConv1D, layers.SeparableConv2D), SeparableConvolution),
}
