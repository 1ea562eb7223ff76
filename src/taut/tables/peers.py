"""What the network is compared with: a model that looks at no input, and a linear one."""

from __future__ import annotations

from typing import Any

import numpy as np

from taut.frames.preprocessing import prior

STRENGTHS = 10
BASE_NAMES = {True: "always the mean", False: "base rate"}
"""What looks at no input, of a regression and of classes."""


def base_prediction(
    y: np.ndarray, rows: int, *, outputs: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """The class shares, or the mean, of the training rows, for every row.

    The shares are those that a network starts from (see `preprocessing.prior`): half a row is added
    to each class, or one that is not there would have an infinite loss.

    Args:
        y: Class numbers or values of the training rows.
        rows: How many rows to predict.
        outputs: Classes, or 1.
        weights: What each training row counts; all alike unless given.

    Returns:
        [rows, classes], or [rows] for a regression.
    """
    start = prior(y, outputs, weights)
    return np.full(rows, start[0]) if outputs == 1 else np.tile(np.exp(start), (rows, 1))


def linear_prediction(
    task: str,
    encoded: np.ndarray,
    y: np.ndarray,
    test: np.ndarray,
    splits: list[Any],
    *,
    classes: int | None = None,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """scikit-learn's L2-penalised linear model, its strength chosen on the same folds.

    Args:
        task: "binary", "multiclass" or "regression".
        encoded: Encoded training rows.
        y: Their class numbers or values.
        test: Encoded test rows.
        splits: The folds.
        classes: How many there are, also such as these rows lack; those of `y` unless given.
        weights: What each row counts; all alike unless given.
    """
    if task == "regression":
        model = _regression(splits)
    else:
        classes = int(y.max()) + 1 if classes is None else classes
        everywhere = all(
            len(np.unique(y[part])) == classes for s in splits for part in (s.train, s.held_out)
        )
        if weights is None and everywhere:
            model = _classification(splits)
        else:
            return _by_hand(encoded, y, test, splits, classes, weights)
    fitting = {} if weights is None else {f"{model.steps[-1][0]}__sample_weight": weights}
    model.fit(encoded, y, **fitting)
    return model.predict(test) if task == "regression" else model.predict_proba(test)


def _pipeline(last: Any) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), last)


def _regression(splits: list[Any]) -> Any:
    from sklearn.linear_model import RidgeCV

    pairs = [(split.train, split.held_out) for split in splits]
    # Not by R², which a fold of one row does not have.
    last = RidgeCV(alphas=np.logspace(-3, 5, 25), cv=pairs, scoring="neg_mean_squared_error")
    return _pipeline(last)


def _classification(splits: list[Any]) -> Any:
    from sklearn.linear_model import LogisticRegressionCV

    pairs = [(split.train, split.held_out) for split in splits]
    last = LogisticRegressionCV(
        Cs=STRENGTHS,
        l1_ratios=(0,),
        cv=pairs,
        scoring="neg_log_loss",
        max_iter=2000,
        use_legacy_attributes=False,
    )
    return _pipeline(last)


def _by_hand(
    encoded: np.ndarray,
    y: np.ndarray,
    test: np.ndarray,
    splits: list[Any],
    classes: int,
    weights: np.ndarray | None,
) -> np.ndarray:
    """The same with weights, or where some rows lack a class: scikit-learn's search has neither."""
    from sklearn.linear_model import LogisticRegression

    w = np.ones(len(y)) if weights is None else weights

    def predict(rows: np.ndarray, c: float, x: np.ndarray) -> np.ndarray:
        probabilities = np.zeros((len(x), classes))
        there = np.unique(y[rows])
        if len(there) == 1:
            probabilities[:, there] = 1.0
            return probabilities
        model = _pipeline(LogisticRegression(C=c, max_iter=2000))
        model.fit(encoded[rows], y[rows], logisticregression__sample_weight=w[rows])
        probabilities[:, there] = model.predict_proba(x)
        return probabilities

    def loss(c: float) -> float:
        total = 0.0
        for split in splits:
            p = predict(split.train, c, encoded[split.held_out])
            p = np.clip(p[np.arange(len(p)), y[split.held_out]], 1e-6, None)
            total -= float(w[split.held_out] @ np.log(p))
        return total

    best = min(np.logspace(-4, 4, STRENGTHS), key=loss)
    return predict(np.arange(len(y)), float(best), test)
