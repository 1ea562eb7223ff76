"""scikit-learn's own checks of estimators: all of them, without an expected failure."""

import os

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from taut.sklearn import (
    FeatureSelector,
    PenalizedMLPClassifier,
    PenalizedMLPRegressor,
    TableClassifier,
    TableRegressor,
)
from tests.estimators.conftest import SMALL

QUICK = {"penalty": "l1", "strengths": [0.003], "quick": True, "folds": 2}
ESTIMATORS = (
    PenalizedMLPRegressor(**SMALL),
    PenalizedMLPClassifier(**SMALL),
    FeatureSelector(strength=0.0005, **SMALL),
    TableClassifier(**QUICK),
    TableRegressor(**QUICK),
)
BY_DEFAULT = {
    "PenalizedMLPRegressor": None,  # all of them
    "PenalizedMLPClassifier": {
        "check_class_weight_classifiers",
        "check_classifiers_classes",
        "check_classifiers_multilabel_output_format_predict_proba",
        "check_classifiers_one_label_sample_weights",
        "check_decision_proba_consistency",
        "check_sample_weight_equivalence_on_dense_data",
        "check_supervised_y_2d",
    },
    "FeatureSelector": {"check_transformer_general", "check_estimators_pickle"},
    "TableRegressor": {"check_fit2d_1sample", "check_n_features_in_after_fitting"},
    "TableClassifier": {"check_classifiers_regression_target", "check_complex_data"},
}
WITHOUT_SENSE = {"check_array_api_input"}
"""Skips itself unless SciPy was told of array APIs before it was imported."""


def _checks():
    for estimator in ESTIMATORS:
        wanted = BY_DEFAULT[type(estimator).__name__]
        # Those that scikit-learn would expect to fail, or skip, would be in it too.
        for number, (built, check) in enumerate(estimator_checks_generator(estimator)):
            name = getattr(check, "func", check).__name__
            if name in WITHOUT_SENSE and not os.environ.get("SCIPY_ARRAY_API"):
                continue
            slow = () if wanted is None or name in wanted else pytest.mark.slow
            label = f"{type(estimator).__name__}-{name}-{number}"
            yield pytest.param(built, check, marks=slow, id=label)


@pytest.mark.parametrize(("estimator", "check"), list(_checks()))
def test_checks(estimator, check):
    check(estimator)


def test_nothing_is_kept_from_the_checks():
    for estimator in ESTIMATORS:
        tags = estimator.__sklearn_tags__()
        assert (tags.non_deterministic, tags.no_validation, tags._skip_test) == (False,) * 3
        for poor in (tags.classifier_tags, tags.regressor_tags):
            assert poor is None or not poor.poor_score
