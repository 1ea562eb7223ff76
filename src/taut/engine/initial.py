"""The initial values of a lane's variables."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from taut.engine.lanes import Lane
from taut.errors import InputError, UnsupportedError

Values = tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]


class InitialValues:
    """Makes (trainable, non-trainable, optimizer) values for lanes; one model a seed."""

    def __init__(self, model: Any):
        self._model = model
        self._by_seed: dict[int | None, tuple[list[np.ndarray], list[np.ndarray]]] = {}
        self._optimizer = [np.asarray(v.value) for v in model.optimizer.variables]
        strengths = getattr(model.optimizer, "strengths", ())
        index = {id(v): i for i, v in enumerate(model.optimizer.variables)}
        self._strength_at = [index[id(v)] for v in strengths]
        self._path = {
            v.path: (kind, i)
            for kind, variables in enumerate(
                (model.trainable_variables, model.non_trainable_variables)
            )
            for i, v in enumerate(variables)
        }

    def check(self, lanes: Sequence[Lane]) -> None:
        """Raise if a lane sets a variable that does not exist."""
        for lane in lanes:
            unknown = sorted(set(lane.values) - set(self._path))
            if unknown:
                raise InputError(
                    "`values` must name variables of the model by their path. Received: "
                    f"{unknown}; the model has {sorted(self._path)}."
                )

    def __call__(self, lane: Lane) -> Values:
        if lane.seed not in self._by_seed:
            model = self._model if lane.seed is None else reinitialised(self._model, lane.seed)
            self._by_seed[lane.seed] = (
                [np.asarray(v.value) for v in model.trainable_variables],
                [np.asarray(v.value) for v in model.non_trainable_variables],
            )
        trainable, non_trainable = map(list, self._by_seed[lane.seed])
        for path, value in lane.values.items():
            kind, i = self._path[path]
            target = (trainable, non_trainable)[kind]
            target[i] = np.broadcast_to(value, target[i].shape).astype(target[i].dtype)
        optimizer = list(self._optimizer)
        for i, strength in zip(self._strength_at, lane.strengths, strict=True):
            optimizer[i] = np.asarray(strength, optimizer[i].dtype)
        return trainable, non_trainable, optimizer


def reinitialised(model: Any, seed: int) -> Any:
    """A copy of `model` with fresh weights and dropout streams drawn from `seed`.

    Raises:
        UnsupportedError: If the model cannot be rebuilt from its configuration.
    """
    state = random.getstate()
    random.seed(seed)  # from here Keras draws the seeds of initialisers and dropout
    try:
        copy = copy_of(model)
    finally:
        random.setstate(state)
    return copy


def copy_of(model: Any) -> Any:
    """A model of the same architecture and names, not compiled, with fresh weights.

    Raises:
        UnsupportedError: If the model cannot be rebuilt from its configuration.
    """
    try:
        config = keras.saving.serialize_keras_object(model)
        config["compile_config"] = None
        return keras.saving.deserialize_keras_object(config)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise UnsupportedError(
            "A model trained from several seeds must be rebuilt from its configuration. "
            f"Received: {model.name!r}, which cannot ({error}). Give it `get_config` and "
            "register it with keras.saving, or use `seed=None` to start from its weights."
        ) from error
