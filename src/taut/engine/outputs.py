"""What a model makes of rows, by programs that models built alike share."""

from __future__ import annotations

import math
import weakref
from typing import Any

import keras
import numpy as np

from taut._keras.model_calls import mode, note_called
from taut._keras.shared_programs import Program, kept_program
from taut.engine.checkpoint.identity import layers_key

ROWS = 256, 4096
"""Rows are filled up to one of these, so that few programs are compiled."""
_FOUND: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
"""To know what a model is takes longer than to predict a row."""


def outputs_of(model: Any, x: Any, *, size: int | None = None) -> np.ndarray:
    """The model's output in inference mode, float64 [rows, outputs].

    The weights are read and never written: several threads may predict with one model, and a
    prediction that is interrupted leaves it whole. Keras's own `predict` on JAX takes them out of
    the model while it runs.

    Args:
        model: A built Keras model of one output.
        x: Inputs, [rows, …] or a tree of these; of a sparse one a few rows are made dense at a
            time.
        size: Rows at a time, to which they are filled up; by their number unless given.
    """
    rows = keras.tree.flatten(x)[0].shape[0]
    size = size or next((n for n in ROWS if n >= rows), ROWS[-1])
    on_jax = keras.backend.backend() == "jax"
    if on_jax:
        program = _program_of(model)
        state = [[v.value for v in model.trainable_variables]]
        state.append([v.value for v in model.non_trainable_variables])
    pieces = []
    for at in range(0, max(rows, 1), size):
        some = keras.tree.map_structure(lambda a, at=at: _filled(a[at : at + size], size), x)
        made = program(model, *state, some) if on_jax else model.predict_on_batch(some)
        pieces.append(np.asarray(made, "float64")[: rows - at])
    outputs = np.concatenate(pieces)
    return outputs.reshape(len(outputs), math.prod(outputs.shape[1:]))


def _program_of(model: Any) -> Any:
    """The program of a model: made, or found, when it is first asked for, as Keras does."""
    if model not in _FOUND:
        note_called(model)  # a program that is shared calls the first of its models alone
        _FOUND[model] = kept_program("outputs", layers_key(model), lambda: Program(_outputs))
    return _FOUND[model]


def _filled(rows: Any, size: int) -> np.ndarray:
    """Dense rows with rows of zeros after them, `size` in all; floats in single precision."""
    rows = np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows)
    filled = np.zeros((size, *rows.shape[1:]), "float32" if rows.dtype.kind == "f" else rows.dtype)
    filled[: len(rows)] = rows
    return filled


def _outputs(model: Any, trainable: Any, others: Any, x: Any) -> Any:
    return model.stateless_call(trainable, others, x, **mode(model, training=False))[0]
