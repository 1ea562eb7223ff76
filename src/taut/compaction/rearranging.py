"""What operations that move elements, and add or take axes, do to features."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from taut.compaction.atoms import Atoms, Features
from taut.compaction.passing_rule import Made, plain
from taut.compaction.traced import Call, Tensor


def flatten(atoms: Atoms, call: Call, reads: Sequence[Features]) -> Made:
    def flat(elements: np.ndarray) -> np.ndarray:
        if call.operation._channels_first and elements.ndim > 1:
            elements = np.moveaxis(elements, 0, -1)
        return elements.reshape(-1)

    return _rearranged(atoms, call, reads[0], flat)


def reshape(atoms: Atoms, call: Call, reads: Sequence[Features]) -> Made:
    shape, before = _fixed(call.makes[0]), _fixed(call.reads[0])
    if shape is None or before is None:
        return plain(atoms.made_whole(reads[0]))
    if math.prod(shape) != math.prod(before):
        return None  # steps become rows
    return _rearranged(atoms, call, reads[0], lambda elements: elements.reshape(shape))


def _fixed(tensor: Tensor) -> tuple[int, ...] | None:
    """The sizes of a row; None where one of them is open."""
    sizes = tuple(size for size in tensor.shape[1:] if size is not None)
    return sizes if len(sizes) == len(tensor.shape) - 1 else None


def _rearranged(
    atoms: Atoms, call: Call, features: Features, move: Callable[[np.ndarray], np.ndarray]
) -> Made:
    """Features after their elements were moved: on an axis along which each is in one place."""
    shape = _fixed(call.reads[0])
    if features.axis is None or shape is None or -features.axis > len(shape):
        return plain(atoms.made_whole(features))
    along = [1] * len(shape)
    along[features.axis] = len(features)
    moved_atoms, moved_value = (
        move(np.broadcast_to(a.reshape(along), shape)) for a in (features.atoms, features.value)
    )
    if moved_atoms.ndim == 0:
        return plain(atoms.made_whole(features))
    tables = {
        axis: np.moveaxis(moved_atoms, axis, -1).reshape(-1, moved_atoms.shape[axis])
        for axis in range(-1, -moved_atoms.ndim - 1, -1)
    }
    whole = [axis for axis, table in tables.items() if (table == table[:1]).all()]
    # Where a feature comes to several places of the last axis too, these go together.
    axis = whole[0] if whole else -1
    table = tables[axis]
    for row in table[1:]:
        atoms.tie(table[0], row)
    values = np.moveaxis(moved_value, axis, -1).reshape(table.shape)
    value = np.where((values == values[:1]).all(axis=0), values[0], np.nan)
    return plain(Features(axis, table[0], value))


def permute(atoms: Atoms, call: Call, reads: Sequence[Features]) -> Made:
    return _transposed(atoms, call, reads[0], (0, *call.operation.dims))


def transpose(atoms: Atoms, call: Call, reads: Sequence[Features]) -> Made:
    rank = len(call.reads[0].shape)
    axes = call.operation.axes
    axes = tuple(range(rank))[::-1] if axes is None else tuple(axis % rank for axis in axes)
    return _transposed(atoms, call, reads[0], axes)


def _transposed(atoms: Atoms, call: Call, features: Features, axes: tuple[int, ...]) -> Made:
    if axes[0] != 0:
        return None
    if features.axis is None:
        return plain(features)
    rank = len(axes)
    axis = axes.index(rank + features.axis) - rank
    return plain(Features(axis, features.atoms, features.value))


def expand_dims(atoms: Atoms, call: Call, reads: Sequence[Features]) -> Made:
    features, rank = reads[0], len(call.makes[0].shape)
    axes = call.operation.axis
    axes = [axis % rank for axis in (axes if isinstance(axes, (tuple, list)) else [axes])]
    if 0 in axes:
        return None
    if features.axis is None:
        return plain(features)
    places = [axis for axis in range(rank) if axis not in axes]  # of the axes that were there
    axis = places[len(call.reads[0].shape) + features.axis] - rank
    return plain(Features(axis, features.atoms, features.value))


def squeeze(atoms: Atoms, call: Call, reads: Sequence[Features]) -> Made:
    features, shape = reads[0], call.reads[0].shape
    axes = call.operation.axis
    if axes is None:
        axes = [axis for axis, size in enumerate(shape) if size == 1]
    axes = [axis % len(shape) for axis in (axes if isinstance(axes, (tuple, list)) else [axes])]
    return without_axes(atoms, features, len(shape), axes, features.value)


def without_axes(
    atoms: Atoms, features: Features, rank: int, axes: Sequence[int], value: np.ndarray
) -> Made:
    if 0 in axes:
        return None
    if features.axis is None or rank + features.axis in axes:
        return plain(atoms.made_whole(features))
    left = [axis for axis in range(rank) if axis not in axes]
    axis = left.index(rank + features.axis) - len(left)
    return plain(Features(axis, features.atoms, value))
