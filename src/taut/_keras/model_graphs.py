"""The graph of a Functional or Sequential model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras.src.models import functional

Functional: Any = functional.Functional


def made_of_a_graph(kind: type) -> bool:
    """Whether a class of models is made by `kind(inputs, outputs, name=…)`."""
    return functional.functional_like_constructor(kind)


def is_graph_model(layer: Any) -> bool:
    """Whether it is a model that is known by its graph."""
    return isinstance(layer, keras.Model) and symbolic_graph(layer) is not None


def input_structure(model: Any) -> Any:
    """The symbolic inputs of a Sequential or Functional model, as they are fed."""
    return (model._functional if isinstance(model, keras.Sequential) else model)._inputs_struct


def input_name(symbolic: Any) -> str:
    """The name of what a model is fed; without a name of its own, that of its layer."""
    return symbolic._keras_history.operation.name


@dataclass(frozen=True)
class SymbolicCall:
    """One call in the graph of a Functional model; `reads` and `makes` are symbolic tensors."""

    operation: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    reads: list[Any]
    makes: list[Any]


@dataclass(frozen=True)
class SymbolicGraph:
    """The calls of a Functional model in an order in which they can be run."""

    input_structure: Any
    inputs: list[Any]
    outputs: list[Any]
    calls: list[SymbolicCall]


def symbolic_graph(model: Any) -> SymbolicGraph | None:
    """What a Functional or Sequential model computes; None where its own `call` decides that."""
    if isinstance(model, keras.Sequential):
        if type(model).call is not keras.Sequential.call:
            return None
        model = model._functional
    if not isinstance(model, Functional) or type(model).call is not Functional.call:
        return None
    calls = [
        SymbolicCall(
            node.operation,
            node.arguments.args,
            node.arguments.kwargs,
            node.input_tensors,
            node.outputs,
        )
        for depth in sorted(model._nodes_by_depth, reverse=True)
        for node in model._nodes_by_depth[depth]
        if not node.is_input
    ]
    return SymbolicGraph(model._inputs_struct, model.inputs, model.outputs, calls)
