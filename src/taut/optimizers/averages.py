"""The average of a model's weights over its updates, with the zeros of sparse ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from taut.optimizers.metric import one_step
from taut.optimizers.terms import Term


class Averages:
    r"""What Keras's `use_ema` averages, made for weights that go through a prox.

    An average of weights that are zero at most updates is zero at none. So what is averaged is
    the point z that each prox is taken of, and its step s, and the weights that are evaluated are

        prox_{s̄·αR}(z̄),    z̄ ← β·z̄ + (1−β)·z,    s̄ ← β·s̄ + (1−β)·s.

    At a stationary point w, z = w − s·∇J(w) at every update, so z̄ = w − s̄·∇J(w) whatever the
    learning rate has done, and the prox gives w itself. In between, noise is averaged before the
    threshold and not after it, as in regularised dual averaging.

    Args:
        optimizer: A `Proximal` optimizer with `use_ema`, which is being built.
        terms: The terms of its αR(w).

    References:
        Xiao, Dual averaging methods for regularized stochastic learning, 2010.
    """

    def __init__(self, optimizer: Any, terms: Sequence[Term]):
        self._optimizer = optimizer
        self._terms = terms
        self._points: dict[int, Any] = {}
        self._steps: dict[int, Any] = {}
        for term in terms:
            for variable in term.variables:
                add = optimizer.add_variable_from_reference
                self._points[id(variable)] = add(variable, name="average_point")
                if term.scalar_step or one_step(optimizer):
                    step = optimizer.add_variable(
                        (),
                        dtype=variable.dtype,
                        name=f"{variable.path.replace('/', '_')}_average_step",
                    )
                else:
                    step = add(variable, name="average_step")
                self._steps[id(variable)] = step

    def add(self, term: Term, points: Sequence[Any], steps: Any) -> None:
        """Average in one update of a term: the points before the prox and its step or steps."""
        shared = not isinstance(steps, (list, tuple))
        for i, variable in enumerate(term.variables):
            beta = ops.cast(self._momentum(), variable.dtype)
            step = steps if shared else steps[i]
            for held, new in ((self._points, points[i]), (self._steps, step)):
                average = held[id(variable)]
                average.assign(beta * ops.convert_to_tensor(average) + (1 - beta) * new)

    def write(self) -> None:
        """Put the averaged weights where Keras keeps its own, for all that reads these."""
        optimizer = self._optimizer
        for term in self._terms:
            points = [ops.convert_to_tensor(self._points[id(v)]) for v in term.variables]
            steps = [ops.convert_to_tensor(self._steps[id(v)]) for v in term.variables]
            if len(steps) == 1 and ops.ndim(steps[0]) == 0:
                steps = steps[0]  # one step for all
            new = term.prox(points, steps, optimizer.cast_strengths(term))
            for variable, value in zip(term.variables, new, strict=True):
                average = optimizer._model_variables_moving_average[
                    optimizer._get_variable_index(variable)
                ]
                if optimizer.gradient_accumulation_steps:
                    # Until the first update Keras's average is the weights.
                    updated = optimizer._iterations + 1 >= optimizer.gradient_accumulation_steps
                    value = ops.where(updated, value, ops.convert_to_tensor(average))
                average.assign(value)

    def _momentum(self) -> Any:
        # Keras averages at every batch, also where gradients are accumulated only.
        optimizer = self._optimizer
        momentum = optimizer.ema_momentum ** (optimizer.gradient_accumulation_steps or 1)
        return ops.where(ops.equal(optimizer.iterations, 0), 0.0, momentum)
