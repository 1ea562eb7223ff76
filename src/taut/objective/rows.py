"""The rows that J is the mean over: as arrays, in pieces, and those that give its scale."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops, tree

from taut._data import as_arrays, check_inputs
from taut._losses import loss_parts
from taut._weights import checked_targets

SCALE_ROWS = 64


def count_rows(y: Any) -> int:
    """The rows of targets, an array or a tree of these."""
    return len(tree.flatten(y)[0])


def checked_arrays(model: Any, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    """The data as NumPy arrays, checked, for a model whose loss is ready to be traced."""
    x, y = as_arrays(x, "x"), as_arrays(y, "y")
    y, weight = checked_targets(model, x, y, sample_weight, means=False)
    check_inputs(model, x)
    return x, y, weight


def take_rows(x: Any, y: Any, weight: Any, rows: Any) -> tuple[Any, Any, Any]:
    """Some rows of the data, as tensors."""
    tensors = tree.map_structure(lambda a: ops.convert_to_tensor(a[rows]), (x, y))
    if weight is None:
        return *tensors, None
    return *tensors, tree.map_structure(lambda a: ops.convert_to_tensor(a[rows]), weight)


def mean_of_pieces(model: Any, x: Any, y: Any) -> bool:
    """Whether J of all rows is the mean of J over pieces of them, weighted by their rows."""
    regular = all(part.by_row and part.mean and not part.masked for part in loss_parts(model, x, y))
    layers = model._flatten_layers()
    return regular and all(getattr(a, "activity_regularizer", None) is None for a in layers)


def scale_rows(y: Any, weight: Any) -> np.ndarray:
    """The numbers of the rows that the scale is taken over, among those with a weight."""
    rows = np.arange(count_rows(y))
    if weight is not None:
        leaves = [np.asarray(leaf).reshape(len(rows), -1) for leaf in tree.flatten(weight)]
        rows = np.flatnonzero(np.any([leaf.any(axis=1) for leaf in leaves], axis=0))
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(SCALE_ROWS, len(rows))).astype(int))]
