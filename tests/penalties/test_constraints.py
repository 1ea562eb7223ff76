"""Constraints: projections known otherwise, and what is refused."""

import numpy as np
import pytest
from keras import ops
from scipy.optimize import minimize

from taut.errors import InputError
from taut.penalties import NonNegative, NormBall

W = np.array([[3.0, -0.2, 0.5], [-4.0, 0.1, 0.5]], "float32")


def tensor(x):
    return ops.convert_to_tensor(np.asarray(x, "float32"))


def numpy(x):
    return np.array(ops.convert_to_numpy(x))


def test_max_norm_of_units_is_that_of_keras():
    import keras

    found = numpy(NormBall(2.0, groups="units").prox([tensor(W)], 0.1, 1.0)[0])
    expected = numpy(keras.constraints.MaxNorm(2.0, axis=0)(tensor(W)))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("norm", [1, 2])
def test_a_projection_in_a_metric_solves_its_dual(norm):
    # With one multiplier μ all coordinates are known; here it is found by bisection.
    rng, cases = np.random.default_rng(0), [(s, p) for s in (0, 2, 6) for p in (1e-3, 0.2, 0.9)]
    w = rng.normal(size=(len(cases), 40))
    w = np.stack(
        [v / (part * np.linalg.norm(v, norm)) for v, (_, part) in zip(w, cases, strict=True)]
    )
    steps = np.stack([10.0 ** rng.uniform(-spread, 0, 40) for spread, _ in cases])
    ball = NormBall(1.0, norm=norm, groups="rows")
    found = numpy(ball.prox([tensor(w)], [tensor(steps)], 1.0)[0]).astype("float64")
    for u, v, s in zip(found, w, steps, strict=True):

        def at(mu, v=v, s=s):
            return v / (1 + s * mu) if norm == 2 else np.sign(v) * np.maximum(abs(v) - s * mu, 0)

        low, high = 1e-12, 1e12
        for _ in range(200):
            middle = np.sqrt(low * high)
            outside = np.linalg.norm(at(middle), norm) > 1
            low, high = (middle, high) if outside else (low, middle)
        np.testing.assert_allclose(u, at(high), rtol=2e-4, atol=2e-6 * abs(v).max())
        assert np.linalg.norm(u, norm) == pytest.approx(1, rel=1e-6)


def test_steps_of_zero_and_huge_steps_project_too():
    ball = NormBall(1.0)
    for steps in ([0.0, 0.0], [0.0, 1.0], [1e30, 1e-30], [1e-30, 1e-30]):
        u = numpy(ball.prox(tensor([3.0, 4.0]), tensor(steps), 1.0))
        assert np.linalg.norm(u) == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(
        numpy(ball.prox(tensor([3.0, 4.0]), 0.0, 1.0)), [0.6, 0.8], rtol=1e-6
    )


def test_distance_to_the_cone_of_an_l1_ball_is_the_least_over_all_multiples():
    rng = np.random.default_rng(0)
    w = rng.normal(size=(20, 6)) * (rng.random((20, 6)) < 0.6)
    w = (w + 1e-3 * np.eye(20, 6)) / abs(w + 1e-3 * np.eye(20, 6)).sum(1, keepdims=True)
    gradient = rng.normal(size=(20, 6))
    ball = NormBall(norm=1, groups="rows")
    found = numpy(ball.distance([tensor(w)], [tensor(gradient)], 1.0)[0])
    for row, v, g in zip(found, w, gradient, strict=True):

        def squares(t, v=v, g=g):
            t = max(t[0], 0)
            return (np.where(v == 0, np.maximum(abs(g) - t, 0), g + t * np.sign(v)) ** 2).sum()

        best = minimize(squares, [1.0], method="Nelder-Mead").fun
        assert np.linalg.norm(row) == pytest.approx(np.sqrt(best), rel=1e-3, abs=1e-3)


def test_inside_and_outside():
    for ball in (NormBall(5.0), NormBall(7.0, norm=1), NormBall(4.0, norm="inf")):
        inside, on, outside = tensor([1.0, -1.0]), tensor([3.0, -4.0]), tensor([3.1, -4.1])
        assert float(numpy(ball(inside))) == float(numpy(ball(on))) == 0
        assert float(numpy(ball(outside))) == float("inf")
        np.testing.assert_array_equal(numpy(ball.prox(inside, 1.0, 1.0)), [1, -1])
        np.testing.assert_array_equal(numpy(ball.distance(inside, inside, 1.0)), [1, 1])
        assert (numpy(ball.distance(outside, inside, 1.0)) == float("inf")).all()
        # What points outwards is held by the constraint, what points inwards is not.
        outwards = ball.distance(on, -1.0 * tensor([0.0, -4.0]), 1.0)
        assert numpy(outwards)[1] < 4
        assert numpy(ball.distance(on, tensor([0.0, -4.0]), 1.0))[1] == pytest.approx(4)


def test_a_sign_is_held_where_the_gradient_pushes_against_it():
    found = NonNegative().distance(
        tensor([0.0, 0.0, 2.0, -1.0]), tensor([3.0, -3.0, 1.0, 0.0]), 1.0
    )
    np.testing.assert_array_equal(numpy(found), [0, 3, 1, float("inf")])


def test_a_constraint_has_no_strength():
    for penalty in (NonNegative(), NormBall()):
        with pytest.raises(InputError, match="A constraint has no strength"):
            penalty.with_strength(0.1)
        assert penalty.strength == 1.0
    assert repr(NonNegative()) == "NonNegative()"


@pytest.mark.parametrize("radius", [0.0, -1.0, float("nan"), float("inf"), "1", True, None])
def test_a_radius_is_a_finite_positive_number(radius):
    with pytest.raises(InputError, match=r"`radius` must be a finite number > 0\. Received"):
        NormBall(radius)


@pytest.mark.parametrize("norm", [0, 3, "2", None, True, float("inf")])
def test_a_norm_is_one_of_three(norm):
    with pytest.raises(InputError, match=r"`norm` must be 2, 1 or 'inf'\. Received"):
        NormBall(norm=norm)


@pytest.mark.parametrize("groups", ["kernels", [], [[0, 1], [1]], [[0], [2]], [[0.5]], 3])
def test_groups_are_those_of_the_group_lasso(groups):
    with pytest.raises(InputError):
        NormBall(groups=groups)
