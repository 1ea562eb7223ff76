"""How the weights of a model divide into groups, and which weights share their groups.

A group is what can be removed as one: all that reads one input, all that makes one unit (a
column of a dense layer's kernel, its bias, and the scale and offset of the normalisation behind
it), or one word of an embedding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from taut._keras.given_model import check_keras_model
from taut._keras.layer_parts import own_weights
from taut.structure.graph import Call, Graph, Tensor
from taut.structure.kinds import (
    GLOBAL_POOLING,
    NORMALIZATION,
    POOLING,
    elementwise,
    merges,
)
from taut.structure.layouts import Layout, Shape, layout, matrix


@dataclass(frozen=True)
class View:
    """How an array divides into groups by reshaping alone.

    Attributes:
        key: Variables of equal key and kind (inputs, units, rows) share their groups.
        shape: (before, groups, after): group g of `w` is `w.reshape(shape)[:, g, :]`.
    """

    key: str
    shape: Shape


@dataclass(frozen=True)
class VariableStructure:
    """The groups of one variable; None where it has none of a kind.

    Attributes:
        inputs: Slices that read one input.
        units: Slices that make one unit, channel or attention head.
        rows: Slices that are one word of an embedding; they are its inputs too.
        output: Whether its units are, or are part of, the model's own outputs.
    """

    inputs: View | None = None
    units: View | None = None
    rows: View | None = None
    output: bool = False


def structure(model: Any) -> dict[int, VariableStructure]:
    """The groups of every weight of a built model, by the weight's id.

    Weights are the trainable variables and those of frozen layers, not state such as a moving
    mean. In a custom layer only a matrix `kernel` and its `bias` have groups. What is inside a
    subclassed model or a custom layer shares its inputs with nothing, because no graph says who
    reads what, and is not known to be an output.

    Args:
        model: A built Keras model.

    Returns:
        For each weight, by `id`, a `VariableStructure`. Keys are the same in two builds of one
        architecture in which the layers have the same names.

    Raises:
        InputError: If the model is not built.

    Example:
        >>> import keras
        >>> dense = keras.layers.Dense(2, name="dense")
        >>> model = keras.Sequential([keras.Input((3,)), dense])
        >>> structure(model)[id(dense.kernel)].inputs
        View(key='input 0', shape=(1, 3, 2))
    """
    check_keras_model(built=True, model=model)
    analysis = _Structure(Graph(model))
    result: dict[int, VariableStructure] = {}
    for layer in analysis.graph.layers:
        for variable, groups in analysis.of_layer(layer):
            # A wrapper may list the weights of the layer inside it once more.
            if groups != VariableStructure() or id(variable) not in result:
                result[id(variable)] = groups
    return _apart(result)


class _Structure:
    def __init__(self, graph: Graph):
        self.graph = graph
        self._layouts: dict[int, Layout | None] = {}
        self._unit_keys: dict[int, str] = {}
        self._outputs = set(self._output_keys())

    def of_layer(self, layer: Any) -> Iterator[tuple[Any, VariableStructure]]:
        known = self._layout(layer)
        slices = known or matrix(layer) or Layout()
        layer_key = f"input of {self.graph.paths[id(layer)]}"
        reads = layer_key if known is None else self._input_key(layer, known)
        makes = self._unit_key(layer)
        for v in own_weights(layer):
            units = _view(makes, slices.units, v)
            inputs = _view(reads, slices.inputs, v)
            rows = _view(f"words of {reads}", slices.rows, v)
            if rows is not None:
                inputs = rows
            output = units is not None and makes in self._outputs
            yield v, VariableStructure(inputs, units, rows, output)

    def _layout(self, layer: Any) -> Layout | None:
        if id(layer) not in self._layouts:
            attention = self.graph.heads.get(id(layer))
            self._layouts[id(layer)] = layout(layer, attention)
        return self._layouts[id(layer)]

    def _input_key(self, layer: Any, known: Layout) -> str:
        """The tensors that it reads, each followed back as long as features stay in place."""
        calls = [call for call in self.graph.calls_of(layer) if call.reads]
        if not calls or known.reads is None:
            return f"input of {self.graph.paths[id(layer)]}"
        key = " and ".join(dict.fromkeys(self._source(call.reads[0]).name for call in calls))
        return key if known.reads == -1 else f"{key}, axis {known.reads}"

    def _source(self, tensor: Tensor) -> Tensor:
        while (call := self.graph.maker(tensor)) is not None and elementwise(call.operation):
            tensor = call.reads[0]
        return tensor

    def _unit_key(self, layer: Any) -> str:
        """The layer that makes the units, which for a normalisation is one before it."""
        if id(layer) not in self._unit_keys:
            layer_key = self.graph.paths[id(self.graph.heads.get(id(layer), layer))]
            self._unit_keys[id(layer)] = layer_key  # also ends a circle: a layer after itself
            if isinstance(layer, NORMALIZATION):
                before = {self._made_before(call) for call in self.graph.calls_of(layer)}
                only = before.pop() if len(before) == 1 else None
                self._unit_keys[id(layer)] = only or layer_key
        return self._unit_keys[id(layer)]

    def _made_before(self, call: Call) -> str | None:
        """The key of the units that a normalisation reads one by one, if it does."""
        layout = self._layout(call.operation)
        maker = self.graph.maker(call.reads[0])
        while maker is not None and layout is not None:
            made, before = self._layout(maker.operation), maker.operation
            if made is not None and made.units:
                same = made.count == layout.count and made.makes == layout.makes is not None
                return self._unit_key(before) if same else None
            if not elementwise(before) and not _pools_around(before, layout.makes):
                break
            maker = self.graph.maker(maker.reads[0])
        return None

    def _output_keys(self) -> Iterator[str]:
        """The units that become the model's outputs, or a part of them, without more weights."""
        todo, seen = list(self.graph.outputs), set()
        while todo:
            tensor = todo.pop()
            call = self.graph.maker(tensor)
            if call is None or tensor in seen:
                continue
            seen.add(tensor)
            op = call.operation
            if id(op) in self.graph.paths and (self._layout(op) or matrix(op)):
                yield self._unit_key(op)
            if elementwise(op):
                todo.append(call.reads[0])
            elif merges(op):
                todo.extend(call.reads)


def _apart(structures: dict[int, VariableStructure]) -> dict[int, VariableStructure]:
    """Give views of one key and different numbers of groups a key for each number."""
    for kind in ("inputs", "units", "rows"):
        views = {i: view for i, s in structures.items() if (view := getattr(s, kind)) is not None}
        counts: dict[str, set[int]] = {}
        for view in views.values():
            counts.setdefault(view.key, set()).add(view.shape[1])
        for i, view in views.items():
            if len(counts[view.key]) > 1:
                other = replace(view, key=f"{view.key}, {view.shape[1]} groups")
                structures[i] = replace(structures[i], **{kind: other})
    return structures


def _pools_around(op: Any, axis: int | None) -> bool:
    """Whether it pools, and leaves the channels apart and on this axis."""
    if not isinstance(op, POOLING):
        return False
    if axis == -1:
        return op.data_format == "channels_last"
    return op.data_format == "channels_first" and not isinstance(op, GLOBAL_POOLING)


def _view(key: str, slices: dict[str, Shape], variable: Any) -> View | None:
    shape = slices.get(variable.name)
    # The size differs where a layer of a known kind is subclassed and keeps its weights otherwise.
    if shape is None or math.prod(shape) != math.prod(variable.shape):
        return None
    return View(key, shape)
