"""One target a row, a class or a number, and what a network's output says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from scipy.special import expit, softmax

from taut._keras.compiled_model import from_logits, loss_name, loss_of_classes
from taut.errors import InputError, UnsupportedError

LEAST_ROWS = 20
"""Rows that a study of noise, or of halves of the rows, needs at least."""


@dataclass(frozen=True)
class OneTarget:
    """A target of one column.

    Attributes:
        values: [rows] class numbers, or numbers.
        classes: How many classes the network tells apart; 0 for numbers.
    """

    values: np.ndarray
    classes: int


def check_rows(rows: int, study: str) -> None:
    """Raise for fewer rows than a study can say anything of."""
    if rows < LEAST_ROWS:
        raise InputError(
            f"`{study}` needs at least {LEAST_ROWS} rows. Received: {rows}. With so few, nothing "
            "can be told from chance."
        )


def one_target(model: Any, y: Any, study: str) -> OneTarget:
    """What the rows are to be: classes of a cross-entropy, or one number each.

    Args:
        model: Compiled and built.
        y: Checked targets, numbers.
        study: Its name, for errors.

    Raises:
        InputError: For several outputs, for shares in place of classes, for a single class, and
            for a target that is the same in all rows.
        UnsupportedError: For classes without probabilities, as hinge losses have them.
    """
    leaves = keras.tree.flatten(y)
    array = np.asarray(leaves[0])
    wide = array.ndim > 2 or (array.ndim == 2 and array.shape[1] > 1)
    of_classes, name = loss_of_classes(model), loss_name(model)
    one_hot = bool(of_classes) and "categorical" in name and "sparse" not in name
    if len(leaves) > 1 or (wide and not (one_hot and array.ndim == 2)):
        shapes = ", ".join(str(np.shape(leaf)) for leaf in leaves)
        raise InputError(
            f"`{study}` needs one target a row: a class, or a number. Received: targets of the "
            f"shapes {shapes}. Study one output at a time."
        )
    if of_classes and "crossentropy" not in name:
        raise UnsupportedError(
            f"`{study}` of classes needs their probabilities. Received: the loss {name!r}. Compile "
            "a copy of the model with a cross-entropy."
        )
    if one_hot:
        if not np.isin(array, (0, 1)).all() or not (array.sum(axis=1) == 1).all():
            raise InputError(
                f"`{study}` needs one class a row, 1 for it and 0 for the others. Received: shares "
                "of classes. Give the likeliest class of each row."
            )
        target = OneTarget(array.argmax(axis=1), array.shape[1])
    elif of_classes:
        values = array.reshape(-1)
        if "sparse" in name:
            target = OneTarget(values.astype(int), int(_outputs(model)))
        elif not np.isin(values, (0, 1)).all():
            raise InputError(
                f"`{study}` needs classes 0 and 1 with the loss {name!r}. Received: values between "
                "these. Give the likelier class of each row."
            )
        else:
            target = OneTarget(values.astype(int), 2)
    else:
        target = OneTarget(array.reshape(-1).astype(float), 0)
    if len(np.unique(target.values)) < 2:
        what = "class" if of_classes else "number"
        raise InputError(
            f"`{study}` needs targets that differ. Received: the one {what} "
            f"{target.values[0]:g} in all {len(array)} rows."
        )
    return target


def probabilities(model: Any, outputs: np.ndarray) -> np.ndarray:
    """[..., rows, classes] of what a network with a cross-entropy returns."""
    values = np.asarray(outputs, float)
    if "categorical" in loss_name(model):
        if from_logits(model):
            return softmax(values, axis=-1)
        return values / np.maximum(values.sum(axis=-1, keepdims=True), 1e-12)
    second = expit(values[..., 0]) if from_logits(model) else values[..., 0]
    return np.stack([1 - second, second], axis=-1)


def _outputs(model: Any) -> int:
    return keras.tree.flatten(model.outputs)[0].shape[-1]
