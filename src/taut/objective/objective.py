"""J' = J + αR of a compiled model as one object: its value, derivatives and proximal steps."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from keras import ops

from taut._keras.compiled_model import compiled_loss
from taut._keras.given_model import check_keras_model
from taut._keras.model_calls import StatelessScope
from taut._keras.shared_programs import Program, kept_program
from taut.describing import Undescribed, layers_described, loss_described, model_digest
from taut.errors import InputError
from taut.objective.gap import gap, is_convex
from taut.objective.gradients import Values, loss_and_gradients, squared_row_norms
from taut.optimizers.proximals import left_out_of_loss, proximals_of
from taut.optimizers.terms import KerasConstraints
from taut.penalties import Penalty, distance_of, prox_of, value_of


@dataclass(frozen=True)
class IndexedTerm:
    """One term of αR, its variables by their numbers in the list of weights w.

    Attributes:
        parts: The penalties.
        at: The numbers of the variables among the model's trainable ones.
        strengths: α of each penalty: variables of the optimizer, or numbers.
    """

    parts: tuple[Penalty, ...]
    at: tuple[int, ...]
    strengths: tuple[Any, ...]

    @property
    def arrays(self) -> list[Any]:
        """The variables of optimizers that hold arrays of the penalties."""
        return [variable for part in self.parts for variable in part.kept]

    def tensors(self) -> list[Any]:
        """The present strengths, as tensors."""
        return [ops.convert_to_tensor(s) for s in self.strengths]

    def numbers(self) -> list[float]:
        """The present strengths, as numbers."""
        return [float(ops.convert_to_numpy(s)) for s in self.strengths]


def check_kind(model: Any) -> None:
    """Raise for what is no Keras model, or was compiled without a loss."""
    check_keras_model(model=model)
    if getattr(model, "compiled", False) and compiled_loss(model) is None:
        raise InputError(
            f"`model` must be compiled with a loss. Received: {model.name!r} with "
            f"loss={model.loss!r}. Give `compile` a loss."
        )


class Objective:
    r"""J'(w) = J(w) + Σ α·R(w) of a compiled and built model.

    J is the mean compiled loss over rows, in inference mode, and what layers add to it; R are the
    penalties of the model's `taut.Proximal` optimizers, what these treat of the layers' own, and
    the constraints that Keras applies. Weights w are lists of tensors, one for each of
    `variables`; strengths, and all values that are not trained, are the present ones at each call.

    What is compiled is kept for all models that are built alike: with the same layers and loss
    and the same kinds of penalties, whatever the values of their variables.

    Args:
        model: The model.

    Example:
        >>> import keras, numpy as np, taut
        >>> from taut.objective import Objective
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
        >>> model.compile(taut.Proximal("sgd", taut.L1(0.1)), loss="mse")
        >>> model.set_weights([np.array([[1.0], [-2.0]])])
        >>> round(Objective(model).penalty(), 6)
        0.3
    """

    def __init__(self, model: Any):
        self.model = model
        self.variables: list[Any] = list(model.trainable_variables)

    @cached_property
    def optimizers(self) -> list[Any]:
        """The `Proximal` optimizers that the model is trained with."""
        return proximals_of(self.model)

    @cached_property
    def terms(self) -> list[IndexedTerm]:
        """The terms of αR: what optimizers penalise, and constraints that Keras applies instead.

        Raises:
            UnsupportedError: For a Keras constraint that equals no constraint of taut.
        """
        treated = [term for optimizer in self.optimizers for term in optimizer.terms]
        constraints = KerasConstraints.of(self.variables, treated)
        return [
            term for optimizer in (*self.optimizers, constraints) for term in self._terms(optimizer)
        ]

    def _terms(self, optimizer: Any) -> list[IndexedTerm]:
        index = {id(v): i for i, v in enumerate(self.variables)}
        return [
            IndexedTerm(
                term.parts,
                tuple(index[id(v)] for v in term.variables),
                tuple(optimizer.strengths_of(term)),
            )
            for term in optimizer.terms
            if all(id(v) in index for v in term.variables)
        ]

    def weights(self) -> Values:
        """The present weights."""
        return [ops.convert_to_tensor(v) for v in self.variables]

    def assign(self, w: Values) -> None:
        """Make these the model's weights."""
        for variable, value in zip(self.variables, w, strict=True):
            variable.assign(value)

    def loss_and_gradients(self, w: Values, x: Any, y: Any, weight: Any) -> tuple[Any, Values]:
        """J over some rows, and its gradient; see `taut.objective.gradients`."""
        return self._loss_and_gradients(self.model, w, self._others(), x, y, weight)

    def squared_row_norms(self, w: Values, x: Any, y: Any, weight: Any) -> np.ndarray:
        """[rows] of ‖∇ℓ_i(w)‖² over all variables, with ℓ_i the loss of one row."""
        return self._squared_row_norms(self.model, w, self._others(), x, y, weight)

    def gradients(self, x: Any, y: Any, weight: Any = None) -> list[np.ndarray]:
        """∇J over some rows at the present weights, by variable."""
        _, gradients = self.loss_and_gradients(self.weights(), x, y, weight)
        return [ops.convert_to_numpy(g) for g in gradients]

    def penalty(self) -> float:
        """αR(w) at the present weights, over what the optimizers penalise."""
        values = [
            term.value(
                term.values(), [ops.convert_to_tensor(s) for s in optimizer.strengths_of(term)]
            )
            for optimizer in self.optimizers
            for term in optimizer.terms
        ]
        return sum(float(ops.convert_to_numpy(value)) for value in values)

    def residuals(self, w: Values, gradients: Values) -> tuple[Values, list[Any]]:
        """The residual of stationarity of each variable, given ∇J(w), and αR(w) of each term."""
        distances, penalties = self._residuals(self.terms, w, gradients, *self._given())
        residuals = list(gradients)
        for term, of_term in zip(self.terms, distances, strict=True):
            for i, distance in zip(term.at, of_term, strict=True):
                residuals[i] = distance
        return residuals, penalties

    def step(self, z: Values, gradients: Values, curvature: Any) -> tuple[Values, Any]:
        """w = prox_{αR/L}(z − ∇J(z)/L) with L the curvature, and αR(w)."""
        return self._step(self.terms, z, gradients, curvature, *self._given())

    @cached_property
    def convex(self) -> bool:
        """Whether J' is known to be convex."""
        return is_convex(self.model, [part for term in self.terms for part in term.parts])

    def gap(self, value: float, w: Sequence[np.ndarray], residuals: Sequence[Any]) -> float | None:
        """An upper bound of J'(w) − min J', with J'(w) = `value`; None if J' may not be convex."""
        if not self.convex:
            return None
        terms = [(term.parts, term.at, term.numbers()) for term in self.terms]
        return gap(value, list(zip(w, residuals, strict=True)), terms)

    def _others(self) -> Values:
        return [v.value for v in self.model.non_trainable_variables]

    def _given(self) -> tuple[Any, Any]:
        """The present strengths, and arrays that optimizers keep for penalties."""
        arrays = [[v.value for v in term.arrays] for term in self.terms]
        return [term.tensors() for term in self.terms], arrays

    @cached_property
    def _digest(self) -> str | None:
        """Of all that is compiled into the programs; None where it is not known."""
        arrays = {
            id(v): f"array {k} of term {i}"
            for i, term in enumerate(self.terms)
            for k, v in enumerate(term.arrays)
        }
        terms = [[term.at, [_at_no_strength(part) for part in term.parts]] for term in self.terms]
        left_out = left_out_of_loss(self.model)
        in_loss = [id(v) not in left_out for v in self.variables]
        try:
            described = layers_described(self.model), loss_described(self.model), in_loss, terms
            return model_digest(self.model, list(described), known=arrays)
        except Undescribed:
            return None

    @cached_property
    def _loss_and_gradients(self) -> Any:
        return kept_program("loss and gradients", self._digest, loss_and_gradients)

    @cached_property
    def _squared_row_norms(self) -> Any:
        return kept_program("squared row norms", self._digest, squared_row_norms)

    @cached_property
    def _residuals(self) -> Any:
        return kept_program("residuals", self._digest, lambda: Program(_residuals))

    @cached_property
    def _step(self) -> Any:
        return kept_program("step", self._digest, lambda: Program(_step))


