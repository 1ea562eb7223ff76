"""How strongly a model reads each of its inputs, and which of them it does not read at all."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from taut._keras_compat import own_weights
from taut.errors import InputError
from taut.structure.graph import Graph
from taut.structure.kinds import elementwise
from taut.structure.views import structure


def input_norms(model: Any) -> np.ndarray:
    """[inputs] the Euclidean norm of the weights that read each input; 0 where it is not read.

    Args:
        model: A built model of one input [rows, inputs].

    Raises:
        InputError: If something reads the inputs otherwise than by weights of its own for each
            of them, such as a custom layer: then it is not known which are read.
    """
    graph, groups = Graph(model), structure(model)
    squares = np.zeros(model.input_shape[-1])
    starts = [t for call in graph.calls for t in call.reads if t.name == "input 0"]
    todo, readers = list(dict.fromkeys(starts)), []
    while todo:
        for call in graph.readers(todo.pop()):
            if elementwise(call.operation):
                todo.extend(call.makes)
            else:
                readers.append(call.operation)
    for layer in dict.fromkeys(readers):
        views = [
            (v, view)
            for v in (own_weights(layer) if isinstance(layer, keras.layers.Layer) else ())
            if (view := groups[id(v)].inputs) is not None and view.key == "input 0"
        ]
        if len(views) != 1 or views[0][1].shape[1] != len(squares):
            raise InputError(
                "Each input must be read by weights of its own. Received: a model whose layer or "
                f"operation {layer.name!r} reads them in a way that is not known. Begin the model "
                "with Dense layers, or use `sklearn.inspection.permutation_importance`."
            )
        variable, view = views[0]
        weights = np.asarray(keras.ops.convert_to_numpy(variable), float).reshape(view.shape)
        squares += (weights**2).sum(axis=(0, 2))
    if not readers:
        raise InputError(
            "Which inputs are read must be seen in the model's graph. Received: "
            f"{type(model).__name__}, which has none. Make it of `keras.Sequential` or "
            "`keras.Model(inputs, outputs)`."
        )
    return np.sqrt(squares)
