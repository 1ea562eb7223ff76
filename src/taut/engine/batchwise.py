"""What computes with several rows of a batch at once, where rows that only fill it would count."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from taut._keras.compiled_model import build_loss, call_losses
from taut._keras.model_calls import StatelessScope, call_with_losses, moments_of_rows
from taut._losses import loss_values
from taut.engine.random_streams import own_stream

ROWS = 8
"""Rows on which `mixes_rows` tries a model."""


def may_mix_rows(model: Any) -> bool:
    """Whether anything in a compiled model is not known to treat every row of a batch apart.

    Known are Keras's layers and losses, but for those that look across rows; a user's own layer,
    operation or loss is not.
    """
    layers = list(model._flatten_layers())
    operations = [o for layer in layers for o in getattr(layer, "operations", ())]
    losses = keras.tree.flatten(model.loss)
    return not (all(map(_keeps_apart, [*layers, *operations])) and all(map(_of_keras, losses)))


def mixes_rows(model: Any, x: Any, y: Any) -> bool:
    """Whether rows of a batch change what a model makes of others in training, tried on a few.

    Batch normalisation, which can be told its rows, is told those that are not changed. Losses
    that layers add mix rows too: nothing tells the share of one row in them.

    Args:
        model: Compiled and built.
        x: Inputs, [rows, …] or a tree of these.
        y: Targets, likewise.
    """
    sample = keras.tree.map_structure(
        lambda a: np.resize(np.asarray(a), (ROWS, *a.shape[1:])), (x, y)
    )
    unchanged = np.arange(ROWS) < ROWS // 2
    others = np.where(unchanged, np.arange(ROWS), 0)

    def computed(rows: np.ndarray) -> tuple[list[np.ndarray], bool]:
        rows_x, rows_y = keras.tree.map_structure(lambda a: ops.convert_to_tensor(a[rows]), sample)
        losses = []

        def loss_of(part: Any, y_true: Any, y_pred: Any) -> Any:
            losses.append(loss_values(part.loss, y_true, y_pred)[0])
            return ops.sum(losses[-1])

        build_loss(model, rows_x, rows_y)
        with own_stream(0), moments_of_rows(model, ops.convert_to_tensor(unchanged)):
            prediction, _, added = call_with_losses(
                model,
                [v.value for v in model.trainable_variables],
                [v.value for v in model.non_trainable_variables],
                rows_x,
                training=True,
            )
        with StatelessScope():
            call_losses(model, loss_of, rows_y, prediction)
        outputs = [*keras.tree.flatten(prediction), *losses]
        return [ops.convert_to_numpy(a)[unchanged] for a in outputs], bool(added)

    (before, added), (after, _) = computed(np.arange(ROWS)), computed(others)
    return added or not all(
        np.allclose(a, b, rtol=1e-5, atol=1e-6, equal_nan=True)
        for a, b in zip(before, after, strict=True)
    )


def _normalises(layer: Any) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization) and layer.trainable


_ACROSS = ("MixUp", "CutMix", "RandomCrop")
"""Layers that augment images with those of other rows, or all rows of a batch alike."""


def _keeps_apart(layer: Any) -> bool:
    # An operation of the graph has axes of its own; a lambda layer computes anything.
    if not isinstance(layer, keras.layers.Layer) or isinstance(layer, keras.layers.Lambda):
        return False
    axis = getattr(layer, "axis", None)
    across_rows = axis is not None and 0 in np.atleast_1d(axis)
    across_rows |= type(layer).__name__ in _ACROSS
    adds_loss = getattr(layer, "activity_regularizer", None) is not None
    return _of_keras(layer) and not (_normalises(layer) or across_rows or adds_loss)


def _of_keras(part: Any) -> bool:
    """Whether a layer, operation or loss is Keras's or ours: of a class, a function, or a name."""
    if part is None or isinstance(part, str):
        return True
    function = getattr(part, "fn", part)
    where = function if hasattr(function, "__code__") else type(function)
    return str(where.__module__).split(".")[0] in ("keras", "taut")
