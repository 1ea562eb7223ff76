"""What `fit` minimises besides exact penalties, and its gradients, on each backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from taut._keras_compat import StatelessScope, mode
from taut._losses import data_loss_value

Values = list[Any]
LossAndGradients = Callable[[Values, Any, Any, Any], tuple[Any, Values]]


def loss_and_gradients(model: Any) -> LossAndGradients:
    """Compile (values, x, y, weight) -> (loss, gradients).

    `values` are those of the trainable variables. The loss is the compiled loss, the mean over
    the rows, in inference mode, and what layers add to it (Keras's own regularizers), as in
    `fit`; exact penalties are not in it. On torch and TensorFlow the model's variables are left
    at `values`.
    """
    return _LOSS_AND_GRADIENTS[keras.backend.backend()](model)


def count_rows(y: Any) -> int:
    """The rows of targets, an array or a tree of these."""
    return len(tree.flatten(y)[0])


def gradients_at(model: Any, x: Any, y: Any, weight: Any = None) -> list[np.ndarray]:
    """The gradients at the present weights, by trainable variable."""
    values = [v.value for v in model.trainable_variables]
    _, gradients = loss_and_gradients(model)(values, x, y, weight)
    return [ops.convert_to_numpy(g) for g in gradients]


def squared_row_norms(model: Any) -> Callable[[Values, Any, Any, Any], np.ndarray]:
    """Compile (values, x, y, weight) -> ‖∇ℓ_i‖² over all trainable variables, for each row i.

    ℓ_i is the compiled loss of the row alone.
    """
    if keras.backend.backend() == "jax":
        return _jax_squared_row_norms(model)
    whole = loss_and_gradients(model)

    def squares(values: Values, x: Any, y: Any, weight: Any) -> np.ndarray:
        found = np.empty(count_rows(y))
        for i in range(len(found)):
            row = tree.map_structure(
                lambda a, i=i: None if a is None else a[i : i + 1], (x, y, weight)
            )
            _, grads = whole(values, *row)
            found[i] = sum(float(ops.convert_to_numpy(ops.sum(ops.square(g)))) for g in grads)
        return found

    return squares


def _jax_loss(model: Any) -> Callable[..., Any]:
    non_trainable = [v.value for v in model.non_trainable_variables]

    def loss(values: Values, x: Any, y: Any, weight: Any) -> Any:
        prediction, _, added = model.stateless_call(
            values, non_trainable, x, return_losses=True, **mode(model, training=False)
        )
        with StatelessScope():
            return data_loss_value(model, y, prediction, weight) + sum(added)

    return loss


def _jax_loss_and_gradients(model: Any) -> LossAndGradients:
    import jax

    # Jitted: step by step, every operation would be compiled on its own.
    return jax.jit(jax.value_and_grad(_jax_loss(model)))


def _jax_squared_row_norms(model: Any) -> Callable[..., np.ndarray]:
    import jax

    loss = _jax_loss(model)

    def square(values: Values, row: Any) -> Any:
        x, y, weight = jax.tree.map(lambda a: a[None], row)
        return sum((g**2).sum() for g in jax.grad(loss)(values, x, y, weight))

    squares = jax.jit(jax.vmap(square, in_axes=(None, 0)))
    return lambda values, x, y, weight: np.asarray(squares(values, (x, y, weight)), "float64")


def _assign(model: Any, values: Values) -> None:
    for variable, value in zip(model.trainable_variables, values, strict=True):
        if value is not variable.value:
            variable.assign(value)


def _torch_loss_and_gradients(model: Any) -> LossAndGradients:
    import torch

    def evaluate(values: Values, x: Any, y: Any, weight: Any) -> tuple[Any, Values]:
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


def _tensorflow_loss_and_gradients(model: Any) -> LossAndGradients:
    import tensorflow

    tf: Any = tensorflow

    @tf.function(reduce_retracing=True)
    def evaluate(values: Values, x: Any, y: Any, weight: Any) -> tuple[Any, Values]:
        _assign(model, values)
        tensors = [v.value for v in model.trainable_variables]
        with tf.GradientTape() as tape:
            loss = data_loss_value(model, y, model(x, **mode(model, training=False)), weight)
            loss = loss + sum(model.losses)
        grads = tape.gradient(loss, tensors, unconnected_gradients="zero")
        return loss, [tf.convert_to_tensor(g) for g in grads]

    return evaluate


_LOSS_AND_GRADIENTS = {
    "jax": _jax_loss_and_gradients,
    "torch": _torch_loss_and_gradients,
    "tensorflow": _tensorflow_loss_and_gradients,
}
