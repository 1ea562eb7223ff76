"""`TableClassifier` and `TableRegressor`: `taut.fit_table` behind scikit-learn's interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from taut.errors import InputError
from taut.estimators.counted import check_labels, labels_that_count, row_weights
from taut.estimators.table_estimator import TableEstimator
from taut.frames.target import understand_target
from taut.frames.values import missing


class TableClassifier(ClassifierMixin, TableEstimator):
    """Classes from a table: categories, dates, missing values and all; see `taut.fit_table`.

    Networks at many strengths are trained on every fold as one program, and those that are not
    clearly worse than the best predict together. It chooses the strength itself, so that a
    search over `strengths` is not needed. A class of fewer rows than `folds` is trained on in every
    fold and held out in none.

    Args:
        penalty: "auto" (L1 and L2), "l1" or "l2".
        strengths: Strengths to try; a default grid unless given.
        features: Names of the input columns; all that are useful unless given. The columns of an
            array are called x0, x1, ….
        drop: Columns to leave out.
        kind: What columns are, by name: "numeric", "category", "date", "text" or "ignore".
        decimal: The decimal sign, "." or ",", of text that leaves it open.
        na: Marks of missing values beyond the usual ones.
        test_size: Share of rows set aside to score `model_`; none unless given, since
            cross-validation outside sets its own aside.
        folds: Folds of the cross-validation inside.
        seeds: Networks of each setting and fold.
        single: Whether one network, refitted on all rows, predicts.
        sparse: Whether inputs are selected, and a network on these alone predicts (on all inputs,
            where none is worth reading).
        inputs: How many inputs are kept, which asks for `sparse`; as many as are needed unless
            given.
        quick: Whether fewer settings are tried, in less time.
        class_weight: A mapping from labels to numbers >= 0 by which the weights of their rows are
            multiplied (0 leaves a class out), 1 for those left out; "balanced" for W/(K·W_k); or
            None. Probabilities are then those of rows weighed so.
        random_state: Seeds all that is random.
        verbose: Whether progress is shown on the terminal.

    Attributes:
        model_: The fitted `taut.TableModel`: warnings, what was chosen, `save`.
        classes_: [classes] the labels.
        n_features_in_: Columns; `feature_names_in_` their names, for a data frame.
        feature_importances_: [columns] shares of the loss that shuffling costs, of the network on
            all inputs.
        selected_features_: Names of the columns that are kept; `get_support` says which they are.

    Example:
        >>> from taut.sklearn import TableClassifier
        >>> model = TableClassifier().fit(frame, labels)  # doctest: +SKIP
        >>> model.model_.warnings  # doctest: +SKIP
    """

    classes_: np.ndarray

    def __init__(
        self,
        penalty: str = "auto",
        *,
        strengths: Sequence[float] | None = None,
        features: Sequence[str] | None = None,
        drop: Sequence[str] = (),
        kind: Mapping[str, str] | None = None,
        decimal: str | None = None,
        na: Sequence[str] = (),
        test_size: float = 0.0,
        folds: int = 5,
        seeds: int = 1,
        single: bool = False,
        sparse: bool = False,
        inputs: int | None = None,
        quick: bool = False,
        class_weight: Mapping[Any, float] | str | None = None,
        random_state: Any = None,
        verbose: int | bool = 0,
    ):
        super().__init__(
            penalty,
            strengths=strengths,
            features=features,
            drop=drop,
            kind=kind,
            decimal=decimal,
            na=na,
            test_size=test_size,
            folds=folds,
            seeds=seeds,
            single=single,
            sparse=sparse,
            inputs=inputs,
            quick=quick,
            random_state=random_state,
            verbose=verbose,
        )
        self.class_weight = class_weight

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        groups: Any = None,
        time: Any = None,
    ) -> Self:
        """Fit to a table.

        Args:
            X: The table, [rows, columns]: a data frame, an array or a sparse matrix.
            y: Labels [rows].
            sample_weight: [rows] numbers >= 0: how much a row counts in training, in the choice
                and in the scores inside. A row of weight 2 is a row that is given twice, one of
                weight 0 is left out. Equal rows are one row, on one side of every fold.
            groups: [rows] what stays on one side of every fold: patients, households.
            time: [rows] dates or numbers by which folds go from past to future.

        Raises:
            ValueError: For a table or an option that cannot be used; before any training.
        """
        check_labels(y)
        x, y = self._frame(X, reset=True), _column(y, None)
        check_consistent_length(x, y)
        check_classification_targets(y)
        weight = row_weights(sample_weight, x)
        classes, codes, weight = labels_that_count(y, weight, self.class_weight)
        as_they_are = _read_as_they_are(y[weight > 0], classes)
        labels = classes[codes] if as_they_are else codes
        self._fit(x, labels, "classification", weight, {"groups": groups, "time": time})
        self.classes_ = classes
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Labels [rows].

        Args:
            X: The table, [rows, columns].
        """
        shares = self.predict_proba(X)
        return self.classes_[shares.argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities [rows, classes], in the order of `classes_`.

        Args:
            X: The table, [rows, columns].
        """
        return self._predicting.predict_proba(self._frame(X, reset=False))


class TableRegressor(RegressorMixin, TableEstimator):
    """A number from a table: categories, dates, missing values and all; see `taut.fit_table`.

    Networks at many strengths are trained on every fold as one program, and those that are not
    clearly worse than the best predict together.

    Args:
        penalty: As of `TableClassifier`, and so are all arguments.
        strengths: Strengths to try, or None.
        features: Names of the input columns, or None.
        drop: Columns to leave out.
        kind: What columns are, by name.
        decimal: The decimal sign.
        na: Marks of missing values.
        test_size: Share of rows set aside to score `model_`.
        folds: Folds of the cross-validation inside.
        seeds: Networks of each setting and fold.
        single: Whether one network predicts.
        sparse: Whether a network on selected inputs predicts.
        inputs: How many inputs are kept for that, or None.
        quick: Whether fewer settings are tried.
        random_state: Seeds all that is random.
        verbose: Whether progress is shown on the terminal.

    Attributes:
        model_: The fitted `taut.TableModel`; the others are those of `TableClassifier`.

    Example:
        >>> from taut.sklearn import TableRegressor
        >>> model = TableRegressor().fit(frame, prices)  # doctest: +SKIP
    """

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        groups: Any = None,
        time: Any = None,
    ) -> Self:
        """Fit to a table.

        Args:
            X: The table, [rows, columns]: a data frame, an array or a sparse matrix.
            y: Numbers [rows].
            sample_weight: [rows] numbers >= 0, as of `TableClassifier`.
            groups: [rows] what stays on one side of every fold.
            time: [rows] dates or numbers by which folds go from past to future.

        Raises:
            ValueError: For a table or an option that cannot be used; before any training.
        """
        x, y = self._frame(X, reset=True), _column(y, "float64")
        check_consistent_length(x, y)
        weight = row_weights(sample_weight, x)
        self._fit(x, y, "regression", weight, {"groups": groups, "time": time})
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predictions [rows].

        Args:
            X: The table, [rows, columns].
        """
        return self._predicting.predict(self._frame(X, reset=False))


def _read_as_they_are(y: np.ndarray, classes: np.ndarray) -> bool:
    """Whether a table has these labels for classes; to it "NA" is none, and " a" is "a"."""
    series = pd.Series(y, name="y")
    if missing(series).any():
        return False
    return list(understand_target(series, "classification")[2]) == classes.tolist()


def _column(y: Any, dtype: str | None) -> np.ndarray:
    if y is None:
        raise InputError("`fit` requires y to be passed, but the target y is None.")
    y = check_array(y, ensure_2d=False, dtype=dtype, input_name="y")
    return column_or_1d(y, warn=True)
