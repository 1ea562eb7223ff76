"""Scores on the test rows, with intervals, and the peers to compare with."""

from __future__ import annotations

from typing import Any

import numpy as np

DRAWS, CONFIDENCE = 2000, 0.95
METHOD = f"percentile bootstrap of the test rows, {DRAWS} draws; differences on the same draws"
SMALLEST = 1e-7
BLOCK = 1 << 22  # draws times rows at a time: 32 MiB


def metric_names(task: str) -> list[str]:
    """The scores reported for a task; the first is the one that choices are judged by."""
    return {
        "binary": ["log_loss", "accuracy", "roc_auc"],
        "multiclass": ["log_loss", "accuracy"],
        "regression": ["rmse", "r2", "mae"],
    }[task]


def score(name: str, y: np.ndarray, predicted: np.ndarray) -> float:
    """One score; `predicted` are probabilities [rows, classes], or values [rows]."""
    return float(weighted_scores(name, y, predicted, np.ones((1, len(y))))[0])


def weighted_scores(
    name: str, y: np.ndarray, predicted: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """One score under each of many weightings of the rows, such as a bootstrap's counts.

    Args:
        name: One of `metric_names`.
        y: Class numbers or values [rows].
        predicted: Probabilities [rows, classes], or values [rows].
        weights: How often each row counts [weightings, rows].

    Returns:
        [weightings]; NaN where a score is not defined (the area under the curve of one class,
        R² of a constant).
    """
    if name == "roc_auc":
        return _areas(y == 1, predicted[:, 1], weights)
    total = weights.sum(axis=1)
    if name == "log_loss":
        chosen = predicted[np.arange(len(y)), y]
        return weights @ -np.log(np.clip(chosen, SMALLEST, None)) / total
    if name == "accuracy":
        return weights @ (predicted.argmax(axis=1) == y).astype(float) / total
    if name == "mae":
        return weights @ np.abs(predicted - y) / total
    squared = weights @ (predicted - y) ** 2 / total
    if name == "rmse":
        return np.sqrt(squared)
    centred = y - y.mean()  # or the difference of squares would cancel
    variance = weights @ centred**2 / total - (weights @ centred / total) ** 2
    defined = variance > 1e-12 * (centred**2).mean()
    return np.where(defined, 1 - squared / np.where(defined, variance, 1), np.nan)


def _areas(positive: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the curve: the share of pairs of rows in the right order, ties by half."""
    order = np.argsort(scores, kind="stable")
    ties = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))
    weights, positive = weights[:, order], positive[order]
    ours = np.add.reduceat(weights * positive, ties, axis=1)
    others = np.add.reduceat(weights * ~positive, ties, axis=1)
    pairs = ours.sum(axis=1) * others.sum(axis=1)
    below = np.cumsum(others, axis=1) - others / 2
    return np.where(pairs > 0, (ours * below).sum(axis=1) / np.where(pairs > 0, pairs, 1), np.nan)


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
    values = _bootstrap(names, y, predictions, np.random.default_rng(seed))
    systems = []
    for system, (description, predicted) in predictions.items():
        scores = {}
        for name in names:
            drawn = _interval(values[system, name])
            scores[name] = {"value": score(name, y, predicted), **drawn}
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


def _bootstrap(
    names: list[str],
    y: np.ndarray,
    predictions: dict[str, tuple[str, np.ndarray]],
    draw: np.random.Generator,
) -> dict[tuple[str, str], np.ndarray]:
    """Every system's scores [draws], all on the same draws."""
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    rows, done = len(y), 0
    block = max(1, min(DRAWS, BLOCK // rows))
    while done < DRAWS:
        size = min(block, DRAWS - done)
        counts = draw.multinomial(rows, np.full(rows, 1 / rows), size).astype(float)
        for system, (_, predicted) in predictions.items():
            for name in names:
                scores = weighted_scores(name, y, predicted, counts)
                found.setdefault((system, name), []).append(scores)
        done += size
    return {key: np.concatenate(parts) for key, parts in found.items()}


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
