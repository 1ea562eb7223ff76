"""The compiled loss of each row, and that of a prediction that looks at no input."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops, tree

from taut._keras.compiled_model import build_loss, call_losses, from_logits, loss_name
from taut._losses import loss_parts, loss_values
from taut.errors import UnsupportedError

TINY = 1e-7
"""A share is kept this far from 0 and 1, as Keras's losses do."""


class RowLosses:
    """The data loss of each row: their mean is the compiled loss, without penalties.

    Args:
        model: Compiled and built.
        x: Inputs, [rows, …] or a tree of these; a few rows are enough.
        y: Their targets.

    Raises:
        UnsupportedError: If the loss is not the mean of a value a row, or a mask takes part.

    Example:
        >>> RowLosses(model, x, y)(y, model.predict(x)).mean()  # doctest: +SKIP
    """

    def __init__(self, model: Any, x: Any, y: Any):
        for part in loss_parts(model, x, y):
            if not (part.by_row and part.mean) or part.masked:
                why = "a mask takes part" if part.masked else "it is not the mean of a value a row"
                raise UnsupportedError(
                    "A loss of each row is needed. Received: the loss "
                    f"{part.name!r}, of which none is known: {why}. Write the loss so that its "
                    "`call` returns a value a row."
                )
        build_loss(model, x, y)
        self._model = model

    def __call__(self, y: Any, prediction: Any, steps: np.ndarray | None = None) -> np.ndarray:
        """[rows], float64, of targets and what the model returned for them.

        Args:
            y: Targets, a tree of arrays [rows, …].
            prediction: What the model returned, likewise.
            steps: [rows, steps] weights of the values of each row, of which its loss is the mean;
                all alike unless given. A row whose weights are all 0 has a loss of 0.
        """

        def loss_of(part: Any, y_true: Any, y_pred: Any) -> Any:
            values, _ = loss_values(part.loss, y_true, y_pred)
            others = tuple(range(1, len(values.shape)))
            if not others:
                return values
            if steps is None:
                return ops.mean(values, axis=others)
            weights = steps.reshape(*steps.shape, *[1] * (len(values.shape) - steps.ndim))
            weights = ops.convert_to_tensor(np.broadcast_to(weights, values.shape), values.dtype)
            total = ops.sum(weights, axis=others)
            return ops.sum(values * weights, axis=others) / ops.where(total == 0, 1.0, total)

        tensors = tree.map_structure(ops.convert_to_tensor, (y, prediction))
        values = call_losses(self._model, loss_of, *tensors)
        return np.asarray(ops.convert_to_numpy(values), float)

    def of_lanes(self, y: Any, predictions: Any, steps: np.ndarray | None = None) -> np.ndarray:
        """[lanes, rows] of predictions [lanes, rows, …] of the same rows."""
        lanes = len(tree.flatten(predictions)[0])
        repeated, weights = tree.map_structure(
            lambda a: None if a is None else np.concatenate([a] * lanes), (y, steps)
        )
        flat = tree.map_structure(lambda a: a.reshape(-1, *a.shape[2:]), predictions)
        return self(repeated, flat, weights).reshape(lanes, -1)


def base_losses(
    model: Any,
    x: Any,
    y: Any,
    train_y: Any,
    train_weights: Any = None,
    steps: np.ndarray | None = None,
) -> np.ndarray | None:
    """[rows] the loss of the constant that is best for `train_y`: what looking at nothing costs.

    That is the mean, or the median where its loss is less; for classes their shares; each of the
    weighted rows. None for a loss of which no such constant is known.

    Args:
        model: Compiled and built.
        x: Inputs of the rows; a few of them are enough.
        y: Targets of the rows that are predicted.
        train_y: Targets of the rows that the constant is taken from.
        train_weights: Weights of these, [rows] or of each value of the loss; None for none.
        steps: [rows, steps] weights of the values of each row's loss; all alike unless given.
    """
    shapes = getattr(model, "output_shape", None)
    if shapes is None or len(tree.flatten(y)) != 1 or len(tree.flatten(train_y)) != 1:
        return None
    shape = shapes if isinstance(shapes, tuple) else None
    if shape is None or any(size is not None and not isinstance(size, int) for size in shape):
        return None
    learned = np.asarray(tree.flatten(train_y)[0], float)
    rows = len(tree.flatten(y)[0])
    weights = tree.flatten(train_weights)[0]
    candidates = _constants(model, learned, shape[1:], weights)
    losses_of = RowLosses(model, x, y)
    found = [
        losses_of(y, np.broadcast_to(c, (rows, *c.shape)).astype(keras.config.floatx()), steps)
        for c in candidates
    ]
    finite = [losses for losses in found if np.isfinite(losses).all()]
    return min(finite, key=lambda losses: losses.mean()) if finite else None


def _constants(
    model: Any, y: np.ndarray, shape: tuple[Any, ...], weights: np.ndarray | None
) -> list[np.ndarray]:
    """Predictions of one row that may be the best constant."""
    name = loss_name(model)
    logits = from_logits(model)
    if weights is not None:
        spread = weights.reshape(*weights.shape, *[1] * (y.ndim - weights.ndim))
        weights = np.broadcast_to(spread.reshape(spread.shape[: y.ndim]), y.shape)
    if "sparse_categorical" in name:
        counts = None if weights is None else weights.reshape(-1)
        shares = np.bincount(y.reshape(-1).astype(int), counts, minlength=shape[-1])
        shares = np.clip(shares / shares.sum(), TINY, 1)
        return [np.broadcast_to(np.log(shares) if logits else shares, _known(shape, y))]
    if y.ndim == 1 and len(shape) and shape[-1] == 1:
        y = y[:, None]
        weights = None if weights is None else weights[:, None]
    if weights is not None:
        # Where nothing counts, any constant will do.
        weights = np.where(weights.any(axis=0), weights, 1.0)
    mean = np.average(y, axis=0, weights=weights)
    if "crossentropy" in name:
        share = np.clip(mean, TINY, 1 - TINY)
        if not logits:
            return [share]
        return [np.log(share) if "categorical" in name else np.log(share / (1 - share))]
    if weights is None:
        return [mean, np.median(y, axis=0)]
    return [mean, np.quantile(y, 0.5, axis=0, weights=weights, method="inverted_cdf")]


def _known(shape: tuple[Any, ...], y: np.ndarray) -> tuple[int, ...]:
    """The shape of a row's prediction, with what is not fixed as the targets have it."""
    steps = y.shape[1:]
    return tuple(
        size if size is not None else steps[k] if k < len(steps) else 1
        for k, size in enumerate(shape)
    )
