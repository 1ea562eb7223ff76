"""The step, by coordinate, at which each Keras optimizer moves along a constant gradient.

At a fixed point the gradient g is constant, so momentum and averages have converged and the
update of a coordinate is −step·g. The prox of that same step makes the fixed point a stationary
point of J' = J + αR; any other step would minimise an objective with other strengths.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from taut.errors import UnsupportedError

Step = Callable[[Any, Any, Any], Any]


def sgd(optimizer: Any, variable: Any, learning_rate: Any) -> Any:
    """lr/(1−β): with momentum β, plain or Nesterov, the velocity sums lr·g·(1 + β + β² + …)."""
    del variable
    return learning_rate / (1 - optimizer.momentum)


def adam(optimizer: Any, variable: Any, learning_rate: Any) -> Any:
    """lr·√(1−β₂ᵗ)/(√v + ε); v is the running maximum with `amsgrad`."""
    index = optimizer._get_variable_index(variable)
    v = optimizer._velocity_hats[index] if optimizer.amsgrad else optimizer._velocities[index]
    t = ops.cast(optimizer.iterations + 1, variable.dtype)
    bias = ops.sqrt(1 - ops.power(ops.cast(optimizer.beta_2, variable.dtype), t))
    return learning_rate * bias / (ops.sqrt(v) + optimizer.epsilon)


def rmsprop(optimizer: Any, variable: Any, learning_rate: Any) -> Any:
    """lr/√(v + ε)/(1−β); `centered` takes the square of the mean gradient from v."""
    index = optimizer._get_variable_index(variable)
    v = optimizer._velocities[index] + optimizer.epsilon
    if optimizer.centered:
        v = v - ops.square(optimizer._average_gradients[index])
    return learning_rate / ops.sqrt(v) / (1 - optimizer.momentum)


def adagrad(optimizer: Any, variable: Any, learning_rate: Any) -> Any:
    """lr/√(Σg² + ε)."""
    index = optimizer._get_variable_index(variable)
    return learning_rate / ops.sqrt(optimizer._accumulators[index] + optimizer.epsilon)


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
