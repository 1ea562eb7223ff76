"""What makes a study the same study, so that a checkpoint of another is not continued."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from taut._keras.compiled_model import compile_arguments
from taut._keras.kept_state import moving_statistics
from taut._keras.private_seeds import is_stream
from taut.describing import (
    Undescribed,
    layers_described,
    loss_described,
    model_digest,
    optimizer_described,
)
from taut.errors import UnsupportedError

Tree = Any


def identity_of(
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
        "model": lambda: [layers_described(model), kept],
        "optimizer or penalty": lambda: optimizer_described(model),
        "loss": lambda: loss_described(model),
        "data": lambda: data,
        "lanes": lambda: [described, values],
        "splits": lambda: [[s.train, s.held_out] for s in splits],
        "settings": lambda: dict(settings),
    }
    digests = {}
    for part, tree in parts.items():
        try:
            digests[part] = model_digest(model, tree())
        except Undescribed as error:
            raise UnsupportedError(
                "A checkpoint must tell its study from others by what they compute. Received: in "
                f"the {part}, {error}, of which that is not known. Leave `checkpoint` out, or make "
                "it of functions, arrays, numbers, and objects with plain attributes."
            ) from error
    return {**digests, "number of devices": str(devices)}


def program_key(model: Any) -> str | None:
    """A digest of all that is compiled into a program of the model; None where it is not known.

    Values of variables, such as weights, strengths and the learning rate, go into a program when
    it is run.
    """
    try:
        optimizer = optimizer_described(model, rate=False)
        return model_digest(model, [layers_described(model), optimizer, loss_described(model)])
    except Undescribed:
        return None


def study_key(model: Any, penalty: Any) -> str | None:
    """A digest of all that a compiled copy of the model takes over but the values of weights."""
    try:
        optimizer = optimizer_described(model)
        loss = compile_arguments(model)["loss"], compile_arguments(model)["loss_weights"]
        return model_digest(model, [layers_described(model), optimizer, list(loss), penalty])
    except Undescribed:
        return None


def layers_key(model: Any) -> str | None:
    """As `program_key`, of a program that predicts."""
    try:
        return model_digest(model, layers_described(model))
    except Undescribed:
        return None


def _present(lane: Any) -> bool:
    return lane.seed is None or lane.present
