"""Calls of a model without side effects, and what passes through its layers in one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops
from keras.src import backend
from keras.src.backend.common import global_state

from taut.errors import UnsupportedError

StatelessScope: Any = backend.StatelessScope


keras_mask: Any = backend.get_keras_mask


set_keras_mask: Any = backend.set_keras_mask


symbolic_call: Any = backend.compute_output_spec


def mode(model: Any, *, training: bool) -> dict[str, bool]:
    """The argument that puts a model in training or inference mode, if its `call` takes one."""
    return {"training": training} if model._call_has_training_arg else {}


def note_called(model: Any) -> None:
    """Keras exports a model, to ONNX for example, that has been called, and no other."""
    model._called = True


def within_call() -> bool:
    """Whether a layer is being called, or traced, so that what it adds to the loss counts."""
    called = global_state.get_global_attribute("current_call_ctx") is not None
    return called or bool(backend.in_stateless_scope())


def call_with_losses(
    model: Any, trainable: Any, non_trainable: Any, x: Any, *, training: bool
) -> tuple[Any, Any, list[Any]]:
    """What a model makes, its new non-trainable values, and the losses that its layers add.

    Keras tells in a stateless call whose losses are whose by their addresses, and forgets those of
    a layer when it is called. An address is given again: a loss that has that of an earlier one of
    a later layer would be dropped. So what earlier calls left is forgotten before.
    """
    for layer in model._flatten_layers():
        getattr(layer, "_loss_ids", set()).clear()
    return model.stateless_call(
        trainable, non_trainable, x, return_losses=True, **mode(model, training=training)
    )


@dataclass(frozen=True)
class Arrival:
    """One call of a layer: the first argument, as the layer's `call` gets it, and its mask."""

    layer: Any
    value: Any
    mask: Any


class _Enough(BaseException):
    """Ends the call of a model early; no `Exception`, to which Keras would add its own words."""


def arrivals(
    model: Any,
    layers: Any,
    x: Any,
    state: tuple[list[Any], list[Any]],
    calls: dict[int, int] | None = None,
) -> list[Arrival]:
    """What reaches some layers, in order, when the model is called in inference mode.

    Args:
        model: A built Keras model; it is left as it was.
        layers: Some of its layers, also of models inside it.
        x: Inputs.
        state: Values of its trainable and its non-trainable variables.
        calls: How often each layer is called, by its id: the model is called no further.
    """
    records: list[Arrival] = []
    left = None if calls is None else dict(calls)

    def hook(layer: Any, call: Any) -> Any:
        def hooked(*args: Any, **kwargs: Any) -> Any:
            value = args[0] if args else next(iter(kwargs.values()), None)
            mask = kwargs.get("mask")
            if mask is None and keras.ops.is_tensor(value):
                mask = backend.get_keras_mask(value)
            records.append(Arrival(layer, value, mask))
            if left is not None:
                left[id(layer)] -= 1
                if not any(left.values()):
                    raise _Enough
            return call(*args, **kwargs)

        return hooked

    before = [layer.__dict__.get("call") for layer in layers]
    try:
        for layer in layers:
            layer.__dict__["call"] = hook(layer, layer.call)
        model.stateless_call(*state, x, **mode(model, training=False))
    except _Enough:
        pass
    finally:
        for layer, instance_call in zip(layers, before, strict=True):
            del layer.__dict__["call"]
            if instance_call is not None:
                layer.__dict__["call"] = instance_call
    return records


def state_after_a_step(model: Any, x: Any, state: tuple[list[Any], list[Any]]) -> list[Any]:
    """The non-trainable values that a call in training mode leaves behind."""
    return model.stateless_call(*state, x, **mode(model, training=True))[1]


@contextmanager
def moments_of_rows(model: Any, present: Any) -> Iterator[None]:
    """Batch normalisation takes the moments of the rows that are `present`, [rows] of bool."""

    def moments_of(layer: Any) -> Any:
        def moments(inputs: Any, mask: Any) -> Any:
            if inputs.shape[0] != present.shape[0]:
                raise UnsupportedError(
                    "Batch normalisation must keep the rows of a batch on its first axis, so that "
                    f"places without a row are left out. Received: {layer.name!r} on "
                    f"{tuple(inputs.shape)} of {present.shape[0]} rows. Take a batch size that "
                    "divides the rows, or LayerNormalization."
                )
            shape = tuple(inputs.shape)[:-1]
            rows = ops.reshape(present, (-1, *[1] * (len(shape) - 1)))
            rows = ops.broadcast_to(rows, shape)
            mask = rows if mask is None else ops.logical_and(ops.cast(mask, "bool"), rows)
            statistics = type(layer)._moments(layer, inputs, mask)
            return tuple(ops.reshape(a, (-1,)) for a in statistics)

        return moments

    kind = keras.layers.BatchNormalization
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, kind)]
    for layer in norms:
        vars(layer)["_moments"] = moments_of(layer)
    try:
        yield
    finally:
        for layer in norms:
            del vars(layer)["_moments"]
