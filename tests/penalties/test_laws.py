"""The laws of `Penalty`, for every penalty registered in `taut.penalties.ALL`."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy.optimize import minimize_scalar

import taut
from taut.errors import InputError, UnsupportedError
from taut.penalties import ALL, sum_distance, sum_prox, sum_value

STRENGTH = 0.7
W = np.array([-2.0, -0.5, -1e-3, 0.0, 0.3, 0.9, 4.0], "float32")
STEPS = {"scalar": 0.4, "metric": np.array([0.1, 0.4, 1.0, 2.0, 0.7, 3.0, 0.2], "float32")}

every_penalty = pytest.mark.parametrize("penalty", ALL, ids=lambda p: type(p).__name__)
every_step = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())


def strengths(penalty):
    return [STRENGTH] * len(penalty.parts)


def tensor(x):
    return ops.convert_to_tensor(np.asarray(x, "float32"))


def prox(penalty, w, step):
    return ops.convert_to_numpy(
        sum_prox(penalty.parts, tensor(w), tensor(step), strengths(penalty))
    )


def distance(penalty, w, gradient, strength):
    values = [strength] * len(penalty.parts)
    found = sum_distance(penalty.parts, tensor(w), tensor(gradient), values)
    return ops.convert_to_numpy(found)


def objective(penalty, u, w, step):
    """One coordinate's Σ (u−w)²/(2·step) + strength·R(u), in double precision."""
    value = sum_value(penalty.parts, np.array([u]), strengths(penalty))
    return (u - w) ** 2 / (2 * step) + float(ops.convert_to_numpy(value))


@every_penalty
@every_step
def test_prox_minimises_its_objective(penalty, step):
    found = prox(penalty, W, step)
    for u, w, s in zip(found, W, np.broadcast_to(step, W.shape), strict=True):
        best = minimize_scalar(
            lambda v, w=w, s=s: objective(penalty, v, w, s),
            bounds=(-abs(w) - 1e-6, abs(w) + 1e-6),
            method="bounded",
            options={"xatol": 1e-10},
        )
        assert objective(penalty, u, w, s) <= best.fun + 1e-6
        assert u == pytest.approx(best.x, abs=2e-3)


@every_penalty
@every_step
def test_prox_is_nonexpansive_in_its_metric(penalty, step):
    other = np.random.default_rng(0).normal(size=W.shape).astype("float32")
    gap = prox(penalty, W, step) - prox(penalty, other, step)
    weight = 1 / np.broadcast_to(step, W.shape)
    assert (weight * gap**2).sum() <= (weight * (W - other) ** 2).sum() + 1e-6


@every_penalty
@every_step
def test_distance_is_zero_exactly_at_fixed_points(penalty, step):
    # u = prox(w) is stationary for the gradient (u − w)/step, and for no other.
    u = prox(penalty, W, step)
    gradient = (u - W) / step
    np.testing.assert_allclose(distance(penalty, u, gradient, STRENGTH), 0, atol=1e-5)
    assert (distance(penalty, u, gradient + 3 * STRENGTH, STRENGTH) > 1e-2).all()


@pytest.mark.parametrize("penalty", [p for p in ALL if len(p.parts) == 1], ids=repr)
def test_critical_strength_is_the_edge_of_zero(penalty):
    gradient = np.array([0.3, -0.8, 0.0], "float32")
    critical = float(ops.convert_to_numpy(penalty.critical_strength(tensor(gradient))))
    zero = np.zeros(3, "float32")

    def one_step(strength):
        return ops.convert_to_numpy(penalty.prox(tensor(-gradient), 1.0, strength))

    if np.isfinite(critical):
        assert distance(penalty, zero, gradient, critical).max() <= 1e-6
        assert distance(penalty, zero, gradient, 0.99 * critical).max() > 1e-3
        # The step of length one from zero stays there, or leaves.
        assert (one_step(critical * 1.0001) == 0).all()
        assert (one_step(0.99 * critical) != 0).any()
    else:
        assert distance(penalty, zero, gradient, 1e6).max() > 0


@every_penalty
def test_value_is_zero_at_zero_and_the_regularizer_is_strength_times_value(penalty):
    assert float(ops.convert_to_numpy(penalty(ops.zeros(3)))) == 0
    expected = sum(p.strength * float(ops.convert_to_numpy(p.value(W))) for p in penalty.parts)
    assert float(ops.convert_to_numpy(penalty(W))) == pytest.approx(expected, rel=1e-6)


@every_penalty
def test_serialisation_round_trip(penalty):
    config = keras.saving.serialize_keras_object(penalty)
    assert keras.saving.deserialize_keras_object(config) == penalty


def test_sparse_says_whether_the_prox_makes_zeros():
    for penalty in ALL:
        if len(penalty.parts) == 1:
            assert (prox(penalty, W, 1.0)[2] == 0) == penalty.sparse


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf"), "a", None, True])
def test_a_strength_is_a_finite_number_not_negative(bad):
    with pytest.raises(InputError, match=r"`strength` must be a finite number >= 0\. Received"):
        taut.L1(bad)


def test_l1_ratio_is_between_zero_and_one():
    with pytest.raises(InputError, match="between 0 and 1"):
        taut.ElasticNet(0.1, l1_ratio=1.5)


def test_a_sum_of_two_that_are_not_quadratic_is_refused():
    with pytest.raises(UnsupportedError, match="At most one"):
        taut.L1() + taut.ElasticNet()
