"""What the networks of a path still read: norms of their inputs and of their groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from taut.engine import Record
from taut.structure import input_readers


def input_norms(model: Any, record: Record) -> np.ndarray | None:
    """The norm of all weights that read an input, of each lane.

    Args:
        model: The model that the lanes were trained from.
        record: Of its lanes.

    Returns:
        [lanes, inputs], the inputs of several tensors one after the other; 0 where a network does
        not read an input. None where it is not known what reads them (`taut.structure`).
    """
    readers = input_readers(model)
    if readers is None:
        return None
    values = _values(model, record)
    norms = [
        _norms([(values[id(v)], shape) for v, shape in of_tensor.readers]) for of_tensor in readers
    ]
    return np.concatenate(norms, axis=1)


def group_norms(model: Any, record: Record) -> dict[str, np.ndarray]:
    """The norm of each group of the path's penalties, of each lane.

    Returns:
        [lanes, groups] by the layer of the first weight in the groups; empty without groups.
    """
    values = _values(model, record)
    norms: dict[str, np.ndarray] = {}
    for term in model.optimizer.terms:
        if term.grouping is None:
            continue
        arrays = [values[id(v)] for v in term.variables]
        slices = _norms(list(zip(arrays, term.grouping.shapes, strict=True)))
        if term.grouping.labels is not None:
            squares = np.zeros((len(slices), term.grouping.count))
            np.add.at(squares.T, np.asarray(term.grouping.labels), np.square(slices).T)
            slices = np.sqrt(squares)
        layer = term.variables[0].path.rpartition("/")[0]
        norms[layer if layer not in norms else term.variables[0].path] = slices
    return norms


def _values(model: Any, record: Record) -> dict[int, np.ndarray]:
    """[lanes, *shape] by id of the variable."""
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    arrays = [*record.trainable, *record.non_trainable]
    return {id(v): array for v, array in zip(variables, arrays, strict=True)}


def _norms(views: Sequence[tuple[np.ndarray, tuple[int, int, int]]]) -> np.ndarray:
    """[lanes, slices]; in double precision no weight but 0 has a square of 0."""
    squares = sum(
        np.square(array.reshape(len(array), *shape).astype("float64")).sum(axis=(1, 3))
        for array, shape in views
    )
    return np.sqrt(squares)
