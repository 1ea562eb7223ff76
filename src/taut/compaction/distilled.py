"""A smaller model trained on labels and on what the larger one makes of the same rows."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import losses, ops

from taut._keras.compiled_model import compile_arguments, only_loss

TEMPERATURE = 2.0
KINDS: dict[Any, type] = {
    losses.categorical_crossentropy: losses.CategoricalCrossentropy,
    losses.sparse_categorical_crossentropy: losses.SparseCategoricalCrossentropy,
    losses.binary_crossentropy: losses.BinaryCrossentropy,
}
NOT_MIXED = "outputs of the model before are mixed only into one cross-entropy, without weights"


class Distilled(keras.losses.Loss):
    r"""A cross-entropy in which the outputs of a larger model take a part.

    With L the loss that was compiled, z and z* the logits of the model and of the larger one, and
    H the cross-entropy,

        (1 − λ)·L(y, ŷ) + λ·T²·H(softmax(z*/T), softmax(z/T)),    T = 2

    with the sigmoid in place of the softmax where L is binary. T² makes the gradients of both
    parts alike in size.

    Args:
        loss: L, one of Keras's three cross-entropies.
        share: λ.

    References:
        Hinton, Vinyals and Dean, Distilling the knowledge in a neural network, 2015.
    """

    def __init__(self, loss: Any, share: float):
        super().__init__("distilled", loss.reduction)
        self.loss, self.share = loss, share
        self.logits = bool(loss._fn_kwargs.get("from_logits"))

    def targets(self, y: Any, made: Any) -> np.ndarray:
        """Labels and the larger model's logits in one array, one behind the other."""
        y = np.asarray(y)
        if y.ndim < made.ndim:
            y = y[..., None]
        logits = ops.convert_to_numpy(self._as_logits(ops.convert_to_tensor(made)))
        return np.concatenate([y, logits], axis=-1, dtype="float32", casting="unsafe")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        classes = y_pred.shape[-1]
        y, z = y_true[..., :-classes], self._as_logits(y_pred)
        soft = y_true[..., -classes:] / TEMPERATURE
        if isinstance(self.loss, losses.BinaryCrossentropy):
            given = losses.binary_crossentropy(ops.sigmoid(soft), z / TEMPERATURE, from_logits=True)
        else:
            given = losses.categorical_crossentropy(
                ops.softmax(soft), z / TEMPERATURE, from_logits=True
            )
        sparse = isinstance(self.loss, losses.SparseCategoricalCrossentropy)
        own = self.loss.call(y[..., 0] if sparse else y, y_pred)
        return (1 - self.share) * own + self.share * TEMPERATURE**2 * given

    def _as_logits(self, made: Any) -> Any:
        if self.logits:
            return made
        made = ops.clip(made, keras.config.epsilon(), 1 - keras.config.epsilon())
        if isinstance(self.loss, losses.BinaryCrossentropy):
            return ops.log(made) - ops.log(1 - made)
        return ops.log(made)


def distilled(model: Any, y: Any, share: float) -> Distilled | None:
    """The loss that a model is trained on; None where the compiled one takes no outputs in."""
    loss = only_loss(model)
    kind = KINDS.get(getattr(loss, "fn", loss)) if callable(loss) else None
    if kind is None or len(model.outputs) != 1 or isinstance(y, (dict, list, tuple)):
        return None
    loss = loss if isinstance(loss, losses.Loss) else kind()
    options = getattr(loss, "_fn_kwargs", {})
    plain = type(loss) is kind and options.get("axis", -1) == -1
    if not plain or options.get("ignore_class") is not None:
        return None
    if compile_arguments(model)["loss_weights"] is not None:
        return None
    shape, given = tuple(model.outputs[0].shape[1:]), tuple(np.shape(y)[1:])
    sparse = kind is losses.SparseCategoricalCrossentropy
    wanted = (shape[:-1], (*shape[:-1], 1)) if sparse else (shape,)
    if kind is losses.BinaryCrossentropy and shape[-1] == 1:
        wanted = shape, shape[:-1]
    return Distilled(loss, share) if given in wanted else None
