"""Inputs and targets as arrays of numbers, checked before any work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from taut._keras.model_calls import mode
from taut._losses import LossPart
from taut.checks import names_given
from taut.errors import InputError


def as_arrays(data: Any, name: str) -> Any:
    """The arrays of a tree; a list of numbers, or of lists of these, is one array.

    Args:
        data: An array [rows, …] or a tree of these.
        name: What it is called in errors.

    Raises:
        InputError: For text, dates and objects: a network takes numbers.
    """
    try:
        data = whole_lists(data)
    except ValueError as error:
        raise InputError(
            f"`{name}` must be an array [rows, …], or a tree of these. Received: a list whose "
            f"items differ in length ({error}). Fill them up, as "
            "`keras.utils.pad_sequences` does, or cut them."
        ) from error

    def leaf_array(leaf: Any) -> np.ndarray:
        array = np.asarray(leaf)
        if array.dtype.kind in "OSUMmV":
            # As Python writes it: `np.str_('a')` is how NumPy writes the text.
            first = array.astype(object) if array.dtype.kind in "US" else array
            example = repr(first.reshape(-1)[0]) if array.size else array.dtype
            raise InputError(
                f"`{name}` must hold numbers. Received: values of type {array.dtype}, such as "
                f"{example}. Encode them: labels by `np.unique({name}, return_inverse=True)[1]`, "
                "tables by `taut.fit_table`."
            )
        return array

    return keras.tree.map_structure(leaf_array, data)


def whole_lists(data: Any) -> Any:
    """The same tree, where a list of numbers, or of lists of these, is one array."""
    if isinstance(data, Mapping):
        return {name: whole_lists(part) for name, part in data.items()}
    if isinstance(data, (list, tuple)) and not any(map(_is_part, data)):
        return np.asarray(data)
    return data


def _is_part(item: Any) -> bool:
    """Whether an item of a list is an input of its own: an array, or a tree of these."""
    if hasattr(item, "shape") and hasattr(item, "dtype"):
        return len(item.shape) > 0
    return isinstance(item, dict) or item is None or hasattr(item, "columns")


def input_names(names: Any, count: int) -> tuple[str, ...]:
    """Names of inputs: "input 0", … unless given.

    Raises:
        InputError: If there are more or fewer names than inputs.
    """
    if names is None:
        return tuple(f"input {i}" for i in range(count))
    given = names_given(names=names)
    if len(given) != count:
        raise InputError(
            f"`names` must be one name for each of the {count} inputs. Received: "
            f"{len(given)} names."
        )
    return given


def check_inputs(model: Any, x: Any) -> None:
    """Raise for inputs that are not finite, unless the model makes finite numbers of them."""
    leaves = keras.tree.flatten(x)
    wrong = np.zeros(len(leaves[0]), bool)
    for leaf in leaves:
        if leaf.dtype.kind == "f":
            wrong |= ~np.isfinite(leaf.reshape(len(leaf), -1)).all(axis=1)
    rows = np.flatnonzero(wrong)
    if not len(rows):
        return
    sample = keras.tree.map_structure(lambda a: a[rows[:256]], x)
    made = keras.tree.flatten(model(sample, **mode(model, training=False)))
    if not all(np.isfinite(keras.ops.convert_to_numpy(output)).all() for output in made):
        raise InputError(
            "`x` must be finite numbers, where the model makes NaN of others. Received: NaN or "
            f"infinite values in {len(rows)} of {len(wrong)} rows, first in row {rows[0]}. Fill "
            "them, leave these rows out, or begin the model with `taut.layers.Standardize()`."
        )


def check_targets(parts: Sequence[LossPart], leaves: Sequence[np.ndarray], weight: Any) -> None:
    """Raise for targets that their loss cannot be asked about.

    Where a mask takes part, or a weight is 0, a target may be anything: it is not looked at.

    Args:
        parts: The losses, as `loss_parts` has them.
        leaves: The targets.
        weight: A weight of each row or step, or None.

    Raises:
        InputError: For targets that are not finite, and for labels that are not among the classes.
    """
    if weight is not None or any(part.masked for part in parts):
        return
    read = {number for part in parts for number in part.leaves}
    for number in sorted(read):
        leaf = np.asarray(leaves[number])
        wrong = ~np.isfinite(leaf) if leaf.dtype.kind == "f" else np.zeros(leaf.shape, bool)
        if wrong.any():
            rows = np.unique(np.nonzero(wrong)[0])
            raise InputError(
                "`y` must be finite numbers. Received: NaN or infinite values in "
                f"{len(rows)} of {len(leaf)} rows, first in row {rows[0]}. Leave these rows out."
            )
    for part in parts:
        allowed = part.labels
        if allowed is None or len(part.leaves) != 1:
            continue
        leaf = np.asarray(leaves[part.leaves[0]])
        least, most = float(leaf.min(initial=0)), float(leaf.max(initial=0))
        if isinstance(allowed, str):  # shares
            if least < 0 or most > 1:
                raise InputError(
                    f"The targets of the loss {part.name!r} must be from 0 to 1. Received: from "
                    f"{least:g} to {most:g}. For classes 0 to K − 1 use "
                    "`sparse_categorical_crossentropy` and K outputs."
                )
        elif least < 0 or most >= allowed or np.any(leaf != np.floor(leaf)):
            raise InputError(
                f"The labels of the loss {part.name!r} must be whole numbers from 0 to "
                f"{allowed - 1}: the model has {allowed} outputs. Received: labels from {least:g} "
                f"to {most:g}. Number the classes from 0, or give the last layer more units."
            )
