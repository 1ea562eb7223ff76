"""Which regularizers Keras adds to the loss of a model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import keras

_left_out_of_copies: dict[int, Collection[int]] = {}


_left_out: list[Callable[[Any], Collection[int]]] = []
"""What `leave_out_of_losses` was given."""


@contextmanager
def left_out_alike(model: Any, copy: Any, pairs: Iterable[tuple[Any, Any]]) -> Iterator[None]:
    """Leaves out of the losses of a copy, which has no optimizer, what its model leaves out.

    Args:
        model: The model.
        copy: Its copy.
        pairs: Variables of the model, and those of the copy.
    """
    ids = {number for left_out in _left_out for number in left_out(model)}
    _left_out_of_copies[id(copy)] = {id(theirs) for ours, theirs in pairs if id(ours) in ids}
    try:
        yield
    finally:
        del _left_out_of_copies[id(copy)]


def leave_out_of_losses(left_out: Callable[[Any], Collection[int]]) -> None:
    """Leave regularizers out of the losses of models, whatever the backend trains them with.

    Each model is asked on its own, so that a layer's regularizer may be in the loss of one model
    and not in that of another which shares the layer.

    Args:
        left_out: (model) -> the ids of the variables whose regularizers are not in its loss.
    """
    _left_out[:] = [left_out]
    keras_losses = keras.layers.Layer._get_regularization_losses

    def losses(self: Any) -> list[Any]:
        ids = _left_out_of_copies.get(id(self))
        ids = left_out(self) if ids is None else ids
        if not ids:
            return keras_losses(self)
        left = [v for v in self.trainable_weights if id(v) not in ids]
        return keras_losses(SimpleNamespace(trainable_weights=left))

    keras.layers.Layer._get_regularization_losses = losses
