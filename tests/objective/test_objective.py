"""J, its gradient, the residual and the step are those that NumPy has, on every backend."""

import keras
import numpy as np
import pytest
from keras import ops

import taut
from taut.errors import UnsupportedError
from taut.objective import Objective

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 4)).astype("float32")
Y = RNG.normal(size=(30, 1)).astype("float32")
W = np.array([[0.5], [-1.0], [0.0], [2.0]], "float32")
ALPHA = 0.3


def linear(optimizer, **options):
    dense = keras.layers.Dense(1, use_bias=False, name="dense", **options)
    model = keras.Sequential([keras.Input((4,)), dense])
    model.compile(optimizer, "mse")
    model.set_weights([W])
    return model


def numpy(tensor):
    return np.array(ops.convert_to_numpy(tensor), "float64")


def close(found, expected):
    np.testing.assert_allclose(numpy(found), expected, rtol=1e-5, atol=1e-6)


def slope(w, y=Y):
    return 2 * X.T @ (X @ w - y) / len(y)


def soft(w, threshold):
    return np.sign(w) * np.maximum(np.abs(w) - threshold, 0)


def test_each_part_is_that_of_the_lasso():
    objective = Objective(linear(taut.Proximal("sgd", taut.L1(ALPHA))))
    rows = ops.convert_to_tensor(X), ops.convert_to_tensor(Y), None
    w = objective.weights()
    loss, gradients = objective.loss_and_gradients(w, *rows)
    close(loss, ((X @ W - Y) ** 2).mean())
    close(gradients[0], slope(W))
    close(objective.gradients(*rows)[0], slope(W))
    each = (2 * (X @ W - Y) * X) ** 2
    close(objective.squared_row_norms(w, *rows), each.sum(axis=1))
    (residual,), (penalty,) = objective.residuals(w, gradients)
    inside = np.maximum(np.abs(slope(W)) - ALPHA, 0)
    close(residual, np.where(W != 0, np.abs(slope(W) + ALPHA * np.sign(W)), inside))
    close(penalty, ALPHA * np.abs(W).sum())
    assert objective.penalty() == pytest.approx(ALPHA * np.abs(W).sum(), rel=1e-6)
    (moved,), penalty = objective.step(w, gradients, 5.0)
    expected = soft(W - slope(W) / 5, ALPHA / 5)
    close(moved, expected)
    close(penalty, ALPHA * np.abs(expected).sum())


def test_weights_and_strengths_are_read_anew_at_each_call():
    model = linear(taut.Proximal("sgd", taut.L1(ALPHA)))
    objective, zero = Objective(model), [ops.zeros((4, 1))]
    objective.step(objective.weights(), zero, 1.0)
    objective.assign([ops.convert_to_tensor(-W)])
    model.optimizer.set_strengths([0.6])
    (moved,), penalty = objective.step(objective.weights(), zero, 1.0)
    close(moved, soft(-W, 0.6))
    close(penalty, 0.6 * np.abs(soft(-W, 0.6)).sum())


def test_a_constraint_of_keras_is_a_term_whatever_the_optimizer():
    model = linear("sgd", kernel_constraint=keras.constraints.NonNeg())
    (term,) = Objective(model).terms
    assert term.parts == (taut.NonNegative(),)
    assert term.numbers() == [1.0]
    (moved,), _ = Objective(model).step([ops.convert_to_tensor(W)], [ops.zeros((4, 1))], 1.0)
    close(moved, np.maximum(W, 0))
    unit = linear("sgd", kernel_constraint=keras.constraints.UnitNorm())
    with pytest.raises(UnsupportedError, match="UnitNorm"):
        Objective(unit).terms  # noqa: B018


def test_the_gap_is_none_where_nothing_is_known():
    objective = Objective(linear(taut.Proximal("sgd", taut.MCP(ALPHA))))
    assert not objective.convex
    assert objective.gap(1.0, [W], [W]) is None
    objective = Objective(linear(taut.Proximal("sgd", taut.L2(ALPHA))))
    assert objective.convex
    # ‖d‖²/(2μ), where that is less.
    assert objective.gap(1.0, [W], [0.1 * W]) == pytest.approx((0.01 * W**2).sum() / (2 * ALPHA))
