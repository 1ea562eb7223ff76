"""The estimators of networks: what they solve, what they keep, and what they refuse."""

import copy
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
import sklearn
import skops.io
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import Lasso
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import taut
from taut.errors import InputError
from taut.sklearn import (
    FeatureSelector,
    PenalizedMLPClassifier,
    PenalizedMLPRegressor,
    TableClassifier,
)
from tests.estimators.conftest import SMALL


def classifier(penalty="l1", **settings):
    return PenalizedMLPClassifier(penalty, **{**SMALL, "random_state": 0, **settings})


def regressor(penalty="l1", **settings):
    return PenalizedMLPRegressor(penalty, **{**SMALL, "random_state": 0, **settings})


@pytest.fixture(scope="module")
def fitted(rows):
    return classifier().fit(*rows)


def test_a_linear_model_is_the_lasso(diabetes):
    x, y = diabetes
    model = regressor(hidden_layer_sizes=(), strength=0.1, epochs=1500, batch_size=512)
    model.fit(10 * x + 3, 5 * y - 2)
    peer = Lasso(alpha=0.05).fit(x, y)
    weights = model.model_.get_layer("output").get_weights()[0].ravel()
    np.testing.assert_allclose(weights, peer.coef_, atol=2e-3)
    np.testing.assert_array_equal(weights == 0, peer.coef_ == 0)
    np.testing.assert_array_equal(model.get_support(), peer.coef_ != 0)
    np.testing.assert_allclose(model.predict(10 * x + 3), 5 * peer.predict(x) - 2, atol=2e-2)


def test_parameters_are_stored_as_given_and_set_params_is_heeded(rows):
    penalty = taut.GroupLasso(0.5)
    model = classifier(penalty, strength=None)
    assert model.get_params()["penalty"] is penalty
    copied = clone(model)
    assert copied.get_params()["penalty"].get_config() == penalty.get_config()
    assert copied.fit(*rows).get_support().sum() == 0
    # A number replaces the penalty's own strength.
    assert copied.set_params(strength=1e-4).fit(*rows).get_support().all()
    assert copied.strength_ == 1e-4


def test_a_number_multiplies_the_strengths_of_several(rows):
    x, y = rows
    scaled = classifier(taut.L1(0.01) + taut.L2(0.2), strength=0.5).fit(x, y)
    given = classifier(taut.L1(0.005) + taut.L2(0.1), strength=None).fit(x, y)
    np.testing.assert_array_equal(scaled.predict_proba(x), given.predict_proba(x))


def test_one_seed_fixes_all(rows, fitted):
    x, y = rows
    again, other = classifier().fit(x, y), classifier(random_state=1).fit(x, y)
    np.testing.assert_array_equal(again.predict_proba(x), fitted.predict_proba(x))
    assert not np.array_equal(other.predict_proba(x), fitted.predict_proba(x))


def test_labels_and_their_weights(rows, fitted):
    x, y = rows
    words = np.array(["no", "yes"])[y]
    model = classifier(class_weight={"yes": 30.0}).fit(x, words)
    assert model.classes_.tolist() == ["no", "yes"]
    assert set(model.predict(x)) <= {"no", "yes"}
    assert (model.predict(x) == "yes").sum() > fitted.predict(x).sum()
    balanced = y.shape[0] / (2 * np.bincount(y))
    one = classifier(class_weight="balanced").fit(x, y)
    other = classifier().fit(x, y, sample_weight=balanced[y])
    np.testing.assert_allclose(one.predict_proba(x), other.predict_proba(x), atol=1e-5)


def test_several_labels_a_row(rows):
    x, y = rows
    labels = np.stack([y, x[:, 1] > 0, np.ones(len(y))], axis=1).astype(int)
    model = classifier().fit(x, labels)
    assert model.predict(x).shape == model.predict_proba(x).shape == (120, 3)
    assert (model.predict(x) == labels).mean() > 0.9


def test_several_targets_a_row(rows):
    x = rows[0]
    targets = np.stack([1000 + 50 * x[:, 0], 1e-3 * x[:, 1], np.full(120, 7.5)], axis=1)
    model = regressor().fit(x, targets)
    assert model.score(x, targets) > 0.9
    assert model.predict(x).shape == (120, 3)
    np.testing.assert_array_equal(model.predict(x)[:, 2], 7.5)  # of one value


def test_sparse_rows_are_those_rows(rows, fitted):
    x, y = rows
    model = classifier().fit(csr_matrix(x), y)
    np.testing.assert_array_equal(model.predict_proba(csr_matrix(x)), fitted.predict_proba(x))


