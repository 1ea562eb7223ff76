"""Which weights read the inputs of a model, where that is known of all that read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from taut._keras.layer_parts import own_weights
from taut.structure.graph import Graph, Tensor
from taut.structure.kinds import elementwise
from taut.structure.layouts import Shape
from taut.structure.views import VariableStructure, structure


@dataclass(frozen=True)
class InputReaders:
    """Everything that reads one input tensor of a model.

    Attributes:
        count: How many inputs lie in the tensor: columns, or channels.
        readers: (variable, (before, inputs, after)): slice j of the variable, reshaped so, reads
            input j. The model does not read j where all these slices are zero.
    """

    count: int
    readers: tuple[tuple[Any, Shape], ...]


def input_readers(model: Any) -> tuple[InputReaders, ...] | None:
    """The weights that read each input tensor of a built model; None where not all are known.

    Layers that leave each feature in place (dropout, normalisation by stored statistics) are
    looked through. What reads an input without a weight for each of its features, such as a
    residual sum, a reshaping, an embedding or a custom layer, makes the answer None: a feature
    whose known weights are all zero may be read there.

    Raises:
        InputError: If the model is not built.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> [(of_input.count, len(of_input.readers)) for of_input in input_readers(model)]
        [(3, 1)]
    """
    groups, graph = structure(model), Graph(model)
    count = len(getattr(model, "inputs", None) or ())
    names = {f"input {i}": i for i in range(count)}
    sources: dict[int, Tensor] = {}
    for tensor in (t for call in graph.calls for t in call.reads):
        if tensor.name in names and graph.maker(tensor) is None:
            sources[names[tensor.name]] = tensor
    if not count or len(sources) < count:
        return None
    each = [_readers(graph, sources[i], groups) for i in range(count)]
    return None if any(one is None for one in each) else tuple(one for one in each if one)


def _readers(
    graph: Graph, source: Tensor, groups: dict[int, VariableStructure]
) -> InputReaders | None:
    readers: dict[int, tuple[Any, Shape]] = {}
    keys: set[str] = set()
    todo = [source]
    while todo:
        tensor = todo.pop()
        if tensor in graph.outputs:
            return None  # the input itself is what the model returns
        for call in graph.readers(tensor):
            if elementwise(call.operation) and len(call.reads) == 1:
                todo.extend(call.makes)
                continue
            views = [
                (v, view)
                for v in (own_weights(call.operation) if id(call.operation) in graph.paths else ())
                if (view := groups.get(id(v), VariableStructure()).inputs) is not None
                and (view.key == source.name or view.key.startswith(f"{source.name}, axis"))
            ]
            if not views:
                return None
            keys.update(view.key for _, view in views)
            readers.update({id(v): (v, view.shape) for v, view in views})
    if len(keys) != 1:
        return None
    ((_, shape), *_) = readers.values()
    return InputReaders(shape[1], tuple(readers.values()))
