"""The compiled loss, with weights of rows and without the rows that only fill a batch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from taut._keras.compiled_model import (
    build_loss,
    call_losses,
    compiled_loss,
    loss_name,
    reduce_weighted_values,
)
from taut._keras.model_calls import keras_mask, mode, symbolic_call
from taut._keras.model_graphs import input_structure
from taut.errors import InputError, UnsupportedError


@dataclass(frozen=True)
class LossPart:
    """One of the losses of `compile`, as Keras calls it.

    Attributes:
        name: Its name, behind that of its output.
        reduction: Keras's word for how its values become one number.
        shape: Of its values for `rows` rows.
        rows: The rows that it was asked about.
        leaves: The numbers of the leaves of `y` that it reads.
        masked: Whether a mask takes part: of the output, or of the values.
        own_call: Whether its class reduces the values itself, in a `__call__` of its own.
        labels: The number of classes that targets may name; "shares" for targets from 0 to 1;
            None where targets are not known to be labels.
    """

    name: str
    reduction: Any
    shape: tuple[int, ...]
    rows: int
    leaves: tuple[int, ...]
    masked: bool
    own_call: bool
    labels: int | str | None = None

    @property
    def by_row(self) -> bool:
        """Whether there is a value for each row (or its steps, or its pixels)."""
        return self.shape[:1] == (self.rows,)

    @property
    def mean(self) -> bool:
        """Whether it is the mean of its values, of those that the mask leaves."""
        return self.reduction in ("sum_over_batch_size", "mean") and not self.own_call


def loss_parts(model: Any, x: Any, y: Any) -> list[LossPart]:
    """What each compiled loss of a built model makes of data like these; nothing is computed.

    Args:
        model: Compiled and built.
        x: Inputs, an array [rows, …] or a tree of these.
        y: Targets of the outputs that have a loss, likewise.

    Raises:
        InputError: If the model does not take rows like `x`, its losses none like `y`, or these
            have not the same rows.
    """
    shapes = [[tuple(np.shape(leaf)) for leaf in keras.tree.flatten(part)] for part in (x, y)]
    taken = getattr(model, "inputs", None)
    if taken and isinstance(x, list) and len(shapes[0]) > len(taken) == 1:
        row = taken[0].shape[1:]
        if all(len(shape) == len(row) for shape in shapes[0]):
            raise InputError(
                f"`x` must be one array, {_shapes([taken[0].shape])}. Received: a list of "
                f"{len(x)} rows. Pass `np.stack(x)`."
            )
    if len({shape[:1] for of_part in shapes for shape in of_part}) > 1:
        raise InputError(
            "`x` and `y` must have the same rows. Received: `x` of shape "
            f"{', '.join(map(str, shapes[0]))}, `y` of {', '.join(map(str, shapes[1]))}."
        )
    if not shapes[0] or not all(shapes[0][0]):
        raise InputError(f"`x` must hold at least one row. Received: shapes {shapes[0]}.")
    if taken and isinstance(x, (list, tuple)) and len(shapes[0]) != len(taken):
        # Keras would go on without what is too much, and warn.
        raise InputError(_unlike(model, x, y))
    named = input_structure(model) if taken and isinstance(x, Mapping) else None
    if isinstance(named, Mapping) and set(named) != set(x):
        # Keras would warn, and read them in the order of their names, whichever they are.
        raise InputError(
            f"`x` must hold the inputs of the model {model.name!r} by their names, "
            f"{', '.join(map(repr, sorted(named)))}. Received: "
            f"{', '.join(map(repr, sorted(x, key=str)))}."
        )
    try:
        return _loss_parts(model, x, y)
    except (InputError, UnsupportedError):
        raise
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(_unlike(model, x, y) or _misfit(model, x, y, error)) from error


def _unlike(model: Any, x: Any, y: Any) -> str | None:
    """What is wrong with the shapes of data that a model failed on; None where that is not it."""
    taken = [tuple(t.shape) for t in keras.tree.flatten(getattr(model, "inputs", None) or ())]
    given = [tuple(np.shape(leaf)) for leaf in keras.tree.flatten(x)]
    if taken and not _alike(taken, given):
        return (
            f"`x` must be rows as the model {model.name!r} takes them, {_shapes(taken)}. "
            f"Received: {_shapes(given)}."
        )
    made = [tuple(t.shape) for t in keras.tree.flatten(getattr(model, "outputs", None) or ())]
    targets = [tuple(np.shape(leaf)) for leaf in keras.tree.flatten(y)]
    labels = [shape[:-1] for shape in made]  # one less axis: classes, or the only output
    if made and not _alike(made, targets) and not _alike(labels, targets):
        return (
            f"`y` must be targets for the outputs of the model {model.name!r}, {_shapes(made)}, as "
            f"its loss takes them. Received: {_shapes(targets)}."
        )
    return None


def _misfit(model: Any, x: Any, y: Any, error: Exception) -> str:
    said = " ".join(str(error.args[0] if error.args else error).split())
    said = said.replace(str(_SYMBOLIC_ROWS), "rows")
    if (wrong := _wrong_classes(model, y)) is not None:
        return wrong
    return (
        f"The model {model.name!r} must take `x`, and its loss `y`: arrays, or trees of these by "
        f"the names of its inputs and outputs. Received: `x` of {outline(x)}, `y` of {outline(y)}: "
        f"{re.sub(chr(27) + '.[0-9]*m', '', said):.200}"
    )


def _wrong_classes(model: Any, y: Any) -> str | None:
    """That classes are numbers where the loss takes a column for each, or the other way round."""
    name, outputs = loss_name(model), getattr(model, "outputs", None) or ()
    if "categorical_crossentropy" not in name.replace("categoricalcross", "categorical_cross"):
        return None
    if len(outputs) != 1 or len(keras.tree.flatten(y)) != 1:
        return None
    sparse, made = "sparse" in name, tuple(outputs[0].shape)
    numbers = len(np.shape(keras.tree.flatten(y)[0])) < len(made)
    if sparse == numbers:
        return None
    if sparse:
        return (
            f"The loss {name!r} takes numbers of classes. Received: `y` with {made[-1]} columns, "
            "one for each class. Pass `y.argmax(axis=-1)`, or compile with "
            '"categorical_crossentropy".'
        )
    return (
        f"The loss {name!r} takes a column for each of the {made[-1]} classes. Received: `y` with "
        'numbers of classes. Compile with "sparse_categorical_crossentropy", or pass '
        "`keras.utils.to_categorical(y)`."
    )


def outline(data: Any) -> str:
    """What a tree of arrays is made of, in a few words."""
    if isinstance(data, Mapping):
        return "{" + ", ".join(map(repr, data)) + "}"
    return f"a list of {len(data)}" if isinstance(data, (list, tuple)) else "one array"


def _alike(shapes: list[tuple[Any, ...]], given: list[tuple[int, ...]]) -> bool:
    """Whether arrays are as many as these, and of these sizes but for the number of rows."""
    return len(shapes) == len(given) and all(
        len(shape) == len(one)
        and all(size in (None, have) for size, have in zip(shape[1:], one[1:], strict=True))
        for shape, one in zip(shapes, given, strict=True)
    )


def _shapes(shapes: list[tuple[Any, ...]]) -> str:
    sizes = (", ".join(["rows", *("any" if n is None else str(n) for n in s[1:])]) for s in shapes)
    return ", ".join(f"[{of_one}]" for of_one in sizes) or "nothing"


def _loss_parts(model: Any, x: Any, y: Any) -> list[LossPart]:
    build_loss(model, x, y)
    fixed = [t.shape[0] for t in getattr(model, "inputs", None) or () if t.shape[0]]
    rows = fixed[0] if fixed else _SYMBOLIC_ROWS
    parts: list[LossPart] = []

    def record(x: Any, y: Any) -> Any:
        parts.clear()
        numbers = {id(leaf): k for k, leaf in enumerate(keras.tree.flatten(y))}

        def record_part(part: Any, y_true: Any, y_pred: Any) -> Any:
            loss = part.loss
            _check_columns(loss, y_true, y_pred)
            own_call = type(loss).__call__ is not _CALL
            values, mask = (
                (loss(y_true, y_pred), None) if own_call else loss_values(loss, y_true, y_pred)
            )
            leaves = tuple(numbers[id(leaf)] for leaf in keras.tree.flatten(y_true))
            name = part.name or getattr(loss, "name", repr(loss))
            shape = tuple(values.shape)
            labels = _labels(loss, y_pred)
            parts.append(
                LossPart(
                    name, loss.reduction, shape, rows, leaves, mask is not None, own_call, labels
                )
            )
            return ops.sum(values)

        prediction = model(x, **mode(model, training=False))
        return call_losses(model, record_part, y, prediction)

    def symbol(a: Any) -> Any:
        # As wide as a backend has them by default.
        kind = keras.backend.standardize_dtype(a.dtype)
        narrow = {"float64": keras.config.floatx(), "int64": "int32", "uint64": "uint32"}
        return keras.KerasTensor((rows, *a.shape[1:]), narrow.get(kind, kind))

    symbolic_call(record, *keras.tree.map_structure(symbol, (x, y)))
    return parts


def _check_columns(loss: Any, y_true: Any, y_pred: Any) -> None:
    """Raise where Keras would repeat an output for each of several targets."""
    ranks = {len(getattr(a, "shape", ())) for a in (y_true, y_pred)}
    if getattr(loss, "fn", None) not in _BY_PAIRS or len(ranks) > 1 or min(ranks) < 2:
        return
    if y_pred.shape[-1] == 1 and y_true.shape[-1] not in (None, 1):
        raise ValueError(f"one output and {y_true.shape[-1]} targets, of which it takes one")


def _labels(loss: Any, y_pred: Any) -> int | str | None:
    function = getattr(loss, "fn", None)
    if function is keras.losses.binary_crossentropy:
        return "shares"
    options = getattr(loss, "_fn_kwargs", {})
    if function is not keras.losses.sparse_categorical_crossentropy or options.get("ignore_class"):
        return None
    return int(y_pred.shape[options.get("axis", -1)])


_BY_PAIRS = (
    keras.losses.mean_squared_error,
    keras.losses.mean_absolute_error,
    keras.losses.mean_absolute_percentage_error,
    keras.losses.mean_squared_logarithmic_error,
    keras.losses.huber,
    keras.losses.log_cosh,
    keras.losses.poisson,
    keras.losses.binary_crossentropy,
    keras.losses.binary_focal_crossentropy,
    keras.losses.hinge,
    keras.losses.squared_hinge,
)
"""Losses of a target and an output at a time."""
_CALL = keras.losses.Loss.__call__
_SYMBOLIC_ROWS = 1009
"""A number that no other axis has, so that the axis of rows is known by it."""


def data_loss_value(
    model: Any,
    y: Any,
    prediction: Any,
    sample_weight: Any = None,
    *,
    present: Any = None,
    across: Any = None,
) -> Any:
    """The compiled loss alone: no penalty, no losses that layers add.

    Keras lays weights [rows] along the last axis of losses by step, [rows, steps]; here a weight
    is its row's. What is not `present` is to a loss what a masked step is: it is not there.

    Args:
        model: Compiled.
        y: Targets, or a tree of these by output.
        prediction: What the model returned.
        sample_weight: [rows, …], or a tree with one for each leaf of `y`.
        present: [rows] of bool, whether a row is one of the data's; all of them unless given.
        across: Averages a number over the devices that share the batch.

    Raises:
        UnsupportedError: If the weights do not fit the values of a loss.
    """
    weights = keras.tree.flatten(sample_weight)
    if present is None and all(weight is None for weight in weights):
        return compiled_loss(model)(y, prediction)
    leaves = keras.tree.flatten(y)
    weights = weights * len(leaves) if len(weights) == 1 else weights
    of_leaf = {id(leaf): weight for leaf, weight in zip(leaves, weights, strict=True)}

    def loss_of(part: Any, y_true: Any, y_pred: Any) -> Any:
        target_weights = [of_leaf[id(leaf)] for leaf in keras.tree.flatten(y_true)]
        alike = all(weight is target_weights[0] for weight in target_weights)
        if not alike or type(part.loss).__call__ is not _CALL:
            raise UnsupportedError(
                "A loss's weights must be those of one target, and its `__call__` Keras's own. "
                f"Received: the loss {part.name or part.loss!r}. Give one weight a row for all "
                "outputs, or one loss for each output, and write the loss in `call`."
            )
        return _reduced(part, y_true, y_pred, target_weights[0], present, across)

    return call_losses(model, loss_of, y, prediction)


def loss_values(loss: Any, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """The values of a loss before they become one number, and the mask of them or None."""
    masks = [keras_mask(y_pred)] if ops.is_tensor(y_pred) else []
    y_true, y_pred = keras.tree.map_structure(
        lambda a: ops.convert_to_tensor(a, dtype=loss.dtype), (y_true, y_pred)
    )
    values = loss.call(y_true, y_pred)
    masks = [m for m in (*masks, keras_mask(values)) if m is not None]
    masks = [ops.cast(mask, "bool") for mask in masks]
    return values, ops.logical_and(*masks) if len(masks) == 2 else (masks or [None])[0]


def _reduced(part: Any, y_true: Any, y_pred: Any, weight: Any, present: Any, across: Any) -> Any:
    loss = part.loss
    values, mask = loss_values(loss, y_true, y_pred)
    values = ops.convert_to_tensor(values, dtype=loss.dtype)
    share = 1.0
    if present is not None:
        here = _like(present, values, part)
        mask = here if mask is None else ops.logical_and(mask, here)
        if across is not None:
            valid = ops.sum(ops.cast(mask, loss.dtype))
            share = valid / ops.maximum(across(valid), 1e-30)
    if weight is not None:
        weight = ops.cast(_like(weight, values, part), loss.dtype)
        if loss.reduction == "mean_with_sample_weight":
            weight = ops.broadcast_to(weight, ops.shape(values))
        else:
            values, weight = values * weight, None
    value = reduce_weighted_values(values, weight, mask, loss.reduction, loss.dtype)
    return value * share


def _like(weight: Any, values: Any, part: Any) -> Any:
    """Weights [rows] or [rows, steps] with the rank of values [rows, steps, …]."""
    rank, given = len(values.shape), tuple(weight.shape)
    steps = (*tuple(values.shape)[1:], *[1] * len(given))
    if rank == 0 or any(a not in (1, b) for a, b in zip(given[1:], steps, strict=False)):
        raise UnsupportedError(
            "Weights must be one for each row, or have the shape of the loss's values. Received: "
            f"weights {given} for values {tuple(values.shape)} of the loss "
            f"{part.name or part.loss!r}."
        )
    for _ in range(rank - len(given)):
        weight = ops.expand_dims(weight, -1)
    for _ in range(len(given) - rank):
        weight = ops.squeeze(weight, -1)
    return weight
