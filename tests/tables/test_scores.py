"""Scores on the test rows: each against scikit-learn, on every draw of the bootstrap."""

import numpy as np
import pytest
from sklearn import metrics as sk

from taut.tables.compare import compare
from taut.tables.scores import metric_names, score, weighted_scores

DRAW = np.random.default_rng(0)
Y = {"binary": DRAW.integers(0, 2, 120), "multiclass": DRAW.integers(0, 3, 120)}
Y["regression"] = DRAW.normal(1e6, 3, 120)
REFERENCE = {
    "accuracy": lambda y, p: sk.accuracy_score(y, p.argmax(axis=1)),
    "log_loss": lambda y, p: sk.log_loss(y, p, labels=np.arange(p.shape[1])),
    "roc_auc": lambda y, p: sk.roc_auc_score(y, p[:, 1]),
    "rmse": sk.root_mean_squared_error,
    "r2": sk.r2_score,
    "mae": sk.mean_absolute_error,
}


def predictions(task, seed=0):
    draw = np.random.default_rng(seed)
    y = Y[task]
    if task == "regression":
        return y + draw.normal(size=len(y))
    classes = y.max() + 1
    raw = np.eye(classes)[y] + 2 * draw.random((len(y), classes))
    if classes == 2:  # rounded, so that there are ties
        first = np.round(raw[:, 0] / raw.sum(axis=1), 1).clip(0.1, 0.9)
        return np.column_stack([first, 1 - first])
    return raw / raw.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("task", list(Y))
def test_a_weighted_score_is_scikit_learns_on_the_rows_drawn(task):
    y, predicted = Y[task], predictions(task)
    samples = np.random.default_rng(1).integers(0, len(y), (20, len(y)))
    counts = np.stack([np.bincount(rows, minlength=len(y)) for rows in samples])
    for name in metric_names(task):
        expected = [REFERENCE[name](y[rows], predicted[rows]) for rows in samples]
        found = weighted_scores(name, y, predicted, counts.astype(float))
        np.testing.assert_allclose(found, expected, rtol=1e-9)
        assert score(name, y, predicted) == pytest.approx(REFERENCE[name](y, predicted))


def test_what_is_not_defined_is_no_number():
    one_class = np.ones(5, int)
    assert np.isnan(score("roc_auc", one_class, np.full((5, 2), 0.5)))
    assert np.isnan(score("r2", np.full(5, 1e9), np.arange(5.0)))


@pytest.mark.parametrize("task", list(Y))
def test_an_interval_covers_about_as_often_as_it_says(task):
    # Against the standard error of a mean, where the score is one.
    y, predicted = Y[task], predictions(task)
    found = compare(task, y, {"taut": ("", predicted), "other": ("", predictions(task, 1))})
    name = {"regression": "mae"}.get(task, "accuracy")
    own = {s.name: s.scores[name] for s in found.systems}["taut"]
    rows = np.abs(predicted - y) if task == "regression" else predicted.argmax(1) == y
    width = 2 * 1.96 * rows.std() / np.sqrt(len(y))
    assert own.high - own.low == pytest.approx(width, rel=0.2, abs=1e-12)
    assert found == compare(task, y, {"taut": ("", predicted), "other": ("", predictions(task, 1))})


def test_a_system_against_itself_is_no_difference():
    y, predicted = Y["binary"], predictions("binary")
    found = compare("binary", y, {"taut": ("", predicted), "same": ("", predicted)})
    assert all((d.value, d.low, d.high) == (0, 0, 0) for d in found.differences)
