"""What `fit` minimises besides exact penalties, and its gradients, on each backend."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from taut._keras.model_calls import StatelessScope, call_with_losses, mode
from taut._keras.shared_programs import Program
from taut._losses import data_loss_value
from taut.objective.rows import count_rows

Values = list[Any]
LossAndGradients = Callable[[Any, Values, Values, Any, Any, Any], tuple[Any, Values]]


def loss_and_gradients() -> LossAndGradients:
    """A program (model, values, others, x, y, weight) -> (loss, gradients).

    `values` are those of the trainable variables, `others` those of the rest. The loss is the
    compiled loss, the mean over the rows, in inference mode, and what layers add to it (Keras's
    own regularizers), as in `fit`; exact penalties are not in it. On torch and TensorFlow the
    model's trainable variables are left at `values`, and `others` are those that it has.
    """
    return _LOSS_AND_GRADIENTS[keras.backend.backend()]()


def squared_row_norms() -> Callable[[Any, Values, Values, Any, Any, Any], np.ndarray]:
    """A program (model, values, others, x, y, weight) -> ‖∇ℓ_i‖² over all variables, by row i.

    ℓ_i is the compiled loss of the row alone.
    """
    if keras.backend.backend() == "jax":
        return _jax_squared_row_norms()
    whole = loss_and_gradients()

    def squares(
        model: Any, values: Values, others: Values, x: Any, y: Any, weight: Any
    ) -> np.ndarray:
        norms = np.empty(count_rows(y))
        for i in range(len(norms)):
            row = tree.map_structure(
                lambda a, i=i: None if a is None else a[i : i + 1], (x, y, weight)
            )
            _, grads = whole(model, values, others, *row)
            norms[i] = sum(float(ops.convert_to_numpy(ops.sum(ops.square(g)))) for g in grads)
        return norms

    return squares


def _jax_loss(model: Any, values: Values, others: Values, x: Any, y: Any, weight: Any) -> Any:
    prediction, _, added = call_with_losses(model, values, others, x, training=False)
    with StatelessScope():
        return data_loss_value(model, y, prediction, weight) + sum(added)


def _jax_loss_and_gradients() -> LossAndGradients:
    import jax

    return Program(lambda model, *given: jax.value_and_grad(partial(_jax_loss, model))(*given))


def _jax_squared_row_norms() -> Callable[..., np.ndarray]:
    import jax

    def squares(model: Any, values: Values, others: Values, rows: Any) -> Any:
        def square(row: Any) -> Any:
            single_row = jax.tree.map(lambda a: a[None], row)
            gradients = jax.grad(partial(_jax_loss, model))(values, others, *single_row)
            return sum((g**2).sum() for g in gradients)

        return jax.vmap(square)(rows)

    program = Program(squares)
    return lambda model, values, others, *rows: np.asarray(
        program(model, values, others, rows), "float64"
    )


def _assign(model: Any, values: Values) -> None:
    for variable, value in zip(model.trainable_variables, values, strict=True):
        if value is not variable.value:
            variable.assign(value)


def _torch_loss_and_gradients() -> LossAndGradients:
    import torch

    def evaluate(model: Any, values: Values, others: Values, x: Any, y: Any, weight: Any) -> Any:
        del others
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


def _tensorflow_loss_and_gradients() -> LossAndGradients:
    import tensorflow

    tf: Any = tensorflow

    def evaluate(model: Any, values: Values, x: Any, y: Any, weight: Any) -> tuple[Any, Values]:
        _assign(model, values)
        tensors = [v.value for v in model.trainable_variables]
        with tf.GradientTape() as tape:
            loss = data_loss_value(model, y, model(x, **mode(model, training=False)), weight)
            loss = loss + sum(model.losses)
        grads = tape.gradient(loss, tensors, unconnected_gradients="zero")
        return loss, [tf.convert_to_tensor(g) for g in grads]

    program = Program(evaluate, partial(tf.function, reduce_retracing=True))
    return lambda model, values, others, *rows: program(model, values, *rows)


_LOSS_AND_GRADIENTS = {
    "jax": _jax_loss_and_gradients,
    "torch": _torch_loss_and_gradients,
    "tensorflow": _tensorflow_loss_and_gradients,
}
