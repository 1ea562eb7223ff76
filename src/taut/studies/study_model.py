"""The compiled copy of the user's model that a study trains, with the study's penalty."""

from __future__ import annotations

import weakref
from typing import Any

import keras
import numpy as np

from taut import penalties
from taut._keras_compat import compile_arguments, compiled_loss, mode
from taut.engine import copy_of
from taut.engine.checkpoint.identity import study_key
from taut.engine.model_copy import give_state
from taut.errors import InputError
from taut.optimizers import Proximal
from taut.optimizers.proximals import proximals_in
from taut.optimizers.selectors import describe
from taut.penalties import NormBall, Penalty, WithArrays


def one_penalty(penalty: Any) -> Penalty:
    kind = penalty() if isinstance(penalty, type) else penalties.get(penalty)
    if not isinstance(kind, Penalty) or len(kind.parts) != 1:
        raise InputError(
            "`penalty` must be one penalty with one strength, as a class, instance or name. "
            f"Received: {penalty!r}."
        )
    if kind.kind == "cone" or isinstance(kind, NormBall):
        raise InputError(
            "A path needs a penalty whose strength can vary. Received: the constraint "
            f"{kind!r}. Use `taut.L1`, or another penalty."
        )
    return kind


def check_inputs(model: Any, x: Any) -> None:
    """Raise for inputs that are not finite, unless the model makes finite numbers of them."""
    leaves = keras.tree.flatten(x)
    wrong = np.zeros(len(leaves[0]), bool)
    for leaf in leaves:
        if leaf.dtype.kind == "f":
            wrong |= ~np.isfinite(leaf.reshape(len(leaf), -1)).all(axis=1)
    rows = np.flatnonzero(wrong)
    if not len(rows):
        return
    sample = keras.tree.map_structure(lambda a: a[rows[:256]], x)
    made = keras.tree.flatten(model(sample, **mode(model, training=False)))
    if not all(np.isfinite(keras.ops.convert_to_numpy(output)).all() for output in made):
        raise InputError(
            "`x` must be finite numbers, where the model makes NaN of others. Received: NaN or "
            f"infinite values in {len(rows)} of {len(wrong)} rows, first in row {rows[0]}. Fill "
            "them, leave these rows out, or begin the model with `taut.layers.Standardize()`."
        )


# What a study is compiled for is kept as long as the user's compiled model, so that a second
# study of the same shape compiles nothing.
_copies: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()
MOST_COPIES = 4
"""Copies that are kept of one compiled model, of different penalties or optimizers."""


def study_copy(model: Any, penalty: Penalty, x: Any) -> Any:
    """The copy of a model that its studies train, compiled with the penalty.

    Args:
        model: The user's compiled model; it is not changed.
        penalty: What a path varies the strength of.
        x: Inputs, of which the first few are predicted to compare the copy with the model.

    Raises:
        InputError: If the model has other penalties, which the path would drop.
        UnsupportedError: If a copy of the model computes something else.
    """
    _check_compiled(model, penalty)
    copies = _copies.setdefault(compiled_loss(model), {})
    key = study_key(model, penalty.with_strength(0.0))
    if isinstance(penalty, WithArrays):
        key = None  # its arrays, or the weights that it refers to, may be others
    if key is not None and key in copies:
        give_state(model, copies[key])
        return copies[key]
    copy = compiled_copy(model, penalty, x)
    if len(copy.optimizer.strengths) > 1:
        raise InputError(
            "A path has one penalty, that of `penalty=`. Received: a model with penalties of "
            "its own layers (`kernel_regularizer=taut.…`). Take them out of the layers."
        )
    if key is not None:
        copies[key] = copy
        while len(copies) > MOST_COPIES:
            copies.pop(next(iter(copies)))
    return copy


def _check_compiled(model: Any, penalty: Penalty) -> None:
    """A penalty of the same kind on all weights is replaced by the path's; others are not lost."""
    for optimizer in proximals_in(model.optimizer):
        for entry in optimizer.entries:
            same = type(entry.penalty) is type(penalty) and entry.selector is None
            if entry.penalty is not None and not same:
                raise InputError(
                    f"A path has one penalty, that of `penalty=`, here {penalty!r}. Received: a "
                    f"model compiled with {entry.penalty!r} on {describe(entry.selector)}, which "
                    "would be dropped. Compile the model without it, or give it as `penalty=`."
                )


def compiled_copy(model: Any, penalty: Any, x: Any = None) -> Any:
    """A copy of a compiled model with another penalty; compared with the model on rows of `x`."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if isinstance(optimizer, Proximal):
        optimizer = optimizer.plain()
    else:
        optimizer = type(optimizer).from_config(optimizer.get_config())
    copy = copy_of(model, x)
    optimizer = Proximal(optimizer, penalty).bind(copy)
    keras.Model.compile(copy, optimizer, **compile_arguments(model))
    copy.optimizer.build(copy.trainable_variables)
    return copy
