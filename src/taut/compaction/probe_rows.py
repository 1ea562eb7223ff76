"""Rows on which two models are compared: given ones, and random ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from taut._data import as_numpy, check_no_loader
from taut.compaction.traced import Tensor, Trace, input_names
from taut.errors import InputError

RANDOM = 64
STEPS = 16
"""Steps of a sequence whose length the model leaves open, where no rows are given."""


def flat_inputs(x: Any, names: Sequence[str]) -> list[np.ndarray]:
    """Rows as one array an input, in order.

    Raises:
        InputError: If there are more or fewer.
    """
    if isinstance(x, dict) and set(names) <= set(x):
        flat = [x[name] for name in names]
    else:
        flat = keras.tree.flatten(x) if isinstance(x, (dict, list, tuple)) else [x]
    if len(flat) != len(names):
        raise InputError(
            f"`x` must hold one array for each of the model's inputs {list(names)}. Received: "
            f"{len(flat)}. Pass a list in this order, or a dict by these names."
        )
    for part in flat:
        check_no_loader(part, "x")
    return [as_numpy(a) for a in flat]


def flat_rows(model: Any, x: Any) -> list[np.ndarray]:
    """Given rows as one array an input, in the model's order.

    Raises:
        InputError: If they do not go with the model's inputs.
    """
    names = input_names(model)
    arrays = flat_inputs(x, names)
    for name, array, symbolic in zip(names, arrays, model.inputs, strict=True):
        shape = symbolic.shape
        fits = array.ndim == len(shape) and all(
            size is None or size == given
            for size, given in zip(shape[1:], array.shape[1:], strict=True)
        )
        if not fits or not len(array):
            raise InputError(
                f"`x` must be rows as the model's input {name!r} takes them, "
                f"{('rows', *shape[1:])}. Received: an array of shape {array.shape}."
            )
    if len({len(array) for array in arrays}) > 1:
        raise InputError(
            "`x` must have as many rows for each input. Received: "
            f"{[len(array) for array in arrays]}."
        )
    return arrays


def random_rows(
    model: Any, trace: Trace, given: list[np.ndarray] | None, seed: int
) -> list[np.ndarray]:
    """Rows of normal numbers, the first all zero and a quarter of them a hundred times as large.

    Where ids of words are expected they are any words; other whole numbers, and text, are drawn
    from those that are given, and 0 or 1 where none are.
    """
    draw = np.random.default_rng(seed)
    made = []
    for place, (tensor, symbolic) in enumerate(
        zip(trace.inputs.values(), model.inputs, strict=True)
    ):
        example = None if given is None else given[place]
        sizes = example.shape[1:] if example is not None else [None] * (len(tensor.shape) - 1)
        shape = [
            RANDOM,
            *(size or found or STEPS for size, found in zip(tensor.shape[1:], sizes, strict=True)),
        ]
        words = _words(trace, tensor)
        if symbolic.dtype == "string" and example is None:
            made.append(draw.integers(0, 2, shape).astype(str).astype(object))
        elif words is not None and symbolic.dtype != "string":
            made.append(draw.integers(0, words, shape).astype(symbolic.dtype))
        elif "float" in symbolic.dtype:
            rows = draw.normal(size=shape)
            rows[0] = 0
            rows[-RANDOM // 4 :] *= 100
            made.append(rows.astype(symbolic.dtype))
        elif example is not None:
            made.append(draw.choice(example.reshape(-1), shape))
        else:
            made.append(draw.integers(0, 2, shape).astype(symbolic.dtype))
    return made


def _words(trace: Trace, tensor: Tensor) -> int | None:
    """How many words there are where a tensor holds ids, also after they were moved."""
    ids, words = {tensor}, []
    for call in trace.calls:
        if ids.isdisjoint(call.reads):
            continue
        if isinstance(call.operation, keras.layers.Embedding):
            words.append(call.operation.input_dim)
        elif not getattr(call.operation, "weights", ()):
            ids.update(call.makes)
    return min(words) if words else None


def joined(given: list[np.ndarray] | None, random: list[np.ndarray]) -> list[np.ndarray]:
    """Given rows and random ones, one array an input."""
    if given is None:
        return random
    return [np.concatenate([a, b.astype(a.dtype)]) for a, b in zip(given, random, strict=True)]
