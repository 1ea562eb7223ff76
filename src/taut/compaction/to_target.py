"""The strength of a group lasso on units at which a model keeps to so many multiply-adds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from taut._keras_compat import compile_arguments
from taut.compaction.remade import Remaking, remade
from taut.errors import InputError
from taut.optimizers import Proximal
from taut.optimizers.proximals import proximals_in
from taut.penalties import GroupLasso

FIRST, STEP = 1e-3, 4.0
TRIALS = 12
CLOSE = 0.95
"""The search ends at a model that uses this share of its budget."""


@dataclass(frozen=True)
class Tried:
    """One training of the search.

    Attributes:
        strength: Of the group lasso on units.
        multiply_adds: Of the model without its dead units; None where all are dead.
    """

    strength: float
    multiply_adds: int | None


def trained_to(
    model: Any,
    x: Any,
    y: Any,
    *,
    target: int,
    count: Callable[[Any], int | None],
    epochs: int,
    batch_size: int,
) -> tuple[Any, tuple[Tried, ...]]:
    """A copy, trained on from the model's weights with a group lasso on units, within a budget.

        J'(w) = J(w) + α·Σ_u √size(u)·‖w_u‖,    α the smallest that is found to be within it.

    Args:
        model: A compiled Sequential or Functional model; it is not changed.
        x: Rows, [rows, …] or a tree of these.
        y: Targets.
        target: Multiply-adds of one row, at most.
        count: (model) -> its multiply-adds without dead units; None where all are dead.
        epochs: Of each training.
        batch_size: Of each training.

    Returns:
        The copy, and the trainings in order.

    Raises:
        InputError: If no strength is found at which units live and the budget is met.
    """
    copy = remade(model, Remaking())
    optimizer: Any = Proximal(_inner(model.optimizer), GroupLasso(FIRST, groups="units"))
    optimizer.bind(copy)
    given = compile_arguments(model)
    copy.compile(optimizer, loss=given["loss"], loss_weights=given["loss_weights"])
    optimizer.build(copy.trainable_variables)
    start = _values([*copy.variables, *optimizer.variables])
    best: tuple[int, list[np.ndarray]] | None = None
    tried: list[Tried] = []
    below: float | None = None  # too weak
    above: float | None = None  # within the budget, or all dead
    strength = FIRST
    for _ in range(TRIALS):
        _assign([*copy.variables, *optimizer.variables], start)
        optimizer.set_strengths([strength])
        copy.fit(x, y, epochs=epochs, batch_size=batch_size, verbose=0)
        made = count(copy)
        tried.append(Tried(strength, made))
        if made is None or made <= target:
            above = strength
        else:
            below = strength
        if made is not None and made <= target and (best is None or made > best[0]):
            best = made, _values(copy.variables)
            if made >= CLOSE * target:
                break
        if below is None:
            strength /= STEP
        elif above is None:
            strength *= STEP
        else:
            strength = float(np.sqrt(below * above))
    if best is None:
        raise InputError(_not_met(model, target, tried))
    _assign(copy.variables, best[1])
    return copy, tuple(tried)


def _inner(optimizer: Any) -> Any:
    """A new optimizer of the same settings, without a penalty of its own."""
    if proximals_in(optimizer):
        return optimizer.plain()
    return keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))


def _values(variables: list[Any]) -> list[np.ndarray]:
    return [np.array(ops.convert_to_numpy(v)) for v in variables]


def _assign(variables: list[Any], values: list[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _not_met(model: Any, target: int, tried: list[Tried]) -> str:
    lines = ", ".join(
        f"{t.strength:.3g}: {'all dead' if t.multiply_adds is None else t.multiply_adds}"
        for t in sorted(tried, key=lambda t: t.strength)
    )
    return (
        "`target_macs` must be met by some strength at which units live. Received: "
        f"target_macs={target} for {model.name!r}, whose multiply-adds by strength are {lines}. "
        "Allow more, or train for more epochs."
    )
