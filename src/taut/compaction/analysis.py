"""Which features of a model are needed, and which can go."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import keras
import numpy as np

from taut.compaction.atoms import Atoms, Features, Reading
from taut.compaction.attention_cuts import ATTENTION
from taut.compaction.embedding_cuts import EMBEDDING, EmbeddingRule
from taut.compaction.feature_cuts import PER_FEATURE, Standardized
from taut.compaction.layer_rule import LayerRule
from taut.compaction.linear_cuts import LINEAR
from taut.compaction.passing import passed
from taut.compaction.reasons import MIXES, NO_RULE, NOT_FOLLOWED, NotUnderstood, Reason
from taut.compaction.recurrent_cuts import RECURRENT
from taut.compaction.traced import Call, Tensor, Trace

_RULES: dict[type, type[LayerRule]] = {
    **LINEAR,
    **PER_FEATURE,
    **RECURRENT,
    **ATTENTION,
    **EMBEDDING,
}
_BY_NAME: dict[str, type[LayerRule]] = {"taut>Standardize": Standardized}
"""Layers of taut that know the optimizers, and so cannot be imported here."""

_MIXING = (
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
    keras.layers.RMSNormalization,
    keras.layers.UnitNormalization,
    keras.layers.Softmax,
)

_OWN_CODE = (keras.layers.Lambda, keras.Model)
_MIXING_OPERATIONS = ("Softmax", "LogSoftmax", "LayerNorm", "RMSNorm")


class Analysis:
    """Follows the features of a model, and finds those that nothing needs.

    A feature is needed if it is an output of the model, or if a needed feature is made of it: read
    with weights other than zero, and no constant that goes into the bias. Features that are added
    to each other, or lie in one place of a shared layer, are needed together. What is not needed is
    the largest set that can go: also units that read only each other.

    Attributes:
        features: Of every tensor.
        rules: Of every layer that is cut, by its id.
        unknown: The call of each layer or operation that stays as it is, and why, by its path.
        emptied: Paths of layers of which one unit stays because none is needed.
        evened: How many dead units stay so that a layer has as many of each, by its path.
        needed: [atoms] of bool.
        ignored: Atoms of the layers that stay as they are because it was asked for.
    """

    def __init__(self, trace: Trace, ignore: Collection[int] = ()):
        self.trace = trace
        self.atoms = Atoms()
        self.features: dict[Tensor, Features] = {}
        self.rules: dict[int, LayerRule] = {}
        self.unknown: dict[str, tuple[Call, Reason]] = {}
        self.emptied: list[str] = []
        self.evened: dict[str, int] = {}
        self.ignored = np.empty(0, int)
        self._readings: list[Reading] = []
        self._broken: dict[int, Reason] = {}
        for tensor in trace.inputs.values():
            self.features[tensor] = self._of_input(tensor)
        for call in trace.calls:
            self._follow(call)
        self._tie_nested()
        self._readings += [r for rule in self.rules.values() for r in rule.readings()]
        self._classes = self.atoms.classes()
        self._needed = np.zeros(int(self._classes.max(initial=-1)) + 1, bool)
        for tensor in trace.outputs:
            self._need(self.features[tensor].atoms)
        self._pin(ignore)
        self._spread()
        self.depends_on_inputs = any(
            self.keeps(self.features[tensor].atoms).any() for tensor in trace.inputs.values()
        )
        while self._keep_one_each():
            self._spread()

    @property
    def needed(self) -> np.ndarray:
        return self._needed[self._classes]

    def keeps(self, atoms: np.ndarray) -> np.ndarray:
        """Which of these atoms stay, [atoms] of bool."""
        return self._needed[self._classes[atoms]]

    def gone(self, tensor: Tensor) -> bool:
        """Whether nothing of a tensor stays."""
        return not self.keeps(self.features[tensor].atoms).any()

    def causes(self, atoms: np.ndarray) -> Iterator[tuple[Reading, np.ndarray]]:
        """The readings that need something of the classes of these atoms, and what of it."""
        classes = self._classes[atoms]
        for reading in self._readings:
            needs = (reading.needs & self.keeps(reading.makes)).any(axis=1)
            mine = needs & np.isin(self._classes[reading.reads], classes)
            if mine.any():
                yield reading, mine

    def unread(self, call: Call) -> int:
        """How many features of what a call makes as a whole are read with weights of zero alone."""
        return sum(self._unread(tensor) for tensor in call.makes)

    def _unread(self, tensor: Tensor) -> int:
        made = self._classes[self.features[tensor].atoms[0]]
        if any(made in self._classes[self.features[t].atoms] for t in self.trace.outputs):
            return 0
        zeros = []
        for reading in self._readings:
            mine = self._classes[reading.reads] == made
            if mine.any():
                rule = self.rules.get(id(reading.layer))
                zeros.append(~getattr(rule, "nonzero", reading.needs).any(axis=1))
        # Read by other layers, or beside other features: which is which is not known then.
        if not zeros or any(len(zero) != tensor.shape[-1] for zero in zeros):
            return 0
        return int(np.all(zeros, axis=0).sum())

    def blurred(self, atoms: np.ndarray) -> Call | None:
        """The first call that hands these on and makes something unknown of what is known."""
        classes = self._classes[atoms]
        for call in self.trace.calls:
            reads, makes = (
                [self.features[t] for t in tensors] for tensors in (call.reads, call.makes)
            )
            handed_on = np.concatenate([np.empty(0, int), *(f.atoms for f in reads)])
            known = any((f.known & np.isin(self._classes[f.atoms], classes)).any() for f in reads)
            lost = (
                ~f.known & np.isin(self._classes[f.atoms], classes) & np.isin(f.atoms, handed_on)
                for f in makes
            )
            if known and any(places.any() for places in lost):
                return call
        return None

    def same(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """[one] of bool: which of these are tied to any of the others."""
        return np.isin(self._classes[one], self._classes[other])

    def class_of(self, atoms: np.ndarray) -> np.ndarray:
        return self._classes[atoms]

    def _of_input(self, tensor: Tensor) -> Features:
        number = tensor.shape[-1] if len(tensor.shape) > 1 else None
        return self.atoms.whole() if number is None else self.atoms.fresh(-1, number)

    def _follow(self, call: Call) -> None:
        reads = [self.features[tensor] for tensor in call.reads]
        made = self._by_rule(call, reads)
        if made is None and id(call.operation) not in self._broken:
            made = self._by_passing(call, reads)
        if made is None:
            made = self._not_understood(call, reads)
        self.features.update(zip(call.makes, made, strict=True))
        self._readings += [
            Reading(
                call.operation,
                self.features[mask].atoms[:1],
                features.atoms,
                np.ones((1, len(features)), bool),
                np.array([np.nan]),
                Reason("is masked by it"),
            )
            for mask in call.masks
            for features in made
        ]

    def _by_passing(self, call: Call, reads: list[Features]) -> list[Features] | None:
        try:
            result = passed(self.atoms, call, reads)
        except NotUnderstood as error:
            self._broken[id(call.operation)] = error.reason
            return None
        if result is None:
            return None
        self._readings += result[1]
        return result[0]

    def _by_rule(self, call: Call, reads: list[Features]) -> list[Features] | None:
        op = call.operation
        # A layer of taut that is made above this package has its rule with it.
        own = vars(type(op)).get("compaction_rule")
        kind = own or _RULES.get(type(op)) or _BY_NAME.get(_registered(op))
        if kind is None or id(op) in self._broken:
            return None
        try:
            rule = self.rules.get(id(op)) or kind(self.atoms, op)
            made = rule.call(call, reads)
        except NotUnderstood as error:
            self._broken[id(op)] = error.reason
            return None
        self.rules[id(op)] = rule  # only now: one that has seen no call has nothing to say
        return made

    def _not_understood(self, call: Call, reads: list[Features]) -> list[Features]:
        """All that it reads is needed for all that it makes."""
        op = call.operation
        of_keras = type(op).__module__.startswith("keras.") and not isinstance(op, _OWN_CODE)
        unknown = NOT_FOLLOWED if of_keras else NO_RULE
        reason = MIXES if _mixes(op) else self._broken.get(id(op), unknown)
        if id(op) in self.rules:
            # Understood in an earlier call, and cut there; the weights are the same.
            rule = self.rules.pop(id(op))
            self._readings += rule.readings()
            for units in rule.units():
                self.atoms.tie_all(units.atoms)
            self._whole_before(op)
        self.unknown[call.path] = call, reason
        makes = self.atoms.whole()
        for features in reads:
            needs = np.ones((len(features), 1), bool)
            self._readings.append(
                Reading(op, features.atoms, makes.atoms, needs, features.value, reason)
            )
        return [makes for _ in call.makes]

    def _whole_before(self, op: Any) -> None:
        """All that the earlier calls of a layer read and made stays, or goes, as one."""
        for earlier in self.trace.calls_of(op):
            for tensor in (*earlier.reads, *earlier.makes):
                if tensor in self.features:
                    self.atoms.tie_all(self.features[tensor].atoms)

    def _tie_nested(self) -> None:
        """A nested model has one shape for all that its calls feed it."""
        for calls in self.trace.nested.values():
            for tensors in zip(*calls, strict=True):
                first, *others = (self.features[tensor] for tensor in tensors)
                for other in others:
                    if (other.axis, len(other)) != (first.axis, len(first)):
                        first, other = (self.atoms.made_whole(f) for f in (first, other))
                    self.atoms.tie(first.atoms, other.atoms)

    def _pin(self, ignore: Collection[int]) -> None:
        pinned = [
            self.features[tensor].atoms
            for name, tensor in self.trace.inputs.items()
            if self.trace.fed[name] in ignore
        ]
        for call in self.trace.calls:
            if id(call.operation) in ignore:
                pinned += [self.features[tensor].atoms for tensor in (*call.reads, *call.makes)]
                rule = self.rules.get(id(call.operation))
                pinned += [units.atoms for units in rule.units()] if rule else []
        self.ignored = np.concatenate([self.ignored, *pinned])
        self._need(self.ignored)

    def _need(self, atoms: np.ndarray) -> None:
        self._needed[self._classes[atoms]] = True

    def _spread(self) -> None:
        while True:
            before = int(self._needed.sum())
            for reading in reversed(self._readings):
                makes = self.keeps(reading.makes)
                if makes.any():
                    self._need(reading.reads[reading.needs[:, makes].any(axis=1)])
            if int(self._needed.sum()) == before:
                return

    def _keep_one_each(self) -> bool:
        """Keep one feature of each tensor that a layer must be called with."""
        for call in self.trace.calls:
            if all(self.gone(tensor) for tensor in call.makes):
                continue
            empty = [t for t in (*call.reads, *call.masks) if self.gone(t)]
            joins = type(call.operation).__name__ == "Concatenate" and len(empty) < len(call.reads)
            if joins:
                empty = [tensor for tensor in empty if tensor.masked]
            if empty:
                self._need(self.features[empty[0]].atoms[:1])
                self._note_emptied(empty[0])
                return True
            rule = self.rules.get(id(call.operation))
            if rule is None:
                continue
            for units in rule.units():
                if not self.keeps(units.atoms).any():
                    self._need(units.atoms[:1])
                    self.emptied.append(call.path + units.part)
                    return True
            also = rule.also(self.keeps)
            if len(also):
                self._need(also)
                self.evened[call.path] = self.evened.get(call.path, 0) + len(also)
                return True
        return False

    def _note_emptied(self, tensor: Tensor) -> None:
        made_by = [call.path for call in self.trace.calls if tensor in call.makes]
        fed = [name for name, given in self.trace.inputs.items() if given is tensor]
        self.emptied += made_by or fed

    def embeddings(self) -> list[EmbeddingRule]:
        return [rule for rule in self.rules.values() if isinstance(rule, EmbeddingRule)]


def _mixes(op: Any) -> bool:
    if isinstance(op, keras.layers.Activation):
        return op.activation is keras.activations.softmax
    return isinstance(op, _MIXING) or type(op).__name__ in _MIXING_OPERATIONS


def _registered(op: Any) -> str:
    return keras.saving.get_registered_name(type(op)) if isinstance(op, keras.layers.Layer) else ""
