"""The predictions of many lanes of one model."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import jax
import keras
import numpy as np

from taut._keras.model_calls import keras_mask, mode
from taut.engine.checkpoint.identity import layers_key
from taut.engine.convolutions import convolves_on_cpu
from taut.engine.lanes import Record, check_numbers
from taut.engine.program import side_by_side
from taut.engine.through_fit import masks_one_by_one, predict_one_by_one
from taut.errors import InputError

ROWS = 4096
"""Rows that are predicted at once."""

_compiled: weakref.WeakKeyDictionary[Any, tuple[str | None, Any]] = weakref.WeakKeyDictionary()


def predict_lanes(
    model: Any, record: Record, x: Any, *, lanes: Sequence[int] | None = None, width: int = 16
) -> Any:
    """Predict with the kept weights of lanes.

    Args:
        model: The model that the lanes were trained from.
        record: What `train_lanes` returned.
        x: Inputs, [rows, …] or a tree of these.
        lanes: Numbers of lanes; all unless given.
        width: Lanes side by side; on other backends than JAX it is one after the other.

    Returns:
        The model's output in inference mode, [lanes, rows, …], or a tree of these.

    Raises:
        InputError: If `x` has no rows.
    """
    lanes = None if lanes is None else check_numbers(lanes, len(record.lanes))
    if not all(map(len, keras.tree.flatten(x))):
        raise InputError("`x` must have a row at least. Received: none.")
    if keras.backend.backend() != "jax":
        return predict_one_by_one(model, record, x, lanes=lanes)
    return predict_with_masks(model, record, x, lanes=lanes, width=width)[0]


def predict_with_masks(
    model: Any, record: Record, x: Any, *, lanes: Sequence[int] | None = None, width: int = 16
) -> tuple[Any, list[Any]]:
    """What `predict_lanes` returns, and the mask of each output, [lanes, rows, …] or None."""
    if keras.backend.backend() != "jax":
        outputs = predict_one_by_one(model, record, x, lanes=lanes)
        return outputs, masks_one_by_one(model, record, x, lanes=lanes)
    chosen = np.arange(len(record.lanes)) if lanes is None else np.asarray(lanes, int)
    width = 1 if convolves_on_cpu(model) else min(width, len(chosen))
    rows = len(jax.tree.leaves(x)[0])

    predict = _program_of(model)
    outputs = []
    for start in range(0, len(chosen), width):
        part = chosen[start : start + width]
        padded = np.concatenate([part, np.repeat(part[-1:], width - len(part))])
        values = [[a[padded] for a in record.trainable], [a[padded] for a in record.non_trainable]]
        count, pieces = len(part), []
        for first in range(0, rows, ROWS):
            batch = jax.tree.map(lambda a, at=slice(first, first + ROWS): a[at], x)
            predicted = predict(*values, batch)
            pieces.append(jax.tree.map(lambda a, n=count: np.asarray(a)[:n], predicted))
        outputs.append(jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *pieces))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *outputs)


def _program_of(model: Any) -> Any:
    """The program of a model as it is now."""
    key, entry = layers_key(model), _compiled.get(model)
    if entry is None or key is None or entry[0] != key:
        entry = _compiled[model] = key, _program(weakref.ref(model))
    return entry[1]


def _program(model: weakref.ref[Any]) -> Any:
    @jax.jit
    def predict(trainable: Any, non_trainable: Any, x: Any) -> Any:
        network: Any = model()

        def lane(trainable: Any, non_trainable: Any) -> Any:
            outputs = network.stateless_call(
                trainable, non_trainable, x, **mode(network, training=False)
            )[0]
            return outputs, [keras_mask(output) for output in keras.tree.flatten(outputs)]

        return side_by_side(lane, len(trainable[0]))(trainable, non_trainable)

    return predict
