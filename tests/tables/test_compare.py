"""Intervals: exact, drawn by rows or groups, or withheld with the reason."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics as sk

from taut.run_metrics import Score
from taut.tables.compare import by_class, compare, exact_interval
from taut.tables.peers import base_prediction, linear_prediction
from taut.tables.scores import is_rare, metric_names, score, weighted_scores

DRAW = np.random.default_rng(0)


def classified(rows, *, share=0.3, accuracy=0.8, seed=0):
    """Two classes, and probabilities that are right as often as `accuracy`."""
    draw = np.random.default_rng(seed)
    y = (np.arange(rows) < share * rows).astype(int)
    right = draw.random(rows) < accuracy
    p = np.where(right, y, 1 - y) * 0.6 + 0.2 + 0.1 * draw.random(rows)
    return y, np.column_stack([1 - p, p])


def taut_of(found, name):
    return next(s for s in found.systems if s.name == "taut").scores[name]


@pytest.mark.parametrize(("right", "rows"), [(0, 4), (4, 4), (3, 17), (112, 114), (50, 100)])
def test_a_share_has_the_exact_interval(right, rows):
    interval = exact_interval(right, rows)
    expected = binomtest(right, rows).proportion_ci(0.95, method="exact")
    assert interval == pytest.approx((expected.low, expected.high))


def test_four_rows_that_are_all_right_are_not_certain():
    y = np.array([0, 1, 0, 1])
    found = compare("binary", y, {"taut": ("", np.eye(2)[y] * 0.8 + 0.1)})
    accuracy = taut_of(found, "accuracy")
    assert accuracy.value == accuracy.high == 1
    assert accuracy.low == pytest.approx(0.398, abs=1e-3)
    for name in ("log_loss", "roc_auc"):
        assert taut_of(found, name).low is taut_of(found, name).high is None
        assert "4 test rows are too few" in taut_of(found, name).withheld


def test_what_a_bootstrap_cannot_know_is_withheld():
    y, p = classified(60)
    perfect = compare("binary", y, {"taut": ("", np.eye(2)[y] * 0.9 + 0.05)})
    assert "the same score" in taut_of(perfect, "roc_auc").withheld
    one = compare("binary", np.zeros(60, int), {"taut": ("", p)})
    assert "all of one class" in taut_of(one, "roc_auc").withheld
    y, p = classified(60, share=0.1)
    few = compare("binary", y, {"taut": ("", p)}, rare=1)
    for name in ("roc_auc", "balanced_accuracy", "average_precision"):
        assert "6 test rows" in taut_of(few, name).withheld
    assert taut_of(few, "log_loss").withheld is None
    constant = compare("regression", np.ones(60), {"taut": ("", DRAW.normal(size=60))})
    assert "not defined" in taut_of(constant, "r2").withheld


def test_systems_that_are_right_in_the_same_rows_have_no_interval_of_the_difference():
    y, p = classified(80)
    other = np.where(p > 0.5, 0.9, 0.1)
    found = compare("binary", y, {"taut": ("", p), "other": ("", other)})
    difference = next(d for d in found.differences if d.metric == "accuracy")
    assert difference.value == 0
    assert difference.low is None
    assert difference.withheld


def test_groups_are_drawn_whole():
    # Every row five times: the same knowledge, so the same interval.
    y, p = classified(60)
    once = compare("binary", y, {"taut": ("", p)})
    of, many = np.repeat(np.arange(60), 5), (np.repeat(y, 5), np.repeat(p, 5, axis=0))
    grouped = compare("binary", many[0], {"taut": ("", many[1])}, groups=of)
    blind = compare("binary", many[0], {"taut": ("", many[1])})
    widths = [
        taut_of(f, "log_loss").high - taut_of(f, "log_loss").low for f in (once, grouped, blind)
    ]
    assert widths[1] == pytest.approx(widths[0], rel=0.05)
    assert widths[2] < 0.6 * widths[0]
    assert taut_of(grouped, "accuracy").low < taut_of(blind, "accuracy").low
    few = compare("binary", many[0], {"taut": ("", many[1])}, groups=of // 12)
    assert "5 groups in the test set are too few" in taut_of(few, "accuracy").withheld


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_weights_weigh_every_score_as_scikit_learn_does(task):
    weights = DRAW.random(120) + 0.1
    if task == "binary":
        y, p = classified(120)
        expected = {
            "log_loss": sk.log_loss(y, p, sample_weight=weights),
            "accuracy": sk.accuracy_score(y, p.argmax(1), sample_weight=weights),
            "roc_auc": sk.roc_auc_score(y, p[:, 1], sample_weight=weights),
            "balanced_accuracy": sk.balanced_accuracy_score(y, p.argmax(1), sample_weight=weights),
            "average_precision": sk.average_precision_score(y, p[:, 1], sample_weight=weights),
        }
    else:
        y = DRAW.normal(size=120)
        p = y + DRAW.normal(size=120)
        expected = {
            "rmse": sk.root_mean_squared_error(y, p, sample_weight=weights),
            "r2": sk.r2_score(y, p, sample_weight=weights),
            "mae": sk.mean_absolute_error(y, p, sample_weight=weights),
        }
    rare = 1 if task == "binary" else None
    found = compare(task, y, {"taut": ("", p)}, weights=weights, rare=rare)
    assert list(found.metrics) == list(expected)
    for name, value in expected.items():
        own = taut_of(found, name)
        assert own.value == pytest.approx(value)
        assert own.low < value < own.high
    assert "weighs" in found.method
    if task == "binary":  # rows that are right weigh nine times as much
        heavy = compare(task, y, {"taut": ("", p)}, weights=np.where(p.argmax(1) == y, 9.0, 1.0))
        assert taut_of(heavy, "accuracy").low > expected["accuracy"] + 0.05


def test_scores_of_rare_classes_are_scikit_learns():
    y, p = classified(150, share=0.1)
    p = np.round(p, 1)  # ties
    samples = np.random.default_rng(1).integers(0, len(y), (20, len(y)))
    counts = np.stack([np.bincount(rows, minlength=len(y)) for rows in samples]).astype(float)
    for positive in (0, 1):
        found = weighted_scores("average_precision", y, p, counts, positive=positive)
        expected = [sk.average_precision_score(y[r] == positive, p[r, positive]) for r in samples]
        np.testing.assert_allclose(found, expected)
    found = weighted_scores("balanced_accuracy", y, p, counts)
    expected = [sk.balanced_accuracy_score(y[r], p[r].argmax(1)) for r in samples]
    np.testing.assert_allclose(found, expected)
    assert np.isnan(score("average_precision", np.zeros(9, int), np.full((9, 2), 0.5)))


@pytest.mark.parametrize(
    ("shares", "rare"),
    [
        ((0.5, 0.5), False),
        ((0.37, 0.63), False),
        ((0.15, 0.85), True),
        ((0.015, 0.985), True),
        ((1 / 3, 1 / 3, 1 / 3), False),
        ((0.05, 0.45, 0.5), True),
    ],
)
def test_a_class_is_rare_where_accuracy_says_little(shares, rare):
    assert is_rare(np.array(shares)) == rare
    assert ("balanced_accuracy" in metric_names("multiclass", rare=rare)) == rare


def test_each_class_has_its_recall_and_precision():
    y = np.array([0] * 90 + [1] * 10 + [2] * 5)
    chosen = np.array([0] * 90 + [1] * 4 + [0] * 6 + [0] * 5)
    found = by_class(("ok", "fraud", "odd", "none"), y, np.eye(4)[chosen], exact=True)
    ok, fraud, odd, none = found
    assert (fraud.rows, fraud.recognised, fraud.named) == (10, 4, 4)
    assert fraud.recall == Score(0.4, *exact_interval(4, 10))
    assert fraud.precision.value == 1
    assert ok.precision.value == pytest.approx(90 / 101)
    assert (odd.recall.value, odd.precision.value) == (0, None)
    assert none.rows == 0
    assert none.recall.value is None


def test_the_base_rate_is_the_prior_or_the_mean():
    y = np.repeat([0, 0, 1, 2], 1000)
    weights = np.repeat([1.0, 1.0, 2.0, 4.0], 1000)
    np.testing.assert_allclose(base_prediction(y, 2, outputs=3), [[0.5, 0.25, 0.25]] * 2, atol=1e-3)
    found = base_prediction(y, 1, outputs=3, weights=weights)
    np.testing.assert_allclose(found, [[0.25, 0.25, 0.5]], atol=1e-3)
    assert base_prediction(y, 3, outputs=1, weights=weights).tolist() == [1.25] * 3
    # A class that is not there does not make the loss infinite.
    lacking = base_prediction(y, 1, outputs=4)
    assert lacking[0, 3] > 1e-4
    assert lacking.sum() == pytest.approx(1)


def test_the_linear_peer_takes_weights_and_folds_that_lack_a_class():
    from taut.engine import Split

    draw = np.random.default_rng(0)
    x = draw.normal(size=(90, 3))
    y = (x[:, 0] > 0).astype(int)
    y[:9] = 2  # in the first fold only
    every = np.arange(90)
    splits = [Split(every[every % 3 != k], every[every % 3 == k]) for k in range(3)]
    ordered = [Split(every[9:], every[:9]), Split(every[:60], every[60:])]
    ones = np.ones(90)
    for folds, weights in ((ordered, None), (splits, ones)):
        p = linear_prediction("multiclass", x, y, x, folds, classes=4, weights=weights)
        assert p.shape == (90, 4)
        np.testing.assert_allclose(p.sum(axis=1), 1)
        assert (p[:, 3] == 0).all()
        assert (p[9:].argmax(1) == y[9:]).mean() > 0.7
    # Weights of one change nothing.
    y = (x[:, 0] + draw.normal(size=90) > 0).astype(int)
    plain = linear_prediction("binary", x, y, x, splits)
    same = linear_prediction("binary", x, y, x, splits, weights=ones)
    np.testing.assert_allclose(plain, same, atol=1e-3)
    # Rows that count next to nothing are not followed.
    flipped, w = np.where(every < 30, y, 1 - y), np.where(every < 30, 1.0, 1e-6)
    told = linear_prediction("binary", x, flipped, x, splits, weights=w)
    alone = linear_prediction("binary", x[:30], y[:30], x, [Split(every[:30], every[:30])])
    assert (told.argmax(1) == alone.argmax(1)).mean() > 0.75