def test_copies_predict_the_same(rows, fitted):
    x = rows[0]
    expected = fitted.predict_proba(x)
    trusted = skops.io.get_untrusted_types(data=(archive := skops.io.dumps(fitted)))
    assert trusted == ["taut.estimators.classifier.PenalizedMLPClassifier"]
    for other in (
        copy.deepcopy(fitted),
        pickle.loads(pickle.dumps(fitted)),
        skops.io.loads(archive, trusted=trusted),
    ):
        np.testing.assert_array_equal(other.predict_proba(x), expected)
        assert other.get_params() == fitted.get_params()
        assert not hasattr(clone(other), "model_")


def test_threads_fit_what_each_would_alone(rows, fitted):
    x, y = rows
    with ThreadPoolExecutor(4) as pool:
        models = list(pool.map(lambda _: classifier().fit(x, y), range(4)))
    for model in models:
        np.testing.assert_array_equal(model.predict_proba(x), fitted.predict_proba(x))


@pytest.mark.slow
def test_processes_fit_what_one_would(rows, fitted):
    x, y = rows
    models = joblib.Parallel(2)(joblib.delayed(classifier().fit)(x, y) for _ in range(2))
    for model in models:
        np.testing.assert_allclose(model.predict_proba(x), fitted.predict_proba(x), atol=1e-6)


def test_scikit_learn_searches_and_chains(rows):
    x, y = rows
    chain = make_pipeline(StandardScaler(), classifier())
    assert cross_val_score(chain, x, y, cv=2).mean() > 0.8
    grid = {"penalizedmlpclassifier__strength": [1e-4, 10.0]}
    search = GridSearchCV(chain, grid, cv=2).fit(x, y)
    assert search.best_params_["penalizedmlpclassifier__strength"] == 1e-4
    assert search.best_estimator_[-1].strength_ == 1e-4


@pytest.mark.parametrize(
    ("penalty", "threshold"),
    [
        ("l1", None),
        ("group", 1e-30),
        pytest.param("hierarchical", 1e-30, marks=pytest.mark.slow),
    ],
)
def test_select_from_model_drops_what_is_not_read(rows, penalty, threshold):
    x, y = rows
    strength = {"l1": 0.03, "group": 0.02, "hierarchical": 4.0}[penalty]
    selector = SelectFromModel(classifier(penalty, strength=strength), threshold=threshold)
    model = selector.fit(x, y).estimator_
    np.testing.assert_array_equal(selector.get_support(), model.get_support())
    assert model.get_support()[0]
    if penalty != "l1":  # which drops weights, and seldom all that read an input
        assert not model.get_support().all()


def test_an_input_that_is_not_read_changes_nothing(rows):
    x, y = rows
    model = classifier("group", strength=0.02).fit(x, y)
    dropped = np.flatnonzero(~model.get_support())
    other = x.copy()
    other[:, dropped] = np.random.default_rng(1).normal(size=(len(x), len(dropped)))
    assert len(dropped)
    np.testing.assert_array_equal(model.predict_proba(other), model.predict_proba(x))
    assert (model.feature_importances_[dropped] == 0).all()


def test_a_fit_goes_on_where_asked(rows, fitted):
    x, y = rows
    model = classifier(warm_start=True).fit(x, y)
    before = model.loss_
    assert model.set_params(epochs=1).fit(x, y).loss_ < 1.5 * before
    with pytest.raises(InputError, match=r"same shape.*warm_start=False"):
        model.fit(x[:, :5], y)


def test_parts_are_learned_one_after_another(rows):
    x, y = rows
    model = classifier(batch_size=30)
    for _ in range(30):
        for part in range(2):
            model.partial_fit(x[part::2], y[part::2], classes=[0, 1])
    assert model.n_iter_ == 60
    assert model.loss_curve_[-1] < model.loss_curve_[0] / 2
    assert model.score(x, y) > 0.9
    steps = int(model.model_.optimizer.iterations)
    model = pickle.loads(pickle.dumps(model)).partial_fit(x, y)
    assert int(model.model_.optimizer.iterations) == steps + 4  # with the optimizer's state
    with pytest.raises(InputError, match=r"labels of `classes_`"):
        model.partial_fit(x, y + 1)


def test_rows_are_held_out_for_patience(rows):
    x, y = rows
    model = classifier(patience=5, epochs=400).fit(x, y)
    assert model.n_iter_ < 400
    best = int(np.argmin(model.validation_loss_curve_))
    assert model.n_iter_ == best + 1 + 5
    assert model.loss_ == model.loss_curve_[best]


@pytest.mark.slow
def test_weights_are_numbers_of_rows_where_some_are_held_out_too(rows):
    x, y = rows
    counts = np.where(np.arange(120) % 3, 1, 2)
    weighted = classifier(patience=5).fit(x, y, sample_weight=counts)
    repeated = classifier(patience=5).fit(x.repeat(counts, 0)[::-1], y.repeat(counts)[::-1])
    assert weighted.validation_loss_curve_ == repeated.validation_loss_curve_
    np.testing.assert_array_equal(weighted.predict_proba(x), repeated.predict_proba(x))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [classifier, regressor])
