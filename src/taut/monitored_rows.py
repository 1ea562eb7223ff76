"""The rows that a monitor of training is given, as arrays, and checked against the model."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import tree

from taut._data import as_arrays
from taut.errors import InputError


def row_pair(given: Any, name: str) -> Any:
    """Rows `(x, y)` as arrays, checked."""
    if not isinstance(given, (list, tuple)) or len(given) != 2:
        what = type(given).__name__
        if isinstance(given, (list, tuple)):
            what = f"{what} of {len(given)}"
        raise InputError(
            f"`{name}` must be a pair `(x, y)` of arrays, without weights. Received: {what}. Give "
            "`OverfitMonitor(validation=(x, y))`."
        )
    x, y = as_arrays(given[0], "x"), as_arrays(given[1], "y")
    counts = sorted({len(leaf) if leaf.ndim else 0 for leaf in tree.flatten((x, y))})
    if len(counts) != 1 or not counts[0]:
        raise InputError(
            f"`{name}` must hold one row or more, as many in `x` as in `y`. Received: "
            f"{' and '.join(map(str, counts))} rows."
        )
    return x, y


def row_count(y: Any) -> int:
    return len(tree.flatten(y)[0])


def check_columns(model: Any, x: Any, name: str) -> None:
    wanted = getattr(model, "inputs", None)
    leaves = tree.flatten(x)
    if not wanted:
        return
    shapes = [tuple(leaf.shape[1:]) for leaf in leaves]
    expected = [tuple(tensor.shape[1:]) for tensor in wanted]
    left = list(shapes)
    for want in expected:  # dicts have an order of their own
        have = next((shape for shape in left if _alike(shape, want)), None)
        if have is not None:
            left.remove(have)
    if left or len(shapes) != len(expected):
        raise InputError(
            f"`{name}` must have the columns that the model reads, {_in_words(expected)}. "
            f"Received: {_in_words(shapes)}. Prepare these rows as those it is trained on."
        )


def _alike(have: tuple[int, ...], want: tuple[int | None, ...]) -> bool:
    """Whether rows of one shape may enter; Keras takes (1,) and () for the same."""
    have = (1,) if not have and len(want) == 1 else have
    return len(have) == len(want) and all(
        w is None or h == w for h, w in zip(have, want, strict=True)
    )


def _in_words(shapes: list[Any]) -> str:
    return " and ".join(str(shape) for shape in shapes)


def only_class(y: Any) -> Any:
    """The class that all rows are of; None where there are more, or where rows have no class."""
    leaves = tree.flatten(y)
    leaf = np.asarray(leaves[0])
    if len(leaves) > 1 or leaf.ndim > 2:
        return None
    labels = leaf.argmax(axis=1) if leaf.ndim == 2 and leaf.shape[1] > 1 else leaf.ravel()
    return labels[0] if (labels == labels[0]).all() else None
