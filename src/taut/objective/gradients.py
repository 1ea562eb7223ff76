"""What `fit` minimises besides exact penalties, and its gradients, on each backend.

Values of variables are arguments of the programs, and the model is referred to weakly, so that
they can be kept with it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from taut._keras_compat import StatelessScope, mode
from taut._losses import data_loss_value
from taut.objective.rows import count_rows

Values = list[Any]
LossAndGradients = Callable[[Values, Values, Any, Any, Any], tuple[Any, Values]]


def loss_and_gradients(model: Any) -> LossAndGradients:
    """Compile (values, others, x, y, weight) -> (loss, gradients).

    `values` are those of the trainable variables, `others` those of the rest. The loss is the
    compiled loss, the mean over the rows, in inference mode, and what layers add to it (Keras's
    own regularizers), as in `fit`; exact penalties are not in it. On torch and TensorFlow the
    model's trainable variables are left at `values`, and `others` are those that it has.
    """
    return _LOSS_AND_GRADIENTS[keras.backend.backend()](weakref.ref(model))


def squared_row_norms(model: Any) -> Callable[[Values, Values, Any, Any, Any], np.ndarray]:
    """Compile (values, others, x, y, weight) -> ‖∇ℓ_i‖² over all trainable variables, by row i.

    ℓ_i is the compiled loss of the row alone.
    """
    if keras.backend.backend() == "jax":
        return _jax_squared_row_norms(weakref.ref(model))
    whole = loss_and_gradients(model)

    def squares(values: Values, others: Values, x: Any, y: Any, weight: Any) -> np.ndarray:
        found = np.empty(count_rows(y))
        for i in range(len(found)):
            row = tree.map_structure(
                lambda a, i=i: None if a is None else a[i : i + 1], (x, y, weight)
            )
            _, grads = whole(values, others, *row)
            found[i] = sum(float(ops.convert_to_numpy(ops.sum(ops.square(g)))) for g in grads)
        return found

    return squares


def _jax_loss(alive: Callable[[], Any]) -> Callable[..., Any]:
    def loss(values: Values, others: Values, x: Any, y: Any, weight: Any) -> Any:
        model = alive()
        prediction, _, added = model.stateless_call(
            values, others, x, return_losses=True, **mode(model, training=False)
        )
        with StatelessScope():
            return data_loss_value(model, y, prediction, weight) + sum(added)

    return loss


def _jax_loss_and_gradients(alive: Callable[[], Any]) -> LossAndGradients:
    import jax

    # Jitted: step by step, every operation would be compiled on its own.
    return jax.jit(jax.value_and_grad(_jax_loss(alive)))


def _jax_squared_row_norms(alive: Callable[[], Any]) -> Callable[..., np.ndarray]:
    import jax

    loss = _jax_loss(alive)

    def square(values: Values, others: Values, row: Any) -> Any:
        x, y, weight = jax.tree.map(lambda a: a[None], row)
        return sum((g**2).sum() for g in jax.grad(loss)(values, others, x, y, weight))

    squares = jax.jit(jax.vmap(square, in_axes=(None, None, 0)))
    return lambda values, others, *rows: np.asarray(squares(values, others, rows), "float64")


def _assign(model: Any, values: Values) -> None:
    for variable, value in zip(model.trainable_variables, values, strict=True):
        if value is not variable.value:
            variable.assign(value)


def _torch_loss_and_gradients(alive: Callable[[], Any]) -> LossAndGradients:
    import torch

    def evaluate(values: Values, others: Values, x: Any, y: Any, weight: Any) -> Any:
        del others
        model = alive()
        _assign(model, values)
        tensors = [v.value for v in model.trainable_variables]
        with torch.enable_grad():
            loss = data_loss_value(model, y, model(x, **mode(model, training=False)), weight)
            loss = loss + sum(model.losses)
            grads = torch.autograd.grad(loss, tensors, allow_unused=True)
        return loss.detach(), [
            torch.zeros_like(v) if g is None else g for v, g in zip(tensors, grads, strict=True)
        ]

    return evaluate


def _tensorflow_loss_and_gradients(alive: Callable[[], Any]) -> LossAndGradients:
    import tensorflow

    tf: Any = tensorflow

    @tf.function(reduce_retracing=True)
    def compiled(values: Values, x: Any, y: Any, weight: Any) -> tuple[Any, Values]:
        model = alive()
        _assign(model, values)
        tensors = [v.value for v in model.trainable_variables]
        with tf.GradientTape() as tape:
            loss = data_loss_value(model, y, model(x, **mode(model, training=False)), weight)
            loss = loss + sum(model.losses)
        grads = tape.gradient(loss, tensors, unconnected_gradients="zero")
        return loss, [tf.convert_to_tensor(g) for g in grads]

    return lambda values, others, *rows: compiled(values, *rows)


_LOSS_AND_GRADIENTS = {
    "jax": _jax_loss_and_gradients,
    "torch": _torch_loss_and_gradients,
    "tensorflow": _tensorflow_loss_and_gradients,
}
