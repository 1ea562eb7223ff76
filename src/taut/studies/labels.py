"""Classes by their labels: as numbers for the loss, and as they were for who reads the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from taut._keras.compiled_model import loss_name, loss_of_classes
from taut._weights import ClassWeight, not_classes, weights_by_label
from taut.errors import InputError


@dataclass(frozen=True)
class Labelled:
    """Targets as the loss takes them.

    Attributes:
        y: Numbers of classes, [rows]; shares of classes, [rows, classes], for a loss on these.
        classes: [classes] the label of each number.
    """

    y: np.ndarray
    classes: np.ndarray

    def class_weight(self, given: ClassWeight) -> ClassWeight:
        """Weights by label as weights by number; others as they are.

        Raises:
            InputError: For a label that no row has.
        """
        if given is None or isinstance(given, str):
            return given
        weights = weights_by_label(given)
        number = {label: k for k, label in enumerate(self.classes.tolist())}
        numbered = range(len(number))
        if unknown := [label for label in weights if label not in number and label not in numbered]:
            raise not_classes(unknown, self.classes)
        return {number.get(label, label): weight for label, weight in weights.items()}


def labelled(model: Any, y: Any) -> Labelled | None:
    """The classes of targets that are text; None for targets that are not.

    Args:
        model: Compiled.
        y: Targets as the user gives them.

    Raises:
        InputError: For text that the loss has no use for, missing labels, or labels of more classes
            than the loss can tell apart.
    """
    parts = y if isinstance(y, (list, tuple)) else []
    if isinstance(y, Mapping) or any(np.ndim(part) or isinstance(part, Mapping) for part in parts):
        return None  # several outputs
    array = np.asarray(y)
    if array.dtype.kind not in "OSU" or array.size == 0 or loss_of_classes(model) is not True:
        return None
    flat = array.reshape(-1)
    if array.ndim > 2 or flat.size != len(array) or not _text(flat[0]):
        return None  # what it is, the check of numbers says
    wrong = [k for k, label in enumerate(flat) if not _text(label)]
    if wrong:
        raise InputError(
            "Labels must be text in every row. Received: "
            f"{flat[wrong[0]]!r} in row {wrong[0]}, of {len(wrong)} that are not text. Leave rows "
            "without a label out."
        )
    classes, codes = np.unique(flat.astype(str), return_inverse=True)
    name = loss_name(model)
    if "categorical" in name and "sparse" not in name:
        return Labelled(np.eye(len(classes), dtype="float32")[codes], classes)
    if "sparse" not in name and len(classes) > 2:
        raise InputError(
            f"The loss {name!r} tells two classes apart. Received: {len(classes)} labels, "
            f"{', '.join(map(repr, classes[:5].tolist()))}{', …' if len(classes) > 5 else ''}. Use "
            f"`sparse_categorical_crossentropy` and {len(classes)} outputs."
        )
    return Labelled(codes.astype("int32" if "sparse" in name else "float32"), classes)


def _text(label: Any) -> bool:
    return isinstance(label, str)
