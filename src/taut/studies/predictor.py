"""Predictions as a fitted estimator of scikit-learn, for its scorers."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if


class Regressed(RegressorMixin, BaseEstimator):
    """Predicts what it is given: the prediction of a network stands in for the inputs."""

    def fit(self, x: Any = None, y: Any = None) -> Regressed:
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, x: np.ndarray) -> np.ndarray:
        return x

    def arguments(self, y: Any, prediction: Any) -> tuple[np.ndarray, np.ndarray]:
        """What a scorer takes for the inputs and for the targets."""
        return _flat(prediction), _flat(y)


class Classified(ClassifierMixin, BaseEstimator):
    """Probabilities, or decision values, stand in for the inputs.

    Args:
        labels: [classes] in the order of the outputs; None for numbers.
        probabilities: Whether the network's output can be read as probabilities.
        logits: Whether that is by a sigmoid or a softmax of it.
    """

    def __init__(self, labels: Any = None, *, probabilities: bool = True, logits: bool = False):
        self.labels: Any = labels
        self.probabilities: bool = probabilities
        self.logits: bool = logits

    def fit(self, x: Any = None, y: Any = None) -> Classified:
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @available_if(lambda self: self.probabilities)
    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        return x

    @available_if(lambda self: not self.probabilities)
    def decision_function(self, x: np.ndarray) -> np.ndarray:
        return x

    def predict(self, x: np.ndarray) -> np.ndarray:
        place = x.argmax(axis=1) if x.ndim == 2 else (x > 0).astype(int)
        return self.classes_[place]

    def arguments(self, y: Any, prediction: Any) -> tuple[np.ndarray, np.ndarray]:
        """What a scorer takes for the inputs and for the targets; sets `classes_`."""
        values, y = np.asarray(prediction, float), np.asarray(y)
        values = values.reshape(-1) if values.ndim == 2 and values.shape[1] == 1 else values
        number: np.ndarray = y.argmax(axis=1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(-1)
        if self.probabilities and values.ndim == 1:
            share = expit(values) if self.logits else values
            values = np.column_stack([1 - share, share])
        elif self.probabilities:
            values = softmax(values, axis=1) if self.logits else values
            # In single precision they sum to one within 1e-7 only, which scikit-learn warns of.
            values = values / values.sum(axis=1, keepdims=True)
        count = 2 if values.ndim == 1 else np.shape(values)[-1]
        self.classes_: np.ndarray = (
            np.arange(count) if self.labels is None else np.asarray(self.labels)
        )
        if values.ndim == 1:  # hinge losses may have −1 for the first class
            number = number > 0
        return values, self.classes_[number.astype(int)]


def predictor_of(loss: str, logits: bool, labels: Any) -> Regressed | Classified:
    """The estimator of a network that is trained by a loss of some name."""
    if "crossentropy" in loss:
        return Classified(labels, logits=logits)
    if "hinge" in loss:
        return Classified(labels, probabilities=False)
    return Regressed()


def _flat(values: Any) -> np.ndarray:
    values = np.asarray(values, float)
    return values.reshape(-1) if values.ndim == 2 and values.shape[1] == 1 else values
