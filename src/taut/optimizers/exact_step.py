"""The proximal step behind each of a Keras optimizer's updates, in the metric of that update."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from taut._keras.optimizer_updates import Update
from taut.optimizers.averages import Averages
from taut.optimizers.metric import STEPS


def apply_prox(
    optimizer: Any,
    kind: type,
    updates: Sequence[Update],
    learning_rate: Any,
    averages: Averages | None,
) -> None:
    """Take the prox of every term of αR(w) that an update has reached.

    Args:
        optimizer: A built `Proximal`.
        kind: The class of Keras that it is.
        updates: What it has just done to its variables.
        learning_rate: Of this step.
        averages: Where the weights are averaged.
    """
    by_variable = {optimizer._var_key(u.variable): u for u in updates}
    for term in optimizer.terms:
        of_term = [by_variable.get(optimizer._var_key(v)) for v in term.variables]
        if not any(of_term):  # this step is about other variables
            if averages is not None:
                zero = ops.zeros((), term.variables[0].dtype)
                averages.add(term, term.values(), zero)
            continue
        w, steps = term.values(), []
        for i, (variable, update) in enumerate(zip(term.variables, of_term, strict=True)):
            step = _step(optimizer, kind, variable, update, learning_rate)
            if term.scalar_step and update is not None:
                w[i], step = _with_one_step(update.before, w[i], step)
            steps.append(step)
        alone = len(of_term) == 1 or (all(of_term) and not getattr(optimizer, "momentum", 0))
        if alone and all(ops.ndim(step) == 0 for step in steps):
            steps = steps[0]  # one step for all
        if averages is not None:
            averages.add(term, w, steps)
        new = term.prox(w, steps, optimizer.cast_strengths(term))
        for variable, value in zip(term.variables, new, strict=True):
            variable.assign(value)


def _step(
    optimizer: Any, kind: type, variable: Any, update: Update | None, learning_rate: Any
) -> Any:
    dtype = variable.dtype
    if update is None:
        return ops.zeros((), dtype)  # it is not in this step: it stays
    step = STEPS[kind](optimizer, update, ops.cast(learning_rate, dtype))
    if update.clip_factor is not None:
        # A clipped optimizer moves along the clipped gradient, so at a shorter step.
        step = step * ops.cast(update.clip_factor, dtype)
    return step


def _with_one_step(before: Any, after: Any, step: Any) -> tuple[Any, Any]:
    """The same update taken with one step for all weights: its mean direction, its mean size.

    The optimizer moved by −step·d, where d is the gradient at a fixed point; so moving by −s·d
    and taking the prox with s has the same fixed points, for any s. Here 1/s is the root mean
    square of 1/step, which makes Adam's s its learning rate over the root of the mean of v.
    """
    if ops.ndim(step) == 0:
        return after, step
    one = 1 / ops.sqrt(ops.mean(ops.square(1 / step)))
    return before + (after - before) * (one / step), one
