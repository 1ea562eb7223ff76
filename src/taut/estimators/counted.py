"""What each row of a fit counts: the product of its own weight and that of its class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils.validation import _check_sample_weight

from taut.errors import InputError


def row_weights(sample_weight: Any, x: Any) -> np.ndarray:
    """[rows] float64, numbers >= 0 that are not all 0; 1 unless given.

    Raises:
        ValueError: scikit-learn's, for another shape or numbers that are not finite.
        InputError: If some are negative, or all are zero.
    """
    weight = _check_sample_weight(sample_weight, x, dtype=np.float64)
    if (weight < 0).any() or not weight.any():
        raise InputError(
            "`sample_weight` must be numbers >= 0, not all of them zero. Received: weights from "
            f"{weight.min():g} to {weight.max():g}."
        )
    return weight


def class_weights(class_weight: Any, classes: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """[classes] the weight of each class.

    Args:
        class_weight: A mapping from labels to weights, 1 for those left out; "balanced",
            W/(K·W_k) for the weight W_k of all rows of class k; or None.
        classes: [classes] their labels.
        totals: [classes] the W_k.

    Raises:
        InputError: For another word, a label that is no class, or weights that cannot be.
    """
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, str) and class_weight == "balanced":
        return totals.sum() / (len(classes) * totals)
    if not isinstance(class_weight, Mapping):
        raise InputError(
            '`class_weight` must be a mapping from labels to weights, "balanced" or None. '
            f"Received: class_weight={class_weight!r}."
        )
    known = dict(zip(classes.tolist(), range(len(classes)), strict=True))
    weights = np.ones(len(classes))
    for label, weight in class_weight.items():
        label = label.item() if hasattr(label, "item") else label
        if label not in known:
            raise InputError(
                "`class_weight` must name classes of `y`. Received: "
                f"{label!r}; the classes are {list(known)[:10]}."
            )
        weights[known[label]] = weight
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise InputError(
            "`class_weight` must hold finite numbers >= 0, not all of them zero. Received: "
            f"class_weight={class_weight!r}."
        )
    return weights


def check_two_classes(classes: np.ndarray) -> None:
    """Raise unless there are two classes among the rows that count.

    Args:
        classes: [classes] their labels, one at least.
    """
    if len(classes) < 2:
        only = classes[0].item() if isinstance(classes[0], np.generic) else classes[0]
        raise InputError(
            "`y` must hold at least two classes in rows of a weight above 0. Received: one class, "
            f"{only!r}."
        )
