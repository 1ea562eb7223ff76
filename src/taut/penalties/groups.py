"""How arrays divide into groups, and what is computed by group."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from taut.errors import InputError

NAMES = ("inputs", "units", "rows")


@dataclass(frozen=True)
class Grouping:
    """Groups that run through one or more arrays.

    Attributes:
        shapes: For each array (before, slices, after), to which it is reshaped: the middle axis
            runs over the slices, which lie in the same order in each array.
        labels: The group of each slice, from 0, or None where each slice is a group.
    """

    shapes: tuple[tuple[int, int, int], ...]
    labels: tuple[int, ...] | None = None

    @staticmethod
    def check(groups: Any) -> Any:
        """Return what a user may pass as `groups` in its plain form, or raise."""
        if isinstance(groups, str):
            if groups in NAMES:
                return groups
        elif isinstance(groups, Sequence) and groups and all(map(_is_list_of_inputs, groups)):
            lists = [[int(i) for i in group] for group in groups]
            inputs = [i for group in lists for i in group]
            twice = sorted({i for i in inputs if inputs.count(i) > 1}) if len(inputs) < 1e4 else []
            missing = sorted(set(range(max(inputs) + 1)) - set(inputs))
            if twice or len(set(inputs)) < len(inputs):
                raise InputError(
                    "Groups must not overlap: each input belongs to one group. Received: inputs "
                    f"{twice or 'that occur'} more than once."
                )
            if missing:
                raise InputError(
                    "Lists of inputs must cover every input from 0 on; an input alone is a list "
                    f"of one. Received: lists without the inputs {missing}."
                )
            return lists
        raise InputError(
            "`groups` must be 'inputs', 'units', 'rows' or lists of inputs such as "
            f"[[0], [1, 2, 3]]. Received: groups={groups!r}."
        )

    @staticmethod
    def labels_of(groups: Any) -> tuple[int, ...] | None:
        """The group of each input where `groups` are lists; None where they have a name."""
        if isinstance(groups, str):
            return None
        label = {i: k for k, group in enumerate(groups) for i in group}
        return tuple(label[i] for i in range(len(label)))

    @classmethod
    def of_kernels(cls, groups: Any, shapes: Sequence[tuple[int, ...]]) -> Grouping:
        """The grouping of arrays of no known layer: kernels [..., inputs, units]."""
        views = []
        for shape in shapes:
            padded = (1, *shape) if len(shape) == 1 else shape
            before, inputs, units = math.prod(padded[:-2]), padded[-2], padded[-1]
            if groups == "units":
                views.append((before * inputs, units, 1))
            elif groups == "rows":
                views.append((1, padded[0], math.prod(padded[1:])))
            else:
                views.append((before, inputs, units))
        return cls.checked(tuple(views), groups)

    @classmethod
    def checked(cls, shapes: tuple[tuple[int, int, int], ...], groups: Any) -> Grouping:
        """The grouping, if its arrays have as many slices as one another and as the labels.

        Raises:
            InputError: If they have not.
        """
        labels = cls.labels_of(groups)
        counts = {shape[1] for shape in shapes} | ({len(labels)} if labels else set())
        if len(counts) > 1:
            given = f"lists of {len(labels)} inputs and " if labels else ""
            raise InputError(
                "All weights of a group must have the same number of "
                f"{groups if isinstance(groups, str) else 'inputs'}. Received: {given}weights "
                f"with {', '.join(str(shape[1]) for shape in shapes)}."
            )
        return cls(shapes, labels)

    @property
    def count(self) -> int:
        """The number of groups."""
        return self.shapes[0][1] if self.labels is None else max(self.labels) + 1

    @property
    def sizes(self) -> np.ndarray:
        """[groups] the number of weights in each group."""
        each = sum(before * after for before, _, after in self.shapes)
        if self.labels is None:
            return np.full(self.count, each, "float32")
        return (each * np.bincount(self.labels)).astype("float32")

    def views(self, arrays: Sequence[Any]) -> list[Any]:
        """The arrays reshaped to [before, slices, after], at least in single precision.

        A scalar becomes [1, 1, 1]. Half precision has neither the digits nor the range for sums
        of squares and for the roots that are found from them.
        """
        return [
            ops.reshape(_single(a), shape if ops.ndim(a) else (1, 1, 1))
            for a, shape in zip(arrays, self.shapes, strict=True)
        ]

    def unviewed(self, views: Sequence[Any], like: Sequence[Any]) -> list[Any]:
        """Views in the shapes and dtypes of the arrays `like`."""
        return [
            ops.cast(ops.reshape(v, ops.shape(a)), a.dtype)
            for v, a in zip(views, like, strict=True)
        ]

    def sum(self, views: Sequence[Any]) -> Any:
        """[groups] the sum over the weights of each group."""
        total = sum(ops.sum(v, axis=(0, 2)) for v in views)
        if self.labels is None:
            return total
        return ops.segment_sum(total, np.asarray(self.labels, "int32"), num_segments=self.count)

    def norm(self, views: Sequence[Any]) -> Any:
        """[groups] the Euclidean norm of each group, of which the slope at zero is 0, not NaN."""
        squares = self.sum([ops.square(v) for v in views])
        positive = squares > 0
        return ops.where(positive, ops.sqrt(ops.where(positive, squares, 1)), 0)

    def max(self, views: Sequence[Any]) -> Any:
        """[groups] the largest weight of each group."""
        largest = None
        for view in views:
            of_view = ops.max(view, axis=(0, 2))
            largest = of_view if largest is None else ops.maximum(largest, of_view)
        if self.labels is None:
            return largest
        return ops.segment_max(largest, np.asarray(self.labels, "int32"), num_segments=self.count)

    def spread(self, values: Any) -> Any:
        """[1, slices, 1] the value of its group at each slice, to be combined with views."""
        if self.labels is not None:
            values = ops.take(values, np.asarray(self.labels, "int32"))
        return ops.reshape(values, (1, -1, 1))


CHUNK = 1 << 20
"""Weights that are treated at a time: more no longer fit a processor's cache."""


