"""What a rule for one kind of layer with weights has to say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from keras import ops

from taut._keras.kept_state import own_variables
from taut.compaction.atoms import Atoms, Features, Reading
from taut.compaction.reasons import LORA, QUANTISED, NotUnderstood, Reason
from taut.compaction.traced import Call

Keeps = Callable[[np.ndarray], np.ndarray]
"""(atoms) -> [atoms] of bool: which of them stay."""


@dataclass
class Cut:
    """How a layer is made smaller.

    Attributes:
        config: What changes in its configuration; a dict in it changes a part of one.
        weights: Its new weights, by the id of the layer inside it that owns them (or its own) and
            the name of the weight; all others are copied.
    """

    config: dict[str, Any] = field(default_factory=dict)
    weights: dict[tuple[int, str], np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Units:
    """What a layer makes that can be removed.

    Attributes:
        kind: "unit", "channel", "head", "input" or "word".
        atoms: [units] of int.
        constant: [units] of bool: whether it is the same for every row, in every call.
        part: The name of the layer inside that makes them, behind a slash; empty for the layer's.
    """

    kind: str
    atoms: np.ndarray
    constant: np.ndarray
    part: str = ""


@dataclass(frozen=True)
class Dead:
    """Features that are made by no weight but zeros.

    Attributes:
        atoms: [features] of int.
        part: As in `Units`.
        reason: Why they are no known constants; None where they are: then it is what reads them
            that says why they stay.
    """

    atoms: np.ndarray
    part: str = ""
    reason: Reason | None = None


class LayerRule:
    """The features of one layer: how it makes them, what it needs for them, and how it is cut.

    The laws: what `call` says of values holds for every row; `readings` names every feature that
    what is made depends on, but those of known value that `cut` folds into the bias; and the layer
    cut to the features that are kept makes, of the inputs that are kept, what it made before.
    """

    def __init__(self, atoms: Atoms, layer: Any):
        self.atoms, self.layer = atoms, layer
        self.names: set[str] = set()

    def call(self, call: Call, reads: Sequence[Features]) -> list[Features]:
        """The features that a call makes of those that it reads.

        Raises:
            NotUnderstood: Before anything is tied.
        """
        raise NotImplementedError

    def readings(self) -> list[Reading]:
        """What is needed for what, when all calls have been seen."""
        raise NotImplementedError

    def cut(self, keeps: Keeps) -> Cut:
        """The layer that makes the features that are kept of the inputs that are kept."""
        raise NotImplementedError

    def units(self) -> list[Units]:
        """What the layer makes that can be removed; nothing where it makes what it reads."""
        return []

    def dead(self) -> list[Dead]:
        """What the layer makes by no weight but zeros, for the words about what of it stays."""
        return [Dead(units.atoms[units.constant], units.part) for units in self.units()]

    def hindrance(self) -> Reason | None:
        """Why units of which all weights are zero are no known constants; None where they are."""
        return None

    def also(self, keeps: Keeps) -> np.ndarray:
        """Atoms that must stay too, given those that do."""
        return np.empty(0, int)

    def weights(self, layer: Any, *expected: str) -> dict[str, np.ndarray]:
        """The weights of a layer in double precision, by name.

        Raises:
            NotUnderstood: If it has other weights than those of its kind.
        """
        if getattr(layer, "quantization_mode", None) is not None:
            raise NotUnderstood(*QUANTISED)
        if getattr(layer, "lora_enabled", False):
            raise NotUnderstood(*LORA)
        found = {
            v.name: np.asarray(ops.convert_to_numpy(v), float)
            for v in own_variables(layer)
            if v.name != "seed_generator_state"
        }
        if not set(found) <= set(expected):
            raise NotUnderstood(f"its weights are {sorted(found)}")
        return found


class Inputs:
    """What the calls of one layer read on one axis: the same features in each."""

    def __init__(self, atoms: Atoms, axis: int, number: int):
        self._atoms, self.axis, self.number = atoms, axis, number
        self.atoms: np.ndarray = np.empty(0, int)
        self._values: list[np.ndarray] = []

    def add(self, features: Features) -> np.ndarray:
        """The values of what one more call reads, NaN where they are not known."""
        there = self._atoms.along(features, self.axis, self.number)
        if self._values:
            self._atoms.tie(self.atoms, there.atoms)
        else:
            self.atoms = there.atoms
        self._values.append(there.value)
        return there.value

    @property
    def value(self) -> np.ndarray:
        """Values that are known and the same in every call; NaN elsewhere."""
        first = self._values[0]
        alike = np.all([value == first for value in self._values], axis=0)
        return np.where(alike, first, np.nan)

    @property
    def seen(self) -> np.ndarray:
        """Values that are known in every call, of the first; for words about them."""
        known = np.all([~np.isnan(value) for value in self._values], axis=0)
        return np.where(known, self._values[0], np.nan)
