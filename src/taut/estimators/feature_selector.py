"""`FeatureSelector`: the inputs that a penalised network reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from taut.checks import check_one_of
from taut.estimators.classifier import PenalizedMLPClassifier
from taut.estimators.counted import check_labels
from taut.estimators.penalized_network import dense
from taut.estimators.regressor import PenalizedMLPRegressor
from taut.estimators.rounding import warn_of_rounding
from taut.frames.target import understand_target

TASKS = ("auto", "classification", "regression")


class FeatureSelector(SelectorMixin, BaseEstimator):
    """Keeps the inputs that a network under a penalty on whole inputs reads.

    Fits a `PenalizedMLPClassifier` or a `PenalizedMLPRegressor` and keeps the inputs that some
    weight which is not exactly zero reads: no threshold is needed. An input that is dropped may
    still carry information, where another says the same. If none is left, `transform` warns and
    returns no columns.

    Args:
        penalty: "group" or "hierarchical", which drop whole inputs, or what else
            `PenalizedMLPClassifier` takes; L1 on single weights seldom drops an input, L2 never.
        strength: α; by default "one_se", the largest strength whose held-out loss is within one
            standard error of the least.
        task: "classification" or "regression"; "auto" tells by the target, as tables do: text,
            booleans, two values and a few whole numbers that repeat are classes.
        hidden_layer_sizes: As of `PenalizedMLPClassifier`, and so are all arguments below.
        activation: Of the hidden layers.
        build: A function (n_features, n_outputs) to a built Keras model.
        start: "fresh" or "present".
        standardize: Whether inputs are standardised in the network.
        learning_rate: Of Adam, at its height.
        epochs: Epochs, or None.
        batch_size: Rows in a batch, or None.
        patience: Epochs without a better held-out loss, or None.
        validation_fraction: The share of rows that are then held out.
        strengths: How many strengths, or a list.
        cv: Folds.
        seeds: Trainings of each strength and fold.
        random_state: Seeds weights, batches and folds.
        verbose: Whether progress is shown on the terminal.

    Attributes:
        estimator_: The fitted network; with "cv" and "one_se" its `path_` shows the choice.
        feature_importances_: [inputs] norm of the weights that read an input, 0 if none does.
        n_features_in_: Inputs; `feature_names_in_` their names, where they have some.

    Example:
        >>> import numpy as np
        >>> from taut.sklearn import FeatureSelector
        >>> x = np.random.default_rng(0).normal(size=(200, 6))
        >>> selector = FeatureSelector(strength=0.03, random_state=0)
        >>> selector.fit(x, x[:, 0] + abs(x[:, 3])).get_support(indices=True)
        array([0, 3])
    """

    estimator_: PenalizedMLPClassifier | PenalizedMLPRegressor

    def __init__(
        self,
        penalty: Any = "group",
        *,
        strength: float | str | None = "one_se",
        task: str = "auto",
        hidden_layer_sizes: Sequence[int] = (64, 64),
        activation: Any = "relu",
        build: Any = None,
        start: str = "fresh",
        standardize: bool = True,
        learning_rate: float = 0.003,
        epochs: int | None = None,
        batch_size: int | None = None,
        patience: int | None = None,
        validation_fraction: float = 0.1,
        strengths: Any = 30,
        cv: Any = 5,
        seeds: int = 1,
        random_state: Any = None,
        verbose: int | bool = 0,
    ):
        self.penalty = penalty
        self.strength = strength
        self.task = task
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.build = build
        self.start = start
        self.standardize = standardize
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.strengths = strengths
        self.cv = cv
        self.seeds = seeds
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Fit to rows.

        Args:
            X: Inputs, [rows, inputs]: an array, a data frame or a sparse matrix.
            y: Targets, [rows] or [rows, outputs].
            sample_weight: [rows] numbers >= 0; a row of weight 0 is left out.
            groups: [rows] what stays on one side of every fold.

        Raises:
            ValueError: For data or arguments that cannot be; before any training.
        """
        check_one_of(TASKS, task=self.task)
        check_labels(y)
        x, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype="float32",
            multi_output=True,
            ensure_min_samples=2,
        )
        warn_of_rounding(X, depth=3)
        y = dense(y)
        task = _task(y) if self.task == "auto" else self.task
        settings = {k: v for k, v in self.get_params(deep=False).items() if k != "task"}
        kind = PenalizedMLPClassifier if task == "classification" else PenalizedMLPRegressor
        self.estimator_ = kind(**settings).fit(x, y, sample_weight=sample_weight, groups=groups)
        return self

    @property
    def feature_importances_(self) -> np.ndarray:
        """[inputs] the norm of the weights that read each input; exactly 0 where none does."""
        check_is_fitted(self)
        return self.estimator_.feature_importances_

    def _get_support_mask(self) -> np.ndarray:
        check_is_fitted(self)
        return self.estimator_.get_support()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        return tags


def _task(y: np.ndarray) -> str:
    if y.ndim > 1 and y.shape[1] > 1:
        several = type_of_target(y) == "multilabel-indicator"
        return "classification" if several else "regression"
    task = understand_target(pd.Series(y.ravel(), name="y"))[0]
    return "regression" if task == "regression" else "classification"
