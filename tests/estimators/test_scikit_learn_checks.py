"""scikit-learn's own checks of estimators: all of them, without an expected failure."""

import os
import warnings

import pytest
from sklearn.utils.estimator_checks import (
    check_sample_weight_equivalence_on_dense_data,
    estimator_checks_generator,
)

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
    "PenalizedMLPRegressor": {
        "check_dict_unchanged",
        "check_do_not_raise_errors_in_init_or_set_params",
        "check_dont_overwrite_parameters",
        "check_estimator_sparse_array",
        "check_estimators_nan_inf",
        "check_estimators_pickle",
        "check_estimators_unfitted",
        "check_fit2d_1sample",
        "check_fit_idempotent",
        "check_get_params_invariance",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_regressors_train",
        "check_sample_weight_equivalence_on_dense_data",
        "check_set_params",
        "check_supervised_y_2d",
    },
    "PenalizedMLPClassifier": {
        "check_classifiers_one_label_sample_weights",
        "check_sample_weight_equivalence_on_dense_data",
        "check_estimators_unfitted",
    },
    "FeatureSelector": {"check_transformers_unfitted", "check_no_attributes_set_in_init"},
    "TableRegressor": {"check_fit2d_1sample", "check_complex_data"},
    "TableClassifier": {
        "check_classifiers_one_label_sample_weights",
        "check_classifiers_regression_target",
        "check_estimators_unfitted",
        "check_requires_y_none",
        "check_supervised_y_no_nan",
    },
}
"""Of those of each kind; all others take minutes together, since they compile for many shapes."""
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
            slow = () if name in wanted else pytest.mark.slow
            label = f"{type(estimator).__name__}-{name}-{number}"
            yield pytest.param(built, check, marks=slow, id=label)


@pytest.mark.parametrize(("estimator", "check"), list(_checks()))
def test_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [PenalizedMLPClassifier, PenalizedMLPRegressor])
def test_weights_are_numbers_of_rows_where_folds_choose_too(kind):
    estimator = kind(strength="cv", strengths=[0.1, 0.01, 0.001], **SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of choices at the edge
        check_sample_weight_equivalence_on_dense_data(kind.__name__, estimator)


def test_nothing_is_kept_from_the_checks():
    for estimator in ESTIMATORS:
        tags = estimator.__sklearn_tags__()
        assert (tags.non_deterministic, tags.no_validation, tags._skip_test) == (False,) * 3
        for poor in (tags.classifier_tags, tags.regressor_tags):
            assert poor is None or not poor.poor_score
