"""Models like a given one: smaller, larger, with dropout; compiled alike."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import keras
from keras import ops

from taut._keras.compiled_model import compile_arguments
from taut._keras.kept_state import carry_state, moving_statistics
from taut._keras.model_rebuilt import deserializing
from taut.describing import check_renewed
from taut.engine.redraw import paired_variables
from taut.errors import InputError, UnsupportedError
from taut.optimizers import Proximal
from taut.optimizers.copied_requests import copied_request
from taut.studies.study_model import plain_optimizer

Made = list[tuple[Any, Any]]
"""Layers of the model, each with the one that was made after it."""
DROPOUT = 0.3
HIDDEN = 32
"""Units of the layer that makes a linear model larger."""
_SIZES = {
    keras.layers.Dense: "units",
    keras.layers.LSTM: "units",
    keras.layers.GRU: "units",
    keras.layers.SimpleRNN: "units",
    keras.layers.Conv1D: "filters",
    keras.layers.Conv2D: "filters",
    keras.layers.Conv3D: "filters",
}


def resized(model: Any, factor: float) -> Any:
    """The model with `factor` times the units in every hidden layer; untrained, compiled alike.

    Raises:
        UnsupportedError: If it has no hidden layers of a known kind, or they do not fit together.
    """
    hidden = _hidden(model)
    if not hidden and factor > 1:
        return _with_hidden_layer(model)
    if not hidden:
        raise UnsupportedError(
            f"A smaller network needs a hidden layer. Received: {model.name!r}, which has none."
        )

    made: Made = []

    def clone(layer: Any) -> Any:
        config = layer.get_config()
        if layer in hidden:
            key = _SIZES[type(layer)]
            config[key] = max(1, round(config[key] * factor))
        return _noted(made, layer, type(layer).from_config(config))

    return _compiled_alike(model, _cloned(model, clone), made)


def with_dropout(model: Any, rate: float = DROPOUT) -> Any:
    """The model with dropout behind every hidden layer; untrained, compiled alike.

    Raises:
        UnsupportedError: If it has no hidden layers of a known kind, or dropout already.
    """
    hidden = _hidden(model)
    kinds = (keras.layers.Dropout, keras.layers.SpatialDropout1D, keras.layers.SpatialDropout2D)
    if not hidden or any(isinstance(layer, kinds) for layer in model._flatten_layers()):
        raise UnsupportedError(
            "Dropout is tried behind hidden layers of a network that has none of it. Received: "
            f"{model.name!r}."
        )

    made: Made = []

    def clone(layer: Any) -> Any:
        again = _noted(made, layer, type(layer).from_config(layer.get_config()))
        if layer not in hidden:
            return again
        return keras.Sequential([again, keras.layers.Dropout(rate)], name=f"{layer.name}_dropped")

    return _compiled_alike(model, _cloned(model, clone), made)


def _hidden(model: Any) -> list[Any]:
    """Layers with a size of their own whose units are not the model's outputs."""
    if not isinstance(model, (keras.Sequential, keras.Model)) or not getattr(model, "inputs", None):
        raise UnsupportedError(
            f"Other sizes need a Sequential or Functional model. Received: {type(model).__name__}."
        )
    last = _sized_before_outputs(model)
    return [
        layer
        for layer in model.layers
        if type(layer) in _SIZES and layer not in last and layer.trainable_variables
    ]


def _sized_before_outputs(model: Any) -> list[Any]:
    """The layers that make the outputs, also behind layers without weights."""
    found: list[Any] = []
    waiting = [tensor._keras_history.operation for tensor in model.outputs]
    if isinstance(model, keras.Sequential):
        for layer in reversed(model.layers):
            if layer.weights:
                return [layer]
        return []
    while waiting:
        operation = waiting.pop()
        if getattr(operation, "weights", ()) or not operation._inbound_nodes:
            found.append(operation)
            continue
        for node in operation._inbound_nodes:
            waiting += [t._keras_history.operation for t in node.input_tensors]
    return found


def _with_hidden_layer(model: Any) -> Any:
    if not isinstance(model, keras.Sequential) or not _sized_before_outputs(model):
        raise UnsupportedError(
            "A hidden layer is added to Sequential models alone. Received: "
            f"{type(model).__name__} {model.name!r}."
        )
    (last,) = _sized_before_outputs(model)
    layers: list[Any] = []
    made: Made = []
    for layer in model.layers:
        if layer is last:
            layers.append(keras.layers.Dense(HIDDEN, activation="relu", name="added_hidden"))
        layers.append(_noted(made, layer, type(layer).from_config(layer.get_config())))
    shape, dtype = model.inputs[0].shape[1:], model.inputs[0].dtype
    return _compiled_alike(
        model, keras.Sequential([keras.Input(shape, dtype=dtype), *layers]), made
    )


def _cloned(model: Any, clone: Callable[[Any], Any]) -> Any:
    try:
        with deserializing(model):
            return keras.models.clone_model(model, clone_function=clone)
    except Exception as error:
        raise UnsupportedError(
            "Its layers do not fit together at another size. Received: "
            f"{model.name!r} ({type(error).__name__})."
        ) from error


def _noted(made: Made, layer: Any, again: Any) -> Any:
    made.append((layer, again))
    return again


def _keep_state(model: Any, made: Made) -> None:
    """Give layers what is not drawn anew: frozen weights, and what they were adapted to.

    Raises:
        UnsupportedError: If weights that are not trained would have another size.
    """
    for old, new in made:
        for one, other in zip(_inside(old), _inside(new), strict=True):
            if other.trainable != one.trainable:
                other.trainable = one.trainable
            pairs = list(paired_variables(one, other))
            with suppress(ValueError):  # as in `give_state`
                if all(b is not None for _, b in pairs):
                    carry_state(one, other)
            anew = {id(v) for v in moving_statistics(one)}
            for a, b in pairs:
                if b is None and not a.trainable and id(a) not in anew:
                    raise UnsupportedError(
                        "Weights that are not trained stay as they are. Received: "
                        f"{model.name!r}, in which {a.path} would have another size."
                    )
                if b is not None:
                    b.assign(ops.copy(a.value))
                    if b.trainable != a.trainable:
                        b.trainable = a.trainable


def _inside(layer: Any) -> list[Any]:
    return layer._flatten_layers(include_self=True, recursive=True)


def _compiled_alike(model: Any, other: Any, made: Made) -> Any:
    _keep_state(model, made)
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    try:
        again = plain_optimizer(model, other)
    except ValueError as error:  # more variables, of which it is not known whether they decay
        raise UnsupportedError(
            "Its optimizer leaves some variables out of weight decay. Received: "
            f"{model.name!r}, which has others at another size."
        ) from error
    try:
        if isinstance(optimizer, Proximal):
            again = Proximal(again, copied_request(optimizer, model)).bind(other)
        other.compile(again, **compile_arguments(model))
        other.optimizer.build(other.trainable_variables)
        if isinstance(optimizer, Proximal) and optimizer.built:
            other.optimizer.set_strengths(optimizer.compiled_strengths)
    except InputError as error:
        raise UnsupportedError(
            f"Its penalties do not fit at another size. Received: {model.name!r} ({error})."
        ) from error
    check_renewed(model, other)
    return other
