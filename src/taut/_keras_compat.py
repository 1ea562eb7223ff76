"""The only home of Keras internals: everything here may need a look when Keras changes."""

from typing import Any

import keras
import numpy as np
from keras import ops
from keras.src import backend
from keras.src.models import functional

Functional: Any = functional.Functional

StatelessScope: Any = backend.StatelessScope

_SCALES = ("gamma", "beta", "alpha", "scale", "moving_mean", "moving_variance")


def is_bias(variable: Any) -> bool:
    return variable.name == "bias" or variable.name.endswith("_bias")


def is_normalization_scale(variable: Any) -> bool:
    return variable.name in _SCALES


class HookedUpdates:
    """Mixin before a Keras optimizer: calls `_after_update` inside the gated update.

    Keras gates an update by gradient accumulation, loss scaling and the finiteness of the
    gradients, and clips the gradients first. `_backend_update_step` is inside all of these
    gates on every backend, which a variable's `constraint` is not.
    """

    _clip_factors: dict[int, Any]

    def _clip_gradients(self, grads: list[Any]) -> list[Any]:
        clipped = super()._clip_gradients(grads)  # type: ignore[misc]
        # Which variables these gradients belong to is known in `_backend_update_step` only,
        # where they arrive in the same order.
        self._clip_pairs = None if clipped is grads else list(zip(grads, clipped, strict=True))
        return clipped

    def _backend_update_step(
        self, grads: list[Any], trainable_variables: list[Any], learning_rate: Any
    ) -> None:
        super()._backend_update_step(grads, trainable_variables, learning_rate)  # type: ignore[misc]
        pairs, self._clip_pairs = self._clip_pairs, None
        factors = [None] * len(grads) if pairs is None else [_ratio(*pair) for pair in pairs]
        for variable, factor in zip(trainable_variables, factors, strict=True):
            self._after_update(variable, learning_rate, factor)

    def _after_update(self, variable: Any, learning_rate: Any, clip_factor: Any) -> None:
        """Called for each variable after its update; `clip_factor` is clipped/raw or None."""
        raise NotImplementedError


def _ratio(raw: Any, clipped: Any) -> Any:
    safe = ops.where(ops.equal(raw, 0), ops.ones_like(raw), raw)
    return ops.where(ops.equal(raw, 0), ops.ones_like(raw), clipped / safe)


def compiled_loss(model: Any) -> Any:
    """The object that `compile` makes anew each time; None where no loss was given."""
    return model._compile_loss


def loss_name(model: Any) -> str:
    """The compiled loss in lower-case words without blanks, such as "binarycrossentropy"."""
    loss = model.loss
    name = loss if isinstance(loss, str) else getattr(loss, "name", getattr(loss, "__name__", ""))
    return str(name).lower().replace("_", "")


def data_loss_value(model: Any, y: Any, prediction: Any, sample_weight: Any = None) -> Any:
    """The compiled loss alone: no penalty, no losses that layers add."""
    return model._compile_loss(y, prediction, sample_weight=sample_weight)


def jitted(function: Any) -> Any:
    """The function compiled as one program on JAX, where operations alone compile slowly."""
    if keras.backend.backend() != "jax":
        return function
    import jax

    return jax.jit(function)


def data_gradients(model: Any, x: Any, y: Any, sample_weight: Any = None) -> list[np.ndarray]:
    """The gradient of the compiled loss, in inference mode, by trainable variable."""
    return _GRADIENTS[keras.backend.backend()](model, x, y, sample_weight)


def _jax_gradients(model: Any, x: Any, y: Any, sample_weight: Any) -> list[np.ndarray]:
    import jax

    def loss(trainable: Any) -> Any:
        non_trainable = [v.value for v in model.non_trainable_variables]
        prediction, _ = model.stateless_call(trainable, non_trainable, x, training=False)
        with StatelessScope():
            return data_loss_value(model, y, prediction, sample_weight)

    # Jitted: step by step, every operation would be compiled on its own.
    grads = jax.jit(jax.grad(loss))([v.value for v in model.trainable_variables])
    return [np.asarray(g) for g in grads]


def squared_row_norms(model: Any, x: Any, y: Any, sample_weight: Any = None) -> np.ndarray:
    """‖∇ℓ_i(w)‖² over all trainable variables, for each row i; in inference mode."""
    rows = len(y)
    if keras.backend.backend() == "jax":
        return _jax_squared_row_norms(model, x, y, sample_weight)
    squares = np.empty(rows)
    for i in range(rows):
        one = keras.tree.map_structure(
            lambda a, i=i: None if a is None else a[i : i + 1], (x, y, sample_weight)
        )
        squares[i] = sum(
            float(np.sum(np.square(g, dtype="float64"))) for g in data_gradients(model, *one)
        )
    return squares


def _jax_squared_row_norms(model: Any, x: Any, y: Any, sample_weight: Any) -> np.ndarray:
    import jax

    values = [v.value for v in model.trainable_variables]
    non_trainable = [v.value for v in model.non_trainable_variables]

    def loss(trainable: Any, row: Any) -> Any:
        x, y, weight = jax.tree.map(lambda a: a[None], row)
        prediction, _ = model.stateless_call(trainable, non_trainable, x, training=False)
        with StatelessScope():
            return data_loss_value(model, y, prediction, weight)

    def square(row: Any) -> Any:
        return sum((g**2).sum() for g in jax.grad(loss)(values, row))

    return np.asarray(jax.jit(jax.vmap(square))((x, y, sample_weight)), "float64")


def _torch_gradients(model: Any, x: Any, y: Any, sample_weight: Any) -> list[np.ndarray]:
    import torch

    values = [v.value for v in model.trainable_variables]
    with torch.enable_grad():
        loss = data_loss_value(model, y, model(x, training=False), sample_weight)
        grads = torch.autograd.grad(loss, values, allow_unused=True)
    return [
        np.zeros(tuple(v.shape), "float32") if g is None else g.detach().cpu().numpy()
        for v, g in zip(values, grads, strict=True)
    ]


def _tensorflow_gradients(model: Any, x: Any, y: Any, sample_weight: Any) -> list[np.ndarray]:
    import tensorflow

    tf: Any = tensorflow
    values = [v.value for v in model.trainable_variables]
    with tf.GradientTape() as tape:
        loss = data_loss_value(model, y, model(x, training=False), sample_weight)
    grads = tape.gradient(loss, values, unconnected_gradients="zero")
    return [tf.convert_to_tensor(g).numpy() for g in grads]


_GRADIENTS = {
    "jax": _jax_gradients,
    "torch": _torch_gradients,
    "tensorflow": _tensorflow_gradients,
}
