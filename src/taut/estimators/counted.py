"""What each row of a fit counts: the product of its own weight and that of its class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.utils.validation import _num_samples

from taut._weights import class_weights, weights_of_rows
from taut.checks import is_number
from taut.errors import InputError


def row_weights(sample_weight: Any, x: Any) -> np.ndarray:
    """[rows] float64, numbers >= 0 that are not all 0; 1 unless given.

    Raises:
        InputError: For another shape, and weights that are negative, not finite or all 0.
    """
    rows = _num_samples(x)
    if is_number(sample_weight):  # of all rows, as scikit-learn has it
        sample_weight = np.full(rows, float(sample_weight))
    return weights_of_rows(sample_weight, rows)


def labels_that_count(
    y: np.ndarray, weight: np.ndarray, class_weight: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The classes of rows of a weight above 0, that of each row, and what each row counts.

    Args:
        y: [rows] labels; what counts nothing may have one of its own.
        weight: [rows] numbers >= 0.
        class_weight: As of `taut._weights.class_weights`: a class of weight 0 is left out.

    Returns:
        Labels [classes], numbers of classes [rows], and weights [rows].

    Raises:
        InputError: If fewer than two classes count, and as `class_weights`.
    """
    classes = np.unique(y[weight > 0])
    check_two_classes(classes)
    codes = _codes(classes, y)
    of_class = class_weights(class_weight, classes, np.bincount(codes, weight, len(classes)))
    classes = classes[of_class > 0]
    return classes, _codes(classes, y), weight * of_class[codes]


def _codes(classes: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.minimum(np.searchsorted(classes, y), len(classes) - 1)


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
