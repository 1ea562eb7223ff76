"""The step, by coordinate, at which each Keras optimizer moves along a constant gradient.

At a fixed point the gradient g is constant, so averages of it have converged and the update of
a coordinate is −step·g. The prox of that same step makes the fixed point a stationary point of
J' = J + αR; any other step would minimise an objective with other strengths.

Where momentum β sums learning rates times gradients, the step is the same sum without the
gradients, s ← β·s + lr: it tends to lr/(1−β), and stays right while a schedule changes lr.

Each function is called after the update, with the optimizer's averages as the update left them.
Below, v is the average of squared gradients and t counts updates from 1. A weight to which no
gradient came so far has no v of its own: see `_by_squares`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from taut._keras.optimizer_updates import Update, dense
from taut.errors import UnsupportedError

Step = Callable[[Any, Update, Any], Any]


def sgd(optimizer: Any, update: Update, learning_rate: Any) -> Any:
    """s ← β·s + lr, which tends to lr/(1−β); with Nesterov β·s + lr, the same limit."""
    if not optimizer.momentum:
        return learning_rate
    summed = _with_momentum(optimizer, update, learning_rate)
    return optimizer.momentum * summed + learning_rate if optimizer.nesterov else summed


def adam(optimizer: Any, update: Update, learning_rate: Any) -> Any:
    """lr·√(1−β₂ᵗ)/(√v + ε); v is the running maximum with `amsgrad`."""
    velocities = optimizer._velocity_hats if optimizer.amsgrad else optimizer._velocities
    v = _of(optimizer, update, velocities)
    bias = ops.sqrt(_bias(optimizer, update, optimizer.beta_2))
    step = lambda v: learning_rate * bias / (ops.sqrt(v) + optimizer.epsilon)  # noqa: E731
    return _by_squares(v, step, learning_rate)


def adamax(optimizer: Any, update: Update, learning_rate: Any) -> Any:
    """lr/(u + ε), where u is the decayed maximum of |g|."""
    u = _of(optimizer, update, optimizer._u)
    return _by_squares(u, lambda u: learning_rate / (u + optimizer.epsilon), learning_rate)


def nadam(optimizer: Any, update: Update, learning_rate: Any) -> Any:
    """lr·c/(√(v/(1−β₂ᵗ)) + ε), c = u_{t+1}·(1−β₁ᵗ)/(1−Π_{t+1}) + (1−u_t)/(1−Π_t), near 1.

    u_t = β₁·(1 − 0.96ᵗ/2) is the schedule of momentum and Π_t the product of u_1 … u_t.
    """
    dtype = update.variable.dtype
    t = ops.cast(optimizer.iterations + 1, dtype)
    now, soon = (
        optimizer.beta_1 * (1 - ops.power(ops.cast(0.96, dtype), k) / 2) for k in (t, t + 1)
    )
    product = ops.cast(optimizer._u_product, dtype)
    average = _bias(optimizer, update, optimizer.beta_1)
    c = soon * average / (1 - product * soon) + (1 - now) / (1 - product)
    root = _root_of_mean_square(optimizer, update)
    v = _of(optimizer, update, optimizer._velocities)
    return _by_squares(v, lambda v: learning_rate * c / root(v), learning_rate)


def rmsprop(optimizer: Any, update: Update, learning_rate: Any) -> Any:
    """lr/√(v + ε), summed by momentum; `centered` takes the squared mean gradient from v."""
    mean = _of(optimizer, update, optimizer._average_gradients) if optimizer.centered else 0

    def step_at(v: Any) -> Any:
        return learning_rate / ops.sqrt(v + optimizer.epsilon - mean * mean)

    step = _by_squares(_of(optimizer, update, optimizer._velocities), step_at, learning_rate)
    return _with_momentum(optimizer, update, step) if optimizer.momentum else step


def adagrad(optimizer: Any, update: Update, learning_rate: Any) -> Any:
    """lr/√(Σg² + ε)."""
    squares = _of(optimizer, update, optimizer._accumulators)
    step = lambda v: learning_rate / ops.sqrt(v + optimizer.epsilon)  # noqa: E731
    return _by_squares(squares, step, learning_rate)


def adadelta(optimizer: Any, update: Update, learning_rate: Any) -> Any:
    """lr·√(d + ε)/√(v + ε), where d is the average of squared updates before this update.

    The update has put d' = ρ·d + (1−ρ)·(d + ε)·q in its place, q = g²/(v + ε); so
    d = (d' − (1−ρ)·ε·q)/(ρ + (1−ρ)·q).
    """
    rho, epsilon = optimizer.rho, optimizer.epsilon
    v = _of(optimizer, update, optimizer._accumulated_grads)
    after = _of(optimizer, update, optimizer._accumulated_delta_vars)
    squares = ops.square(ops.cast(update.gradient, v.dtype))
    q = (1 - rho) * dense(squares, v.shape) / (v + epsilon)
    d = ops.maximum(after - epsilon * q, 0) / (rho + q)
    return learning_rate * ops.sqrt(d + epsilon) / ops.sqrt(v + epsilon)


def lamb(optimizer: Any, update: Update, learning_rate: Any) -> Any:
    """lr·φ/(√(v/(1−β₂ᵗ)) + ε), with the trust ratio φ = ‖w‖/‖r‖ of the weights before.

    r is Adam's direction, (m/(1−β₁ᵗ))/(√(v/(1−β₂ᵗ)) + ε); where w or r is zero, φ = 1.
    """
    root = _root_of_mean_square(optimizer, update)
    m, v = (_of(optimizer, update, a) for a in (optimizer._momentums, optimizer._velocities))
    r = _norm(m / _bias(optimizer, update, optimizer.beta_1) / root(v))
    w = _norm(update.before)
    known = ops.logical_and(w > 0, r > 0)
    ratio = ops.where(known, w / ops.where(known, r, 1), 1)
    return _by_squares(v, lambda v: learning_rate * ratio / root(v), learning_rate)


def adafactor(optimizer: Any, update: Update, learning_rate: Any) -> Any:
    """max(ε₂, rms(w))·min(lr, 1/√t)/(√v·max(1, rms(g/√v)/d)), d the `clip_threshold`.

    rms(w) is that of the weights before. v is Keras's product of the averages over rows and
    columns, where w has these.
    """
    t = ops.cast(optimizer.iterations + 1, update.variable.dtype)
    rate = ops.minimum(learning_rate, 1 / ops.sqrt(t))
    size = ops.maximum(optimizer.epsilon_2, ops.sqrt(ops.mean(ops.square(update.before))))
    v = _of(optimizer, update, optimizer._v)
    # As Keras has it: squares of what a sparse gradient says twice are summed.
    gradient = ops.cast(update.gradient, v.dtype)
    rms = ops.sqrt(ops.mean(ops.square(ops.divide(gradient, ops.sqrt(v)))))
    scale = size * rate / ops.maximum(1, rms / optimizer.clip_threshold)
    # Keras adds ε₁ to each squared gradient; in the product of averages over a row, or a column,
    # without a gradient it stands times at most the number of columns, or rows.
    nothing = 2 * optimizer.epsilon_1 * max(1, *v.shape[-2:])
    return _by_squares(v, lambda v: scale / ops.sqrt(v), learning_rate, nothing=nothing)


def _by_squares(v: Any, step: Callable[[Any], Any], learning_rate: Any, nothing: float = 0) -> Any:
    """The step at v; for weights to which no gradient has come so far, the least of their array.

    There v is 0, and so would lr/√v be without end: the prox would remove, in the first update,
    all weights that the first batch does not reach (rows of an embedding, units that are silent
    for its rows, a layer behind one that starts at zero). Weights that it removed on both sides of
    a unit never come back. Where the gradient is 0 any step has the same fixed points; so they
    shrink no faster than any other of their array, and at the learning rate if it has no gradient.

    Args:
        v: The averages of squares.
        step: The step at such averages.
        learning_rate: Of this update.
        nothing: The largest v that says that there was no gradient.
    """
    most = ops.max(v, initial=0)
    return ops.where(most > nothing, step(ops.where(v <= nothing, most, v)), learning_rate)


def _of(optimizer: Any, update: Update, variables: Any) -> Any:
    return ops.convert_to_tensor(variables[optimizer._get_variable_index(update.variable)])


def _bias(optimizer: Any, update: Update, beta: float) -> Any:
    """1 − βᵗ, what an average that started from zero lacks."""
    dtype = update.variable.dtype
    return 1 - ops.power(ops.cast(beta, dtype), ops.cast(optimizer.iterations + 1, dtype))


def _root_of_mean_square(optimizer: Any, update: Update) -> Callable[[Any], Any]:
    """√(v/(1−β₂ᵗ)) + ε, of v."""
    bias = _bias(optimizer, update, optimizer.beta_2)
    return lambda v: ops.sqrt(v / bias) + optimizer.epsilon


def _norm(a: Any) -> Any:
    return ops.sqrt(ops.sum(ops.square(a)))


def _with_momentum(optimizer: Any, update: Update, step: Any) -> Any:
    summed = optimizer.momentum_steps[optimizer._get_variable_index(update.variable)]
    summed.assign(optimizer.momentum * ops.convert_to_tensor(summed) + step)
    return ops.convert_to_tensor(summed)


def momentum_shape(optimizer: Any, variable: Any) -> tuple[int, ...] | None:
    """Shape of the summed step of a variable; None where the optimizer sums none."""
    if not getattr(optimizer, "momentum", 0):
        return None
    return () if isinstance(optimizer, keras.optimizers.SGD) else tuple(variable.shape)


def one_step(optimizer: Any) -> bool:
    """Whether the step is one number for all weights of a variable."""
    return isinstance(optimizer, keras.optimizers.SGD) and not _clips(optimizer)


def check_replicas(optimizer: Any, replicas: int) -> None:
    """Raise if the optimizer's step is not known where several devices train one model.

    Raises:
        UnsupportedError: If it clips, or its step depends on the gradient itself.
    """
    if replicas > 1 and (_clips(optimizer) or isinstance(optimizer, NEED_GRADIENT)):
        raise UnsupportedError(
            "With `tf.distribute` each device knows the gradient of its own rows only, so that a "
            "step that depends on the gradient is not known. Received: "
            f"{type(optimizer).__name__} with clipnorm={optimizer.clipnorm}, clipvalue="
            f"{optimizer.clipvalue}, global_clipnorm={optimizer.global_clipnorm} on {replicas} "
            "devices. Use an optimizer other than Adadelta and Adafactor, without clipping."
        )


def _clips(optimizer: Any) -> bool:
    return bool(optimizer.clipnorm or optimizer.clipvalue or optimizer.global_clipnorm)


STEPS: dict[type, Step] = {
    keras.optimizers.SGD: sgd,
    keras.optimizers.Adam: adam,
    keras.optimizers.AdamW: adam,
    keras.optimizers.Adamax: adamax,
    keras.optimizers.Nadam: nadam,
    keras.optimizers.RMSprop: rmsprop,
    keras.optimizers.Adagrad: adagrad,
    keras.optimizers.Adadelta: adadelta,
    keras.optimizers.Lamb: lamb,
    keras.optimizers.Adafactor: adafactor,
}

NEED_BEFORE = (keras.optimizers.Lamb, keras.optimizers.Adafactor)
"""The kinds whose step depends on the weights before the update."""

NEED_GRADIENT = (keras.optimizers.Adadelta, keras.optimizers.Adafactor)
"""The kinds whose step depends on the gradient of the same update."""

# By name, because not every version of Keras has all of them.
REFUSED = {
    "Lion": "it moves by the sign of its momentum, whatever the size of the gradient: no step "
    "times the gradient, so a prox has no metric to be taken in. Use Adam.",
    "Muon": "it makes its update orthogonal, which mixes the weights of a matrix: no step for "
    "each weight, so a prox has no metric to be taken in. Use Adam.",
    "Ftrl": "its update is a proximal step itself, from the sum of all gradients, so that another "
    "prox on top would not be undone by the next update. Use Adagrad, which has the same metric.",
    "ScheduleFreeAdamW": "it takes its steps from a point that is not the model's weights, and "
    "averages: a prox on the weights would be undone by the next update. Use Adam with "
    "`use_ema=True`, whose average keeps its zeros.",
    "LossScaleOptimizer": "it is not an optimizer but a wrapper. Wrap the other way round: "
    "`keras.optimizers.LossScaleOptimizer(taut.Proximal(optimizer, penalty))`. (With the policy "
    '"mixed_float16" `compile` does this by itself.)',
    "MultiOptimizer": "it is not an optimizer but a wrapper of several. Wrap the other way round: "
    "give it a `taut.Proximal` for the variables to be penalised.",
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
    if kind.__name__ in REFUSED and kind.__module__.startswith("keras."):
        raise UnsupportedError(
            "A proximal optimizer must move each weight by a known step times its gradient. "
            f"Received: {kind.__name__}: {REFUSED[kind.__name__]}"
        )
    names = ", ".join(cls.__name__ for cls in STEPS)
    raise UnsupportedError(
        "The proximal step is exact only in the metric of the optimizer, which is known for "
        f"{names}. Received: {kind.__name__}. Use one of these."
    )
