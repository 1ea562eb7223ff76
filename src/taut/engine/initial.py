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
        self._optimizer = _fresh_state(model)
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


def _fresh_state(model: Any) -> list[np.ndarray]:
    """The optimizer's variables as they are before training, whatever it has done since."""
    optimizer = model.optimizer
    plain = getattr(optimizer, "plain", None)
    new = plain() if plain else type(optimizer).from_config(optimizer.get_config())
    new.build(model.trainable_variables)
    values = [np.asarray(v.value) for v in new.variables]
    # Behind them come the variables of `Proximal`: constants of penalties, strengths, which lanes
    # set, and sums of steps.
    constants = {id(v) for v in getattr(optimizer, "constants", ())}
    return values + [
        np.asarray(v.value) if id(v) in constants else np.zeros(v.shape, v.dtype)
        for v in optimizer.variables[len(values) :]
    ]


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

    Layers that train nothing (frozen, or adapted to data) keep their weights.

    Raises:
        UnsupportedError: If the model cannot be rebuilt from its configuration.
    """
    try:
        config = keras.saving.serialize_keras_object(model)
        config["compile_config"] = None
        copy = keras.saving.deserialize_keras_object(config)
        for old, new in zip(model._flatten_layers(), copy._flatten_layers(), strict=True):
            if old.weights and not old.trainable_weights:
                new.set_weights(old.get_weights())
        return copy
    except (TypeError, ValueError, NotImplementedError) as error:
        raise UnsupportedError(
            "A model trained from several seeds must be rebuilt from its configuration. "
            f"Received: {model.name!r}, which cannot ({error}). Give it `get_config` and "
            "register it with keras.saving, or use `seed=None` to start from its weights."
        ) from error
