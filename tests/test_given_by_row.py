"""What is given by row, weights and groups, has one rule and one sentence wherever it is given."""

import keras
import numpy as np
import pandas as pd
import pytest

import taut
from taut._data import group_labels
from taut.engine import ArraySource, Lane, train_lanes
from taut.errors import InputError
from taut.sklearn import PenalizedMLPClassifier, TableClassifier

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="streams, time")
ROWS = 60
X = np.random.default_rng(0).normal(size=(ROWS, 3)).astype("float32")
Y = np.arange(ROWS) % 2
TEXTS = [f"{('good film', 'bad bank')[k % 2]} number{k % 7} x{k}" for k in range(ROWS)]
SETTINGS = {"epochs": 1, "callbacks": []}


def model():
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation="sigmoid")])
    network.compile("adam", "binary_crossentropy")
    return network


def path(**given):
    return taut.regularization_path(model(), X, Y, strengths=[0.1], cv=2, **SETTINGS, **given)


def validated(class_weight=None, groups=None, **given):
    """The rows held out of a diagnosis, which are given by their places."""
    weights = given.get("sample_weight")
    options = {"class_weight": class_weight, "groups": None if groups is None else (Y, groups)}
    return taut.diagnose(model(), X, Y, validation=(X, Y, weights), trials=False, **options)


def texts_held_out(class_weight=None, groups=None, **given):
    validation = TEXTS, Y, given.get("sample_weight")
    pairs = None if groups is None else ([f"own {k}" for k in range(ROWS)], groups)
    return taut.fit_text(
        TEXTS, Y, validation=validation, groups=pairs, class_weight=class_weight, callbacks=[]
    )


def lanes(groups=None, **given):
    """Its `groups` are others: of lanes."""
    if groups is not None:
        return path(groups=groups)
    return train_lanes(model(), X, Y, [Lane()], epochs=1, **given)


def estimated(kind):
    def fit(class_weight=None, **given):
        return kind(class_weight=class_weight, random_state=0).fit(X, Y, **given)

    return fit


GIVEN_TO = {
    "path": path,
    "streamed path": lambda **given: path(memory=1 << 26, **given),
    "lanes": lanes,
    "label noise": lambda **given: taut.label_noise(model(), X, Y, cv=2, **SETTINGS, **given),
    "diagnosis": lambda **given: taut.diagnose(model(), X, Y, trials=False, **given),
    "rows held out of a diagnosis": validated,
    "texts": lambda **given: taut.fit_text(TEXTS, Y, callbacks=[], **given),
    "texts held out": texts_held_out,
    "multi-layer perceptron": estimated(PenalizedMLPClassifier),
    "table": estimated(TableClassifier),
}
WEIGHTS = "`sample_weight` must be finite numbers >= 0, and not zero everywhere. Received: "
WRONG = [
    ("sample_weight", np.ones(ROWS - 1), "`sample_weight` must be one weight "),
    ("sample_weight", np.ones((ROWS, 2)), "`sample_weight` must be one weight "),
    ("sample_weight", pd.Series(-np.ones(ROWS)), f"{WEIGHTS}-1 at least"),
    ("sample_weight", np.where(Y, np.nan, 1), f"{WEIGHTS}NaN"),
    ("sample_weight", [0] * ROWS, f"{WEIGHTS}zero in every row"),
    ("sample_weight", np.array(["a"] * ROWS), "`sample_weight` must be numbers, one a row, and"),
    ("class_weight", {0: -1}, "`class_weight` must hold finite numbers >= 0"),
    ("class_weight", {0: np.nan}, "`class_weight` must hold finite numbers >= 0"),
    ("class_weight", {5: 2}, "`class_weight` must name classes of `y`"),
    ("class_weight", {1: 0}, "`class_weight` must be above 0 for two classes"),
    ("class_weight", "even", '`class_weight` must map labels to weights, or be "balanced"'),
    ("class_weight", [1, 2], '`class_weight` must map labels to weights, or be "balanced"'),
    ("groups", np.arange(ROWS - 1), "`groups` must be one label for each of the 60 rows"),
    ("groups", np.ones((ROWS, 2)), "`groups` must be one label for each of the 60 rows"),
    ("groups", ["a", None, *Y[2:]], "`groups` must have a value in every row"),
]


@pytest.mark.parametrize("where", GIVEN_TO)
def test_each_rule_has_one_sentence(where):
    for name, value, words in WRONG:
        with pytest.raises(InputError) as raised:
            GIVEN_TO[where](**{name: value})
        assert words in str(raised.value), name
        of_these = "held out" in where and name != "class_weight"
        assert str(raised.value).startswith("Of `validation`: ") == of_these


def test_weights_may_be_a_list_a_series_and_a_column(monkeypatch):
    weight, found = np.linspace(0.5, 2, ROWS).astype("float32"), []

    def trained(model, x, y, lanes, *, sample_weight, **settings):
        found.append(sample_weight)
        raise InterruptedError

    monkeypatch.setattr("taut.studies.folded.train_lanes", trained)
    column = pd.DataFrame({"weight": weight})
    for given in (weight, weight.tolist(), column["weight"], column, weight[:, None]):
        with pytest.raises(InterruptedError):
            path(sample_weight=given)
        np.testing.assert_array_equal(found.pop(), weight)


def test_a_column_of_groups_is_one_label_a_row():
    labels = np.array(list("abc") * 20)
    for given in (labels[:, None], pd.DataFrame({"group": labels})):
        np.testing.assert_array_equal(group_labels(given, ROWS), labels)
        (piece,) = ArraySource(X, Y, groups=given).pieces(0, ROWS)
        assert piece.group.shape == (ROWS,)


def test_rows_of_one_class_with_a_weight_are_refused_before_training():
    with pytest.raises(InputError, match="30 rows of a weight above 0, all of class 1"):
        path(sample_weight=Y)
