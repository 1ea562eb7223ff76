"""All that a model computes, as one flat list of calls of layers and operations.

Nested models, and what is inside `TimeDistributed`, are taken apart; other layers, also recurrent
ones and attention, are calls as they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
from keras import layers

from taut._keras.model_calls import keras_mask
from taut._keras.model_graphs import SymbolicCall, SymbolicGraph, input_name, symbolic_graph
from taut.errors import UnsupportedError

Shape = tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor: its shape with the rows first, and whether a mask comes with it."""

    shape: Shape
    masked: bool = False


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer or operation.

    Attributes:
        operation: What is called.
        reads: The tensors among its arguments, in order, without masks.
        makes: What it returns, in order.
        symbolic: The call as Keras has it; None where it is a part of another one.
        path: The layer's name, behind those of the models that it is in.
        masks: The masks among its arguments.
        times: How often a row needs it, inside `TimeDistributed`: the steps; None if not known.
    """

    operation: Any
    reads: tuple[Tensor, ...]
    makes: tuple[Tensor, ...]
    symbolic: SymbolicCall | None
    path: str
    masks: tuple[Tensor, ...] = ()
    times: int | None = 1


class OverTime:
    """Stands for what `TimeDistributed` does around its layer: time steps become rows, or back."""

    name = "time"


@dataclass
class Trace:
    """The calls of a model in an order in which they can be run.

    Attributes:
        inputs: What the model is fed, by the names of its inputs.
        fed: The ids of the layers that it is fed through, by these names.
        outputs: What it returns.
        calls: See `Call`.
        places: The tensors that a symbolic tensor of a model stands for, one a call of that model,
            by the ids of the model and the symbolic tensor.
        paths: Of every layer and operation, by its id.
        nested: The tensors that a nested model is called with, [calls][inputs], by its id.
    """

    inputs: dict[str, Tensor] = field(default_factory=dict)
    fed: dict[str, int] = field(default_factory=dict)
    outputs: list[Tensor] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    places: dict[tuple[int, int], list[Tensor]] = field(default_factory=lambda: defaultdict(list))
    paths: dict[int, str] = field(default_factory=dict)
    nested: dict[int, list[list[Tensor]]] = field(default_factory=lambda: defaultdict(list))
    _times: int | None = 1

    def calls_of(self, operation: Any) -> list[Call]:
        return [call for call in self.calls if call.operation is operation]


def trace(model: Any) -> Trace:
    """The calls of a built Sequential or Functional model.

    Raises:
        UnsupportedError: For a model whose own `call` decides what it computes.
    """
    graph = symbolic_graph(model)
    if graph is None:
        raise UnsupportedError(
            "`compact` follows the graph of a model: it must be a Sequential or Functional one. "
            f"Received: {model.name!r} of class {type(model).__name__}, whose `call` is Python. "
            "Build it as `keras.Model(inputs, outputs)`, or compact the models inside it."
        )
    made = Trace()
    names = input_names(model)
    tensors = [_tensor(t) for t in graph.inputs]
    made.inputs = dict(zip(names, tensors, strict=True))
    made.fed = {
        name: id(t._keras_history.operation) for name, t in zip(names, graph.inputs, strict=True)
    }
    made.outputs = _inline(made, model, graph, tensors, "")
    return made


def input_names(model: Any) -> list[str]:
    """The names of what a model is fed, in the order of its inputs."""
    return [input_name(tensor) for tensor in model.inputs]


def _tensor(symbolic: Any) -> Tensor:
    return Tensor(tuple(symbolic.shape), keras_mask(symbolic) is not None)


def _inline(
    made: Trace, model: Any, graph: SymbolicGraph, reads: Sequence[Tensor], prefix: str
) -> list[Tensor]:
    tensors: dict[int, Tensor] = {}

    def put(symbolic: Any, tensor: Tensor) -> None:
        tensors[id(symbolic)] = tensor
        made.places[id(model), id(symbolic)].append(tensor)

    for symbolic, tensor in zip(graph.inputs, reads, strict=True):
        put(symbolic, tensor)
    for call in graph.calls:
        for symbolic, tensor in zip(
            call.makes, _taken_apart(made, call, tensors, prefix), strict=True
        ):
            put(symbolic, tensor)
    return [tensors[id(t)] for t in graph.outputs]


def _taken_apart(
    made: Trace, call: SymbolicCall, tensors: dict[int, Tensor], prefix: str
) -> list[Tensor]:
    op = call.operation
    path = prefix + op.name
    made.paths.setdefault(id(op), path)
    # Keras hands masks on as arguments of calls, also those that it finds itself.
    given = {id(a) for name, a in call.kwargs.items() if name.endswith("mask")}
    given = {key for key in given if key in tensors} if _takes_masks(op) else set()
    reads = [tensors[id(t)] for t in call.reads if id(t) not in given]
    masks = [tensors[key] for key in given]
    inner = None if masks else _plainly_called_graph(op, call)
    if inner is not None:
        made.nested[id(op)].append(reads)
        return _inline(made, op, inner, reads, f"{path}/")
    outputs = [_tensor(t) for t in call.makes]
    if type(op) is layers.TimeDistributed and len(reads) == len(outputs) == 1 and not masks:
        return _over_time(made, op, reads[0], outputs[0], path)
    return _add(made, op, reads, outputs, call, path, masks)


def _takes_masks(op: Any) -> bool:
    return isinstance(op, layers.Layer) and not isinstance(op, keras.Model)


def _plainly_called_graph(op: Any, call: SymbolicCall) -> SymbolicGraph | None:
    """The graph of a nested model that is called with its inputs and nothing else."""
    graph = symbolic_graph(op) if isinstance(op, keras.Model) else None
    given = {name for name, argument in call.kwargs.items() if argument is not None}
    if graph is None or len(call.args) != 1 or given - {"training"}:
        return None
    return graph if len(call.reads) == len(graph.inputs) else None


def _over_time(made: Trace, op: Any, read: Tensor, output: Tensor, path: str) -> list[Tensor]:
    def without_time(tensor: Tensor) -> Tensor:
        return Tensor((tensor.shape[0], *tensor.shape[2:]))

    start = _add(made, OverTime(), [read], [without_time(read)], None, path)
    before, steps = made._times, read.shape[1]
    made._times = None if before is None or steps is None else before * steps
    layer = op.layer
    made.paths.setdefault(id(layer), f"{path}/{layer.name}")
    graph = symbolic_graph(layer) if isinstance(layer, keras.Model) else None
    if graph is not None and len(graph.inputs) == 1:
        made.nested[id(layer)].append(start)
        end = _inline(made, layer, graph, start, f"{path}/{layer.name}/")
    else:
        end = _add(made, layer, start, [without_time(output)], None, f"{path}/{layer.name}")
    made._times = before
    return _add(made, OverTime(), end, [output], None, path)


def _add(
    made: Trace,
    op: Any,
    reads: Sequence[Tensor],
    makes: Sequence[Tensor],
    symbolic: SymbolicCall | None,
    path: str,
    masks: Sequence[Tensor] = (),
) -> list[Tensor]:
    call = Call(op, tuple(reads), tuple(makes), symbolic, path, tuple(masks), made._times)
    made.calls.append(call)
    return list(makes)
