"""What a trained model makes of rows, by programs that models built alike share."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from taut._keras.model_calls import mode
from taut.engine.checkpoint.identity import layers_key
from taut.errors import InputError
from taut.objective.shared_programs import Program, kept_program

ROWS = 256, 4096
"""Rows are filled up to one of these, so that few programs are compiled."""


def outputs_of(model: Any, x: Any) -> np.ndarray:
    """The model's output in inference mode, float64 [rows, outputs].

    Args:
        model: A built Keras model of one input and one output.
        x: Inputs, [rows, inputs], an array or a sparse one, of which a few rows are made dense at
            a time.
    """
    count = x.shape[0]
    size = next((n for n in ROWS if n >= count), ROWS[-1])
    if keras.backend.backend() == "jax":
        program = kept_program("outputs", layers_key(model), lambda: Program(_outputs))
        state = [[v.value for v in model.trainable_variables]]
        state.append([v.value for v in model.non_trainable_variables])
    pieces = []
    for at in range(0, max(count, 1), size):
        piece = x[at : at + size]
        piece = np.asarray(piece.toarray() if hasattr(piece, "toarray") else piece, "float32")
        filled = np.zeros((size, piece.shape[1]), "float32")
        filled[: len(piece)] = piece
        if keras.backend.backend() == "jax":
            made = program(model, *state, filled)
        else:
            made = model.predict_on_batch(filled)
        pieces.append(np.asarray(made, "float64")[: len(piece)])
    outputs = np.concatenate(pieces)
    return outputs.reshape(len(outputs), -1)


def _outputs(model: Any, trainable: Any, others: Any, x: Any) -> Any:
    return model.stateless_call(trainable, others, x, **mode(model, training=False))[0]


def makes_logits(model: Any) -> bool:
    """Whether a classifier's output is logits rather than probabilities.

    Raises:
        InputError: If its last layer does not say so.
    """
    last = model.layers[-1]
    name = getattr(getattr(last, "activation", None), "__name__", None)
    if isinstance(last, keras.layers.Softmax) or name in ("softmax", "sigmoid"):
        return False
    if name in (None, "linear") and isinstance(last, (keras.layers.Dense, keras.layers.Add)):
        return True
    raise InputError(
        "A classifier's model must end in a layer that says what it makes: Dense without an "
        'activation for logits, "softmax" or "sigmoid" for probabilities. Received: '
        f"{type(last).__name__} {last.name!r} with the activation {name!r}."
    )
