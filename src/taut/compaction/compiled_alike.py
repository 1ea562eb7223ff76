"""The smaller model compiled as the model was, penalties and all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from taut.errors import InputError
from taut.optimizers.proximals import proximals_in

NOT_CARRIED = "its penalty has arrays for the model before: compiled without it"


def compile_alike(model: Any, smaller: Any) -> str | None:
    """Compile a smaller model with the loss, metrics and settings of the optimizer of a model.

    A proximal optimizer divides the weights that are there anew into the groups of its penalty.

    Returns:
        What could not be carried over, in words; None where all was.
    """
    config = model.get_compile_config() if model.compiled else None
    if config is None:
        return None
    if not proximals_in(model.optimizer):
        smaller.compile_from_config(config)
        return None
    rest = beside_optimizer(config)
    try:
        optimizer = _for_other_sizes(model.optimizer)
        optimizer.bind(smaller)
        smaller.compile(optimizer, **rest)
        optimizer.build(smaller.trainable_variables)
    except (InputError, ValueError):
        smaller.compile(model.optimizer.plain(), **rest)
        return NOT_CARRIED
    return None


def beside_optimizer(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a model was compiled with but its optimizer, as `compile` takes it.

    Args:
        config: As `get_compile_config` has it.
    """
    return keras.saving.deserialize_keras_object(
        {name: value for name, value in config.items() if name != "optimizer"}
    )


def _for_other_sizes(optimizer: Any) -> Any:
    config = optimizer.get_config()
    config["own_groups"] = []
    config["penalties"] = [{**penalty, "blocks": []} for penalty in config["penalties"]]
    return type(optimizer).from_config(config)
