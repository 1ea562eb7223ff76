"""The step, by coordinate, at which each Keras optimizer moves along a constant gradient.

At a fixed point the gradient g is constant, so averages of it have converged and the update of
a coordinate is −step·g. The prox of that same step makes the fixed point a stationary point of
J' = J + αR; any other step would minimise an objective with other strengths.

Where momentum β sums learning rates times gradients, the step is the same sum without the
gradients, s ← β·s + lr: it tends to lr/(1−β), and stays right while a schedule changes lr.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from taut.errors import UnsupportedError

Step = Callable[[Any, Any, Any], Any]


def sgd(optimizer: Any, variable: Any, learning_rate: Any) -> Any:
    """s ← β·s + lr, which tends to lr/(1−β); with Nesterov β·s + lr, the same limit."""
    if not optimizer.momentum:
        return learning_rate
    summed = _with_momentum(optimizer, variable, learning_rate)
    return optimizer.momentum * summed + learning_rate if optimizer.nesterov else summed


def adam(optimizer: Any, variable: Any, learning_rate: Any) -> Any:
    """lr·√(1−β₂ᵗ)/(√v + ε); v is the running maximum with `amsgrad`."""
    index = optimizer._get_variable_index(variable)
    v = optimizer._velocity_hats[index] if optimizer.amsgrad else optimizer._velocities[index]
    t = ops.cast(optimizer.iterations + 1, variable.dtype)
    bias = ops.sqrt(1 - ops.power(ops.cast(optimizer.beta_2, variable.dtype), t))
    return learning_rate * bias / (ops.sqrt(v) + optimizer.epsilon)


def rmsprop(optimizer: Any, variable: Any, learning_rate: Any) -> Any:
    """lr/√(v + ε), summed by momentum; `centered` takes the squared mean gradient from v."""
    index = optimizer._get_variable_index(variable)
    v = optimizer._velocities[index] + optimizer.epsilon
    if optimizer.centered:
        v = v - ops.square(optimizer._average_gradients[index])
    step = learning_rate / ops.sqrt(v)
    return _with_momentum(optimizer, variable, step) if optimizer.momentum else step


def adagrad(optimizer: Any, variable: Any, learning_rate: Any) -> Any:
    """lr/√(Σg² + ε)."""
    index = optimizer._get_variable_index(variable)
    return learning_rate / ops.sqrt(optimizer._accumulators[index] + optimizer.epsilon)


def _with_momentum(optimizer: Any, variable: Any, step: Any) -> Any:
    summed = optimizer.momentum_steps[optimizer._get_variable_index(variable)]
    summed.assign(optimizer.momentum * ops.convert_to_tensor(summed) + step)
    return ops.convert_to_tensor(summed)


def momentum_shape(optimizer: Any, variable: Any) -> tuple[int, ...] | None:
    """Shape of the summed step of a variable; None where the optimizer sums none."""
    if not getattr(optimizer, "momentum", 0):
        return None
    return () if isinstance(optimizer, keras.optimizers.SGD) else tuple(variable.shape)


STEPS: dict[type, Step] = {
    keras.optimizers.SGD: sgd,
    keras.optimizers.Adam: adam,
    keras.optimizers.AdamW: adam,
    keras.optimizers.RMSprop: rmsprop,
    keras.optimizers.Adagrad: adagrad,
}


def keras_class(optimizer: keras.optimizers.Optimizer) -> type:
    """The Keras class among `STEPS` that `optimizer` is an instance of.

    Raises:
        UnsupportedError: If it is none of them; they are named.
    """
    # Keras for torch makes instances of subclasses of its own.
    kind = type(optimizer)
    for supported in STEPS:
        if kind is supported or (
            kind.__name__ == supported.__name__
            and issubclass(kind, supported)
            and kind.__module__.startswith("keras.")
        ):
            return supported
    names = ", ".join(cls.__name__ for cls in STEPS)
    raise UnsupportedError(
        "The proximal step is exact only in the metric of the optimizer, which is known for "
        f"{names}. Received: {kind.__name__}. Use one of these."
    )
