"""The smaller model compiled as the model was, penalties and all."""

from __future__ import annotations

from typing import Any

import keras

from taut._keras.compiled_model import compile_arguments
from taut._keras.optimizer_updates import renewed, with_inner
from taut.describing import check_renewed
from taut.errors import InputError, UnsupportedError
from taut.optimizers import Proximal
from taut.optimizers.copied_requests import copied_request

NOT_CARRIED = "its penalty has arrays for the model before: compiled without it"
NOT_RENEWED = "its class holds what its `get_config` does not: compiled without that"


def compile_alike(model: Any, smaller: Any) -> str | None:
    """Compile a smaller model with the loss, metrics and settings of the optimizer of a model.

    A proximal optimizer divides the weights that are there anew into the groups of its penalty.

    Returns:
        What could not be carried over, in words; None where all was.
    """
    if not model.compiled:
        return None
    before, after = _counterparts(model, smaller)
    treated: list[tuple[Proximal, Proximal]] = []
    lost: list[str] = []

    def alike(optimizer: Any) -> Any:
        if not isinstance(optimizer, Proximal):
            return renewed(optimizer, before, after)
        new = optimizer.plain()
        try:
            new = Proximal(new, copied_request(optimizer, model)).bind(smaller)
        except (InputError, ValueError):
            lost.append(NOT_CARRIED)
            return new
        treated.append((optimizer, new))
        return new

    optimizer = model.optimizer and with_inner(model.optimizer, alike)
    keras.Model.compile(smaller, optimizer, **compile_arguments(model))
    if optimizer is not None:
        smaller.optimizer.build(smaller.trainable_variables)
        try:
            check_renewed(model, smaller)
        except UnsupportedError:
            lost.append(NOT_RENEWED)
    for old, new in treated:
        if len(old.strengths) == len(new.strengths):
            if old.compiled_strengths != new.compiled_strengths:
                new.set_strengths(old.compiled_strengths)
            for variable, present in zip(new.strengths, old.strengths, strict=True):
                variable.assign(present)
    return lost[0] if lost else None


def _counterparts(model: Any, smaller: Any) -> tuple[list[Any], list[Any]]:
    """The variables of a model that a smaller one has too, and those of the smaller one."""
    ours, theirs = _named(model), _named(smaller)
    both = [name for name in ours if name in theirs]
    return [ours[name] for name in both], [theirs[name] for name in both]


def _named(model: Any) -> dict[str, Any]:
    """Its variables by paths, in which Keras may have the model's name; those that have one."""
    names = [v.path.removeprefix(f"{model.name}/") for v in model.trainable_variables]
    pairs = zip(names, model.trainable_variables, strict=True)
    return {name: variable for name, variable in pairs if names.count(name) == 1}
