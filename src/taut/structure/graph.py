"""Which layer reads which tensor and which makes it: a model's calls as one flat list.

Nested models, wrappers, recurrent layers and attention are taken apart, so that what remains are
calls of the layers that own the weights. What a custom layer or a subclassed model does with the
layers inside it is not known: each of these reads a tensor of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from taut._keras.layer_parts import attention_projections, sublayers
from taut._keras.model_graphs import SymbolicCall, SymbolicGraph, symbolic_graph
from taut.structure.kinds import ATTENTION


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of the model; its name is the same in every build of the same architecture."""

    name: str


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer or operation."""

    operation: Any
    reads: tuple[Tensor, ...]
    makes: tuple[Tensor, ...]


class Graph:
    """The calls of a model, in an order in which they can be run.

    Attributes:
        layers: Every layer, the model itself first.
        paths: A unique name of each layer, by its id; the model's own name is not part of it.
        calls: See `Call`.
        outputs: The model's outputs; empty in a subclassed model.
        heads: The attention layer that a projection is a part of, by the projection's id.
    """

    def __init__(self, model: Any):
        self.layers: list[Any] = [model]
        self.paths: dict[int, str] = {id(model): model.name}
        self._name_sublayers(model, "")
        self.calls: list[Call] = []
        self.heads: dict[int, Any] = {}
        self._alone: dict[int, Tensor] = {}
        self._maker: dict[Tensor, Call] = {}
        self._readers: dict[Tensor, list[Call]] = defaultdict(list)
        self._calls_of: dict[int, list[Call]] = defaultdict(list)
        graph = symbolic_graph(model)
        count = 1 if graph is None else len(graph.inputs)
        made = self._take_apart(model, [Tensor(f"input {i}") for i in range(count)], 1)
        self.outputs: tuple[Tensor, ...] = (
            () if graph is None and not _is_chain(model) else tuple(made)
        )

    def calls_of(self, operation: Any) -> list[Call]:
        return self._calls_of[id(operation)]

    def maker(self, tensor: Tensor) -> Call | None:
        return self._maker.get(tensor)

    def readers(self, tensor: Tensor) -> list[Call]:
        return self._readers[tensor]

    def _name_sublayers(self, layer: Any, prefix: str) -> None:
        for sub in sublayers(layer):
            if id(sub) in self.paths:
                continue
            path, number = prefix + sub.name, 1
            while path in self.paths.values():
                number += 1
                path = f"{prefix}{sub.name}#{number}"
            self.layers.append(sub)
            self.paths[id(sub)] = path
            self._name_sublayers(sub, f"{path}/")

    def _take_apart(self, op: Any, reads: Sequence[Tensor], count: int) -> list[Tensor]:
        """Add the calls that one call consists of; returns the `count` tensors that it makes."""
        graph = symbolic_graph(op)
        if graph is not None:
            return self._inline(op, graph, reads)
        if _is_chain(op):
            for layer in op.layers:
                reads = self._take_apart(layer, reads, 1)
            return list(reads)
        if isinstance(op, (layers.TimeDistributed, layers.SpectralNormalization)):
            return self._take_apart(op.layer, reads, count)
        if isinstance(op, layers.Bidirectional):
            both = op.forward_layer, op.backward_layer
            return self._add(op, [self._take_apart(layer, reads, 1)[0] for layer in both], count)
        if isinstance(op, layers.RNN):
            made = self._take_apart(op.cell, reads, 1)
            return made + self._add(op, made, count - 1)
        if isinstance(op, layers.StackedRNNCells):
            for cell in op.cells:
                reads = self._take_apart(cell, reads, 1)
            return list(reads)
        if isinstance(op, ATTENTION) and attention_projections(op):
            return self._attention(op, reads, count)
        made = self._add(op, reads, count)
        if isinstance(op, layers.Layer):
            self._add_hidden(sublayers(op))
        return made

    def _inline(self, model: Any, graph: SymbolicGraph, reads: Sequence[Tensor]) -> list[Tensor]:
        if len(reads) != len(graph.inputs):
            path = self.paths[id(model)]
            reads = [Tensor(f"input {i} of {path}") for i in range(len(graph.inputs))]
        tensors = dict(zip(map(id, graph.inputs), reads, strict=True))
        for call in graph.calls:
            known = _arguments(call)
            others = [t for t in call.reads if not any(t is k for k in known)]
            if others:
                # Whatever it does with them, it reads them.
                self._add(call.operation, [tensors[id(t)] for t in others], 0)
            made = self._take_apart(
                call.operation, [tensors[id(t)] for t in known], len(call.makes)
            )
            tensors.update(zip(map(id, call.makes), made, strict=True))
        used = {id(call.operation) for call in graph.calls}
        self._add_hidden(sub for sub in sublayers(model) if id(sub) not in used)
        return [tensors[id(t)] for t in graph.outputs]

    def _attention(self, op: Any, reads: Sequence[Tensor], count: int) -> list[Tensor]:
        parts = attention_projections(op)
        output = parts.pop("output")
        if len(reads) != 3:
            path = self.paths[id(op)]
            reads = [Tensor(f"{role} of {path}") for role in ("query", "value", "key")]
        roles = "query", "value", "key", "gate"
        by_role: dict[str, Tensor] = dict(zip(roles, [*reads, reads[0]], strict=True))
        projected = []
        for role, dense in parts.items():
            self.heads[id(dense)] = op
            projected += self._take_apart(dense, [by_role[role]], 1)
        attended = self._add(op, projected, 1)
        made = self._take_apart(output, attended, 1)
        return made + self._add(op, attended, count - 1)

    def _add_hidden(self, inside: Any) -> None:
        """Layers that are called where we cannot see it."""
        for layer in inside:
            if id(layer) in self._alone or isinstance(layer, layers.InputLayer):
                continue
            self._alone[id(layer)] = hidden_input = Tensor(f"input of {self.paths[id(layer)]}")
            self._take_apart(layer, [hidden_input], 1)

    def _add(self, op: Any, reads: Sequence[Tensor], count: int) -> list[Tensor]:
        name = self.paths.get(id(op), f"{type(op).__name__} {len(self.calls)}")
        again = len(self._calls_of[id(op)])
        name = f"output of {name}" + (f", call {again + 1}" if again else "")
        makes = [Tensor(name + (f", part {i + 1}" if i else "")) for i in range(count)]
        call = Call(op, tuple(reads), tuple(makes))
        self.calls.append(call)
        self._calls_of[id(op)].append(call)
        for tensor in dict.fromkeys(reads):
            self._readers[tensor].append(call)
        self._maker.update(dict.fromkeys(makes, call))
        return makes


def _is_chain(op: Any) -> bool:
    """A Sequential for which Keras could not make a graph: it calls its layers one by one."""
    plain = isinstance(op, keras.Sequential) and type(op).call is keras.Sequential.call
    return plain and symbolic_graph(op) is None


def _arguments(call: SymbolicCall) -> list[Any]:
    """The symbolic tensors that an operation reads, in the order in which it is taken apart."""
    if isinstance(call.operation, ATTENTION):
        named = dict(zip(("query", "value", "key"), call.args, strict=False)) | call.kwargs
        key = named.get("key")
        known = [named.get("query"), named.get("value"), named.get("value") if key is None else key]
    else:
        graph = symbolic_graph(call.operation)
        if graph is None:
            return call.reads
        first = call.args[0] if call.args else call.kwargs.get("inputs")
        known = keras.tree.flatten(first)
        if len(known) > 1 and not _same_structure(first, graph.input_structure):
            return []
    return known if all(isinstance(t, keras.KerasTensor) for t in known) else []


def _same_structure(one: Any, other: Any) -> bool:
    try:
        keras.tree.assert_same_structure(
            keras.tree.lists_to_tuples(one), keras.tree.lists_to_tuples(other)
        )
    except (TypeError, ValueError):
        return False
    return True
