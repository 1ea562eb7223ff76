"""What each row of a fit counts: the product of its own weight and that of its class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.utils.validation import _check_sample_weight

from taut.checks import is_number
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
    no_weights = InputError(
        "`class_weight` must hold finite numbers >= 0, not all of them zero. Received: "
        f"class_weight={class_weight!r}."
    )
    if not all(is_number(weight) for weight in class_weight.values()):
        raise no_weights
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
        raise no_weights
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


def check_labels(y: Any) -> None:
    """Raise if a row has no label, or labels are of kinds that cannot be put in an order.

    What holds numbers alone is left to scikit-learn, which says it as all of its estimators do.

    Args:
        y: Labels [rows], or [rows, labels], or None.
    """
    if y is None or issparse(y) or getattr(getattr(y, "dtype", None), "kind", "O") in "biufcM":
        return
    labels = y if isinstance(y, (pd.Series, pd.DataFrame)) else _objects(y)
    without = np.asarray(pd.isna(labels)).reshape(len(labels), -1).any(axis=1)
    if without.any():
        raise InputError(
            "`y` must have a label in every row. Received: none (None, NaN or NA) in "
            f"{without.sum()} of {len(labels)} rows, first in row {without.argmax()}. Leave "
            "these rows out."
        )
    distinct = pd.unique(_objects(labels).ravel())
    try:
        sorted(distinct)
    except TypeError as error:
        kinds = sorted({type(label).__name__ for label in distinct})
        raise InputError(
            "`y` must hold labels of one kind, text or numbers. Received: "
            f"{', '.join(kinds)}. Make text of them, as by `y.astype(str)`."
        ) from error


def _objects(y: Any) -> np.ndarray:
    """Labels as they are; of a list NumPy would make text of what stands beside text."""
    return np.asarray(y, dtype=object)