def _at_no_strength(part: Penalty) -> Penalty:
    other = copy.copy(part)
    other.strength = 0.0  # an argument of what is compiled
    return other


def _keeping(terms: Sequence[IndexedTerm], arrays: Any) -> Any:
    """A context in which the variables that optimizers keep for penalties have these values."""
    variables = [variable for term in terms for variable in term.arrays]
    values = [value for of_term in arrays for value in of_term]
    return StatelessScope(state_mapping=list(zip(variables, values, strict=True)))


def _residuals(
    terms: Sequence[IndexedTerm], w: Values, gradients: Values, strengths: Any, arrays: Any
) -> Any:
    distances, penalties = [], []
    with _keeping(terms, arrays):
        for term, values in zip(terms, strengths, strict=True):
            weights, slopes = [w[i] for i in term.at], [gradients[i] for i in term.at]
            distances.append(distance_of(term.parts, weights, slopes, values))
            penalties.append(value_of(term.parts, weights, values))
    return distances, penalties


def _step(
    terms: Sequence[IndexedTerm],
    z: Values,
    gradients: Values,
    curvature: Any,
    strengths: Any,
    arrays: Any,
) -> Any:
    w = [a - g / curvature for a, g in zip(z, gradients, strict=True)]
    penalty = ops.zeros(())
    with _keeping(terms, arrays):
        for term, values in zip(terms, strengths, strict=True):
            weights = prox_of(term.parts, [w[i] for i in term.at], 1 / curvature, values)
            for i, value in zip(term.at, weights, strict=True):
                w[i] = value
            penalty = penalty + value_of(term.parts, weights, values)
    return w, penalty