def test_parts_are_learned_without_what_counts_nothing(rows, kind):
    x, y = rows
    weight, first = (np.arange(120) >= 40).astype(float), {}
    if kind is classifier:
        first = {"classes": [0, 1]}
    settings = {"batch_size": 40, "strength": 0.001}
    given = kind(**settings).partial_fit(x, y, sample_weight=weight, **first)
    without = kind(**settings).partial_fit(x[40:], y[40:], **first)
    np.testing.assert_allclose(given.predict(x), without.predict(x), rtol=1e-5)
    assert given.get_support().all()


@pytest.mark.parametrize(
    ("settings", "count", "words"),
    [
        ({"strength": "cv", "cv": KFold(3)}, 120, r"A group must be on one side of each fold"),
        (
            {"strength": "cv", "cv": [(np.arange(60), np.arange(60, 120))]},
            120,
            r"A group must be on one side of each fold",
        ),
        ({}, 119, r"`groups` must be one label for each of the 120 rows.*119"),
        ({"patience": 2}, 121, r"`groups` must be one label for each of the 120 rows.*121"),
    ],
)
def test_groups_are_never_on_both_sides(rows, settings, count, words):
    with pytest.raises(InputError, match=words):
        classifier(**settings).fit(*rows, groups=np.arange(count) % 7)


def test_what_single_precision_does_not_hold_is_told(rows):
    x, y = rows
    times = pd.DataFrame(x.astype(float), columns=list("abcdef"))
    times["b"] = 1.7e9 + 50 * times["b"]
    for estimator in (classifier(), FeatureSelector(strength=0.001, **SMALL)):
        with pytest.warns(UserWarning, match=r"rounding of single precision.*1 columns.*'b'"):
            estimator.fit(times, y)
    classifier().fit(times - times.mean(), y)


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (None, r"a label in every row.*1 of 120 rows, first in row 3"),
        (np.nan, r"a label in every row.*1 of 120 rows, first in row 3"),
        (1, r"labels of one kind.*Received: int, str"),
    ],
)
def test_each_row_has_a_label_of_one_kind(rows, label, words):
    labels = np.where(rows[1], "yes", "no").tolist()
    labels[3] = label
    for estimator in (classifier(), FeatureSelector(), TableClassifier()):
        with pytest.raises(InputError, match=words):
            estimator.fit(rows[0], labels)


class Spied(GroupKFold):
    """Notes what it was asked to split."""

    groups = None

    def split(self, X, y=None, groups=None):
        type(self).groups = groups
        return super().split(X, y, groups)


@pytest.fixture(scope="module")
def chosen(rows):
    """A strength chosen by folds of groups that were routed through a pipeline."""
    x, y = rows
    groups = np.arange(len(y)) % 5
    with sklearn.config_context(enable_metadata_routing=True):
        model = classifier(
            strength="one_se", strengths=[1e-5, 1e-3, 1e-2, 5.0], cv=Spied(2), epochs=40
        ).set_fit_request(groups=True)
        chain = make_pipeline(StandardScaler(), model).fit(x, y, groups=groups)
    return chain[-1], groups


def test_folds_choose_the_strength(chosen, rows):
    model, groups = chosen
    np.testing.assert_array_equal(Spied.groups, groups)
    assert model.strength_ == model.path_.one_se_strength
    assert model.strength_ in (1e-3, 1e-2)
    assert model.score(StandardScaler().fit_transform(rows[0]), rows[1]) > 0.8
    assert model.certificate_.largest < 0.3
    assert model.n_iter_ == 40
    copied = pickle.loads(pickle.dumps(model))
    assert copied.path_.best_strength == model.path_.best_strength
    assert copied.path_.table.equals(model.path_.table)
    del copied._metadata_request  # which skops cannot write, of any estimator
    archive = skops.io.dumps(copied.set_params(cv=2))
    loaded = skops.io.loads(archive, trusted=skops.io.get_untrusted_types(data=archive))
    assert loaded.path_.table.equals(model.path_.table)


