"""The initial values of a lane's variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from taut._keras.optimizer_updates import renewed
from taut.engine.lanes import Lane
from taut.engine.ledger import Ledger
from taut.engine.redraw import redrawn
from taut.engine.state import LaneState
from taut.errors import InputError

Values = tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]


class InitialValues:
    """Makes (trainable, non-trainable, optimizer) values for lanes; drawn once a seed."""

    def __init__(self, model: Any):
        self._model = model
        self._by_seed: dict[Any, tuple[list[np.ndarray], list[np.ndarray]]] = {}
        self._optimizer = _fresh_state(model)
        strengths = getattr(model.optimizer, "strengths", ())
        index = {id(v): i for i, v in enumerate(model.optimizer.variables)}
        self._strength_at = [index[id(v)] for v in strengths]
        self._stream_at = [
            i
            for i, v in enumerate(model.non_trainable_variables)
            if v.name == "seed_generator_state"
        ]
        groups = model.trainable_variables, model.non_trainable_variables, model.optimizer.variables
        self._shape = {
            (kind, i): tuple(v.shape)
            for kind, group in enumerate(groups)
            for i, v in enumerate(group)
        }
        self._place = {
            v.path: (kind, i) for kind, group in enumerate(groups) for i, v in enumerate(group)
        }
        # The optimizer's own numbers are known by their bare name too.
        for i, variable in enumerate(model.optimizer.variables):
            if variable.shape == () and variable.name not in ("iteration", "iterations"):
                self._place.setdefault(variable.name, (2, i))

    def check(self, lanes: Sequence[Lane]) -> None:
        """Raise if a lane sets a variable that does not exist, or to what it cannot be."""
        for lane in lanes:
            unknown = sorted(set(lane.values) - set(self._place))
            if unknown:
                raise InputError(
                    "`values` must name variables of the model or of its optimizer by their path; "
                    "a learning rate that follows a schedule is not one. Received: "
                    f"{unknown}; there are {sorted(self._place)}."
                )
            for name, value in lane.values.items():
                shape = self._shape[self._place[name]]
                try:
                    np.broadcast_to(np.asarray(value, float), shape)
                except (TypeError, ValueError) as error:
                    raise InputError(
                        f"`values` must fit their variable: {name!r} has the shape {shape}. "
                        f"Received: {value!r} for the lane {lane}."
                    ) from error

    def streams(self) -> list[Any]:
        """The states of random streams with which lanes without a seed begin, for a checkpoint."""
        values = self._weights(None)[1]
        return [values[i].tolist() for i in self._stream_at]

    def set_streams(self, streams: list[Any]) -> None:
        """Begin lanes without a seed with these streams: in another process they are others."""
        values = self._weights(None)[1]
        for i, stream in zip(self._stream_at, streams, strict=True):
            values[i] = np.array(stream, values[i].dtype)

    def state(self, ledger: Ledger, i: int) -> LaneState:
        """The state in which lane i takes a slot: where it left off, or its first.

        Args:
            ledger: Whose saved state is taken out, if there is one.
            i: Number of the lane.
        """
        if i in ledger.states:
            return ledger.states.pop(i)
        lane, start = ledger.lanes[i], ledger.start_of(i)
        values = self(lane)
        if start is not None:
            values = self._warm(lane, values, ledger.lanes[start], ledger.kept[start])
        return LaneState.fresh(values, split=lane.split, target=lane.target)

    def __call__(self, lane: Lane) -> Values:
        """What a lane begins with."""
        trainable, non_trainable = self._weights(lane.seed, lane.present)
        values: Values = list(trainable), list(non_trainable), list(self._optimizer)
        for i, strength in zip(self._strength_at, lane.strengths, strict=True):
            values[2][i] = np.asarray(strength, values[2][i].dtype)
        self._set(values, lane)
        return values

    def _warm(self, lane: Lane, fresh: Values, other: Lane, kept: Any) -> Values:
        """What a lane begins with that starts from the weights another lane kept.

        Zero absorbs: the gradient of a unit whose weights in and out are zero is zero. So where a
        strength falls, weights that the other lane had at zero begin at their fresh values.
        """
        trainable, non_trainable = list(kept[0]), list(kept[1])
        if any(new < old for new, old in zip(lane.strengths, other.strengths, strict=True)):
            pairs = zip(trainable, fresh[0], strict=True)
            trainable = [np.where(old == 0, new, old) for old, new in pairs]
        values: Values = trainable, non_trainable, fresh[2]
        self._set(values, lane)
        return values

    def _set(self, values: Values, lane: Lane) -> None:
        for path, value in lane.values.items():
            kind, i = self._place[path]
            old = values[kind][i]
            values[kind][i] = np.broadcast_to(value, old.shape).astype(old.dtype)

    def _weights(
        self, seed: int | None, present: bool = False
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        present = present or seed is None
        if (seed, present) not in self._by_seed:
            model = self._model
            if seed is None:
                values = model.trainable_variables, model.non_trainable_variables
            else:
                values = redrawn(model, seed, weights=not present)
            self._by_seed[seed, present] = (
                [np.array(keras.ops.convert_to_numpy(v)) for v in values[0]],
                [np.array(keras.ops.convert_to_numpy(v)) for v in values[1]],
            )
        return self._by_seed[seed, present]


def _fresh_state(model: Any) -> list[np.ndarray]:
    """The optimizer's variables as they are before training, whatever it has done since."""
    optimizer = model.optimizer
    plain = getattr(optimizer, "plain", None)
    new = plain() if plain else renewed(optimizer)
    new.build(model.trainable_variables)
    values = [np.array(keras.ops.convert_to_numpy(v)) for v in new.variables]
    # Behind them come the variables of `Proximal`: constants of penalties, strengths, which lanes
    # set, and sums of steps.
    constants = {id(v) for v in getattr(optimizer, "constants", ())}
    return values + [
        np.array(keras.ops.convert_to_numpy(v))
        if id(v) in constants
        else np.zeros(v.shape, v.dtype)
        for v in optimizer.variables[len(values) :]
    ]
