"""The loss of looking at no input: no other constant has less, also where rows are weighted."""

import keras
import numpy as np
import pytest

from taut.objective.row_losses import RowLosses, base_losses

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(60, 2)).astype("float32")
LABELS = DRAW.integers(0, 3, 60)
WEIGHTS = {"none": None, "rows": DRAW.random(60) * (np.arange(60) % 4 > 0)}


def model(loss, units=1, activation=None):
    made = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units, activation)])
    made.compile("sgd", loss)
    return made


CONSTANTS = np.linspace(0.005, 0.995, 199)[:, None]
SHARES = DRAW.dirichlet(np.ones(3), 2000)
CASES = {
    "squares": (lambda: model("mse"), DRAW.random(60), CONSTANTS),
    "absolute": (lambda: model("mae"), DRAW.random(60), CONSTANTS),
    "two classes": (
        lambda: model("binary_crossentropy", 1, "sigmoid"),
        (LABELS == 0) * 1.0,
        CONSTANTS,
    ),
    "class numbers": (
        lambda: model("sparse_categorical_crossentropy", 3, "softmax"),
        LABELS,
        SHARES,
    ),
    "class shares": (
        lambda: model("categorical_crossentropy", 3, "softmax"),
        np.eye(3)[LABELS],
        SHARES,
    ),
}


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("case", CASES)
def test_no_constant_has_less_loss(case, weights):
    make, y, constants = CASES[case]
    one, weight = make(), WEIGHTS[weights]
    found = base_losses(one, X, y, y, weight)
    assert found is not None
    least = np.average(found, weights=weight)
    predictions = np.repeat(constants[:, None], len(y), axis=1).astype("float32")
    others = np.average(RowLosses(one, X, y).of_lanes(y, predictions), axis=1, weights=weight)
    assert least <= others.min() + 1e-6
    assert least == pytest.approx(others.min(), rel=0.02)


def test_weights_of_steps_are_weights_of_the_values_of_a_row():
    one = keras.Sequential([keras.Input((4, 2)), keras.layers.Dense(2)])
    one.compile("sgd", "mse")
    x = DRAW.normal(size=(9, 4, 2)).astype("float32")
    y, steps = DRAW.normal(size=(9, 4, 2)), DRAW.random((9, 4)) * (DRAW.random((9, 4)) > 0.4)
    steps[0] = 0
    values = ((one.predict(x, verbose=0) - y) ** 2).mean(axis=-1)
    expected = (steps * values).sum(axis=1) / np.maximum(steps.sum(axis=1), 1e-30)
    losses_of = RowLosses(one, x, y)
    np.testing.assert_allclose(losses_of(y, one.predict(x, verbose=0), steps), expected, rtol=1e-5)
    twice = np.stack([one.predict(x, verbose=0)] * 2)
    np.testing.assert_allclose(losses_of.of_lanes(y, twice, steps)[1], expected, rtol=1e-5)
