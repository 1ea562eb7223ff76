"""What can be had without looking at the inputs: the best constant prediction, and its loss."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from scipy.special import logit

from taut._keras.compiled_model import from_logits, loss_name, loss_of_classes
from taut._losses import data_loss_value
from taut._weights import mean_weight

LEAST = 1e-7


def data_loss(model: Any, y: np.ndarray, outputs: np.ndarray, weight: Any = None) -> float:
    """The compiled data loss of some rows' outputs, Σ w·l / Σ w as in the record of lanes."""
    tensor, counted = keras.ops.convert_to_tensor, mean_weight(weight)
    weight = None if weight is None else tensor(weight)
    outputs = tensor(np.asarray(outputs, "float32"))
    return float(data_loss_value(model, tensor(y), outputs, weight)) / counted


def base_loss(model: Any, y: np.ndarray, shape: tuple[int, ...], weight: Any = None) -> float:
    """The least data loss of a constant prediction, one for each step or pixel.

    Of a cross-entropy the constant is the shares of the classes; of another loss the mean or the
    median of the targets, whichever has the lesser loss.

    Args:
        model: Compiled, with one loss.
        y: [rows, …] targets, numbers.
        shape: Of one row's output.
        weight: [rows, …] weights of the data loss, or None.
    """
    weights = None if weight is None else np.asarray(weight, float).reshape(len(y), -1).mean(axis=1)
    if _probabilities(model):
        shares = np.average(_one_hot(model, y, shape), axis=0, weights=weights)
        constants = [_as_output(model, shares)]
    elif loss_of_classes(model):
        constants = [np.full(shape, value) for value in (-1.0, 0.0, 1.0)]
    else:
        mean = np.average(np.asarray(y, float), axis=0, weights=weights)
        constants = [_reshaped(c, shape) for c in (mean, np.median(y, axis=0))]
    outputs = [np.broadcast_to(constant, (len(y), *shape)) for constant in constants]
    return min(data_loss(model, y, output, weight) for output in outputs)


def least_loss(model: Any, y: np.ndarray, shape: tuple[int, ...], weight: Any = None) -> float:
    """The data loss of outputs that are the targets: 0, or what their own uncertainty leaves."""
    if _probabilities(model):
        return data_loss(model, y, _as_output(model, _one_hot(model, y, shape)), weight)
    if loss_of_classes(model):
        return 0.0
    return data_loss(model, y, _reshaped(np.asarray(y, float), (len(y), *shape)), weight)


def accuracy(model: Any, y: np.ndarray, outputs: np.ndarray) -> float:
    """The share of targets of the class that the outputs name; NaN of numbers."""
    if not loss_of_classes(model):
        return np.nan
    if "categorical" in loss_name(model):
        given = y if "sparse" in loss_name(model) else np.argmax(y, axis=-1)
        chosen = np.argmax(outputs, axis=-1)
    else:
        middle = 0.5 if _probabilities(model) and not from_logits(model) else 0.0
        given, chosen = np.asarray(y) > (0.5 if _probabilities(model) else 0), outputs > middle
    return float(np.mean(np.reshape(given, np.shape(chosen)) == chosen))


def base_accuracy(model: Any, y: np.ndarray, shape: tuple[int, ...]) -> float:
    """The accuracy of always naming the most frequent class; NaN of numbers."""
    if not loss_of_classes(model):
        return np.nan
    if not _probabilities(model):
        positive = float(np.mean(np.asarray(y) > 0))
        return max(positive, 1 - positive)
    shares = _one_hot(model, y, shape).mean(axis=0)
    if "categorical" in loss_name(model):
        return float(np.mean(shares.max(axis=-1)))
    return float(np.mean(np.maximum(shares, 1 - shares)))


def _probabilities(model: Any) -> bool:
    return bool(loss_of_classes(model)) and "crossentropy" in loss_name(model)


def _one_hot(model: Any, y: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """[rows, *shape] shares of classes, as an output of probabilities has them."""
    if "sparse" in loss_name(model):
        labels = np.asarray(y, int).reshape(len(y), *shape[:-1])
        return np.eye(shape[-1])[labels]
    return _reshaped(np.asarray(y, float), (len(y), *shape))


def _as_output(model: Any, shares: np.ndarray) -> np.ndarray:
    if not from_logits(model):
        return shares
    clipped = np.clip(shares, LEAST, 1 - LEAST)
    return np.log(clipped) if "categorical" in loss_name(model) else logit(clipped)


def _reshaped(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.reshape(values, shape) if np.size(values) == np.prod(shape) else values
