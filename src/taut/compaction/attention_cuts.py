"""Multi-head attention: heads that are constant or unread, and the units that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import layers

from taut._keras.layer_parts import attention_projections
from taut.compaction.atoms import Atoms, Features, Reading
from taut.compaction.layer_rule import Cut, Inputs, Keeps, LayerRule, Units
from taut.compaction.reasons import OTHER_CONSTANTS, NotUnderstood
from taut.compaction.traced import Call


class AttentionRule(LayerRule):
    """`MultiHeadAttention` over sequences [rows, steps, features].

    A head's attention weights sum to one. So what a head makes of values that are the same at
    every step is that value: where its value projection is zero but on constants, it is constant,
    and goes into the bias of the output.
    """

    def __init__(self, atoms: Atoms, layer: Any):
        super().__init__(atoms, layer)
        self.parts = attention_projections(layer)
        if set(self.parts) != {"query", "key", "value", "output"}:
            raise NotUnderstood("its heads have gates")
        self.stored = {
            role: self.weights(part, "kernel", "bias") for role, part in self.parts.items()
        }
        if any(w["kernel"].ndim != 3 for w in self.stored.values()):
            raise NotUnderstood("its output has several axes of features")
        self.heads, _, self.number = self.stored["output"]["kernel"].shape
        self.inputs = {
            role: Inputs(atoms, -1, self._kernel(role).shape[0])
            for role in ("query", "key", "value")
        }
        self.head_atoms = self.made = np.empty(0, int)
        self.constant = np.ones(self.heads, bool)
        self.constant_units = np.ones(self.number, bool)

    def _kernel(self, role: str) -> np.ndarray:
        """[inputs, heads, size of a head]; of the output [heads, size, units]."""
        return self.stored[role]["kernel"]

    def _bias(self, role: str) -> np.ndarray:
        kernel = self._kernel(role)
        shape = kernel.shape[2:] if role == "output" else kernel.shape[1:]
        return self.stored[role].get("bias", np.zeros(shape))

    def _role_reads(self, call: Call, reads: Sequence[Features]) -> dict[str, Features]:
        symbolic = call.symbolic
        if symbolic is None or len(call.makes) != 1 or len(call.reads[0].shape) != 3:
            raise NotUnderstood("it returns its scores, or is not called with sequences")
        given = dict(zip(("query", "value", "key"), symbolic.args, strict=False))
        given |= {
            k: v
            for k, v in symbolic.kwargs.items()
            if (v is not None and not k.endswith("_mask")) or k == "use_causal_mask"
        }
        plain = {"query", "value", "key", "use_causal_mask", "training", "return_attention_scores"}
        if not set(given) <= plain or len(symbolic.args) > 3:
            raise NotUnderstood("it is called with other arguments")
        given.setdefault("key", given["value"])
        tensors = [t for t in symbolic.reads if any(t is role for role in given.values())]
        by_id = {id(t): f for t, f in zip(tensors, reads, strict=True)}
        return {role: by_id[id(given[role])] for role in ("query", "key", "value")}

    def call(self, call: Call, reads: Sequence[Features]) -> list[Features]:
        by_role = self._role_reads(call, reads)
        values = {role: self.inputs[role].add(features) for role, features in by_role.items()}
        if not len(self.made):
            self.head_atoms = self.atoms.new(self.heads)
            self.made = self.atoms.new(self.number)
        constant, value = self._head_values(values["value"])
        self.constant &= constant
        output = self._kernel("output")
        alive = (output != 0).any(axis=1) & ~constant[:, None]
        made = self._bias("output") + np.einsum("hd,hdo->o", np.nan_to_num(value), output)
        made = np.where(alive.any(axis=0), np.nan, made)
        self.constant_units &= ~np.isnan(made)
        return [Features(-1, self.made, made)]

    def _head_values(self, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which heads are constant, [heads], and what they are, [heads, size of a head]."""
        kernel, known = self._kernel("value"), ~np.isnan(value)
        constant = ~(kernel[~known] != 0).any(axis=(0, 2))
        made = self._bias("value") + np.einsum("i,ihd->hd", value[known], kernel[known])
        return constant, np.where(constant[:, None], made, np.nan)

    def readings(self) -> list[Reading]:
        found = []
        for role, inputs in self.inputs.items():
            unknown = np.isnan(inputs.value)
            needs = (self._kernel(role) != 0).any(axis=2) & unknown[:, None]
            found.append(
                Reading(
                    self.layer, inputs.atoms, self.head_atoms, needs, inputs.seen, OTHER_CONSTANTS
                )
            )
        constant, value = self._folded_heads()
        needs = (self._kernel("output") != 0).any(axis=1) & ~constant[:, None]
        found.append(
            Reading(
                self.layer, self.head_atoms, self.made, needs, value.sum(axis=1), OTHER_CONSTANTS
            )
        )
        return found

    def _folded_heads(self) -> tuple[np.ndarray, np.ndarray]:
        """Heads that are constant, and the same constant in every call."""
        return self._head_values(self.inputs["value"].value)

    def units(self) -> list[Units]:
        return [
            Units("head", self.head_atoms, self.constant),
            Units("unit", self.made, self.constant_units),
        ]

    def cut(self, keeps: Keeps) -> Cut:
        heads, makes = keeps(self.head_atoms), keeps(self.made)
        biases: dict[str, np.ndarray] = {}
        cut = Cut({"num_heads": int(heads.sum()), "output_shape": int(makes.sum())})
        for role, inputs in self.inputs.items():
            reads, kernel = keeps(inputs.atoms), self._kernel(role)
            folded = np.tensordot(np.nan_to_num(inputs.value[~reads]), kernel[~reads], 1)
            biases[role] = (self._bias(role) + folded)[heads]
            cut.weights[id(self.parts[role]), "kernel"] = kernel[reads][:, heads]
        value, output = np.nan_to_num(self._folded_heads()[1])[~heads], self._kernel("output")
        folded = np.einsum("hd,hdo->o", value, output[~heads])
        biases["output"] = (self._bias("output") + folded)[makes]
        cut.weights[id(self.parts["output"]), "kernel"] = output[heads][..., makes]
        if self.layer.use_bias or any(bias.any() for bias in biases.values()):
            cut.config["use_bias"] = True
            for role, bias in biases.items():
                cut.weights[id(self.parts[role]), "bias"] = bias
        return cut


ATTENTION: dict[type, type[LayerRule]] = {layers.MultiHeadAttention: AttentionRule}
