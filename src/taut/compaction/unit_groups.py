"""The units of a model that can go: what goes with each, what they cost, and their weights."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from taut._keras.layer_parts import is_normalization_scale, own_weights
from taut.compaction.analysis import Analysis
from taut.compaction.kept_units import Kept, told
from taut.compaction.layer_rule import Inputs, LayerRule, Units
from taut.compaction.linear_cuts import Linear
from taut.compaction.multiply_adds import of_call
from taut.compaction.reasons import Reason
from taut.compaction.traced import Trace
from taut.structure import VariableStructure, structure

Shape = tuple[int, int, int]

CHANNELS = 4
"""Convolutions of a multiple of this many channels are faster for their multiply-adds: a register
holds 4, 8 or 16 numbers, and what does not fill one is computed apart."""


@dataclass(frozen=True)
class LayerUnits:
    """The units that one layer makes.

    Attributes:
        path: The layer's path.
        groups: [units] of int, the group of each: units that can only go together have one.
        weights: What makes a unit, each with its shape (before, units, after).
        worth: [units], the square of the norm of the scale and the offset of the normalisation
            behind the unit (where there is none, of all its weights) times that of the weights by
            which other layers read it. It stays the same when what is in front of a normalisation
            is made larger, or one layer larger and the next one smaller by it.
        step: What the number of units that stay is a multiple of, while there are more than four
            times as many: 4 for channels of convolutions, else 1.
        hindrance: Why units that are off are no known constants; None where they are.
    """

    path: str
    groups: np.ndarray
    weights: tuple[tuple[Any, Shape], ...]
    worth: np.ndarray
    step: int = 1
    hindrance: Reason | None = None


@dataclass(frozen=True)
class _Product:
    """Multiply-adds that fall with the units that are read and with those that are made."""

    size: float
    reads: np.ndarray
    makes: np.ndarray


class UnitGroups:
    """The groups of units of a model, and the multiply-adds that are left without some of them.

    Args:
        model: A built Sequential or Functional model.
        trace: Its calls.
        analysis: Of these.
        stays: The ids of the layers that stay as they are.

    Attributes:
        layers: Those with units that are known to be made by weights of their own.
        alive: [groups] of bool, those that are needed now.
        can_go: [groups] of bool: of those, all but inputs, outputs and what layers that stay touch.
    """

    def __init__(self, model: Any, trace: Trace, analysis: Analysis, stays: Collection[int]):
        self.alive = np.zeros(int(analysis.class_of(_all(analysis)).max(initial=-1)) + 1, bool)
        self.alive[analysis.class_of(_all(analysis))] = analysis.needed
        self.can_go = self.alive.copy()
        for tensor in (*trace.inputs.values(), *trace.outputs):
            self.can_go[analysis.class_of(analysis.features[tensor].atoms)] = False
        for call in trace.calls:
            if id(call.operation) in stays:
                for tensor in (*call.reads, *call.makes):
                    self.can_go[analysis.class_of(analysis.features[tensor].atoms)] = False
        self.layers = _layers(model, trace, analysis)
        self._seen = model, trace, analysis
        self._products = list(_products(trace, analysis))
        self.whole = sum(product.size for product in self._products)

    def told(self) -> list[Kept]:
        """What stays though it is dead, and why."""
        return list(told(*self._seen))

    def costs(self, alive: np.ndarray) -> np.ndarray:
        """[groups] the multiply-adds that each group takes by itself, beside these."""
        made = np.zeros(len(alive))
        for p in self._products:
            for groups, other in ((p.reads, p.makes), (p.makes, p.reads)):
                np.add.at(made, groups, p.size * _share(alive, other) / max(len(groups), 1))
        return made

    def switch_off(self, gone: np.ndarray) -> None:
        """Set all weights that make the units of these groups to zero."""
        for layer in self.layers:
            dead = gone[layer.groups]
            for variable, shape in layer.weights if dead.any() else ():
                value = np.array(ops.convert_to_numpy(variable))
                value.reshape(shape)[:, dead] = 0
                variable.assign(value)


def _share(alive: np.ndarray, groups: np.ndarray) -> float:
    return float(alive[groups].mean()) if len(groups) else 1.0


def _all(analysis: Analysis) -> np.ndarray:
    return np.arange(analysis.atoms.count)


def _layers(model: Any, trace: Trace, analysis: Analysis) -> list[LayerUnits]:
    by_id = structure(model)
    by_key: dict[str, list[tuple[Any, Shape]]] = {}
    for variable in model.variables:
        known = by_id.get(id(variable))
        if known is not None and known.units is not None:
            by_key.setdefault(known.units.key, []).append((variable, known.units.shape))
    read = _read(analysis, by_id, model)
    made = []
    for rule in analysis.rules.values():
        for units in rule.units():
            key = _key(rule, units, by_id)
            if key is None:
                continue
            weights = tuple(by_key[key])
            scales = [pair for pair in weights if is_normalization_scale(pair[0])]
            groups = analysis.class_of(units.atoms)
            worth = sum(_squares(*pair) for pair in scales or weights) * read[groups]
            path = trace.paths[id(rule.layer)] + units.part
            step = CHANNELS if units.kind == "channel" else 1
            made.append(LayerUnits(path, groups, weights, worth, step, rule.hindrance()))
    return made


def _read(analysis: Analysis, by_id: dict[int, VariableStructure], model: Any) -> np.ndarray:
    """[groups] of the sum of squares of the weights by which layers read each group."""
    variables = {id(v): v for v in model.variables}
    groups = analysis.class_of(_all(analysis))
    made = np.zeros(int(groups.max(initial=-1)) + 1)
    for rule in analysis.rules.values():
        inputs = getattr(rule, "inputs", None)
        if not isinstance(inputs, Inputs):
            continue  # several, as attention reads
        for weight in _weights_of(rule):
            known = by_id.get(id(weight))
            view = None if known is None else known.inputs
            if view is not None and view.shape[1] == len(inputs.atoms):
                squares = _squares(variables[id(weight)], view.shape)
                np.add.at(made, analysis.class_of(inputs.atoms), squares)
    return made


def _squares(variable: Any, shape: Shape) -> np.ndarray:
    values = np.asarray(ops.convert_to_numpy(variable), float).reshape(shape)
    return (values**2).sum(axis=(0, 2))


def _weights_of(rule: LayerRule) -> Iterator[Any]:
    for layer in rule.layer._flatten_layers():
        yield from own_weights(layer)


def _key(rule: LayerRule, units: Units, by_id: dict[int, VariableStructure]) -> str | None:
    """What the structure calls these units; None where that is not known for certain."""
    found = [
        known.units.key
        for variable in _weights_of(rule)
        if (known := by_id.get(id(variable))) is not None
        and known.units is not None
        and known.units.shape[1] == len(units.atoms)
    ]
    return found[0] if len(set(found)) == 1 else None


def _products(trace: Trace, analysis: Analysis) -> Sequence[_Product]:
    made = []
    for call in trace.calls:
        rule, size = analysis.rules.get(id(call.operation)), of_call(call)
        if rule is None or not size:
            continue
        everything = np.concatenate([np.empty(0, int), *(u.atoms for u in rule.units())])
        inputs = getattr(rule, "inputs", None)
        if isinstance(rule, Linear):
            pair = rule.inputs.atoms, everything
        elif len(everything) or not isinstance(inputs, Inputs):
            pair = everything, everything[:0]
        else:
            pair = inputs.atoms, everything[:0]
        if len(pair[0]):
            made.append(_Product(size, *map(analysis.class_of, pair)))
    return made
