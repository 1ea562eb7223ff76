"""The average of a model's weights over its updates, with the zeros of sparse ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from keras import ops

from taut.optimizers.blocks import Block


class Averages:
    r"""What Keras's `use_ema` averages, made for weights that go through a prox.

    The average of weights that are zero at most updates is zero at none. So what is averaged is
    the point z that each prox is taken of, and its step s, and the weights that are evaluated are

        prox_{s̄·αR}(z̄),    z̄ ← β·z̄ + (1−β)·z,    s̄ ← β·s̄ + (1−β)·s.

    Near a stationary point z = w − s·∇J(w) at every update, so z̄ = w − s̄·∇J(w) whatever the
    learning rate did, and the prox gives w itself. Noise is averaged before the threshold
    instead of after it, as in regularised dual averaging.

    Args:
        blocks: The penalised blocks.
        add: (variable, shape, name) -> a new variable of the optimizer.
        one_step: Whether the optimizer's step is one number for all weights of a variable.

    References:
        Xiao, Dual averaging methods for regularized stochastic learning, 2010.
    """

    def __init__(self, blocks: Sequence[Block], add: Callable[..., Any], *, one_step: bool):
        self._points: dict[int, Any] = {}
        self._steps: dict[int, Any] = {}
        for block in blocks:
            for variable in block.variables:
                shape = tuple(variable.shape)
                steps = () if one_step or block.scalar_step else shape
                self._points[id(variable)] = add(variable, shape, "average_point")
                self._steps[id(variable)] = add(variable, steps, "average_step")

    def add(self, block: Block, points: Sequence[Any], steps: Any, momentum: Any) -> None:
        """Average in the points and steps of one update of a block's weights."""
        shared = not isinstance(steps, (list, tuple))
        for i, variable in enumerate(block.variables):
            step = steps if shared else steps[i]
            for held, new in ((self._points, points[i]), (self._steps, step)):
                average = held[id(variable)]
                beta = ops.cast(momentum, variable.dtype)
                average.assign(beta * ops.convert_to_tensor(average) + (1 - beta) * new)

    def weights(self, block: Block, strengths: Sequence[Any]) -> list[Any]:
        """The averaged weights of a block: prox_{s̄·αR}(z̄)."""
        points = [ops.convert_to_tensor(self._points[id(v)]) for v in block.variables]
        steps = [ops.convert_to_tensor(self._steps[id(v)]) for v in block.variables]
        return block.prox(points, steps[0] if len(steps) == 1 else steps, strengths)
