"""`PenalizedMLPRegressor`: a penalised network that predicts numbers, one or several a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data

from taut.estimators.counted import row_weights
from taut.estimators.merged_rows import MergedRows
from taut.estimators.partial import PartialFit
from taut.estimators.penalized_network import PenalizedNetwork, dense
from taut.estimators.rounding import warn_of_rounding


class PenalizedMLPRegressor(RegressorMixin, PartialFit, PenalizedNetwork):
    r"""A penalised network that predicts numbers, one or several a row.

    Minimises J(w) + αR(w) as `PenalizedMLPClassifier` does, with J the weighted mean of the loss
    over rows, and over the targets where there are several. Targets are standardised unless told
    otherwise, each by the mean and deviation of the training rows, so that α does not depend on
    their unit; J is then in units of their variance, for the mean squared error.

    Args:
        penalty: As of `PenalizedMLPClassifier`, and so are all arguments up to `warm_start`.
        strength: α, or "cv" or "one_se".
        hidden_layer_sizes: Units of each hidden layer; () for a linear model.
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
        warm_start: Whether `fit` starts from the weights of the last fit.
        loss: A loss of Keras, by name or as an object: "mse", "mae", "huber", ….
        standardize_target: Whether targets are standardised; False for losses of counts, say.
        random_state: Seeds weights, batches and folds.
        verbose: Whether progress is shown on the terminal.

    Attributes:
        model_: The trained Keras model, which makes standardised targets.
        target_mean_: [outputs] what its outputs are shifted by to be predictions.
        target_scale_: [outputs] what they are first multiplied by; 0 where the target of a `fit`
            has one value, which is then predicted.
        strength_: As of `PenalizedMLPClassifier`, and so are `path_`, `certificate_`, `n_iter_`,
            `loss_curve_`, `loss_`, `feature_importances_` and `n_features_in_`.

    Example:
        >>> from sklearn.datasets import load_diabetes
        >>> from taut.sklearn import PenalizedMLPRegressor
        >>> x, y = load_diabetes(return_X_y=True)
        >>> model = PenalizedMLPRegressor("group", strength=0.03, random_state=0).fit(x, y)
        >>> int(model.get_support().sum()) < 10
        True
    """

    target_mean_: np.ndarray
    target_scale_: np.ndarray

    def __init__(
        self,
        penalty: Any = "l1",
        *,
        strength: float | str | None = None,
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
        warm_start: bool = False,
        loss: Any = "mse",
        standardize_target: bool = True,
        random_state: Any = None,
        verbose: int | bool = 0,
    ):
        super().__init__(
            penalty,
            strength=strength,
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            build=build,
            start=start,
            standardize=standardize,
            learning_rate=learning_rate,
            epochs=epochs,
            batch_size=batch_size,
            patience=patience,
            validation_fraction=validation_fraction,
            strengths=strengths,
            cv=cv,
            seeds=seeds,
            warm_start=warm_start,
            random_state=random_state,
            verbose=verbose,
        )
        self.loss = loss
        self.standardize_target = standardize_target

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Fit to rows.

        Args:
            X: Inputs, [rows, inputs]: an array, a data frame or a sparse matrix, which is made
                dense.
            y: Targets, [rows] or [rows, outputs].
            sample_weight: [rows] numbers >= 0; a row of weight 0 is left out.
            groups: [rows] what stays on one side of every fold.

        Raises:
            ValueError: For data or arguments that cannot be; before any training.
        """
        x, y = self._checked(X, y)
        weight = row_weights(sample_weight, x)
        self._flat = y.ndim == 1
        targets = y.reshape(len(y), -1)
        return self._train(x, targets, weight, targets.shape[1], groups)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch on some rows, in their order, from the present weights.

        The first call, where nothing was fitted before, learns the scales of inputs and targets
        from its rows. The learning rate is constant.

        Args:
            X: Inputs, [rows, inputs].
            y: Targets, [rows] or [rows, outputs].
            sample_weight: [rows] numbers >= 0, by which each row's loss is multiplied.
        """
        first = not hasattr(self, "model_")
        x, y = self._checked(X, y, reset=first)
        weight = None if sample_weight is None else row_weights(sample_weight, x)
        targets = y.reshape(len(y), -1)
        rows = MergedRows(dense(x), targets, weight, None)
        if first:
            self._flat = y.ndim == 1
            self._learn_scale(rows)
        self._go_on(self._scaled(rows), targets.shape[1])
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predictions [rows], or [rows, outputs] where `y` had columns.

        Args:
            X: Inputs, [rows, inputs].
        """
        outputs = self._outputs(X) * self.target_scale_ + self.target_mean_
        return outputs[:, 0] if self._flat else outputs

    def _checked(self, x: Any, y: Any, *, reset: bool = True) -> tuple[Any, np.ndarray]:
        given = x
        x, y = validate_data(
            self,
            x,
            y,
            accept_sparse="csr",
            dtype="float32",
            multi_output=True,
            y_numeric=True,
            reset=reset,
        )
        warn_of_rounding(given, depth=4)
        return x, np.asarray(dense(y), "float64")

    def _loss(self, model: Any) -> Any:
        del model
        return self.loss

    def _targets(self, rows: MergedRows) -> MergedRows:
        self._learn_scale(rows)
        if self.standardize_target:
            self.target_scale_ = np.where(np.ptp(rows.y, axis=0) > 0, self.target_scale_, 0.0)
        return self._scaled(rows)

    def _learn_scale(self, rows: MergedRows) -> None:
        outputs = rows.y.shape[1]
        self.target_mean_, self.target_scale_ = np.zeros(outputs), np.ones(outputs)
        if self.standardize_target:
            mean = np.average(rows.y, axis=0, weights=rows.weight)
            deviation = np.sqrt(np.average((rows.y - mean) ** 2, axis=0, weights=rows.weight))
            self.target_mean_ = mean
            self.target_scale_ = np.where(deviation > 1e-12 * np.abs(mean), deviation, 1.0)

    def _scaled(self, rows: MergedRows) -> MergedRows:
        scaled = (rows.y - self.target_mean_) / np.where(self.target_scale_, self.target_scale_, 1)
        return replace(rows, y=scaled.astype("float32"))

    def _of_classes(self) -> bool:
        return False

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
