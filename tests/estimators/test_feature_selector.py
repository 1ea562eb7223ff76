"""FeatureSelector keeps what a network under a penalty on whole inputs reads."""

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from taut.errors import InputError
from taut.sklearn import FeatureSelector, PenalizedMLPClassifier, PenalizedMLPRegressor
from tests.estimators.conftest import SMALL


def selector(strength=0.02, penalty="group", **settings):
    return FeatureSelector(penalty, strength=strength, random_state=0, **{**SMALL, **settings})


def test_it_keeps_the_columns_that_are_read_by_name(rows):
    x, y = rows
    frame = pd.DataFrame(x, columns=list("abcdef"))
    chain = make_pipeline(selector(), DecisionTreeClassifier(random_state=0))
    chain.set_output(transform="pandas").fit(frame, y)
    kept = chain[0].get_feature_names_out().tolist()
    assert "a" in kept
    assert len(kept) < 6
    assert chain[:-1].transform(frame).columns.tolist() == kept
    peer = PenalizedMLPClassifier("group", strength=0.02, random_state=0, **SMALL).fit(x, y)
    np.testing.assert_array_equal(chain[0].get_support(), peer.get_support())
    np.testing.assert_array_equal(chain[0].feature_importances_, peer.feature_importances_)


def test_nothing_may_be_left_and_is_told(rows):
    x, y = rows
    none = selector(100.0).fit(x, y)
    with pytest.warns(UserWarning, match="No features were selected"):
        assert none.transform(x).shape == (120, 0)


@pytest.mark.parametrize(
    ("target", "task", "kind"),
    [
        (lambda y: y, "auto", PenalizedMLPClassifier),
        (lambda y: np.array(["no", "yes"])[y], "auto", PenalizedMLPClassifier),
        (lambda y: np.arange(120), "auto", PenalizedMLPRegressor),
        (lambda y: y, "regression", PenalizedMLPRegressor),
        (lambda y: np.stack([y, 1 - y], axis=1), "auto", PenalizedMLPClassifier),
    ],
)
def test_the_target_tells_the_task(rows, target, task, kind):
    x, y = rows
    linear = {"penalty": "l1", "hidden_layer_sizes": (), "epochs": 1}
    made = selector(task=task, **linear).fit(x, target(y))
    assert isinstance(made.estimator_, kind)


def test_tasks_have_names(rows):
    with pytest.raises(InputError, match=r'"auto", "classification" or "regression".*ranking'):
        selector(task="ranking").fit(*rows)
