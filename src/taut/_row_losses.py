"""The data loss of a compiled model in inference mode, row by row where it is one of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops, tree

from taut._keras_compat import call_losses, mode
from taut._losses import data_loss_value, loss_parts, loss_values


def is_by_row(model: Any, x: Any, y: Any) -> bool:
    """Whether every compiled loss has a value for each row, which no other row enters."""
    parts = loss_parts(model, x, y)
    return all(part.by_row and not part.own_call and not part.masked for part in parts)


def row_losses(model: Any, x: Any, y: Any, *, batch_size: int) -> np.ndarray:
    """[rows] of the data loss: no penalty, no losses of layers, no dropout.

    Values by step or pixel are averaged (summed, where the loss sums them), and outputs are
    added up with their `loss_weights`, so that the mean over rows is the compiled loss.

    Args:
        model: Compiled and built, with a loss for which `is_by_row` holds.
        x: Inputs, an array [rows, …] or a tree of these.
        y: Targets, likewise.
        batch_size: Rows that are predicted at a time.
    """
    prediction = model.predict(x, batch_size=batch_size, verbose=0)

    def of_rows(part: Any, y_true: Any, y_pred: Any) -> Any:
        values, _ = loss_values(part.loss, y_true, y_pred)
        beyond = tuple(range(1, len(values.shape)))
        together = ops.sum if part.loss.reduction == "sum" else ops.mean
        return together(values, axis=beyond) if beyond else values

    tensors = tree.map_structure(ops.convert_to_tensor, (y, prediction))
    losses = call_losses(model, of_rows, *tensors)
    return np.array(ops.convert_to_numpy(losses), float)


def mean_loss(model: Any, x: Any, y: Any, *, batch_size: int) -> float:
    """The data loss of any compiled model: its mean over batches, weighted by their rows."""
    rows = len(tree.flatten(y)[0])
    total = 0.0
    for start in range(0, rows, batch_size):
        piece = slice(start, start + batch_size)

        def tensor(a: Any, piece: slice = piece) -> Any:
            return ops.convert_to_tensor(a[piece])

        inputs, targets = tree.map_structure(tensor, (x, y))
        prediction = model(inputs, **mode(model, training=False))
        loss = float(ops.convert_to_numpy(data_loss_value(model, targets, prediction)))
        total += loss * min(batch_size, rows - start)
    return total / rows
