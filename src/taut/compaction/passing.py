"""What operations without weights do to the features that pass them.

Each rule is one of `passing_rule`; those that move elements are in `rearranging`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from taut.compaction.atoms import Atoms, Features, Reading
from taut.compaction.on_values import computed, operation_on
from taut.compaction.passing_rule import Made, Rule, plain
from taut.compaction.rearranging import (
    expand_dims,
    flatten,
    permute,
    reshape,
    squeeze,
    transpose,
    without_axes,
)
from taut.compaction.reasons import ARRAY, NotUnderstood, Reason
from taut.compaction.summing import attention, dot, sum_of_features
from taut.compaction.traced import Call, OverTime, Tensor
from taut.structure.kinds import elementwise


def passed(atoms: Atoms, call: Call, reads: Sequence[Features]) -> Made:
    """The features that a call without weights makes, and what else it needs."""
    op = call.operation
    if isinstance(op, OverTime):
        return _over_time(atoms, call, reads)
    module = type(op).__module__
    if not module.startswith("keras."):
        return None
    name = type(op).__name__
    rules = _LAYERS if isinstance(op, keras.layers.Layer) else _OPERATIONS
    rule = rules.get(name)
    if rule is None and elementwise(op) and not getattr(op, "weights", ()):
        rule = _elementwise
    return None if rule is None or not reads else rule(atoms, call, reads)


def _over_time(atoms: Atoms, call: Call, reads: Sequence[Features]) -> Made:
    (features,) = reads
    ranks = [len(tensor.shape) for tensor in (*call.reads, *call.makes)]
    if features.axis is not None and -features.axis >= min(ranks):
        features = atoms.made_whole(features)  # the steps themselves
    return plain(features)


def _same(atoms: Atoms, call: Call, reads: Sequence[Features]) -> Made:
    return plain(reads[0]) if len(reads) == 1 else None


def _elementwise(atoms: Atoms, call: Call, reads: Sequence[Features]) -> Made:
    if len(reads) != 1:
        return None
    _check_scalars_beside(call)
    features = reads[0]
    if features.axis is None or not features.known.any():
        return plain(features.unknown())
    return plain(features.valued(computed(operation_on(call), features.value)))


def _rescaling(atoms: Atoms, call: Call, reads: Sequence[Features]) -> Made:
    op = call.operation
    if np.ndim(op.scale) or np.ndim(op.offset):
        return None
    features = reads[0]
    return plain(features.valued(features.value * float(op.scale) + float(op.offset)))


def _dropout(atoms: Atoms, call: Call, reads: Sequence[Features]) -> Made:
    shape, (features,) = getattr(call.operation, "noise_shape", None) or (), reads
    of_features = shape[1:] if features.axis is None else shape[features.axis :][:1]
    if not all(size in (None, 1) for size in of_features):
        raise NotUnderstood("its `noise_shape` has the number of features")
    return plain(features)


def _merge(atoms: Atoms, call: Call, reads: Sequence[Features]) -> Made:
    _check_scalars_beside(call)
    if len(reads) == 1:
        return _elementwise(atoms, call, reads)
    sizes = [_size(tensor, features) for tensor, features in zip(call.reads, reads, strict=True)]
    wide = [f for f, size in zip(reads, sizes, strict=True) if size != 1]
    narrow = [f for f, size in zip(reads, sizes, strict=True) if size == 1] if wide else []
    wide = wide or list(reads)
    if len({features.axis for features in wide}) > 1 or len({len(f) for f in wide}) > 1:
        wide = [atoms.made_whole(features) for features in wide]
    first = wide[0]
    for other in wide[1:]:
        atoms.tie(first.atoms, other.atoms)
    needs = [
        Reading(
            call.operation,
            features.atoms,
            first.atoms,
            np.ones((len(features), len(first)), bool),
            features.value,
            Reason("multiplies or is added to every feature"),
        )
        for features in narrow
    ]
    if first.axis is None:
        return [first.unknown()], needs
    return [first.valued(_merged_value(call, reads, len(first)))], needs


def _merged_value(call: Call, reads: Sequence[Features], number: int) -> np.ndarray:
    name = type(call.operation).__name__
    masked = any(tensor.masked for tensor in call.reads)
    if masked and name not in ("Add", "Subtract", "Average"):
        return np.full(number, np.nan)  # at a masked step it is not what its name says
    values = [np.broadcast_to(features.value, (number,)) for features in reads]
    if not any((~np.isnan(value)).any() for value in values):
        return np.full(number, np.nan)
    made = computed(operation_on(call), *values)
    if name == "Multiply":
        made = np.where(np.any([value == 0 for value in values], axis=0), 0.0, made)
    return made


def _concatenate(atoms: Atoms, call: Call, reads: Sequence[Features]) -> Made:
    op = call.operation
    _check_scalars_beside(call)
    rank = len(call.makes[0].shape)
    axis = op.axis if op.axis < 0 else op.axis - rank
    if any(features.axis == axis for features in reads):
        parts = [
            atoms.along(features, axis, tensor.shape[axis])
            for tensor, features in zip(call.reads, reads, strict=True)
        ]
        return plain(
            Features(
                axis,
                np.concatenate([part.atoms for part in parts]),
                np.concatenate([part.value for part in parts]),
            )
        )
    first, *others = reads
    if any(f.axis != first.axis or len(f) != len(first) for f in others):
        first, *others = (atoms.made_whole(features) for features in reads)
    for other in others:
        atoms.tie(first.atoms, other.atoms)
    alike = np.all([other.value == first.value for other in others], axis=0)
    return plain(first.valued(np.where(alike, first.value, np.nan)))


def _reduction(keeps: bool) -> Rule:
    """A mean or maximum (they keep a constant), or a sum, over other axes than that of features."""

    def rule(atoms: Atoms, call: Call, reads: Sequence[Features]) -> Made:
        op, features = call.operation, reads[0]
        rank, axes = len(call.reads[0].shape), op.axis
        _check_scalars_beside(call)
        if axes is None:
            return None
        axes = [axis % rank for axis in (axes if isinstance(axes, (tuple, list)) else [axes])]
        if features.axis is None or 0 in axes:
            return None
        if rank + features.axis in axes:
            return None if keeps else sum_of_features(atoms, call, features)
        features = features if keeps else features.unknown(but=0.0)
        if op.keepdims:
            return plain(features)
        return without_axes(atoms, features, rank, axes, features.value)

    return rule


def _get_item(atoms: Atoms, call: Call, reads: Sequence[Features]) -> Made:
    if call.symbolic is None or len(call.symbolic.args) + len(call.symbolic.kwargs) != 2:
        return None
    key = call.symbolic.kwargs.get("key", call.symbolic.args[-1])
    key = list(key) if isinstance(key, (tuple, list)) else [key]
    if not all(k is None or k is Ellipsis or isinstance(k, (int, slice)) for k in key):
        return None
    features, rank = reads[0], len(call.reads[0].shape)
    used = sum(k is not None and k is not Ellipsis for k in key)
    place = key.index(Ellipsis) if Ellipsis in key else len(key)
    key[place : place + 1] = [slice(None)] * (rank - used)
    if key[0] != slice(None):
        return None
    if features.axis is None:
        return plain(features)
    axis, made = 0, []  # the axis of what is read that each axis of what is made comes from
    for k in key:
        if k is None:
            made.append(None)
            continue
        if axis == rank + features.axis and k != slice(None):
            return plain(atoms.made_whole(features))
        if not isinstance(k, int):
            made.append(axis)
        axis += 1
    return plain(
        Features(made.index(rank + features.axis) - len(made), features.atoms, features.value)
    )


def _spatial(exact: Callable[[Any], bool]) -> Rule:
    """A layer that works on each channel alone; `exact` says whether it keeps a constant."""

    def rule(atoms: Atoms, call: Call, reads: Sequence[Features]) -> Made:
        op, features, rank = call.operation, reads[0], len(call.reads[0].shape)
        form = getattr(op, "data_format", None)
        channels = 1 - rank if form == "channels_first" else -1
        if features.axis != channels:
            return plain(atoms.made_whole(features))
        features = features if exact(op) else features.unknown(but=0.0)
        axis = -1 if len(call.makes[0].shape) < rank else channels
        return plain(Features(axis, features.atoms, features.value))

    return rule


def _mask(atoms: Atoms, call: Call, reads: Sequence[Features]) -> Made:
    """Whether something holds of what is read, all of which is needed."""
    made = atoms.whole()
    needs = [
        Reading(
            call.operation,
            features.atoms,
            made.atoms,
            np.ones((len(features), 1), bool),
            features.value,
            Reason("makes a mask of it"),
        )
        for features in reads
    ]
    return [made], needs


def _size(tensor: Tensor, features: Features) -> int | None:
    return tensor.shape[-1 if features.axis is None else features.axis]


def _check_scalars_beside(call: Call) -> None:
    """Raise for an array among the arguments: it may have a number for each feature."""
    if call.symbolic is None:
        if len(call.reads) != 1:
            raise NotUnderstood(*ARRAY)
        return
    given = keras.tree.flatten((call.symbolic.args, call.symbolic.kwargs))
    others = [a for a in given if not isinstance(a, keras.KerasTensor)]
    if not all(
        isinstance(a, (bool, int, float, str, type(None))) or not _size_of(a) for a in others
    ):
        raise NotUnderstood(*ARRAY)


def _size_of(argument: Any) -> bool:
    shape = getattr(argument, "shape", None)
    return shape is None or math.prod(shape) != 1


def _always(op: Any) -> bool:
    return True


def _never(op: Any) -> bool:
    return False


def _valid(op: Any) -> bool:
    return op.padding == "valid"


def _unpadded(op: Any) -> bool:
    # The weights of the others do not sum to one on every backend.
    return op.interpolation in ("nearest", "bilinear") and not op.pad_to_aspect_ratio


def _named(rule: Rule, *kinds: str) -> dict[str, Rule]:
    return dict.fromkeys(kinds, rule)


def _ranks(rule: Rule, *stems: str) -> dict[str, Rule]:
    return {f"{stem}{rank}D": rule for stem in stems for rank in (1, 2, 3)}


_MERGES = _named(
    _merge, "Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average", "Divide", "TrueDivide"
)

_LAYERS: dict[str, Rule] = {
    **_MERGES,
    **_named(_same, "Identity", "ActivityRegularization", "GaussianNoise", "GaussianDropout"),
    **_named(_dropout, "Dropout", "AlphaDropout"),
    **_ranks(_same, "SpatialDropout"),
    "Rescaling": _rescaling,
    "Concatenate": _concatenate,
    "Dot": dot,
    "Attention": attention,
    "Flatten": flatten,
    "Reshape": reshape,
    "Permute": permute,
    "RepeatVector": _same,
    **_ranks(_spatial(_always), "GlobalMaxPooling", "GlobalAveragePooling", "MaxPooling"),
    **_ranks(_spatial(_always), "AdaptiveMaxPooling", "AdaptiveAveragePooling"),
    **_ranks(_spatial(_valid), "AveragePooling"),
    **_ranks(_spatial(_always), "Cropping", "UpSampling"),
    **_ranks(_spatial(_never), "ZeroPadding"),
    "Resizing": _spatial(_unpadded),
    **_named(_spatial(_always), "CenterCrop", "RandomCrop"),
    # In inference they hand on what they read; each channel alone in training too.
    **_named(_spatial(_always), "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation"),
    **_named(_spatial(_always), "RandomShear", "RandomPerspective", "RandomElasticTransform"),
    **_named(_spatial(_always), "RandomContrast", "RandomBrightness", "RandomInvert"),
}

_OPERATIONS: dict[str, Rule] = {
    **_MERGES,
    **_named(_elementwise, "Negative", "Absolute", "Abs", "Square", "Sqrt", "Rsqrt", "Reciprocal"),
    **_named(_elementwise, "Exp", "Expm1", "Log", "Log1p", "Sin", "Cos", "Tanh", "Clip", "Power"),
    "Concatenate": _concatenate,
    "Reshape": reshape,
    "Transpose": transpose,
    "ExpandDims": expand_dims,
    "Squeeze": squeeze,
    "GetItem": _get_item,
    **_named(_reduction(True), "Mean", "Max", "Amax", "Min", "Amin"),
    "Sum": _reduction(False),
    **_named(_mask, "Equal", "NotEqual", "Any", "All", "LogicalOr", "LogicalAnd", "LogicalNot"),
}
