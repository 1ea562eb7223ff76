"""The compiled copy of the user's model that a study trains, with the study's penalty."""

from __future__ import annotations

import weakref
from typing import Any

import keras

from taut import penalties
from taut._keras_compat import compile_arguments, compiled_loss
from taut.engine import copy_of
from taut.errors import InputError
from taut.optimizers import Proximal
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


# What a study is compiled for is kept as long as the user's compiled model, so that a second
# study of the same shape compiles nothing.
_copies: weakref.WeakKeyDictionary[Any, dict[Any, Any]] = weakref.WeakKeyDictionary()


def study_copy(model: Any, penalty: Penalty) -> Any:
    copies = _copies.setdefault(model.optimizer, {})
    key = repr(penalty.with_strength(0.0)), compiled_loss(model)
    if isinstance(penalty, WithArrays):
        copies.pop(key, None)  # its arrays, or the weights that it refers to, may be others
    if key not in copies:
        copies[key] = compiled_copy(model, penalty)
        if len(copies[key].optimizer.strengths) > 1:
            del copies[key]
            raise InputError(
                "A path has one penalty, that of `penalty=`. Received: a model with penalties of "
                "its own layers (`kernel_regularizer=taut.…`). Take them out of the layers, or "
                "use Keras's regularizers there, which stay in the loss."
            )
    copy = copies[key]
    copy.set_weights(model.get_weights())
    return copy


def compiled_copy(model: Any, penalty: Any) -> Any:
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if isinstance(optimizer, Proximal):
        optimizer = optimizer.plain()
    else:
        optimizer = type(optimizer).from_config(optimizer.get_config())
    copy = copy_of(model)
    copy.set_weights(model.get_weights())  # which `L2SP` refers to
    optimizer = Proximal(optimizer, penalty).bind(copy)
    keras.Model.compile(copy, optimizer, **compile_arguments(model))
    copy.optimizer.build(copy.trainable_variables)
    return copy
