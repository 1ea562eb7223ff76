"""Layers that learn statistics of what reaches them, and what that is."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from taut._keras.model_calls import arrivals, state_after_a_step
from taut.errors import InputError, UnsupportedError

Calls = list[tuple[Any, np.ndarray | None]]
"""What reaches a layer in each of its calls, [rows, …] or a tree of these, and its mask."""
ROWS = 4096
"""Rows that a model is called on at once."""
PROBED = 8
"""Rows on which it is found out what depends on what."""


class Adaptive:
    """The layers of a model that learn from what reaches them, in the order they are reached.

    A layer takes part by a method `fold_values(x)`, or `fold_values(x, mask)`, which is given what
    the model passes to it in inference mode: the model is called, as far as that layer. So it does
    not matter what is before it, whether it is inside a nested or a subclassed model, or of what
    kind the inputs are.

    Args:
        model: A built Keras model.
        x: Some rows of inputs, a tree of arrays [rows, …], on which the order is found.

    Raises:
        InputError: If training changes what reaches such a layer.
        UnsupportedError: If a layer is not reached, or by what is no array.
    """

    def __init__(self, model: Any, x: Any):
        self._model, self._calls = model, {}
        self.layers: list[Any] = []
        self._after: dict[int, bool] = {}
        learners = [layer for layer in model._flatten_layers() if hasattr(layer, "fold_values")]
        if not learners:
            return
        sample = keras.tree.map_structure(lambda a: np.asarray(a[:PROBED]), x)
        for arrival in arrivals(model, learners, sample, self._state({})):
            self._calls[id(arrival.layer)] = self._calls.get(id(arrival.layer), 0) + 1
            if arrival.layer not in self.layers:
                self.layers.append(arrival.layer)
        if missed := [layer.name for layer in learners if id(layer) not in self._calls]:
            raise UnsupportedError(
                "A layer that learns statistics must be reached when the model is called in "
                f"inference mode. Received: {', '.join(missed)}, which {model.name!r} does not "
                "call. Call it, or take it out of the model."
            )
        self._check_paths()
        changing = _changed_by_training(model, sample, self._state({}))
        for layer in self.layers:
            self._check_fixed(layer, sample, changing)
            others = [v for other in self.layers if other is not layer for v in other.variables]
            self._after[id(layer)] = self._depends(layer, sample, others)

    def independent(self) -> list[Any]:
        """The layers that none of the others is before: what reaches them is alike in all folds."""
        return [layer for layer in self.layers if not self._after[id(layer)]]

    def dependent(self) -> list[Any]:
        """The others, each after those that are before it."""
        return [layer for layer in self.layers if self._after[id(layer)]]

    def reaching(
        self, layers: Sequence[Any], x: Any, values: Mapping[str, np.ndarray] | None = None
    ) -> list[Calls]:
        """What reaches some layers, of a piece of the rows.

        Args:
            layers: Some of `layers`.
            x: Inputs, a tree of arrays [rows, …].
            values: What the layers before have learned, by the path of the weight.
        """
        variables = {v.path: v for layer in self.layers for v in layer.variables}
        state = self._state({id(variables[path]): value for path, value in (values or {}).items()})
        rows = len(keras.tree.flatten(x)[0])
        calls: dict[int, Calls] = {id(layer): [] for layer in layers}
        for arrival in arrivals(self._model, layers, x, state, self._calls_of(layers)):
            try:
                value = keras.tree.map_structure(keras.ops.convert_to_numpy, arrival.value)
                mask = None if arrival.mask is None else keras.ops.convert_to_numpy(arrival.mask)
            except Exception as error:  # whatever a backend makes of an abstract tensor
                raise UnsupportedError(
                    "What reaches a layer that learns statistics must be known when the model is "
                    f"called. Received: {arrival.layer.name!r}, called inside a loop or a compiled "
                    f"function ({type(error).__name__}). Move it in front of the layer around it."
                ) from error
            if any(np.shape(a)[:1] != (rows,) for a in keras.tree.flatten(value)):
                raise UnsupportedError(
                    "What reaches a layer that learns statistics must have one entry a row. "
                    f"Received: {arrival.layer.name!r}, which gets "
                    f"{[np.shape(a) for a in keras.tree.flatten(value)]} of {rows} rows."
                )
            calls[id(arrival.layer)].append((value, mask))
        return [calls[id(layer)] for layer in layers]

    def _calls_of(self, layers: Iterable[Any]) -> dict[int, int]:
        return {id(layer): self._calls[id(layer)] for layer in layers}

    def _state(self, changes: Mapping[int, Any]) -> tuple[list[Any], list[Any]]:
        """(trainable, non-trainable) values of the model, some replaced, by id of the variable."""

        def state(variables: Any) -> list[Any]:
            return [
                keras.ops.convert_to_tensor(np.asarray(changes[id(v)]), v.dtype)
                if id(v) in changes
                else keras.ops.convert_to_tensor(v.value)
                for v in variables
            ]

        return state(self._model.trainable_variables), state(self._model.non_trainable_variables)

    def _check_paths(self) -> None:
        paths = [v.path for v in self._model.variables]
        learned_paths = [v.path for layer in self.layers for v in layer.variables]
        if double := [path for path in learned_paths if paths.count(path) > 1]:
            raise InputError(
                "Layers that learn statistics must differ in their names, by which a fold's "
                f"values are given to them. Received: several variables {double[0]!r}. Give each "
                "of these layers another `name`."
            )

    def _check_fixed(self, layer: Any, x: Any, changing: list[Any]) -> None:
        weights = [*changing, *layer.variables]
        if not self._depends(layer, x, weights):
            return
        before = [v.path for v in weights if self._depends(layer, x, [v])]
        raise InputError(
            "A layer that learns statistics does so once, before training, so nothing before it "
            f"may change in training. Received: {layer.name!r} behind "
            f"{', '.join(before[:3]) or 'weights that are trained'}. Move it to the inputs, freeze "
            "what is before it (`layer.trainable = False`), or use "
            "`keras.layers.BatchNormalization` in its place."
        )

    def _depends(self, layer: Any, x: Any, weights: Sequence[Any]) -> bool:
        """Whether what reaches a layer is another where the weights are NaN, or others at random.

        NaN goes through what is flat at some weights, such as a unit that is off; random weights
        through what hides NaN, such as a comparison.
        """
        if not (weights := [v for v in weights if keras.backend.is_float_dtype(v.dtype)]):
            return False
        calls = self._calls_of([layer])
        before = arrivals(self._model, [layer], x, self._state({}), calls)
        for changes in _other_values(weights):
            after = arrivals(self._model, [layer], x, self._state(changes), calls)
            if not _same([a.value for a in before], [a.value for a in after]):
                return True
        return False


def learned(layer: Any, calls: Calls) -> dict[str, np.ndarray]:
    """What a layer learns of all its calls together: as if each had brought more rows."""
    values, masks = [value for value, _ in calls], [mask for _, mask in calls]
    if any(mask is not None for mask in masks):
        masks = [_whole(mask, value.shape[:-1]) for value, mask in calls]
    if len({np.shape(a)[1:] for a in values if not keras.tree.is_nested(a)}) > 1:
        values = [np.reshape(a, (-1, np.shape(a)[-1])) for a in values]
        masks = [None if m is None else np.reshape(m, -1) for m in masks]
    x = keras.tree.map_structure(lambda *leaves: np.concatenate(leaves), *values)
    mask = None if masks[0] is None else np.concatenate([m for m in masks if m is not None])
    return layer.fold_values(x, **with_mask(layer.fold_values, mask))


def _whole(mask: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    if mask is None:
        return np.ones(shape, bool)
    return np.broadcast_to(mask.reshape(mask.shape + (1,) * (len(shape) - mask.ndim)), shape)


def with_mask(method: Any, mask: np.ndarray | None) -> dict[str, np.ndarray]:
    """The mask as an argument of a method, if it takes one."""
    takes = mask is not None and "mask" in inspect.signature(method).parameters
    return {"mask": mask} if takes and mask is not None else {}


def rows_of_calls(calls: Calls, rows: np.ndarray) -> Calls:
    """Some rows of what reaches a layer."""
    pick = lambda tree: keras.tree.map_structure(lambda a: a[rows], tree)  # noqa: E731
    return [(pick(value), None if mask is None else mask[rows]) for value, mask in calls]


def joined(pieces: Sequence[Calls]) -> Calls:
    """What reaches a layer, of pieces of the rows, one after the other."""
    whole = []
    for of_call in zip(*pieces, strict=True):
        values, masks = zip(*of_call, strict=True)
        value = keras.tree.map_structure(lambda *leaves: np.concatenate(leaves), *values)
        whole.append((value, None if masks[0] is None else np.concatenate(masks)))
    return whole


def in_pieces(x: Any) -> Iterator[Any]:
    """At most `ROWS` rows of inputs at a time."""
    for start in range(0, len(keras.tree.flatten(x)[0]), ROWS):
        yield keras.tree.map_structure(lambda a, at=start: np.asarray(a[at : at + ROWS]), x)


def _other_values(weights: Sequence[Any]) -> Iterator[dict[int, np.ndarray]]:
    yield {id(v): np.full(v.shape, np.nan) for v in weights}
    draw = np.random.default_rng(0)
    for _ in range(2):
        yield {id(v): draw.normal(size=v.shape) for v in weights}


def _same(one: Any, other: Any) -> bool:
    def same(a: Any, b: Any) -> bool:
        a, b = (np.asarray(keras.ops.convert_to_numpy(value), "float64") for value in (a, b))
        return a.shape == b.shape and np.array_equal(a, b, equal_nan=True)

    try:
        pairs = zip(keras.tree.flatten(one), keras.tree.flatten(other), strict=True)
        return all(same(*pair) for pair in pairs)
    except Exception:  # an abstract tensor: `reaching` says so
        return True


def _changed_by_training(model: Any, x: Any, state: tuple[list[Any], list[Any]]) -> list[Any]:
    """The variables that training changes: trainable ones, and such as moving averages."""
    trained = list(model.trainable_variables)
    fixed = [v for v in model.non_trainable_variables if keras.backend.is_float_dtype(v.dtype)]
    if not fixed:
        return trained
    after = state_after_a_step(model, x, state)
    pairs = zip(model.non_trainable_variables, state[1], after, strict=True)
    return [*trained, *(v for v, old, new in pairs if not _same(old, new))]
