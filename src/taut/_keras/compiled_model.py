"""What `compile` made of a loss and of metrics."""

from __future__ import annotations

from typing import Any

import keras
from keras.src.losses.loss import reduce_weighted_values as _reduce_weighted_values

from taut._keras.model_calls import mode

reduce_weighted_values: Any = _reduce_weighted_values


def compiled_loss(model: Any) -> Any:
    """The object that `compile` makes anew each time; None where no loss was given."""
    return model._compile_loss


def build_loss(model: Any, x: Any, y: Any) -> None:
    """Make what several losses make at their first use: a traced call must not."""
    compiled = model._compile_loss
    several = len(keras.tree.flatten(y)) > 1 or keras.tree.is_nested(compiled._user_loss)
    if not compiled.built and several:
        first_row = keras.tree.map_structure(lambda a: a[:1], (x, y))
        model._symbolic_build(data_batch=(*first_row, None))


def compile_arguments(model: Any) -> dict[str, Any]:
    """What `compile` was given besides the optimizer, the very same objects.

    Where the loss is scaled, the optimizer that the model has does so already.
    """
    config = {**model._compile_config.config, "auto_scale_loss": False}
    return {name: value for name, value in config.items() if name != "optimizer"}


def compiled_metrics(model: Any) -> Any:
    """The metrics that `compile` was given, as one metric; None without."""
    return model._compile_metrics


_TRAINING = ("train_step", "compute_loss", "compute_loss_and_updates", "stateless_compute_loss")


def custom_training(model: Any) -> list[str]:
    """The methods by which a model's class trains in a way of its own."""
    methods = {name: getattr(type(model), name, None) for name in _TRAINING}
    return [
        name
        for name, method in methods.items()
        if method is not None and not method.__module__.startswith("keras.")
    ]


def loss_name(model: Any) -> str:
    """The name of the only compiled loss, in small letters; empty for several."""
    loss = only_loss(model)
    while hasattr(loss, "func"):  # functools.partial
        loss = loss.func
    function = getattr(loss, "fn", loss)
    named = "" if loss is None else getattr(function, "__name__", type(function).__name__)
    return str(named).lower()


def from_logits(model: Any) -> bool:
    """Whether the only compiled loss takes what the model returns for logits."""
    loss = only_loss(model)
    options = getattr(loss, "_fn_kwargs", None) or getattr(loss, "keywords", None) or {}
    return bool(options.get("from_logits", getattr(loss, "from_logits", False)))


def only_loss(model: Any) -> Any:
    """The only compiled loss, a function or an object; None for several."""
    given = [
        loss for loss in keras.tree.flatten(model._compile_loss._user_loss) if loss is not None
    ]
    return keras.losses.get(given[0]) if len(given) == 1 else None


def measured_once(model: Any, x: Any, y: Any) -> dict[str, tuple[Any, str | None]]:
    """The compiled metrics of a few rows, by name, and whether each is better "up" or "down".

    The direction is None where Keras does not know it.
    """
    metrics = compiled_metrics(model)
    if metrics is None:
        return {}
    prediction = model(x, **mode(model, training=False))
    metrics.update_state(y, prediction)
    results = metrics.result()
    metrics.reset_state()
    directions = [getattr(metric, "_direction", None) for metric in metrics.metrics]
    return {
        name: (result, direction)
        for (name, result), direction in zip(results.items(), directions, strict=True)
    }


def loss_of_classes(model: Any) -> bool | None:
    """Whether the compiled loss is one on classes; None where it is not one of Keras's.

    Whatever it was given as: a name or its abbreviation, a function, an object under any name.
    """
    given = keras.tree.flatten(model._compile_loss._user_loss)
    given = [loss for loss in given if loss is not None]
    if len(given) != 1:
        return False  # several outputs
    loss = keras.losses.get(given[0])
    while hasattr(loss, "func"):  # functools.partial
        loss = loss.func
    kinds = [*type(loss).__mro__, loss, getattr(loss, "fn", loss)]
    words = {str(getattr(kind, "__name__", "")).lower().replace("_", "") for kind in kinds}
    if any("crossentropy" in word or "hinge" in word for word in words):
        return True
    function = getattr(loss, "fn", loss)
    definition = function if hasattr(function, "__name__") else type(loss)
    return False if str(definition.__module__).startswith("keras.") else None


def call_losses(model: Any, loss_of: Any, y: Any, prediction: Any) -> Any:
    """The compiled loss with `loss_of(part, y_true, y_pred)` in place of each of its losses.

    Which target belongs to which output, and which outputs have a loss, Keras alone decides.
    """
    compiled = model._compile_loss
    if not compiled.built:
        compiled(y, prediction)
    again = object.__new__(type(compiled))  # `copy` would save and load it
    vars(again).update(vars(compiled))
    again._flat_losses = [
        part._replace(loss=lambda y, p, _=None, part=part: loss_of(part, y, p))
        for part in compiled._flat_losses
    ]
    return again(y, prediction)
