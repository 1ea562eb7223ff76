"""Penalties on singular values, against NumPy's in double precision and brute force."""

from functools import cache

import keras
import numpy as np
import pytest
from keras import ops

from taut.errors import InputError
from taut.penalties import NuclearNorm, Orthogonality
from taut.penalties.spectral import quartic_root

ON_JAX = keras.backend.backend() == "jax"
SHAPES = [(5, 5), (3, 6), (2, 2, 2, 4)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


@cache
def compiled(penalty, name):
    function = getattr(penalty, name)
    if not ON_JAX:
        return function
    import jax

    return jax.jit(function)


def prox(penalty, w, step, strength):
    return numpy(compiled(penalty, "prox")(tensor(w), step, strength))


def distance(penalty, w, gradient, strength):
    return numpy(compiled(penalty, "distance")(tensor(w), tensor(gradient), strength))


def tensor(a):
    return ops.convert_to_tensor(np.asarray(a, "float32"))


def numpy(t):
    return np.array(ops.convert_to_numpy(t), "float64")


def draw(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def flat(w):
    return np.asarray(w, "float64").reshape(-1, w.shape[-1])


def moved(w, function):
    """w with its singular values moved, in double precision."""
    u, values, vt = np.linalg.svd(flat(w), full_matrices=False)
    return ((u * function(values)) @ vt).reshape(w.shape)


@every_shape
def test_the_prox_of_the_nuclear_norm_thresholds_the_singular_values(shape):
    w = draw(shape)
    middle = np.median(np.linalg.svd(flat(w), compute_uv=False)) * 0.999
    found = prox(NuclearNorm(), w, 0.5, 2 * middle)
    np.testing.assert_allclose(found, moved(w, lambda x: np.maximum(x - middle, 0)), atol=3e-6)
    values = np.linalg.svd(flat(found), compute_uv=False)
    expected = np.linalg.svd(flat(w), compute_uv=False) > middle
    assert ((values > 1e-6 * values[0]) == expected).all()
    assert (prox(NuclearNorm(), w, 1.0, 100.0) == 0).all()


@every_shape
def test_the_value_of_each(shape):
    w = draw(shape)
    values = np.linalg.svd(flat(w), compute_uv=False)
    assert float(numpy(NuclearNorm().value(tensor(w), 0.3))) == pytest.approx(0.3 * values.sum())
    expected = 0.3 / 4 * ((values**2 - 1) ** 2).sum()
    assert float(numpy(Orthogonality().value(tensor(w), 0.3))) == pytest.approx(expected, rel=1e-5)


def distance_to_the_subdifferential(w, gradient, strength, rank):
    """From −g to α·(UVᵀ + what is normal to both, of spectral norm <= 1), with whole bases."""
    u, _, vt = np.linalg.svd(flat(w), full_matrices=True)
    wanted = flat(-gradient) - strength * u[:, :rank] @ vt[:rank]
    turned = u.T @ wanted @ vt.T
    tangent = (turned[:rank] ** 2).sum() + (turned[rank:, :rank] ** 2).sum()
    rest = turned[rank:, rank:]
    excess = np.linalg.svd(rest, compute_uv=False) - strength if rest.size else np.zeros(1)
    return np.sqrt(tangent + (np.maximum(excess, 0) ** 2).sum())


@every_shape
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_the_residual_of_the_nuclear_norm_is_the_distance_to_its_subdifferential(shape, rank):
    rank = min(rank, shape[-1])
    # The second is a thousand times smaller than the first.
    w = moved(
        draw(shape), lambda x: np.array([1, 1e-3, 0, 0, 0])[: len(x)] * (np.arange(len(x)) < rank)
    )
    gradient = draw(shape, seed=1)
    for strength in (0.1, 1.0, 5.0):
        found = distance(NuclearNorm(), w, gradient, strength)
        assert found.shape == shape
        expected = distance_to_the_subdifferential(w, gradient, strength, rank)
        assert np.linalg.norm(found) == pytest.approx(expected, rel=1e-5, abs=1e-5)


@every_shape
@pytest.mark.parametrize("penalty", [NuclearNorm(), Orthogonality()], ids=repr)
def test_the_residual_is_zero_where_the_prox_ends(penalty, shape):
    w = draw(shape)
    for step in (0.1, 1.0):
        u = prox(penalty, w, step, 0.8)
        gradient = (u - w) / step
        left = distance(penalty, u, gradient, 0.8)
        assert np.linalg.norm(left) <= 2e-5 * (1 + np.linalg.norm(gradient))
        other = distance(penalty, u, 1.1 * gradient, 0.8)
        assert np.linalg.norm(other) > 1e-3


def test_the_critical_strength_of_the_nuclear_norm_is_the_largest_singular_value():
    gradient = draw((5, 3))
    critical = float(numpy(NuclearNorm().critical_strength(tensor(gradient))))
    assert critical == pytest.approx(np.linalg.norm(gradient, 2), rel=1e-6)
    assert (prox(NuclearNorm(), -gradient, 1.0, 1.00001 * critical) == 0).all()
    assert (prox(NuclearNorm(), -gradient, 1.0, 0.999 * critical) != 0).any()


@every_shape
@pytest.mark.parametrize("threshold", [0.01, 0.9, 1.0, 30.0])
def test_the_prox_of_orthogonality_moves_each_singular_value_to_its_least(shape, threshold):
    w = draw(shape)
    found = prox(Orthogonality(), w, 0.5, 2 * threshold)

    def least(values):
        grid = np.linspace(0, max(values.max(), 1) + 0.1, 400_001)
        curve = threshold / 4 * (grid**2 - 1) ** 2
        return np.array([grid[((grid - x) ** 2 / 2 + curve).argmin()] for x in values])

    np.testing.assert_allclose(found, moved(w, least), atol=2e-5)


def test_the_root_of_the_cubic_is_exact_from_tiny_to_huge():
    start = np.float32([0, *np.geomspace(1e-8, 1e4, 25)])[:, None]
    beta = np.float32([0, *np.geomspace(1e-6, 1e6, 25), 1 - 1e-4, 1, 1 + 1e-4])
    x = numpy(quartic_root(tensor(start), tensor(beta)))
    start, beta = start.astype("float64"), beta.astype("float64")
    # A Newton step in double precision from the root is the error, where the root is simple.
    slope = 3 * beta * x**2 + (1 - beta)
    error = (beta * x**3 + (1 - beta) * x - start) / np.where(slope == 0, 1, slope)
    assert (abs(error) <= 4e-7 * x + 1e-12).all()


def test_a_singular_value_of_zero_moves_where_that_is_better():
    w = np.diag([2.0, 0.0])
    for threshold, least in ((0.5, 0.0), (4.0, np.sqrt(0.75))):
        values = np.linalg.svd(prox(Orthogonality(), w, 1.0, threshold))[1]
        assert values[1] == pytest.approx(least, abs=1e-6)


def test_the_residual_of_orthogonality_is_its_slope():
    w, gradient, h = draw((5, 3)), draw((5, 3), seed=1), 1e-3
    for given, g in ((w, gradient), (w.T, gradient.T)):
        found = distance(Orthogonality(), given, g, 0.7)
        slope = np.zeros(given.shape)
        for i in np.ndindex(given.shape):
            move = np.zeros(given.shape)
            move[i] = h
            ends = [
                0.7 / 4 * ((np.linalg.svd(given + sign * move)[1] ** 2 - 1) ** 2).sum()
                for sign in (1, -1)
            ]
            slope[i] = (ends[0] - ends[1]) / (2 * h)
        np.testing.assert_allclose(found, abs(g + slope), atol=1e-4)
    assert float(numpy(Orthogonality().critical_strength(tensor(gradient)))) == np.inf
    assert float(numpy(Orthogonality().critical_strength(tensor(0 * gradient)))) == 0


@pytest.mark.parametrize("penalty", [NuclearNorm(), Orthogonality()], ids=repr)
def test_zeros_make_no_nan(penalty):
    zero = np.zeros((4, 3))
    for strength in (0.0, 0.5, 3.0):
        assert np.isfinite(numpy(penalty.value(tensor(zero), strength)))
        assert np.isfinite(prox(penalty, zero, 1.0, strength)).all()
        assert np.isfinite(distance(penalty, zero, zero, strength)).all()
        assert np.isfinite(prox(penalty, np.eye(4)[:, :3], 0.0, strength)).all()


@pytest.mark.skipif(not ON_JAX, reason="lanes are mapped on JAX")
@pytest.mark.parametrize("penalty", [NuclearNorm(), Orthogonality()], ids=repr)
@pytest.mark.parametrize("shape", [(6, 4), (3, 5)], ids=str)
def test_a_lane_of_many_is_the_lane_alone(penalty, shape):
    import jax

    w, strength = draw((3, *shape)), np.array([0.1, 1.0, 3.0], "float32")
    g = draw((3, *shape), seed=1)

    def both(w, g, strength):
        return penalty.prox(w, 0.7, strength), penalty.distance(w, g, strength)

    found = jax.jit(jax.vmap(both))(w, g, strength)
    for lane in range(3):
        alone = jax.jit(both)(w[lane], g[lane], strength[lane])
        for a, b in zip(found, alone, strict=True):
            np.testing.assert_allclose(a[lane], b, atol=1e-5)


@pytest.mark.parametrize("penalty", [NuclearNorm(), Orthogonality()], ids=repr)
def test_vectors_and_steps_by_coordinate_are_refused(penalty):
    with pytest.raises(InputError, match=r"at least two axes\. Received: shape \(3,\)"):
        penalty.value(np.ones(3), 1.0)
    with pytest.raises(InputError, match=r"one step for all weights\. Received: steps of shape"):
        penalty.prox(tensor(np.eye(3)), tensor(np.ones((3, 3))), 1.0)
