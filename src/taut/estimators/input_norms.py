"""How strongly a model reads each of its inputs, and which of them it does not read at all."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from taut.errors import InputError
from taut.structure import input_readers


def input_norms(model: Any) -> np.ndarray:
    """[inputs] the Euclidean norm of the weights that read each input; 0 where it is not read.

    Args:
        model: A built model of one input [rows, inputs].

    Raises:
        InputError: If something reads the inputs otherwise than by weights of its own for each
            of them, such as a custom layer: then it is not known which are read.
    """
    readers = input_readers(model)
    if readers is None:
        raise InputError(
            "Each input must be read by weights of its own, in a model whose graph is known. "
            f"Received: {type(model).__name__} {model.name!r}, of which it is not known what reads "
            "them. Begin a `keras.Sequential` or functional model with Dense layers, or use "
            "`sklearn.inspection.permutation_importance`."
        )
    (of_input,) = readers
    squares = np.zeros(of_input.count)
    for variable, shape in of_input.readers:
        weights = np.asarray(keras.ops.convert_to_numpy(variable), float).reshape(shape)
        squares += (weights**2).sum(axis=(0, 2))
    return np.sqrt(squares)
