"""Penalties with an array for each variable: where it comes from and who keeps it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from taut._keras.given_model import check_keras_model
from taut.errors import InputError
from taut.penalties.base import Binding, Penalty, Separable


class WithArrays(Separable):
    """A penalty that has an array for each variable it is put on.

    The arrays are given as one array, which broadcasts to every variable; as a mapping from the
    path of a variable, or its end, to an array; or as a Keras model, whose weights they are.
    When the penalty is bound, the optimizer keeps them as variables of its own, so that they
    are saved with the model and stacked into lanes.

    A subclass names its argument (`field`), says which array a variable has where none is given
    (`default`), and checks those that are.
    """

    field = "arrays"

    def __init__(self, strength: float = 0.01, *, arrays: Any = None):
        super().__init__(strength)
        if isinstance(arrays, keras.layers.Layer):
            arrays = arrays_of(arrays, self.field)
        self._given: Any = None
        if isinstance(arrays, Mapping):
            self._given = {str(key): self.checked(v, str(key)) for key, v in arrays.items()}
        elif arrays is not None:
            self._given = self.checked(arrays)
        self._kept: tuple[Any, ...] | None = None

    def default(self, value: np.ndarray) -> np.ndarray:
        """The array of a variable that has this value when the optimizer is built."""
        raise NotImplementedError

    def checked(self, array: Any, key: str = "") -> np.ndarray:
        """Return the array given (under `key` of a mapping) as NumPy's, or raise."""
        if isinstance(array, keras.Variable) or ops.is_tensor(array):
            array = ops.convert_to_numpy(ops.convert_to_tensor(array))
        try:
            numbers = np.array(array)
            if numbers.dtype.kind in "biu" or not hasattr(array, "dtype"):
                numbers = numbers.astype("float32")
            finite = bool(np.isfinite(numbers).all())
        except (TypeError, ValueError):
            numbers, finite = np.zeros(0), False
        if not finite:
            name = f"{self.field}[{key!r}]" if key else self.field
            raise InputError(
                f"`{self.field}` must hold finite numbers. Received: {name}={array!r:.200}."
            )
        return numbers

    def bind(self, binding: Binding) -> Self:
        arrays = [self._array_of(*pair) for pair in zip(binding.paths, binding.values, strict=True)]
        missing = [p for p, array in zip(binding.paths, arrays, strict=True) if array is None]
        if missing:
            raise InputError(
                f"`{self.field}` must have an array for each variable that the penalty is put on; "
                "a key is the path of a variable, or its end. Received: no array for "
                f"{_some(missing)}; the keys are {_some(self._given)}. Add them, or put the "
                "penalty on fewer variables."
            )
        return self._keeping(*binding.constants(arrays, self.field))

    def _array_of(self, path: str, value: np.ndarray) -> np.ndarray | None:
        given = self._given
        if isinstance(given, dict):
            ends = [key for key in given if path == key or path.endswith(f"/{key}")]
            if not ends:
                return None
            given = given[max(ends, key=len)]
        elif given is None:
            given = self.default(value)
        try:
            return np.array(np.broadcast_to(given, np.shape(value)))
        except ValueError:
            raise InputError(
                f"`{self.field}` must have the shape of its variable, or broadcast to it. "
                f"Received: shape {given.shape} for {path}, which has shape {np.shape(value)}."
            ) from None

    def each(self, count: int) -> list[Penalty]:
        return [self] * count if self._kept is None else list(map(self._keeping, self._kept))

    def _keeping(self, *arrays: Any) -> Self:
        bound = copy.copy(self)
        bound._kept = arrays
        return bound

    @property
    def kept(self) -> tuple[Any, ...]:
        return self._kept or ()

    def unbound(self) -> Self:
        return type(self).from_config({**self.get_config(), self.field: None})

    def array(self, w: Any) -> Any:
        """The array of the weight w, in its dtype."""
        if self._kept is not None and len(self._kept) == 1:
            return ops.cast(ops.convert_to_tensor(self._kept[0]), w.dtype)
        if self._kept is None and isinstance(self._given, np.ndarray):
            return ops.cast(ops.convert_to_tensor(self._given), w.dtype)
        if self._kept is None and self._given is None:
            # Until an optimizer keeps the present weights, these are what it would keep.
            return self.default(w)
        raise InputError(
            f"`{self.field}` must be one array where the penalty is called on a weight by itself: "
            f"only an optimizer knows which variable it is. Received: {self!r}. Train with "
            f"`taut.Proximal`, or pass `{self.field}` as the array of this weight."
        )

    def get_config(self) -> dict[str, Any]:
        return {"strength": self.strength, self.field: self._given}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**{**config, cls.field: _revived(config[cls.field])})


def arrays_of(model: Any, name: str, *, trainable: bool = False) -> dict[str, np.ndarray]:
    """Path to value of a model's weights, the paths without the model's own name before them.

    Raises:
        InputError: If the model is not built.
    """
    check_keras_model(built=True, **{name: model})
    variables = model.trainable_variables if trainable else model.variables
    return {
        v.path.removeprefix(f"{model.name}/"): np.array(
            ops.convert_to_numpy(ops.convert_to_tensor(v))
        )
        for v in variables
        if keras.backend.is_float_dtype(v.dtype)
    }


def _revived(arrays: Any) -> Any:
    # Keras writes an array in a config as a dict, and leaves it to us to read it.
    if not isinstance(arrays, dict):
        return arrays
    if arrays.get("class_name") == "__numpy__":
        return keras.saving.deserialize_keras_object(arrays)
    return {key: _revived(value) for key, value in arrays.items()}


def _some(names: Any) -> str:
    names = list(names)
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return (", ".join(map(repr, names[:8])) or "none") + more
