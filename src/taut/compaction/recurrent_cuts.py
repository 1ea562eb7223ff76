"""Recurrent layers: a unit whose state never leaves zero, and one that nothing reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import layers

from taut.compaction.atoms import Atoms, Features, Reading
from taut.compaction.layer_rule import Cut, Dead, Inputs, Keeps, LayerRule, Units
from taut.compaction.on_values import activated
from taut.compaction.reasons import DRIFTS, NEVER_ZERO, OTHER_CONSTANTS, NotUnderstood, Reason
from taut.compaction.traced import Call

_CANDIDATE: dict[type, tuple[int, int]] = {
    layers.LSTM: (2, 4),
    layers.GRU: (2, 3),
    layers.SimpleRNN: (0, 1),
}
"""Which of how many gates is the candidate: what the state is drawn to."""


class Recurrence:
    """One LSTM, GRU or SimpleRNN.

    A state stays zero where it starts at zero and the candidate is act(0) = 0 at every step: the
    candidate's weights are zero, but on states that stay zero themselves, and what its biases and
    the constants that it reads come to is zero. The other gates only scale what is zero.
    """

    def __init__(self, rule: LayerRule, layer: Any):
        self.layer, self.cell = layer, layer.cell
        if layer.stateful:
            raise NotUnderstood("it is stateful", "Build the model with `stateful=False`")
        self.stored = rule.weights(self.cell, "kernel", "recurrent_kernel", "bias")
        self.candidate, self.gates = _CANDIDATE[type(layer)]
        self.number = self.stored["recurrent_kernel"].shape[0]
        self.kernel = self._by_gate("kernel")
        self.recurrent = self._by_gate("recurrent_kernel")
        self.atoms = rule.atoms
        self.made: np.ndarray | None = None
        self.zero = np.ones(self.number, bool)
        self.unmoved = np.ones(self.number, bool)
        """By what is read, now or before: all their weights are zero."""
        zero = activated(self.cell.activation, np.zeros(1))
        self._keeps_zero = zero is not None and zero[0] == 0
        self._apart = zero is not None

    @property
    def states(self) -> int:
        return len(self.layer.state_size)

    @property
    def made_atoms(self) -> np.ndarray:
        assert self.made is not None  # a rule is asked when its layer was called
        return self.made

    def _by_gate(self, name: str) -> np.ndarray:
        """[…, gates, units]."""
        array = self.stored[name]
        return array.reshape(*array.shape[:-1], self.gates, self.number)

    def call(self, value: np.ndarray, states: Sequence[Features]) -> np.ndarray:
        """The values of the units, 0 or NaN, where the inputs have these values."""
        if self.made is None:
            self.made = self.atoms.new(self.number)
            if not self._apart:
                self.atoms.tie_all(self.made)
        zero = np.full(self.number, self._keeps_zero)
        for state in states:
            there = self.atoms.along(state, -1, self.number)
            self.atoms.tie(self.made, there.atoms)
            zero &= there.value == 0
            self.unmoved &= there.value == 0
        kernel, recurrent = self.kernel[:, self.candidate], self.recurrent[:, self.candidate]
        known = ~np.isnan(value)
        zero &= ~(kernel[~known] != 0).any(axis=0)
        drift = value[known] @ kernel[known]
        if "bias" in self.stored:
            bias = self._by_gate("bias")[..., self.candidate, :]
            # One bias of GRU is multiplied by a gate: each must be zero.
            zero &= (bias[1:] == 0).all(axis=0) if bias.ndim == 2 else True
            drift = drift + (bias[0] if bias.ndim == 2 else bias)
        zero &= drift == 0
        while True:
            stays = zero & ~(recurrent[~zero] != 0).any(axis=0)
            if (stays == zero).all():
                break
            zero = stays
        self.zero &= zero
        self.unmoved &= ~(self.kernel[~known] != 0).any(axis=(0, 1))
        return np.where(zero, 0.0, np.nan)

    def readings(self, layer: Any, inputs: Inputs) -> list[Reading]:
        known = ~np.isnan(inputs.value)
        reads = (self.kernel != 0).any(axis=1) & ~known[:, None]
        again = (self.recurrent != 0).any(axis=1) & ~self.zero[:, None]
        made, zeros = self.made_atoms, np.where(self.zero, 0.0, np.nan)
        return [
            Reading(layer, inputs.atoms, made, reads, inputs.seen, OTHER_CONSTANTS),
            Reading(layer, made, made, again, zeros, Reason("reads its own states")),
        ]

    def hindrance(self) -> Reason | None:
        return None if self._keeps_zero else NEVER_ZERO

    def dead(self, part: str = "") -> list[Dead]:
        unmoved = self.unmoved
        while True:
            stays = unmoved & ~(self.recurrent[~unmoved] != 0).any(axis=(0, 1))
            if (stays == unmoved).all():
                break
            unmoved = stays
        reason = self.hindrance() or DRIFTS
        made = self.made_atoms
        return [
            Dead(made[self.zero], part),
            Dead(made[unmoved & ~self.zero], part, reason),
        ]

    def cut(self, inputs: Inputs, keeps: Keeps) -> Cut:
        reads, makes = keeps(inputs.atoms), keeps(self.made_atoms)
        here, units = id(self.cell), int(makes.sum())

        def flat(by_gate: np.ndarray) -> np.ndarray:
            kept = by_gate[..., makes]
            return kept.reshape(*kept.shape[:-2], self.gates * units)

        folded = np.tensordot(np.nan_to_num(inputs.value[~reads]), self.kernel[~reads], 1)
        cut = Cut({"units": units})
        cut.weights[here, "kernel"] = flat(self.kernel[reads])
        cut.weights[here, "recurrent_kernel"] = flat(self.recurrent[makes])
        if "bias" in self.stored or folded[..., makes].any():
            cut.config["use_bias"] = True
            cut.weights[here, "bias"] = flat(self._bias() + self._on_the_input(folded))
        return cut

    def _bias(self) -> np.ndarray:
        if "bias" in self.stored:
            return self._by_gate("bias")
        both = (2,) if getattr(self.cell, "reset_after", False) else ()
        return np.zeros((*both, self.gates, self.number))

    def _on_the_input(self, folded: np.ndarray) -> np.ndarray:
        if self._bias().ndim == 2:
            return folded
        return np.stack([folded, np.zeros_like(folded)])


class RecurrentRule(LayerRule):
    """LSTM, GRU and SimpleRNN, with or without given first states."""

    def __init__(self, atoms: Atoms, layer: Any):
        super().__init__(atoms, layer)
        self.part = Recurrence(self, layer)
        self.inputs = Inputs(atoms, -1, self.part.kernel.shape[0])

    def call(self, call: Call, reads: Sequence[Features]) -> list[Features]:
        if len(reads) not in (1, 1 + self.part.states):
            raise NotUnderstood("it is called with other tensors than a sequence and its states")
        value = self.part.call(self.inputs.add(reads[0]), reads[1:])
        return [Features(-1, self.part.made_atoms, value) for _ in call.makes]

    def readings(self) -> list[Reading]:
        return self.part.readings(self.layer, self.inputs)

    def cut(self, keeps: Keeps) -> Cut:
        return self.part.cut(self.inputs, keeps)

    def units(self) -> list[Units]:
        return [Units("unit", self.part.made_atoms, self.part.zero)]

    def hindrance(self) -> Reason | None:
        return self.part.hindrance()

    def dead(self) -> list[Dead]:
        return self.part.dead()


class BidirectionalRule(LayerRule):
    """Two recurrent layers, one from each end, whose units lie side by side or are merged."""

    def __init__(self, atoms: Atoms, layer: Any):
        super().__init__(atoms, layer)
        parts = layer.forward_layer, layer.backward_layer
        if any(type(part) not in _CANDIDATE for part in parts):
            raise NotUnderstood("the layers inside it are not LSTM, GRU or SimpleRNN")
        self.parts = [Recurrence(self, part) for part in parts]
        self.inputs = Inputs(atoms, -1, self.parts[0].kernel.shape[0])

    def call(self, call: Call, reads: Sequence[Features]) -> list[Features]:
        count = sum(part.states for part in self.parts)
        if len(reads) not in (1, 1 + count):
            raise NotUnderstood("it is called with other tensors than a sequence and its states")
        value = self.inputs.add(reads[0])
        half = 1 + (len(reads) - 1) // 2
        states = reads[1:half], reads[half:]
        made = [
            Features(-1, part.made_atoms, found)
            for part, found in [
                (part, part.call(value, given))
                for part, given in zip(self.parts, states, strict=True)
            ]
        ]
        outputs = self._merged(*made)
        for part, features in zip(self.parts, made, strict=True):
            outputs += [features] * (part.states if self.layer.return_state else 0)
        return outputs

    def _merged(self, forward: Features, backward: Features) -> list[Features]:
        mode = self.layer.merge_mode
        if mode is None:
            return [forward, backward]
        if mode == "concat":
            atoms = np.concatenate([forward.atoms, backward.atoms])
            return [Features(-1, atoms, np.concatenate([forward.value, backward.value]))]
        self.atoms.tie(forward.atoms, backward.atoms)
        either = forward.known | backward.known if mode == "mul" else forward.known & backward.known
        return [forward.valued(np.where(either, 0.0, np.nan))]

    def readings(self) -> list[Reading]:
        return [r for part in self.parts for r in part.readings(self.layer, self.inputs)]

    def cut(self, keeps: Keeps) -> Cut:
        cuts = [part.cut(self.inputs, keeps) for part in self.parts]
        forward, backward = cuts
        return Cut(
            {"layer": {"config": forward.config}, "backward_layer": {"config": backward.config}},
            {**forward.weights, **backward.weights},
        )

    def units(self) -> list[Units]:
        return [
            Units("unit", part.made_atoms, part.zero, f"/{part.layer.name}") for part in self.parts
        ]

    def dead(self) -> list[Dead]:
        return [d for part in self.parts for d in part.dead(f"/{part.layer.name}")]

    def also(self, keeps: Keeps) -> np.ndarray:
        # Keras takes it that both directions have as many units.
        made = [part.made_atoms for part in self.parts]
        counts = [int(keeps(atoms).sum()) for atoms in made]
        fewer = int(np.argmin(counts))
        dead = made[fewer][~keeps(made[fewer])]
        return dead[: max(counts) - min(counts)]


RECURRENT: dict[type, type[LayerRule]] = {
    **dict.fromkeys(_CANDIDATE, RecurrentRule),
    layers.Bidirectional: BidirectionalRule,
}
