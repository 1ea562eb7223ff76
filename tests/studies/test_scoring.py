"""What a path chooses by, on which folds, and the labels of its classes."""

import keras
import numpy as np
import pytest
from sklearn.metrics import (
    get_scorer,
    log_loss,
    make_scorer,
    max_error,
    mean_absolute_error,
    roc_auc_score,
)
from sklearn.model_selection import GroupKFold, KFold, TimeSeriesSplit

import taut
from taut.errors import InputError
from taut.studies import PathResult, folds
from taut.studies.labels import labelled
from taut.studies.predictor import predictor_of
from taut.studies.score_trial import right_predictions
from taut.studies.scoring import scoring_of

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")

SHORT = {"strengths": [1.0, 0.1, 0.0], "cv": 2, "epochs": 5, "batch_size": 64, "callbacks": ()}
LABELS = np.array(["benign", "malign"])


def classifier(loss="binary_crossentropy", units=1, activation="sigmoid", inputs=30, metrics=None):
    model = keras.Sequential(
        [keras.Input((inputs,)), keras.layers.Dense(units, activation=activation)]
    )
    model.compile(keras.optimizers.Adam(0.05), loss, metrics=metrics)
    return model


@pytest.fixture(scope="module")
def labels(breast_cancer):
    x, y = breast_cancer
    return x, LABELS[y.astype(int)]


@pytest.fixture(scope="module")
def scored(labels):
    metrics = [keras.metrics.AUC(name="auc")]
    weights = {"benign": 2.0}
    return taut.regularization_path(
        classifier(metrics=metrics), *labels, scoring="neg_log_loss", class_weight=weights, **SHORT
    )


def test_labels_are_numbered_and_kept(scored, labels, breast_cancer, tmp_path):
    assert scored.classes.tolist() == ["benign", "malign"]
    numbers = taut.regularization_path(classifier(), *breast_cancer, class_weight={0: 2.0}, **SHORT)
    np.testing.assert_allclose(scored.table["held_out_loss"], numbers.table["held_out_loss"])
    assert numbers.classes is None
    loaded = PathResult.load(scored.save(tmp_path / "path"))
    assert loaded.classes.tolist() == ["benign", "malign"]
    assert loaded.scoring == "neg_log_loss"
    assert loaded.summary.equals(scored.summary)


def test_a_score_of_scikit_learn_is_that_of_the_models(scored, labels, breast_cancer):
    x, y = labels
    splits = folds(breast_cancer[1], 2, seed=0)
    lines = scored.table[scored.table["strength"] == 0.1]
    for fold, model in enumerate(scored.models(0.1)):
        rows = splits[fold].held_out
        share = model.predict(x[rows], verbose=0).astype(float)
        expected = -log_loss(y[rows], np.hstack([1 - share, share]))
        assert lines["held_out_neg_log_loss"].iloc[fold] == pytest.approx(expected, rel=1e-5)
    best = scored.summary.loc[scored.summary["held_out_neg_log_loss"].idxmax(), "strength"]
    assert scored.best_strength == best
    assert repr(scored).splitlines()[1].startswith("  best neg_log_loss: -0.")
    assert "best neg_log_loss" in scored.plot().to_json()


@pytest.mark.parametrize(
    ("scoring", "column", "best"),
    [
        ("auc", "held_out_auc", "idxmax"),
        ("mae", "held_out_mae", "idxmin"),
        pytest.param("f1_score", "held_out_f1_score", "idxmax", marks=pytest.mark.slow),
    ],
)
def test_a_compiled_metric_knows_its_direction(scoring, column, best, breast_cancer):
    metrics = [keras.metrics.AUC(name="auc"), "mae"]
    if scoring.startswith("f1"):
        metrics = [keras.metrics.F1Score(threshold=0.5), "mae"]
    x, y = breast_cancer
    model = classifier(metrics=metrics)
    result = taut.regularization_path(model, x, y[:, None], scoring=scoring, **SHORT)
    summary = result.summary.set_index("strength")
    assert result.best_strength == getattr(summary[column], best)()
    assert f"{column}_standard_error" in summary
    at = summary.loc[result.best_strength]
    bound = at[f"{column}_standard_error"]
    near = np.abs(summary[column] - at[column]) <= bound
    assert result.one_se_strength == max(summary.index[near])


def test_a_score_that_fails_loses_nothing(breast_cancer):
    def broken(y, prediction):
        if np.any(np.abs(prediction - y[:, None]) > 0.2):  # it was fine as it was tried
            raise RuntimeError("no")
        return 0.0

    with (
        pytest.warns(UserWarning, match="The score 'broken' must not cost.*RuntimeError: no"),
        pytest.warns(UserWarning, match="The choice is by the held-out loss: 'broken'"),
    ):
        result = taut.regularization_path(classifier(), *breast_cancer, scoring=broken, **SHORT)
    assert result.scoring == "loss"
    assert (
        result.best_strength
        == result.summary.loc[result.summary["held_out_loss"].idxmin(), "strength"]
    )


class Begun(taut.engine.Callback):
    def on_start(self, lanes, epochs):
        raise AssertionError("trained before the score was tried")


