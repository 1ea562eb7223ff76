"""Inputs and targets as arrays of numbers, checked before any work."""

from __future__ import annotations

import array
import decimal
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from taut._keras.model_calls import mode
from taut._losses import LossPart
from taut.checks import check_same_order, names_given
from taut.errors import InputError


def check_rows_given(x: Any, y: Any, **others: Any) -> None:
    """Raise unless inputs and targets are given, and neither is a loader of batches.

    Args:
        x: Inputs.
        y: Targets.
        others: What else is given by row, by name.

    Raises:
        InputError: For one that is missing or a loader, or for rows in another order.
    """
    check_no_loader(x, "x")
    if y is None:
        raise InputError(
            "`y` must be given with arrays: the targets of the rows of `x`. Received: y=None."
        )
    check_no_loader(y, "y")
    check_same_order(x=x, y=y, **others)


def check_no_loader(data: Any, name: str) -> None:
    """Raise for what yields its rows in parts, such as a data loader, and sparse or masked arrays.

    Raises:
        InputError: If `data` is one.
    """
    if hasattr(data, "toarray"):
        raise InputError(
            f"`{name}` must be an array [rows, …], or a tree of these. Received: a sparse "
            f"{type(data).__name__}. Write `{name}.toarray()`, or use `taut.sklearn`, which takes "
            "it as it is."
        )
    if np.ma.is_masked(data):
        raise InputError(
            f"`{name}` must hold a number everywhere. Received: a masked array, which hides some. "
            f"Fill them, `{name}.filled(0.0)` say, or leave these rows out."
        )
    batches = isinstance(data, keras.utils.PyDataset) or (
        hasattr(data, "__iter__")
        and not hasattr(data, "__array__")
        and not isinstance(data, (Mapping, Sequence, memoryview, array.array))
    )
    if batches or (hasattr(data, "parts") and hasattr(data, "pieces")):
        raise InputError(
            f"`{name}` must be an array [rows, …], or a tree of these: all rows are needed at "
            f"once. Received: a {type(data).__name__}, which yields them one part after the other. "
            "Join what it yields. Rows beyond memory are read by `taut.regularization_path` and "
            "`taut.train_lanes`, from a `keras.utils.PyDataset` or `taut.engine.ParquetRows`."
        )


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
        check_no_loader(leaf, name)
        values = _numbers(as_numpy(leaf))
        if values.dtype.kind in "OSUMmVc":
            # As Python writes it: `np.str_('a')` is how NumPy writes the text.
            first = values.astype(object) if values.dtype.kind in "USc" else values
            example = repr(first.reshape(-1)[0]) if values.size else values.dtype
            raise InputError(
                f"`{name}` must hold numbers. Received: values of type {values.dtype}, such as "
                f"{example}. Encode them: labels by `np.unique({name}, return_inverse=True)[1]`, "
                "tables by `taut.fit_table`."
            )
        return values

    return keras.tree.map_structure(leaf_array, data)


def _numbers(values: np.ndarray) -> np.ndarray:
    """Objects that are numbers or missing as floats: so a frame gives columns of several types."""
    if values.dtype.kind != "O":
        return values
    import pandas as pd

    missing = np.reshape([value is None or value is pd.NA for value in values.flat], values.shape)
    real = (numbers.Real, np.bool_, decimal.Decimal)
    if not all(isinstance(value, real) for value in values[~missing]):
        return values
    return np.where(missing, np.nan, values).astype(np.float64)


def as_numpy(array: Any) -> np.ndarray:
    """An array of any kind as NumPy's: also a tensor of torch with a gradient, or on a GPU."""
    if keras.ops.is_tensor(array) or isinstance(array, keras.Variable):
        return keras.ops.convert_to_numpy(array)
    return np.asarray(array.detach().cpu() if hasattr(type(array), "detach") else array)


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


def group_labels(groups: Any, rows: int | None = None, *, name: str = "groups") -> np.ndarray:
    """[rows] labels of groups, all of one kind: text where they are of several.

    Of a list NumPy would make text of all, so that a missing label is the group "nan".

    Args:
        groups: One label a row, also a column [rows, 1].
        rows: How many rows there are, where that is known.
        name: What it is called in errors.

    Raises:
        InputError: If there is not one label a row; if one is missing, since what is not known is
            neither the same group nor another; and for labels that are one as text, 1 and "1".
    """
    import pandas as pd

    labels = np.asarray(groups, None if hasattr(groups, "dtype") else object)
    labels = column(labels)
    if labels.ndim != 1 or (rows is not None and len(labels) != rows):
        raise InputError(one_a_row(name, "label", labels.shape, rows))
    missing = np.flatnonzero(pd.isna(labels))
    if len(missing):
        raise InputError(no_group(f", first in row {missing[0]}", name=name))
    if labels.dtype != object:
        return labels
    listed = labels.tolist()
    if len({str if isinstance(label, str) else complex for label in listed}) == 1:
        return np.asarray(listed)
    as_text = labels.astype(str)
    if len(set(as_text.tolist())) < len(set(listed)):
        raise InputError(
            f"`{name}` must be all text or all numbers. Received: labels that are one as text, "
            "such as 1 and '1'. Convert them."
        )
    return as_text


