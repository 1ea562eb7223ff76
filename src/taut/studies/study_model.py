"""The compiled copy of the user's model that a study trains, with the study's penalty."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import keras

from taut._keras.compiled_model import compile_arguments, compiled_loss
from taut._keras.optimizer_updates import renewed
from taut.describing import check_renewed
from taut.engine import copy_of
from taut.engine.checkpoint.identity import study_key
from taut.engine.model_copy import give_state
from taut.optimizers import Proximal
from taut.optimizers.copied_requests import keep_own_references
from taut.optimizers.plain_keras import may_be_proximal
from taut.optimizers.selection import Entry
from taut.penalties import Penalty, WithArrays
from taut.penalties.constraints import Constraint

# What a study is compiled for is kept as long as the user's compiled model, so that a second
# study of the same shape compiles nothing.
_copies: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()
MOST_COPIES = 4
"""Copies that are kept of one compiled model, of different penalties or optimizers."""


def study_copy(model: Any, entries: Sequence[Entry], x: Any) -> Any:
    """The copy of a model that its studies train, compiled with what a path asks for.

    Args:
        model: The user's compiled model; it is not changed.
        entries: Selectors and penalties.
        x: Inputs, of which the first few are predicted to compare the copy with the model.

    Raises:
        UnsupportedError: If a copy of the model computes something else.
    """
    copies = _copies.setdefault(compiled_loss(model), {})
    parts = [() if e.penalty is None else e.penalty.parts for e in entries]
    described = [
        [e.selector, [_any_strength(part) for part in of_entry]]
        for e, of_entry in zip(entries, parts, strict=True)
    ]
    key = study_key(model, described)
    if any(isinstance(part, WithArrays) for of_entry in parts for part in of_entry):
        key = None  # its arrays, or the weights that it refers to, may be others
    if key is not None and key in copies:
        give_state(model, copies[key])
        return copies[key]
    copy = compiled_copy(model, {e.selector: e.penalty for e in entries} or None, x)
    if key is not None:
        copies[key] = copy
        while len(copies) > MOST_COPIES:
            copies.pop(next(iter(copies)))
    return copy


def plain_optimizer(model: Any, copy: Any, **settings: Any) -> Any:
    """A new optimizer of Keras like that of a model, without penalties, for a copy of it.

    Args:
        model: Compiled.
        copy: With a counterpart for each trainable variable, if the optimizer leaves some out of
            weight decay.
        **settings: Of the optimizer, where they are others than those of the model's.

    Raises:
        ValueError: If it leaves some out, and the copy has more variables or fewer.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if isinstance(optimizer, Proximal):
        optimizer = optimizer.plain()
    return renewed(optimizer, model.trainable_variables, copy.trainable_variables, **settings)


def _any_strength(part: Penalty) -> Penalty:
    return part if isinstance(part, Constraint) else part.with_strength(0.0)


def compiled_copy(model: Any, penalty: Any, x: Any = None, **settings: Any) -> Any:
    """A copy of a compiled model with other penalties; compared with the model on rows of `x`.

    Args:
        model: Compiled; it is not changed.
        penalty: What `Proximal` takes; None for what its layers have alone.
        x: Inputs, of which the first few are predicted; None compares nothing.
        **settings: Of the optimizer, where they are others than those of the model's.
    """
    copy = copy_of(model, x)
    optimizer = plain_optimizer(model, copy, **settings)
    # One that cannot be proximal (its weights decay) trains the model as it is compiled.
    if penalty is not None or may_be_proximal(optimizer):
        optimizer = Proximal(optimizer, penalty).bind(copy)
    keras.Model.compile(copy, optimizer, **compile_arguments(model))
    copy.optimizer.build(copy.trainable_variables)
    check_renewed(model, copy)
    keep_own_references(model, copy)
    return copy