def _pair(y, prediction):
    return y, prediction


ONE_CLASS = [(np.arange(100, 569), np.arange(19))]


@pytest.mark.parametrize(
    ("scoring", "targets", "cv", "words"),
    [
        ("f1", LABELS, 2, "'f1', which on those of fold 0 raises ValueError: pos_label=1"),
        ("roc_auc", LABELS, ONE_CLASS, "'roc_auc', which is nan of the 19 rows of fold 0"),
        (_pair, np.arange(2.0), 2, "'_pair', which on those of fold 0 raises TypeError"),
    ],
)
def test_a_score_that_must_fail_is_told_before_training(scoring, targets, cv, words, breast_cancer):
    x, y = breast_cancer
    assert len(np.unique(y[:19])) == 1
    settings = {**SHORT, "cv": cv, "callbacks": [Begun()]}
    with pytest.raises(InputError, match=words):
        taut.regularization_path(
            classifier(), x, targets[y.astype(int)], scoring=scoring, **settings
        )


@pytest.mark.parametrize(
    ("loss", "y", "units"),
    [
        ("mse", np.arange(8.0), 1),
        ("mse", np.arange(16.0).reshape(8, 2), 2),
        ("binary_crossentropy", np.arange(8) % 2, 1),
        (keras.losses.BinaryCrossentropy(from_logits=True), np.arange(8) % 2, 1),
        ("sparse_categorical_crossentropy", np.arange(8) % 3, 3),
        (keras.losses.CategoricalCrossentropy(from_logits=True), np.eye(4)[np.arange(8) % 4], 4),
        ("hinge", np.arange(8) % 2 * 2 - 1, 1),
    ],
)
def test_predictions_that_a_score_is_tried_on_are_right(loss, y, units):
    model, x = classifier(loss, units, None, inputs=3), np.ones((8, 3), "float32")
    right = right_predictions(model, x, y)
    assert right.shape == (8, units)
    scorer = "accuracy" if loss != "mse" else "r2"
    score = scoring_of(model, scorer, x, y)
    assert score.measure(y, right, None) > 0.98
    assert len(np.unique(right)) > 1
    assert np.isfinite(right).all()


def _mean_gap(y, prediction, sample_weight):
    return -float(np.average(np.abs(y - prediction.ravel()), weights=sample_weight))


@pytest.mark.parametrize("scoring", ["neg_log_loss", _mean_gap])
def test_scores_are_given_the_weights_of_their_rows(scoring, breast_cancer):
    x, y = breast_cancer
    weights = np.linspace(0.0, 2.0, len(y))
    settings = {**SHORT, "strengths": [0.1, 0.0]}
    result = taut.regularization_path(
        classifier(),
        x,
        y,
        scoring=scoring,
        sample_weight=weights,
        **settings,
    )
    lines = result.table[result.table["strength"] == 0.1]
    for split, model, value in zip(
        folds(y, 2, seed=0), result.models(0.1), lines[f"held_out_{result.scoring}"], strict=True
    ):
        rows = split.held_out
        shares = model.predict(x[rows], verbose=0)
        if scoring is _mean_gap:
            expected = _mean_gap(y[rows], shares, weights[rows])
        else:
            expected = -log_loss(y[rows], shares, sample_weight=weights[rows])
        assert value == pytest.approx(expected, rel=1e-4)


def test_a_score_that_knows_no_weights_is_refused_where_there_are_some(breast_cancer):
    x, y = breast_cancer
    model, weights = classifier(), np.ones(len(y))
    for scoring in (make_scorer(max_error), lambda y, prediction: 0.0):
        assert scoring_of(model, scoring, x, y).larger
        with pytest.raises(InputError, match="must know of weights"):
            scoring_of(model, scoring, x, y, weights=weights)
    with pytest.raises(InputError, match="one weight a row"):
        scoring_of(model, "roc_auc", x, y, weights=np.ones((len(y), 2)))
    assert scoring_of(model, "roc_auc", x, y, weights=weights).larger


def test_scores_are_read_before_anything_is_trained(breast_cancer):
    x, y = breast_cancer
    model = classifier(metrics=["mae", lambda a, b: keras.ops.mean(a - b)])
    model.evaluate(x[:2], y[:2], verbose=0)
    assert not scoring_of(model, "mae", x, y).larger
    assert scoring_of(model, "roc_auc", x, y).larger
    assert scoring_of(model, None, x, y).name == "loss"
    name = scoring_of(model, make_scorer(mean_absolute_error, greater_is_better=False), x, y).name
    assert name == "mean_absolute_error"
    unknown = next(n for n in model.get_metrics_result() if n not in ("loss", "mae"))
    for scoring, words in (
        (unknown, "whether larger is better"),
        ("beauty", r"Received: 'beauty'; the compiled metrics are 'mae'"),
        (3, r"Received: scoring=3"),
    ):
        with pytest.raises(InputError, match=words):
            scoring_of(model, scoring, x, y)


