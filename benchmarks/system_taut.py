"""taut as a system of a benchmark on tables: `fit(X, y, task, seed)` returns a model.

X is a data frame of floats and categories (NaN is missing), y class numbers or values, task
"classification" or "regression"; the model has `predict_proba(X)` or `predict(X)` and
`selected_features_`. All rows given are used: the benchmark has a test set of its own.
"""

import taut  # isort: skip (before Keras)
import keras  # noqa: F401 (imports are not on the clock)
import numpy as np

import taut.tables.fitting

TARGET = "__target__"


def fit(X, y, task, seed):
    frame = X.assign(**{TARGET: y.to_numpy()})
    folds = 5
    if task == "classification":  # fewer where the rarest class has fewer rows
        folds = int(max(2, min(folds, np.bincount(y).min())))
    model = taut.fit_table(frame, target=TARGET, task=task, test_size=0, folds=folds, seed=seed)
    choice = model.metrics["choice"]
    model.note_ = f"{choice['penalty']} {choice['strength']:g} {choice['network']}"
    return model
