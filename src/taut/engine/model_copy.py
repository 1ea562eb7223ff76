"""A copy of a model that predicts what the model predicts, or an error that says why not."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import keras
import numpy as np
from keras import ops

from taut._keras.kept_state import carry_state
from taut._keras.left_out_losses import left_out_alike
from taut._keras.model_calls import call_with_losses
from taut._keras.model_rebuilt import rebuilt
from taut._keras.private_seeds import private_seeds
from taut.describing import layer_described, may_differ
from taut.engine.random_streams import own_stream
from taut.engine.redraw import configuration_errors, initializers, paired, paired_variables
from taut.errors import UnsupportedError

ROWS = 8
"""Rows on which a copy is compared with its model."""


def copy_of(model: Any, x: Any = None) -> Any:
    """A model of the same architecture, names and state, not compiled.

    It is made from the model's configuration, given the state that Keras would save, layer by
    layer, and then compared: what it predicts for some rows, in both modes, and the losses that its
    layers add must be the model's.

    Args:
        model: A built Keras model; it is not changed.
        x: Inputs, [rows, …] or a tree of these; the first few are predicted. None compares
            nothing: for a copy of what is such a copy itself.

    Raises:
        UnsupportedError: If the model cannot be rebuilt, or its copy is another model.
    """
    with private_seeds(0), configuration_errors(model):
        copy = rebuilt(model)
        give_state(model, copy)
    if x is not None:
        check_same(model, copy, x)
    return copy


def give_state(model: Any, copy: Any) -> None:
    """Make the state of a copy that of its model: values, and which of them may be trained."""
    pairs = paired(model, copy)
    for old, new in pairs:
        if new.trainable != old.trainable:
            new.trainable = old.trainable
    for old, new in pairs:
        # A class of Keras's to which weights were added may save its own alone, and refuse to load
        # them: its variables are given below, and what else it keeps `check_same` finds.
        with suppress(ValueError):
            carry_state(old, new)
        for name, initializer in initializers(old).items():
            if may_differ(initializer, getattr(new, name, None)):
                setattr(new, name, initializer)
        for ours, theirs in paired_variables(old, new):
            if theirs is None:
                raise ValueError(f"its configuration does not make {ours.path!r}")
            # Keras gives a model's arrays away when it predicts: the copy needs its own.
            theirs.assign(ops.copy(ours.value))
            if theirs.trainable != ours.trainable:
                theirs.trainable = ours.trainable
            # Those of the variable count, whatever its layer has been told since.
            for name in ("constraint", "regularizer"):
                if may_differ(getattr(ours, name), getattr(theirs, name)):
                    setattr(theirs, name, getattr(ours, name))


def check_same(model: Any, copy: Any, x: Any) -> None:
    """Raise unless a copy computes on some rows what its model computes.

    Raises:
        UnsupportedError: It names the layers that differ.
    """
    sample = keras.tree.map_structure(lambda a: ops.convert_to_tensor(np.asarray(a)[:ROWS]), x)
    variables = zip(model.trainable_variables, copy.trainable_variables, strict=False)
    with left_out_alike(model, copy, variables):
        alike = all(
            _alike(_computed(model, sample, training), _computed(copy, sample, training))
            for training in (False, True)
        )
    if not alike:
        raise UnsupportedError(
            "A study trains copies of the model, which must compute what it computes. "
            f"Received: {model.name!r}, whose copy differs in {_suspects(model, copy)}. Keep "
            "all that a layer computes with in its `get_config`, or in weights, or give it "
            "`save_own_variables` and `load_own_variables`."
        )


def _computed(model: Any, x: Any, training: bool) -> Any:
    with own_stream(0):
        outputs, others, losses = call_with_losses(
            model,
            [v.value for v in model.trainable_variables],
            [v.value for v in model.non_trainable_variables],
            x,
            training=training,
        )
    return keras.tree.flatten((outputs, others, losses))


def _alike(ours: list[Any], theirs: list[Any]) -> bool:
    if len(ours) != len(theirs):
        return False
    for one, other in zip(ours, theirs, strict=True):
        a, b = (np.asarray(ops.convert_to_numpy(value)) for value in (one, other))
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        if a.dtype.kind in "biuSUO":
            if not np.array_equal(a, b):
                return False
            continue
        a, b = a.astype("float64"), b.astype("float64")
        # One program on one device: only the order of parallel sums may differ.
        size = np.abs(a[np.isfinite(a)]).max(initial=0)
        if not np.allclose(a, b, rtol=1e-5, atol=1e-6 * size, equal_nan=True):
            return False
    return True


def _suspects(model: Any, copy: Any) -> str:
    """The layers whose description differs, or that are the user's own."""
    names = [
        old.name
        for old, new in paired(model, copy)
        if may_differ(layer_described(old), layer_described(new))
    ]
    custom = [
        o.name for o in model._flatten_layers() if not type(o).__module__.startswith("keras.")
    ]
    return ", ".join(repr(name) for name in names or custom) or "what a layer computes"
