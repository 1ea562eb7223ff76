"""What makes a study the same study, so that a checkpoint of another is not continued."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from taut._keras_compat import compile_arguments
from taut._keras_state import bookkeeping, is_stream, moving_statistics, own_variables, schedule_of
from taut.engine.checkpoint.describing import Undescribed, digest_of, library
from taut.errors import UnsupportedError

Tree = Any
_FUNCTIONS = ("function", "__lambda__")
"""What Keras writes into configurations for functions: names, or addresses of code."""


def study_of(
    model: Any,
    data: Tree,
    lanes: Any,
    splits: Any,
    settings: Mapping[str, Any],
    *,
    devices: int,
) -> dict[str, str]:
    """Digests of what makes a study, by the words that an error uses for them.

    Raises:
        UnsupportedError: If what some part of it computes cannot be described: it is then not
            known whether a checkpoint is of the same study.
    """
    # Some lanes start from the model's own weights; the others draw the trainable ones.
    drawn = [] if any(_present(lane) for lane in lanes) else model.trainable_variables
    left = {id(v) for v in drawn}
    if all(not _present(lane) for lane in lanes):
        left |= {id(v) for layer in model._flatten_layers() for v in moving_statistics(layer)}
    kept = [
        keras.ops.convert_to_numpy(v)
        for v in model.variables
        if id(v) not in left and not is_stream(v)
    ]
    described = [
        [lane.strengths, lane.split, lane.seed, lane.target, lane.start, lane.epochs, lane.present]
        for lane in lanes
    ]
    values = [
        [sorted(lane.values), [lane.values[k] for k in sorted(lane.values)]] for lane in lanes
    ]
    parts: dict[str, Callable[[], Any]] = {
        "model": lambda: [_layers(model), kept],
        "optimizer or penalty": lambda: optimizer_described(model.optimizer),
        "loss": lambda: _loss(model),
        "data": lambda: data,
        "lanes": lambda: [described, values],
        "splits": lambda: [[s.train, s.held_out] for s in splits],
        "settings": lambda: dict(settings),
    }
    found = {}
    for part, tree in parts.items():
        try:
            found[part] = _digest(model, tree())
        except Undescribed as error:
            raise UnsupportedError(
                "A checkpoint must tell its study from others by what they compute. Received: in "
                f"the {part}, {error}, of which that is not known. Leave `checkpoint` out, or make "
                "it of functions, arrays, numbers, and objects with plain attributes."
            ) from error
    return {**found, "number of devices": str(devices)}


def program_key(model: Any) -> str | None:
    """A digest of all that is compiled into a program of the model; None where it is not known.

    Values of variables, such as weights, strengths and the learning rate, go into a program when
    it is run.
    """
    try:
        optimizer = optimizer_described(model.optimizer, rate=False)
        return _digest(model, [_layers(model), optimizer, _loss(model)])
    except Undescribed:
        return None


def study_key(model: Any, penalty: Any) -> str | None:
    """A digest of all that a compiled copy of the model takes over but the values of weights."""
    try:
        optimizer = optimizer_described(model.optimizer)
        loss = compile_arguments(model)["loss"], compile_arguments(model)["loss_weights"]
        return _digest(model, [_layers(model), optimizer, list(loss), penalty])
    except Undescribed:
        return None


def layers_key(model: Any) -> str | None:
    """As `program_key`, of a program that predicts."""
    try:
        return _digest(model, _layers(model))
    except Undescribed:
        return None


def _digest(model: Any, tree: Any) -> str:
    return digest_of(tree, names=_names(model), known=labels(model))


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
        config = _without_functions(layer.get_config())
    except Exception as error:  # it is the user's
        if library(kind.__module__):
            raise Undescribed(f"the layer {layer.name!r}, which has no configuration") from error
        config = None
    return [kind, config, bool(layer.trainable), _attributes_of(layer), variables]


def optimizer_described(optimizer: Any, *, rate: bool = True) -> list[Any]:
    """The code of an optimizer, its configuration, its schedule and its penalties.

    Args:
        optimizer: A Keras optimizer, or one with penalties around it.
        rate: Whether its present learning rate belongs to it.
    """
    schedule = schedule_of(optimizer)
    config = optimizer.get_config()
    if not rate and schedule is None:
        inner = config["optimizer"]["config"] if hasattr(optimizer, "plain") else config
        inner.pop("learning_rate", None)
    penalties = [entry.penalty for entry in getattr(optimizer, "entries", ())]
    return [type(optimizer), _without_functions(config), schedule, penalties]


def _present(lane: Any) -> bool:
    return lane.seed is None or lane.present


def _layers(model: Any) -> list[Any]:
    return [layer_described(layer) for layer in model._flatten_layers()]


def _loss(model: Any) -> dict[str, Any]:
    return {k: v for k, v in compile_arguments(model).items() if k.startswith("loss")}


def _names(model: Any) -> dict[str, str]:
    # Keras counts names up within a process: "dense_3" is only the fourth that was made.
    layers = list(model._flatten_layers())
    operations = [one for layer in layers for one in getattr(layer, "operations", ())]
    return {one.name: f"layer {k}" for k, one in enumerate([*operations, *layers])}


def _without_functions(config: Any) -> Any:
    """A configuration but for functions, which are described as the layer's attributes."""
    if isinstance(config, Mapping):
        if config.get("class_name") in _FUNCTIONS:
            return None
        return {k: _without_functions(v) for k, v in config.items() if k not in ("name", "seed")}
    if isinstance(config, (list, tuple)):
        return [_without_functions(item) for item in config]
    return config


def _attributes_of(layer: Any) -> dict[str, Any]:
    """What a layer holds beside what Keras keeps of every layer.

    Of Keras's own layers those with a public name: the others are in the configuration.
    """
    own = library(type(layer).__module__) is None
    if not own and isinstance(layer, keras.Model):
        return {}  # its layers are all that it computes with
    found = {
        name: value
        for name, value in vars(layer).items()
        if name not in bookkeeping() and (own or not name.startswith("_"))
    }
    if not own:
        # The lanes' seeds decide; what a table holds is said by the layer.
        for name in ("seed", "lookup_table", "backend"):
            found.pop(name, None)
        if hasattr(layer, "get_vocabulary"):
            found["vocabulary"] = layer.get_vocabulary()
    return found
