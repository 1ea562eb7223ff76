"""MCP and SCAD on real data: the solutions of skglm, by FISTA and by optimizers."""

import keras
import numpy as np
import pytest
from keras import ops
from skglm.datafits import Quadratic
from skglm.penalties import SCAD as PeerSCAD
from skglm.penalties import MCPenalty
from skglm.solvers import AndersonCD

import taut
from tests.conftest import minimise, standardised

PEERS = {taut.MCP: MCPenalty, taut.SCAD: PeerSCAD}
GAMMAS = {taut.MCP: 3.0, taut.SCAD: 3.7}

both = pytest.mark.parametrize("kind", PEERS, ids=lambda kind: kind.__name__)


def half(y, prediction):
    """Half the mean squared error, skglm's loss."""
    return ops.mean(ops.square(y - prediction), axis=-1) / 2


def linear(inputs, penalty, *, loss=half, optimizer="sgd", start=None):
    model = taut.models.Sequential(
        [keras.Input((inputs,)), keras.layers.Dense(1, kernel_initializer="zeros")]
    )
    model.compile(optimizer, loss, weight_regularizer=penalty)
    if start is not None:
        model.set_weights([start[:-1, None], start[-1:]])
    model.optimizer.build(model.trainable_variables)
    return model


def fitted(model):
    return np.concatenate([w.astype("float64").ravel() for w in model.get_weights()])


def peer(kind, strength, x, y, start=None):
    """skglm's weights, then its intercept, from zero or from a start."""
    x, y = np.asfortranarray(x, "float64"), y.astype("float64")
    solver = AndersonCD(tol=1e-10, max_iter=500, fit_intercept=True)
    loss, penalty = Quadratic(), PEERS[kind](strength, GAMMAS[kind])
    begin = {} if start is None else {"w_init": start, "Xw_init": x @ start[:-1] + start[-1]}
    found, _, residual = solver.solve(x, y, loss, penalty, **begin)
    assert residual <= 1e-10
    return found


def objective(kind, strength, x, y, w):
    """J', by skglm's own penalty."""
    error = y.astype("float64") - x.astype("float64") @ w[:-1] - w[-1]
    return (error**2).mean() / 2 + PEERS[kind](strength, GAMMAS[kind]).value(w[:-1])


def critical(x, y):
    return float(abs(x.T.astype("float64") @ y).max() / len(y))


@pytest.fixture(scope="module")
def squares(diabetes):
    """The 64 columns of Efron and others, 2004: the ten, their products and their squares."""
    x, y = diabetes
    products = [x[:, i] * x[:, j] for i in range(10) for j in range(i, 10) if (i, j) != (1, 1)]
    return standardised(np.column_stack([x, *products])), y


@pytest.mark.slow
@both
@pytest.mark.parametrize("data", ["diabetes", "squares"])
@pytest.mark.parametrize("share", [0.8, 0.4, 0.2, 0.1, 0.05])
def test_from_the_same_start_it_is_the_solution_of_skglm(kind, data, share, request):
    x, y = request.getfixturevalue(data)
    strength = share * critical(x, y)
    model = linear(x.shape[1], kind(strength, gamma=GAMMAS[kind]))
    assert taut.FISTA(tolerance=1e-6).minimise(model, x, y).converged
    found, expected = fitted(model), peer(kind, strength, x, y)
    np.testing.assert_array_equal(found[:-1] != 0, expected[:-1] != 0)
    least = objective(kind, strength, x, y, expected)
    assert abs(objective(kind, strength, x, y, found) - least) < 1e-8 * least


@pytest.mark.slow
def test_with_the_whole_squared_error_mcp_is_that_of_twice_the_strength_and_half_gamma(diabetes):
    # Twice MCP(a, γ) is MCP(2a, γ/2); twice a SCAD is no SCAD: its slope would fall from 2a on.
    x, y = diabetes
    strength = 0.1 * critical(x, y)
    model = linear(10, taut.MCP(2 * strength, gamma=1.5), loss="mse")
    assert taut.FISTA(tolerance=1e-6).minimise(model, x, y).converged
    expected = peer(taut.MCP, strength, x, y)
    np.testing.assert_array_equal(fitted(model)[:-1] != 0, expected[:-1] != 0)
    np.testing.assert_allclose(fitted(model), expected, atol=1e-5)


@pytest.mark.slow
@both
@pytest.mark.parametrize("share", [0.4, 0.2, 0.1, 0.05])
def test_where_there_are_several_solutions_each_holds_for_the_other(kind, share, breast_cancer):
    # 30 columns that nearly repeat each other: J' has many stationary points, and coordinate
    # descent and proximal gradients from zero find different ones.
    x, y = breast_cancer[0], standardised(breast_cancer[1])
    strength = share * critical(x, y)
    theirs = peer(kind, strength, x, y)
    model = linear(30, kind(strength, gamma=GAMMAS[kind]), start=theirs.astype("float32"))
    assert taut.stationarity(model, x, y).largest < 1e-6
    model = linear(30, kind(strength, gamma=GAMMAS[kind]))
    assert taut.FISTA(tolerance=1e-6).minimise(model, x, y).converged
    ours = fitted(model)
    again = peer(kind, strength, x, y, start=ours.copy())
    np.testing.assert_array_equal(again[:-1] != 0, ours[:-1] != 0)
    least = objective(kind, strength, x, y, again)
    assert abs(objective(kind, strength, x, y, ours) - least) < 1e-7 * least


@both
@pytest.mark.parametrize("name", [pytest.param("sgd", marks=pytest.mark.slow), "adam"])
def test_optimizers_reach_the_solution_of_skglm(kind, name, diabetes):
    x, y = diabetes
    strength = 0.2 * critical(x, y)
    rate = keras.optimizers.schedules.CosineDecay(0.02, 2000)
    optimizer = {
        "sgd": lambda: keras.optimizers.SGD(0.1, momentum=0.5),
        "adam": lambda: keras.optimizers.Adam(rate),
    }[name]()
    model = linear(10, kind(strength, gamma=GAMMAS[kind]), optimizer=optimizer)
    minimise(model, x, y, 2000)
    expected = peer(kind, strength, x, y)
    np.testing.assert_array_equal(fitted(model)[:-1] != 0, expected[:-1] != 0)
    np.testing.assert_allclose(fitted(model), expected, atol=2e-5)
    assert taut.stationarity(model, x, y).largest < 1e-4