def test_predictions_are_read_as_the_loss_reads_them():
    y = np.array([0, 1, 1, 0])
    logits = np.array([[-1.0], [2.0], [0.5], [1.0]])
    for loss, as_logits, expected in (
        ("binary_crossentropy", True, roc_auc_score(y, logits)),
        ("hinge", False, roc_auc_score(y, logits)),
    ):
        estimator = predictor_of(loss, as_logits, LABELS)
        values, targets = estimator.arguments(y, logits)
        assert targets.tolist() == LABELS[y].tolist()
        assert get_scorer("roc_auc")(estimator, values, targets) == pytest.approx(expected)
        assert get_scorer("accuracy")(estimator, values, targets) == 0.75
    several = predictor_of("categorical_crossentropy", True, None)
    scores = np.eye(3)[[0, 1, 2]] * 3
    values, targets = several.arguments(np.eye(3), scores)
    np.testing.assert_allclose(values.sum(axis=1), 1)
    assert get_scorer("accuracy")(several, values, targets) == 1.0
    line = predictor_of("mean_squared_error", False, None)
    values, targets = line.arguments(np.array([[1.0], [2.0]]), np.array([[1.5], [2.0]]))
    assert get_scorer("neg_mean_absolute_error")(line, values, targets) == -0.25


@pytest.mark.parametrize(
    ("loss", "units", "expected"),
    [
        ("binary_crossentropy", 1, [1.0, 0.0, 1.0]),
        ("sparse_categorical_crossentropy", 2, [1, 0, 1]),
        ("categorical_crossentropy", 2, [[0, 1], [1, 0], [0, 1]]),
        (keras.losses.Hinge(), 1, [1.0, 0.0, 1.0]),
    ],
)
def test_labels_become_what_the_loss_takes(loss, units, expected):
    given = ["yes", "no", "yes"]
    for y in (given, np.array(given), np.array(given, object)[:, None]):
        found = labelled(classifier(loss, units), y)
        assert found.y.tolist() == expected
        assert found.classes.tolist() == ["no", "yes"]
    assert found.class_weight({"no": 3.0}) == {0: 3.0}
    assert found.class_weight({1: 3.0}) == {1: 3.0}
    assert found.class_weight("balanced") == "balanced"
    assert labelled(classifier(loss, units), [1, 0, 1]) is None


def test_labels_that_a_loss_cannot_take_are_told(labels):
    x, y = labels
    with pytest.raises(InputError, match=r"`y` must hold numbers.*np.unique"):
        taut.regularization_path(classifier("mse"), x, y, **SHORT)
    with pytest.raises(InputError, match=r"two classes apart. Received: 3 labels"):
        labelled(classifier(), ["a", "b", "c"])
    with pytest.raises(InputError, match="Received: None in row 1, of 1"):
        labelled(classifier(), np.array(["a", None, "b"], object))


@pytest.mark.parametrize("cv", [2, GroupKFold(3), pytest.param("pairs", marks=pytest.mark.slow)])
def test_no_group_is_on_both_sides(cv, diabetes):
    x, y = diabetes
    groups = np.array([f"patient {k}" for k in np.arange(len(y)) // 5])
    halves = np.flatnonzero(np.arange(len(y)) < 220), np.flatnonzero(np.arange(len(y)) >= 220)
    cv = [halves] if cv == "pairs" else cv
    for split in folds(y, cv, x=x, groups=groups):
        assert not set(groups[split.train]) & set(groups[split.held_out])


def test_a_path_in_folds_of_groups(diabetes):
    x, y = diabetes
    groups = np.arange(len(y)) // 45
    model = classifier("mse", activation=None, inputs=10)
    given = SHORT | {"strengths": [0.1, 0.0], "epochs": 2}
    result = taut.regularization_path(model, x, y, groups=groups, **given)
    split = taut.regularization_path(
        model, x, y, groups=groups, **given | {"cv": folds_of(y, groups)}
    )
    np.testing.assert_allclose(result.table["held_out_loss"], split.table["held_out_loss"])
    later = taut.regularization_path(model, x, y, **given | {"cv": TimeSeriesSplit(3)})
    assert sorted(set(later.table["fold"])) == [0, 1, 2]


def folds_of(y, groups):
    splits = taut.studies.group_folds(y, groups, 2, classes=False)
    return [(split.train, split.held_out) for split in splits]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"groups": np.arange(100)}, "one label for each of the 442 rows"),
        ({"groups": [np.nan, *range(441)]}, "first in row 0"),
        ({"groups": np.zeros(442)}, "as many groups as folds"),
        ({"groups": np.arange(442) // 5, "cv": KFold(2)}, "fold 0 with 1 groups on both sides"),
        ({"cv": GroupKFold(2)}, "a splitter of groups needs `groups`"),
        ({"groups": np.zeros(442), "memory": 1 << 26}, "as many groups as folds"),
        ({"scoring": "r2", "memory": 1 << 26}, "scored by compiled metrics"),
    ],
)
def test_folds_that_cannot_be_are_told(options, words, diabetes):
    model = classifier("mse", activation=None, inputs=10)
    with pytest.raises(InputError, match=words):
        taut.regularization_path(model, *diabetes, **SHORT | options)
