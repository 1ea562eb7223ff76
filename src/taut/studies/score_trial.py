"""A score tried on the held-out rows before anything is trained, on predictions that are right."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from taut._keras.compiled_model import from_logits, loss_name
from taut._keras.model_calls import mode
from taut.engine import Split
from taut.errors import InputError
from taut.studies.scoring import Scoring

SHARE = 0.9
"""So much of a prediction is the target, the rest the mean: no score meets a 0 or a 1 then."""


def check_score(
    model: Any, score: Scoring, x: Any, y: Any, splits: Sequence[Split], weights: Any
) -> None:
    """Raise where a score fails on the held-out rows of a fold, whatever is predicted for them.

    So text labels that need a `pos_label`, a fold without one of the classes, and a function that
    returns no number are told before the training that they would make worthless.

    Args:
        model: Compiled.
        score: What to choose by.
        x: Inputs, a tree of arrays [rows, …].
        y: Targets, likewise.
        splits: The folds.
        weights: [rows] what each row counts, or None.

    Raises:
        InputError: If so.
    """
    if score.measure is None:
        return
    predicted = right_predictions(model, x, y)
    if predicted is None:
        return
    for number, split in enumerate(splits):
        rows = split.held_out
        counted = None if weights is None else np.asarray(weights)[rows]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                value = score.measure(np.asarray(y)[rows], predicted[rows], counted)
        except Exception as error:  # it is the user's, or scikit-learn's
            raise InputError(
                "`scoring` must have a number for the held-out rows of each fold. Received: "
                f"{score.name!r}, which on those of fold {number} raises {type(error).__name__}: "
                f"{str(error).rstrip('.')}. Give what it needs by `sklearn.metrics.make_scorer("
                "…)`, or choose by another score."
            ) from error
        if score.of_scorer and not np.isfinite(value):
            raise InputError(
                "`scoring` must have a number for the held-out rows of each fold. Received: "
                f"{score.name!r}, which is {value} of the {len(rows)} rows of fold {number}, even "
                "where they are predicted right. Use fewer folds, or choose by the loss."
            )


def right_predictions(model: Any, x: Any, y: Any) -> np.ndarray | None:
    """What a model would predict that is almost right, [rows, …]; None where that is not known."""
    if keras.tree.is_nested(y):
        return None
    few = keras.tree.map_structure(lambda a: ops.convert_to_tensor(a[:2]), x)
    outputs = model(few, **mode(model, training=False))
    if keras.tree.is_nested(outputs):
        return None
    shape, y = (len(y), *outputs.shape[1:]), np.asarray(y)
    name = loss_name(model)
    shares = "crossentropy" in name
    if "sparse" in name:
        right = np.eye(shape[-1])[y.reshape(shape[:-1]).astype(int)]
    elif y.size == np.prod(shape):
        right = y.reshape(shape).astype(float)
    else:
        return None
    mean = 1 / max(shape[-1], 2) if shares else right.mean(axis=0, keepdims=True)
    right = SHARE * right + (1 - SHARE) * mean
    if shares and from_logits(model):
        right = np.log(right) if "categorical" in name else np.log(right / (1 - right))
    return right.astype("float32")
