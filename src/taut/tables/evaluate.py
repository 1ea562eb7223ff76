"""Scores on the test rows, with intervals, and the peers to compare with."""

from __future__ import annotations

from typing import Any

import numpy as np

DRAWS, CONFIDENCE = 2000, 0.95
METHOD = f"percentile bootstrap of the test rows, {DRAWS} draws; differences on the same draws"
LOWER_IS_BETTER = {"log_loss", "rmse", "mae"}
SMALLEST = 1e-7


def metric_names(task: str) -> list[str]:
    """The scores reported for a task; the first is the one that choices are judged by."""
    return {
        "binary": ["log_loss", "accuracy", "roc_auc"],
        "multiclass": ["log_loss", "accuracy"],
        "regression": ["rmse", "r2", "mae"],
    }[task]


def score(name: str, y: np.ndarray, predicted: np.ndarray) -> float:
    """One score; `predicted` are probabilities [rows, classes], or values [rows]."""
    from sklearn import metrics

    if name == "log_loss":
        chosen = predicted[np.arange(len(y)), y]
        return float(-np.log(np.clip(chosen, SMALLEST, None)).mean())
    if name == "accuracy":
        return float((predicted.argmax(axis=1) == y).mean())
    if name == "roc_auc":
        return float(metrics.roc_auc_score(y, predicted[:, 1])) if len(set(y)) > 1 else np.nan
    functions: dict[str, Any] = {
        "rmse": metrics.root_mean_squared_error,
        "r2": metrics.r2_score,
        "mae": metrics.mean_absolute_error,
    }
    return float(functions[name](y, predicted)) if len(y) > 1 else np.nan


def compare(
    task: str, y: np.ndarray, predictions: dict[str, tuple[str, np.ndarray]], *, seed: int = 0
) -> dict[str, Any]:
    """The `test` part of `metrics.json`: scores with bootstrap intervals, paired differences.

    Args:
        task: "binary", "multiclass" or "regression".
        y: Class numbers or values of the test rows.
        predictions: Name to (description, prediction); the first is the one compared.
        seed: Seeds the bootstrap.
    """
    names = metric_names(task)
    draw = np.random.default_rng(seed)
    samples = draw.integers(0, len(y), (DRAWS, len(y)))
    values: dict[tuple[str, str], np.ndarray] = {}
    systems = []
    for system, (description, predicted) in predictions.items():
        scores = {}
        for name in names:
            drawn = np.array([score(name, y[rows], predicted[rows]) for rows in samples])
            values[system, name] = drawn
            scores[name] = {"value": score(name, y, predicted), **_interval(drawn)}
        systems.append({"name": system, "description": description, "scores": scores})
    first, *others = predictions
    differences = [
        {
            "versus": other,
            "metric": name,
            "value": systems[0]["scores"][name]["value"] - systems[k]["scores"][name]["value"],
            **_interval(values[first, name] - values[other, name]),
        }
        for k, other in enumerate(others, 1)
        for name in names
    ]
    return {
        "metrics": names,
        "primary": names[0],
        "confidence": CONFIDENCE,
        "method": METHOD,
        "systems": systems,
        "differences": differences,
    }


def _interval(drawn: np.ndarray) -> dict[str, float]:
    tail = (1 - CONFIDENCE) / 2
    with np.errstate(invalid="ignore"):
        low, high = (
            np.nanquantile(drawn, [tail, 1 - tail])
            if np.isfinite(drawn).any()
            else (
                np.nan,
                np.nan,
            )
        )
    return {"low": float(low), "high": float(high)}


def linear_prediction(
    task: str, encoded: np.ndarray, y: np.ndarray, test: np.ndarray, splits: list[Any]
) -> np.ndarray:
    """scikit-learn's L2-penalised linear model, its strength chosen on the same folds.

    Args:
        task: "binary", "multiclass" or "regression".
        encoded: Encoded training rows.
        y: Their class numbers or values.
        test: Encoded test rows.
        splits: The folds.
    """
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegressionCV, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pairs = [(split.train, split.held_out) for split in splits]
    if task == "regression":
        last: Any = RidgeCV(alphas=np.logspace(-3, 5, 25), cv=pairs)
    else:
        last = LogisticRegressionCV(
            Cs=10,
            l1_ratios=(0,),
            cv=pairs,
            scoring="neg_log_loss",
            max_iter=2000,
            use_legacy_attributes=False,
        )
    model = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), last)
    model.fit(encoded, y)
    return model.predict(test) if task == "regression" else model.predict_proba(test)
