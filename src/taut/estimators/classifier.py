"""`PenalizedMLPClassifier`: a penalised network that predicts classes or sets of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import keras
import numpy as np
from scipy.special import expit, logit, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d, validate_data

from taut._weights import class_weights
from taut.errors import InputError
from taut.estimators.counted import (
    check_labels,
    check_two_classes,
    labels_that_count,
    row_weights,
)
from taut.estimators.logits import makes_logits
from taut.estimators.merged_rows import MergedRows
from taut.estimators.partial import PartialFit
from taut.estimators.penalized_network import PenalizedNetwork, dense
from taut.estimators.rounding import warn_of_rounding


class PenalizedMLPClassifier(ClassifierMixin, PartialFit, PenalizedNetwork):
    r"""A penalised network that predicts classes, or sets of labels.

    Minimises J(w) + αR(w), with J the weighted mean of the cross-entropy Σ w_i·ℓ_i / Σ w_i, by
    proximal Adam: weights that the penalty removes are exactly zero. Rows that are equal are
    trained on as one of their summed weight, so that a weight of 2 is the same as giving the row
    twice, and the order of rows does not matter.

    For two classes the network has one output, for more one each; for an indicator matrix of
    labels [rows, labels] one a label, and J is the mean over labels too.

    Args:
        penalty: R. "l1", "l2", "elastic_net" and the other names of `taut.penalties.get`;
            "group", `taut.GroupLasso` over whole inputs of every layer, which drops inputs and
            hidden units; "hierarchical", LassoNet's, which drops inputs; a penalty of taut, a sum
            of them, or a mapping from selectors to these; None for none but those of the layers of
            `build`.
        strength: α, a number >= 0; what multiplies each strength, where a sum or a mapping has
            several. None for the penalty's own, which is 0.001 where it is named. "cv" for the
            strength of least held-out loss, or "one_se" for the largest within one standard error
            of it, found by `taut.regularization_path`.
        hidden_layer_sizes: Units of each hidden layer; () for a linear model.
        activation: Of the hidden layers, as in Keras.
        build: Makes the network instead: a function (n_features, n_outputs) to a built Keras
            model from [rows, n_features] to [rows, n_outputs]. If it is compiled, its loss,
            optimizer and metrics are kept.
        start: "fresh" draws the trainable weights by `random_state`; "present" starts from those
            that `build` gave (pretrained ones).
        standardize: Whether the network that is built here begins with `taut.layers.Standardize`.
        learning_rate: Of Adam, at its height: it rises for a tenth of the updates and then falls
            to zero.
        epochs: Epochs; about 1500 updates within 30 to 120 epochs unless given.
        batch_size: Rows in a batch; 16 to 128 by the number of rows unless given.
        patience: Stop after so many epochs without a better loss on held-out rows, and keep the
            best epoch. The held-out rows are those of the fold, or with a number as `strength` a
            share `validation_fraction`.
        validation_fraction: The share of rows, between 0 and 1.
        strengths: With "cv" and "one_se" how many strengths, a list of them, or a mapping from
            selectors of `penalty` to either, as of `taut.regularization_path`.
        cv: With these a number of folds (stratified), a scikit-learn splitter or pairs of rows.
        seeds: With these, trainings of each strength and fold.
        warm_start: Whether `fit` starts from the weights of the last fit.
        class_weight: A mapping from labels to weights >= 0 (0 leaves a class out), or "balanced".
        random_state: Seeds weights, batches and folds: an integer fixes all that is random.
        verbose: Whether progress is shown on the terminal.

    Attributes:
        classes_: [classes] the labels; for an indicator matrix the numbers of its columns.
        model_: The trained Keras model, which makes logits; compiled, with the penalty.
        strength_: The strength that was trained with; a dict where several vary, None where
            penalties have their own.
        path_: With "cv" and "one_se" the `PathResult`; `certificate_` is that of the model.
        n_features_in_: Inputs; `feature_names_in_` their names, where they have some.
        n_iter_: Epochs that were run.
        loss_curve_: The mean training loss of each epoch; `loss_` that of the one that was kept.
        feature_importances_: [inputs] norm of the weights that read an input, 0 if none does.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from taut.sklearn import PenalizedMLPClassifier
        >>> x, y = load_iris(return_X_y=True)
        >>> model = PenalizedMLPClassifier("group", strength=0.01, random_state=0).fit(x, y)
        >>> model.predict(x[:2])
        array([0, 0])
    """

    classes_: np.ndarray

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
        class_weight: Mapping[Any, float] | str | None = None,
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
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Fit to rows.

        Args:
            X: Inputs, [rows, inputs]: an array, a data frame or a sparse matrix, which is made
                dense.
            y: Labels [rows], or 0 and 1 for each label [rows, labels].
            sample_weight: [rows] numbers >= 0; a row of weight 0 is left out.
            groups: [rows] what stays on one side of every fold.

        Raises:
            ValueError: For data or arguments that cannot be; before any training.
        """
        x, labels, several = self._checked(X, y)
        weight = row_weights(sample_weight, x)
        self._several = several
        if several:
            self.classes_ = np.arange(labels.shape[1])
            if self.class_weight is not None:
                raise InputError(
                    "`class_weight` is for one class a row. Received: an indicator matrix of "
                    f"{labels.shape[1]} labels. Give `sample_weight`."
                )
            return self._train(x, labels.astype("float32"), weight, self._outputs_count(), groups)
        self.classes_, codes, weight = labels_that_count(labels, weight, self.class_weight)
        return self._train(x, codes, weight, self._outputs_count(), groups)

    def partial_fit(
        self,
        X: Any,
        y: Any,
        classes: Any = None,
        sample_weight: Any = None,
    ) -> Self:
        """Train for one epoch on some rows, in their order, from the present weights.

        The first call, where nothing was fitted before, learns the scales of inputs from its rows.
        The learning rate is constant.

        Args:
            X: Inputs, [rows, inputs].
            y: Labels [rows], or 0 and 1 for each label [rows, labels].
            classes: All labels that there may be; needed in the first call.
            sample_weight: [rows] numbers >= 0, by which each row's loss is multiplied.
        """
        first = not hasattr(self, "model_")
        x, labels, several = self._checked(X, y, reset=first)
        if first:
            _check_classes_given(classes, several)
            self.classes_ = np.arange(labels.shape[1]) if several else np.unique(classes)
            if not several:
                check_two_classes(self.classes_)
            self._several = several
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise InputError(
                "`classes` must be those of the first call. Received: "
                f"{np.unique(classes).tolist()}, not {self.classes_.tolist()}."
            )
        unknown = [] if several else np.setdiff1d(labels, self.classes_).tolist()
        if unknown or several != self._several:
            raise InputError(
                f"`y` must hold labels of `classes_`, {self.classes_.tolist()}. Received: "
                f"{unknown or 'labels of another kind'}."
            )
        if isinstance(self.class_weight, str):
            raise InputError(
                "`partial_fit` does not know how many rows of each class there will be. Received: "
                f"class_weight={self.class_weight!r}. Give a mapping from labels to weights."
            )
        weight = None if sample_weight is None else row_weights(sample_weight, x)
        codes = labels
        if not several:
            codes = np.searchsorted(self.classes_, labels)
        if self.class_weight is not None and not several:
            by_class = class_weights(self.class_weight, self.classes_, np.ones(len(self.classes_)))
            weight = by_class[codes] * (1.0 if weight is None else weight)
        rows = self._targets(MergedRows(dense(x), codes, weight, None))
        self._go_on(rows, self._outputs_count())
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Labels [rows], or 0 and 1 for each label [rows, labels].

        Args:
            X: Inputs, [rows, inputs].
        """
        shares = self.predict_proba(X)
        if self._several:
            return (shares > 0.5).astype(int)
        return self.classes_[shares.argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities [rows, classes], in the order of `classes_`; or of each label.

        Args:
            X: Inputs, [rows, inputs].
        """
        outputs = self._outputs(X)
        logits = makes_logits(self.model_)
        if self._several:
            return expit(outputs) if logits else outputs
        if outputs.shape[1] > 1:
            shares = softmax(outputs, axis=1) if logits else outputs
            return shares / shares.sum(axis=1, keepdims=True)  # of singles, to about 1e-7 only
        share = expit(outputs) if logits else outputs
        return np.hstack([1 - share, share])

    def decision_function(self, X: Any) -> np.ndarray:
        """Logits [rows, classes], or of each label; for two classes [rows], of the second.

        Args:
            X: Inputs, [rows, inputs].
        """
        outputs = self._outputs(X)
        if not makes_logits(self.model_):
            outputs = (
                np.log(outputs) if len(self.classes_) > 2 and not self._several else logit(outputs)
            )
        return outputs[:, 0] if outputs.shape[1] == 1 and not self._several else outputs

    def _checked(self, x: Any, y: Any, *, reset: bool = True) -> tuple[Any, np.ndarray, bool]:
        check_labels(y)
        given = x
        x, y = validate_data(
            self, x, y, accept_sparse="csr", dtype="float32", multi_output=True, reset=reset
        )
        warn_of_rounding(given, depth=4)
        y = dense(y)
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y")
        if kind == "multiclass-multioutput":
            raise InputError(
                "`y` must hold one label a row, or an indicator matrix of 0 and 1. Received: "
                f"several classes in each of {y.shape[1]} columns. Fit one model a column, by "
                "`sklearn.multioutput.MultiOutputClassifier`."
            )
        several = kind == "multilabel-indicator"
        return x, y if several else column_or_1d(y, warn=True), several

    def _outputs_count(self) -> int:
        return 1 if len(self.classes_) == 2 and not self._several else len(self.classes_)

    def _loss(self, model: Any) -> Any:
        logits = makes_logits(model)
        if self._several or len(self.classes_) == 2:
            return keras.losses.BinaryCrossentropy(from_logits=logits)
        return keras.losses.SparseCategoricalCrossentropy(from_logits=logits)

    def _targets(self, rows: MergedRows) -> MergedRows:
        if self._several or len(self.classes_) > 2:
            return rows
        return replace(rows, y=rows.y.astype("float32")[:, None])

    def _of_classes(self) -> bool:
        return not self._several

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _check_classes_given(classes: Any, several: bool) -> None:
    if classes is None and not several:
        raise InputError(
            "The first call of `partial_fit` needs `classes`, all labels that there may be. "
            "Received: classes=None."
        )