@pytest.mark.slow
def test_several_strengths_are_chosen_at_once(rows):
    x, y = rows
    model = classifier(
        {"hidden_1": taut.GroupLasso(), "output": taut.L2()},
        strength="cv",
        strengths={"hidden_1": [1e-4, 1e-2, 5.0], "output": [1e-5, 1e-2]},
        cv=2,
    )
    hierarchical = classifier("hierarchical", strength="cv", strengths=[0.5, 4.0, 500.0], cv=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of choices at the edge
        model.fit(x, y)
        hierarchical.fit(x, y)
    assert set(model.strength_) == {"hidden_1", "output"}
    entries = model.model_.optimizer.entries
    assert [entry.penalty.strength for entry in entries] == list(model.strength_.values())
    assert hierarchical.strength_ in (0.5, 4.0)


@pytest.mark.slow
def test_folds_are_of_all_rows_also_of_those_that_count_nothing(rows):
    x, y = rows
    weight = np.where(np.arange(120) % 4 == 1, 0.0, 1.0)
    parts = np.arange(120) < 60, np.arange(120) >= 60
    pairs = [(np.flatnonzero(a), np.flatnonzero(b)) for a, b in (parts, parts[::-1])]
    counted = [
        (np.flatnonzero(a[weight > 0]), np.flatnonzero(b[weight > 0]))
        for a, b in (parts, parts[::-1])
    ]
    settings = {"strength": "cv", "strengths": [1e-5, 1e-3, 1e-2, 5.0], "epochs": 40}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of choices at the edge
        one = classifier(cv=pairs, **settings).fit(x, y, sample_weight=weight)
        other = classifier(cv=counted, **settings).fit(x[weight > 0], y[weight > 0])
    assert one.path_.table.equals(other.path_.table)
    with pytest.raises(InputError, match=r"numbers of the 120 rows, from 0.*Received: 120"):
        classifier(cv=[([0, 120], [1, 2])], strength="cv").fit(x, y)


def network(inputs, outputs):
    model = keras.Sequential(
        [
            keras.Input((inputs,)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dense(outputs, activation="sigmoid"),
        ]
    )
    return model


def compiled_network(inputs, outputs):
    model = network(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.5, momentum=0.9), "binary_crossentropy")
    return model


@pytest.mark.parametrize("build", [network, pytest.param(compiled_network, marks=pytest.mark.slow)])
def test_a_model_of_the_users(rows, build):
    x, y = rows
    model = classifier(build=build).fit(x, y)
    assert model.score(x, y) > 0.85
    assert ("SGD" in type(model.model_.optimizer).__name__) is (build is compiled_network)
    np.testing.assert_allclose(
        model.predict_proba(x)[:, 1], model.model_.predict(x, verbose=0)[:, 0], atol=1e-6
    )
    with_mapping = classifier({"dense": taut.L1(10.0)}, build=named(build))
    assert with_mapping.fit(x, y).get_support().sum() == 0


def named(build):
    def made(inputs, outputs):
        model = build(inputs, outputs)
        model.layers[0].name = "dense"
        return model

    return made


def test_it_can_start_from_present_weights(rows):
    x, y = rows

    def pretrained(inputs, outputs):
        model = network(inputs, outputs)
        model.set_weights([np.full(w.shape, 0.25, "float32") for w in model.get_weights()])
        return model

    model = classifier(build=pretrained, start="present", epochs=1, learning_rate=1e-6, strength=0)
    kernel = model.fit(x, y).model_.get_weights()[0]
    np.testing.assert_allclose(kernel, 0.25, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"strength": -0.1}, r'"cv", "one_se".*Received: strength=-0\.1'),
        ({"strength": "best"}, r"Received: strength='best'"),
        ({"penalty": "l3"}, r"A penalty's name must be one of"),
        ({"penalty": {}}, r"A mapping of penalties must not be empty"),
        ({"penalty": {"hiden": taut.L1(0.1)}}, r"must match at least one trainable variable"),
        ({"penalty": None, "strength": "cv"}, r"must be None without a penalty"),
        ({"hidden_layer_sizes": (8, 0)}, r"`hidden_layer_sizes` must be integers >= 1"),
        ({"penalty": "hierarchical", "hidden_layer_sizes": ()}, r"with hidden layers"),
        ({"epochs": 0}, r"`epochs` must be an integer >= 1"),
        ({"learning_rate": 0}, r"`learning_rate`"),
        ({"build": lambda p, k: None}, r"`build` must return a built Keras model"),
        ({"build": lambda p, k: network(p + 1, k)}, r"`build\(6, 1\)` must return a model from"),
        ({"strength": "cv", "cv": None}, r"`cv` must be a number of folds"),
        ({"class_weight": {1: "a"}}, r"`class_weight` must hold finite numbers"),
        ({"class_weight": {2: 1.0}}, r"`class_weight` must name classes.*Received: 2"),
        ({"learning_rate": 1e30}, r"Training must not diverge.*Lower `learning_rate`"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(rows, settings, words):
    with pytest.raises(InputError, match=f"(?s){words}"):
        classifier(**settings).fit(*rows)


def test_other_columns_are_refused(rows, fitted):
    x, y = rows
    with pytest.raises(ValueError, match=r"X has 5 features, but .* is expecting 6"):
        fitted.predict(x[:, :5])
    frame = pd.DataFrame(x, columns=list("abcdef"))
    model = classifier().fit(frame, y)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame.rename(columns={"a": "g"}))