def some_at_a_time(
    prox: Callable[[Grouping, list[Any], list[Any], Any], list[Any]],
    grouping: Grouping,
    views: list[Any],
    steps: list[Any],
    strength: Any,
) -> list[Any]:
    """`prox(grouping, views, steps, strength)`, for large arrays a few groups after another.

    A root-find passes over its weights some times. Measured on ten million of them, passes over
    a part that fits the cache take a fifth of the time of passes over all.
    """
    slices = grouping.shapes[0][1]
    size = sum(before * count * after for before, count, after in grouping.shapes)
    width = max(CHUNK * slices // size, 1)
    if width >= slices or grouping.labels is not None:
        return prox(grouping, views, steps, strength)

    def prox_of_slices(start: Any, count: int, views: list[Any]) -> list[Any]:
        def cut(a: Any) -> Any:
            if tuple(a.shape)[1] == 1:
                return a
            # The weights of a group one after another: sums along them are faster.
            part = ops.slice(a, (0, start, 0), (a.shape[0], count, a.shape[2]))
            return ops.reshape(ops.transpose(part, (1, 0, 2)), (1, count, -1))

        def pasted(view: Any, part: Any) -> Any:
            part = ops.reshape(part, (count, view.shape[0], view.shape[2]))
            return ops.slice_update(view, (0, start, 0), ops.transpose(part, (1, 0, 2)))

        shapes = tuple((1, count, before * after) for before, _, after in grouping.shapes)
        parts = [cut(v) for v in views], [cut(s) for s in steps]
        new = prox(Grouping(shapes), *parts, ops.slice(strength, (start,), (count,)))
        return [pasted(v, part) for v, part in zip(views, new, strict=True)]

    whole = slices // width
    views = ops.fori_loop(0, whole, lambda i, v: prox_of_slices(i * width, width, v), list(views))
    rest = slices - whole * width
    return prox_of_slices(whole * width, rest, views) if rest else views


def _single(array: Any) -> Any:
    if not hasattr(array, "dtype"):
        return array
    half = keras.backend.standardize_dtype(array.dtype) in ("float16", "bfloat16")
    return ops.cast(array, "float32") if half else array


def eps_of(array: Any) -> float:
    """The distance from 1 to the next larger number of the array's dtype."""
    bits = {"bfloat16": 7, "float16": 10, "float32": 23, "float64": 52}
    return 2.0 ** -bits[keras.backend.standardize_dtype(array.dtype)]


def _is_list_of_inputs(group: Any) -> bool:
    return (
        isinstance(group, Sequence)
        and not isinstance(group, str)
        and len(group) > 0
        and all(isinstance(i, (int, np.integer)) and i >= 0 for i in group)
        and not any(isinstance(i, bool) for i in group)
    )


def largest_root(start: Any, step: Callable[[Any], Any], *, iterations: int = 64) -> Any:
    """x ← step(x) from `start`, where the steps only go up, until they end in rounding.

    For Newton's method on functions that are concave and increasing (or convex and decreasing)
    from below their root: it rises to the root and never passes it. All entries of `start` move
    together, in one loop, so that it runs under jit and vmap.
    """
    tolerance = 4 * eps_of(start)

    def going(x: Any, rising: Any) -> Any:
        del x
        return rising

    def move(x: Any, rising: Any) -> tuple[Any, Any]:
        del rising
        new = ops.maximum(step(x), x)
        return new, ops.any(new - x > tolerance * new)

    x, _ = ops.while_loop(
        going, move, (start, ops.convert_to_tensor(True)), maximum_iterations=iterations
    )
    return x
