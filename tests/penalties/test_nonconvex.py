"""MCP and SCAD: the conventions of skglm, and the global minimum for every step."""

import numpy as np
import pytest
from keras import ops
from skglm.penalties import SCAD as SkglmSCAD
from skglm.penalties import MCPenalty
from skglm.utils.prox_funcs import prox_MCP, prox_SCAD, value_MCP, value_SCAD

from taut.errors import InputError
from taut.penalties import MCP, SCAD

W = np.linspace(-6, 6, 241)
OURS = {
    "MCP": (MCP, 3.0, prox_MCP, value_MCP, MCPenalty),
    "SCAD": (SCAD, 3.7, prox_SCAD, value_SCAD, SkglmSCAD),
}
both = pytest.mark.parametrize("name", OURS)


def tensor(x):
    return ops.convert_to_tensor(np.asarray(x, "float32"))


def numpy(x):
    return np.array(ops.convert_to_numpy(x), "float64")


@pytest.mark.slow
@both
@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_value_is_that_of_skglm(name, strength):
    ours, gamma, _, value, _ = OURS[name]
    found = [float(numpy(ours(gamma=gamma).value(tensor([w]), strength))) for w in W[::16]]
    expected = [value(np.array([w]), strength, gamma) for w in W[::16]]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


@both
@pytest.mark.parametrize("strength", [0.3, 1.0])
@pytest.mark.parametrize("step", [0.1, 1.0, 2.5])
def test_prox_is_that_of_skglm_where_its_problem_is_convex(name, strength, step):
    ours, gamma, prox, _, _ = OURS[name]
    found = numpy(ours(gamma=gamma).prox(tensor(W), step, strength))
    expected = [prox(w, step, strength, gamma) for w in W]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@both
def test_distance_is_that_of_skglm(name):
    ours, gamma, _, _, theirs = OURS[name]
    gradient = np.random.default_rng(0).normal(size=W.shape)
    w = W.astype("float32").astype("float64")
    found = numpy(ours(gamma=gamma).distance(tensor(w), tensor(gradient), 0.8))
    expected = theirs(0.8, gamma).subdiff_distance(w, gradient, np.arange(len(w)))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@both
@pytest.mark.parametrize("step", [0.5, 2.69, 2.71, 2.999, 3.0, 3.001, 10.0, 1e4])
def test_prox_is_the_global_minimum_also_where_its_problem_is_not_convex(name, step):
    ours, gamma, *_ = OURS[name]
    penalty = ours(gamma=gamma)
    w = np.linspace(-3, 3, 61) * max(1.0, np.sqrt(step))
    found = numpy(penalty.prox(tensor(w), step, 0.7))
    grid = np.unique(np.concatenate([np.linspace(-1, 1, 4001) * np.abs(w).max(), w]))
    values = by_integral(name, gamma, 0.7, np.concatenate([grid, found]))
    least = ((grid[None] - w[:, None]) ** 2 / (2 * step) + values[: len(grid)]).min(1)
    objective = (found - w) ** 2 / (2 * step) + values[len(grid) :]
    assert (objective <= least + 1e-6 * (1 + least)).all()


def by_integral(name, gamma, strength, w):
    """The value of each weight: the integral of the slopes that define the penalties."""
    t = np.linspace(0, strength * gamma, 200001)
    falling = strength - t / gamma if name == "MCP" else (strength * gamma - t) / (gamma - 1)
    slope = np.minimum(falling, strength)
    total = np.concatenate([[0], np.cumsum((slope[1:] + slope[:-1]) / 2 * np.diff(t))])
    return np.interp(np.abs(w), t, total)


@both
def test_large_weights_are_left_alone_and_the_two_are_l1_near_zero(name):
    ours, gamma, *_ = OURS[name]
    found = numpy(ours(gamma=gamma).prox(tensor([100.0, 0.4, -0.6]), 1.0, 0.5))
    assert found[0] == 100.0
    assert found[1] == 0.0
    assert -0.2 < found[2] < 0


@pytest.mark.parametrize("gamma", [0.0, -1, float("nan"), float("inf"), "3", True, None])
def test_mcp_refuses_a_gamma_that_is_not_positive(gamma):
    with pytest.raises(InputError, match=r"`gamma` must be a finite number > 0\. Received"):
        MCP(gamma=gamma)


@pytest.mark.parametrize("gamma", [2.0, 1.5, float("nan"), float("inf"), None])
def test_scad_refuses_a_gamma_that_is_not_above_two(gamma):
    with pytest.raises(InputError, match=r"`gamma` must be a finite number > 2\. Received"):
        SCAD(gamma=gamma)
