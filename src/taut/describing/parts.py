"""What the layers, the optimizer and the loss of a model compute, in words that can be digested."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from taut._keras.compiled_model import compile_arguments
from taut._keras.kept_state import bookkeeping, own_variables, schedule_of
from taut.describing.attributes import Named
from taut.describing.packages import Undescribed, library

_FUNCTIONS = ("function", "__lambda__")
"""What Keras writes into configurations for functions: names, or addresses of code."""


def layers_described(model: Any) -> list[Any]:
    """Each of a model's layers, as `layer_described` has it, and what holds for all of them."""
    return [_common(), *(layer_described(layer) for layer in model._flatten_layers())]


def _common() -> list[Any]:
    """What the user may set for all that is computed."""
    config = keras.config
    common = [config.epsilon(), config.floatx(), config.image_data_format()]
    if keras.backend.backend() != "jax":
        return common
    import jax

    return [*common, str(jax.config.values.get("jax_default_matmul_precision"))]


def loss_described(model: Any) -> dict[str, Any]:
    """The losses that a model was compiled with, and their weights."""
    return {k: v for k, v in compile_arguments(model).items() if k.startswith("loss")}


def labels(model: Any) -> dict[int, str]:
    """Numbers for the layers and variables of a model, by id."""
    layers = {id(layer): f"layer {k}" for k, layer in enumerate(model._flatten_layers())}
    return {**layers, **{id(v): f"variable {k}" for k, v in enumerate(model.variables)}}


def layer_described(layer: Any) -> list[Any]:
    """The code of a layer, its configuration, its attributes and the layout of its variables."""
    kind = type(layer)
    variables = [
        [v.name, list(v.shape), str(v.dtype), bool(v.trainable), v.regularizer, v.constraint]
        for v in own_variables(layer)
    ]
    try:
        config = _words_as_they_are(_without_functions(layer.get_config()))
    except Exception as error:  # it is the user's
        if library(kind.__module__):
            raise Undescribed(f"the layer {layer.name!r}, which has no configuration") from error
        config = None
    # Some of it may be set when the layer is made already, beside its configuration.
    set_later = [layer.trainable, layer.autocast, layer.supports_masking]
    policy = layer.dtype_policy.get_config()
    return [
        kind,
        config,
        [*map(bool, set_later), sorted(policy.items(), key=str)],
        _attributes_of(layer),
        variables,
    ]


def optimizer_described(model: Any, *, rate: bool = True) -> list[Any]:
    """The code of a model's optimizer, its configuration, its schedule and its penalties.

    Args:
        model: Compiled with a Keras optimizer, or one with penalties around it.
        rate: Whether its present learning rate belongs to it.
    """
    optimizer = model.optimizer
    schedule = schedule_of(optimizer)
    config = optimizer.get_config()
    if not rate and schedule is None:
        inner = config["optimizer"]["config"] if hasattr(optimizer, "plain") else config
        inner.pop("learning_rate", None)
    penalties = [entry.penalty for entry in getattr(optimizer, "entries", ())]
    own = optimizer_attributes(optimizer)
    # Which weights decay is no part of the configuration.
    decays = getattr(optimizer, "weight_decay", None) and [
        bool(optimizer._use_weight_decay(variable)) for variable in model.trainable_variables
    ]
    return [type(optimizer), _without_functions(config), schedule, penalties, decays, own]


def optimizer_attributes(optimizer: Any) -> Named:
    """What an optimizer of the user's own class holds beside variables and Keras's own notes."""
    if library(type(optimizer).__module__) is not None:
        return Named()
    kept = {"iterations", "built", "variables", *vars(keras.optimizers.SGD())}
    leaves = keras.tree.flatten
    return Named(
        (name, value)
        for name, value in vars(optimizer).items()
        if name not in kept and not any(isinstance(v, keras.Variable) for v in leaves(value))
    )


def _without_functions(config: Any) -> Any:
    """A configuration but for functions, which are described as the layer's attributes."""
    if isinstance(config, Mapping):
        if config.get("class_name") in _FUNCTIONS:
            return None
        return {k: _without_functions(v) for k, v in config.items() if k not in ("name", "seed")}
    if isinstance(config, (list, tuple)):
        return [_without_functions(item) for item in config]
    return config


def _words_as_they_are(config: Any, key: Any = None) -> Any:
    """A layer's configuration, in which names of layers are in the graph of a model alone.

    Elsewhere "softmax" is the function, whatever a layer may be called.
    """
    if key in ("inbound_nodes", "input_layers", "output_layers"):
        return config
    if isinstance(config, Mapping):
        return Named((str(k), _words_as_they_are(v, k)) for k, v in config.items())
    if isinstance(config, (list, tuple)):
        return [_words_as_they_are(item) for item in config]
    return config.encode() if type(config) is str else config


def _attributes_of(layer: Any) -> Named:
    """What a layer holds beside what Keras keeps of every layer.

    Of Keras's own layers those with a public name: the others are in the configuration.
    """
    custom = library(type(layer).__module__) is None
    if not custom and isinstance(layer, keras.Model):
        return Named()  # its layers are all that it computes with
    attributes = {
        name: value
        for name, value in vars(layer).items()
        if name not in bookkeeping() and (custom or not name.startswith("_"))
    }
    if not custom:
        # The lanes' seeds decide; what a table holds is said by the layer.
        # Whether weights were calibrated is set where they are loaded, also if they were not.
        calibrated = "is_gptq_calibrated", "is_awq_calibrated"
        for name in ("seed", "lookup_table", "backend", *calibrated):
            attributes.pop(name, None)
        if hasattr(layer, "get_vocabulary"):
            attributes["vocabulary"] = layer.get_vocabulary()
    return Named(attributes)