def column(values: Any) -> Any:
    """[rows] of a column [rows, 1], such as a data frame of one; other arrays as they are."""
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def one_a_row(
    name: str, what: str, shape: tuple[int, ...], rows: int | None = None, *, also: str = ""
) -> str:
    """The error for what is given by row, labels of groups or weights, in another shape.

    Args:
        name: What it is called.
        what: What it is of: "label".
        shape: Of what was given.
        rows: How many rows there are, where that is known.
        also: What else it may be.
    """
    of_rows = "a row" if rows is None else f"for each of the {rows} rows"
    return f"`{name}` must be one {what} {of_rows}{also}. Received: shape {tuple(shape)}."


def no_group(where: str = "", *, name: str = "groups") -> str:
    """The error for a row whose group is missing."""
    return (
        f"`{name}` must have a value in every row. Received: missing values{where}. Give each such "
        "row a label of its own, if it is in no group, or leave it out."
    )


def check_inputs(model: Any, x: Any) -> None:
    """Raise for inputs that are not finite, unless the model makes finite numbers of them."""
    leaves, most = keras.tree.flatten(x), np.finfo(keras.config.floatx()).max
    wrong = np.zeros(len(leaves[0]), bool)
    for leaf in leaves:
        if leaf.dtype.kind == "f":
            rows_of = leaf.reshape(len(leaf), -1)
            wrong |= ~((rows_of >= -most) & (rows_of <= most)).all(axis=1)
    rows = np.flatnonzero(wrong)
    if not len(rows):
        return
    sample = keras.tree.map_structure(lambda a: _as_float(a[rows[:256]]), x)
    made = keras.tree.flatten(model(sample, **mode(model, training=False)))
    if not all(np.isfinite(keras.ops.convert_to_numpy(output)).all() for output in made):
        raise InputError(
            "`x` must be finite numbers, where the model makes NaN of others. Received: NaN, "
            f"infinite values or such beyond {most:.2g} in {len(rows)} of {len(wrong)} rows, first "
            f"in row {rows[0]}. Fill them, leave these rows out, or begin the model with "
            "`taut.layers.Standardize()`."
        )


def _as_float(values: np.ndarray) -> np.ndarray:
    """Floats as the model takes them; others as they are."""
    with np.errstate(over="ignore"):
        return values.astype(keras.config.floatx()) if values.dtype.kind == "f" else values


def readable_targets(parts: Sequence[LossPart], y: Any, weights: Any) -> Any:
    """Targets that their losses can be asked about, with 0 for those that do not count.

    Where a weight is 0 a target may be anything. Some backends raise for a label that is no class,
    and 0 times NaN is NaN, so that there it is replaced. Where a mask takes part, which targets
    count is not known, and all are taken as they are.

    Args:
        parts: The losses, as `loss_parts` has them.
        y: Targets, an array [rows, …] or a tree of these.
        weights: A weight of each row or step for all of them, a tree of these, or None.

    Raises:
        InputError: For targets that count and are not finite, or not among the classes.
    """
    if any(part.masked for part in parts):
        return y
    leaves = [np.asarray(leaf) for leaf in keras.tree.flatten(y)]
    given = keras.tree.flatten(weights)
    given = given * len(leaves) if len(given) == 1 else given
    for number in sorted({number for part in parts for number in part.leaves}):
        leaf = leaves[number]
        wrong = ~np.isfinite(leaf) if leaf.dtype.kind == "f" else np.zeros(leaf.shape, bool)
        leaf, wrong = _without_idle(leaf, wrong, given[number])
        if wrong.any():
            rows = np.unique(np.nonzero(wrong)[0])
            raise InputError(
                "`y` must be finite numbers. Received: NaN or infinite values in "
                f"{len(rows)} of {len(leaf)} rows, first in row {rows[0]}. Leave these rows out."
            )
        leaves[number] = leaf
    for part in parts:
        if part.labels is not None and len(part.leaves) == 1:
            (number,) = part.leaves
            leaf = leaves[number]
            leaf, wrong = _without_idle(leaf, _no_label(leaf, part.labels), given[number])
            if wrong.any():
                raise InputError(_no_labels(leaf, part))
            leaves[number] = leaf
    return keras.tree.pack_sequence_as(y, leaves)


def _without_idle(
    leaf: np.ndarray, wrong: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Targets with 0 in the place of wrong ones whose weight is 0, and which are still wrong."""
    if weight is None or not wrong.any():
        return leaf, wrong
    idle = weight == 0
    while idle.ndim > leaf.ndim:
        idle = idle[..., 0]
    idle = np.broadcast_to(idle.reshape(*idle.shape, *[1] * (leaf.ndim - idle.ndim)), leaf.shape)
    return np.where(wrong & idle, np.zeros((), leaf.dtype), leaf), wrong & ~idle


def _no_label(leaf: np.ndarray, allowed: int | str) -> np.ndarray:
    """[rows, …] which targets are no label."""
    if isinstance(allowed, str):  # shares
        return (leaf < 0) | (leaf > 1)
    return (leaf < 0) | (leaf >= allowed) | (leaf != np.floor(leaf))


def _no_labels(leaf: np.ndarray, part: LossPart) -> str:
    allowed, least, most = part.labels, float(leaf.min()), float(leaf.max())
    if isinstance(allowed, str):
        return (
            f"The targets of the loss {part.name!r} must be from 0 to 1. Received: from "
            f"{least:g} to {most:g}. For classes 0 to K − 1 use "
            "`sparse_categorical_crossentropy` and K outputs."
        )
    assert allowed is not None
    return (
        f"The labels of the loss {part.name!r} must be whole numbers from 0 to "
        f"{allowed - 1}: the model has {allowed} outputs. Received: labels from {least:g} "
        f"to {most:g}. Number the classes from 0, or give the last layer more units."
    )
