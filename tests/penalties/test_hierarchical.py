"""The penalty of LassoNet: its prox against lassonet and brute force, and its residual."""

from importlib import import_module

import keras
import numpy as np
import pytest
from keras import ops
from scipy.optimize import nnls

from taut.errors import InputError
from taut.penalties import Hierarchical, hierarchical

ON_JAX = keras.backend.backend() == "jax"
EPS = float(np.finfo("float32").eps)


def compiled(function):
    if not ON_JAX:
        return function
    import jax

    return jax.jit(function)


def run(function, *arguments):
    """The function of lists of arrays and numbers, compiled on JAX, from and to NumPy."""
    function = compiled(function)
    arguments = keras.tree.map_structure(lambda a: np.asarray(a, "float32"), arguments)
    found = function(*keras.tree.map_structure(ops.convert_to_tensor, arguments))
    return keras.tree.map_structure(lambda t: np.array(ops.convert_to_numpy(t), "float64"), found)


def prox(w, steps, strength, hierarchy):
    penalty = Hierarchical(strength, hierarchy=hierarchy)
    return run(lambda w, s, a: penalty.prox(w, s, a), w, steps, strength)


def distance(w, gradient, strength, hierarchy):
    penalty = Hierarchical(strength, hierarchy=hierarchy)
    found = run(lambda w, g, a: penalty.distance(w, g, a), w, gradient, strength)
    return np.sqrt(sum((a**2).sum(1) for a in found))


def draw(rng, shape, spread=1.0, zeros=0.0):
    """Numbers of very different sizes by row, some of them zero."""
    numbers = rng.normal(size=shape) * 10 ** rng.uniform(-spread, spread, (shape[0], 1))
    return (numbers * (rng.random(shape) >= zeros)).astype("float32")


def edge(v, u, s, t, hierarchy):
    """The strength from which on each input is zero."""
    pull = np.sqrt(((v.astype("float64") / s) ** 2).sum(1))
    return pull + hierarchy * (abs(u.astype("float64")) / t).sum(1)


@pytest.mark.parametrize("hierarchy", [0.05, 1.0, 10.0])
@pytest.mark.parametrize("outputs", [1, 3])
def test_with_one_step_it_is_the_prox_of_lassonet(hierarchy, outputs):
    import torch

    theirs = import_module("lassonet.prox").prox  # in the package, the name is the function's
    rng = np.random.default_rng(outputs)
    v, u = draw(rng, (300, outputs)), draw(rng, (300, 100))
    strength = np.median(edge(v, u, 0.3, 0.3, hierarchy))
    inputs = torch.tensor(v.T.astype("float64")), torch.tensor(u.T.astype("float64"))
    expected = theirs(*inputs, lambda_=0.3 * strength, lambda_bar=0.0, M=hierarchy)
    found = prox([v, u], 0.3, strength, hierarchy)
    zero = (found[0] == 0).all(1)
    assert 0.3 < zero.mean() < 0.7
    assert (found[1][zero] == 0).all()
    scale = np.maximum(np.linalg.norm(v, axis=1), abs(u).max(1))[:, None]
    for ours, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours / scale, other.numpy().T / scale, atol=1e-6)


def test_a_step_may_be_one_number_or_one_an_array_or_an_array_each():
    rng = np.random.default_rng(0)
    w = [rng.normal(size=(20, 3)), rng.normal(size=(20, 5))]
    steps = [np.full_like(a, 0.3) for a in w]
    expected = prox(w, 0.3, 30.0, 2.0)
    assert 0 < (expected[0] == 0).all(1).sum() < 20
    for same in ([0.3, 0.3], [steps[0], 0.3], steps):
        for a, b in zip(prox(w, same, 30.0, 2.0), expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


def brute_force(v, u, s, t, strength, hierarchy):
    """(objective, θ) on a grid of lengths and angles of two outputs, refined around its best."""
    b, angle = np.array([0.0, np.linalg.norm(v) + abs(u).max() / hierarchy]), np.array([0, 6.3])
    for _ in range(60):
        grid = np.meshgrid(np.linspace(*b, 41), np.linspace(*angle, 41), indexing="ij")
        theta = grid[0] * np.stack([np.cos(grid[1]), np.sin(grid[1])])
        over = np.maximum(abs(u)[:, None, None] - hierarchy * grid[0], 0)
        objective = (((theta.T - v) ** 2) / (2 * s)).sum(-1).T + strength * grid[0]
        objective += (over**2 / (2 * t)[:, None, None]).sum(0)
        best = np.unravel_index(objective.argmin(), objective.shape)
        centre = grid[0][best], grid[1][best]
        b = np.clip(centre[0] + np.diff(b) * [-0.35, 0.35], 0, None)
        angle = centre[1] + np.diff(angle) * [-0.35, 0.35]
    return objective[best], theta[:, *best]


@pytest.mark.parametrize("hierarchy", [0.3, 10.0])
def test_in_a_metric_it_is_what_brute_force_finds(hierarchy):
    rng = np.random.default_rng(1)
    v, u = draw(rng, (25, 2), 0.3, 0.2), draw(rng, (25, 6), 0.3, 0.2)
    s, t = (10 ** rng.uniform(-1, 1, w.shape) for w in (v, u))
    strength = np.quantile(edge(v, u, s, t, hierarchy), 0.3)
    found = prox([v, u], [s, t], strength, hierarchy)
    for i, (theta, w) in enumerate(zip(*found, strict=True)):
        least, at = brute_force(v[i], u[i], s[i], t[i], strength, hierarchy)
        objective = ((theta - v[i]) ** 2 / (2 * s[i])).sum() + ((w - u[i]) ** 2 / (2 * t[i])).sum()
        objective += strength * np.linalg.norm(theta)
        assert objective <= least * (1 + 1e-6)
        if (abs(v[i]) > 0).all():  # else two directions are equally good
            np.testing.assert_allclose(theta, at, atol=2e-3 * np.linalg.norm(v[i]))


def bisection(v, u, s, t, strength, hierarchy):
    """θ and W in extended precision, by bisection for ‖θ‖ and, within, for the multiplier."""
    v, u, s, t = (np.asarray(a, np.longdouble) for a in (v, u, s, t))
    if edge(v[None], u[None], s, t, hierarchy)[0] <= strength:
        return 0 * v, 0 * u
    ratio = s / s.max()

    def on_sphere(b):  # the nearest θ of length b, and how far its multiplier is from its limit
        low, high = np.longdouble(-200), np.longdouble(200)
        for _ in range(110):
            gap = np.exp((low + high) / 2)
            theta = v / (1 - ratio + ratio * gap)
            low, high = (low, np.log(gap)) if np.linalg.norm(theta) < b else (np.log(gap), high)
        return theta, gap

    low, high = 0, np.linalg.norm(v) + abs(u).max() / np.longdouble(hierarchy)
    for _ in range(80):
        b = (low + high) / 2
        slope = strength - hierarchy * (np.maximum(abs(u) - hierarchy * b, 0) / t).sum()
        slope -= b * (on_sphere(b)[1] - 1) / s.max()
        low, high = (b, high) if slope < 0 else (low, b)
    return on_sphere(b)[0], np.sign(u) * np.minimum(abs(u), hierarchy * b)


@pytest.mark.parametrize("hierarchy", [0.1, 10.0])
def test_steps_of_eight_orders_of_magnitude_cost_no_precision(hierarchy):
    rng = np.random.default_rng(2)
    v, u = draw(rng, (8, 3), 2), draw(rng, (8, 6), 2)
    s, t = ((10 ** rng.uniform(-4, 4, w.shape)).astype("float32") for w in (v, u))
    strength = np.float32(np.quantile(edge(v, u, s, t, hierarchy), 0.3))
    theta, w = prox([v, u], [s, t], strength, hierarchy)
    for i in range(8):
        expected = bisection(v[i], u[i], s[i], t[i], strength, hierarchy)
        size = max(np.linalg.norm(expected[0]), np.linalg.norm(v[i]))
        np.testing.assert_allclose(theta[i], expected[0].astype(float), atol=10 * EPS * size)
        np.testing.assert_allclose(w[i], expected[1].astype(float), atol=10 * EPS * abs(u[i]).max())
        assert ((theta[i] == 0).all(), (w[i] == 0).all()) == (((expected[0] == 0).all()),) * 2


def test_where_the_skip_is_zero_the_first_output_of_the_largest_step_takes_the_push():
    v, u = np.zeros((2, 3)), np.array([[1.0, -2.0], [1e-3, 0.0]])
    for step, output in ((1.0, 0), ([np.array([[1.0, 2.0, 2.0]] * 2), np.ones((2, 2))], 1)):
        theta, w = prox([v, u], step, 0.1, 2.0)
        # b + s·c(b) = 0 with c = α − M·Σ(|u| − M·b), where both weights are at their bound.
        s = 2.0 if output else 1.0
        b = s * (2 * 3 - 0.1) / (1 + s * 8)
        b = s * (2 * 2 - 0.1) / (1 + s * 4) if 2 * b > 1 else b
        np.testing.assert_allclose(theta[0], b * np.eye(3)[output], rtol=1e-6)
        np.testing.assert_allclose(w[0], [min(1, 2 * b), -2 * b], rtol=1e-6)
        assert (theta[1] == 0).all()
        assert (w[1] == 0).all()


def passes(monkeypatch, w, steps, strength, hierarchy):
    """How often the prox reads the first layer."""
    count, original = [0], hierarchical._beyond

    def counted(*arguments):
        count[0] += 1
        return original(*arguments)

    penalty = Hierarchical(strength, hierarchy=hierarchy)
    tensors = keras.tree.map_structure(lambda a: ops.convert_to_tensor(a, "float32"), [w, steps])
    with monkeypatch.context() as patch:
        patch.setattr(hierarchical, "_beyond", counted)
        if ON_JAX:
            import jax

            with jax.disable_jit():
                penalty.prox(*tensors, strength)
        else:
            penalty.prox(*tensors, strength)
    return count[0]


@pytest.mark.slow
def test_few_passes_over_the_first_layer(monkeypatch):
    rng = np.random.default_rng(3)
    v, u = rng.normal(size=(20, 1)), rng.normal(size=(20, 300))
    s, t = 10 ** rng.normal(-2, 0.5, v.shape), 10 ** rng.normal(-2, 0.5, u.shape)
    theta, w = prox([v, u], [s, t], 0.1, 2.0)
    assert 3 <= passes(monkeypatch, [v, u], [s, t], 0.1, 2.0) <= 16
    # From a stationary point, along the gradient there: by construction, at most those pushed.
    gradient = [(theta - v) / s, (w - u) / t]
    moved = [a - 0.1 * x * g for a, x, g in zip((theta, w), (s, t), gradient, strict=True)]
    assert passes(monkeypatch, moved, [0.1 * s, 0.1 * t], 0.1, 2.0) <= 8
    # Where all is zero, one tells.
    assert passes(monkeypatch, [0.01 * v, 0.01 * u], [s, t], 1e6, 2.0) == 1


def test_it_goes_on_until_each_input_has_converged():
    rng = np.random.default_rng(11)
    w = [rng.normal(size=(400, 1)), 3 * rng.normal(size=(400, 40))]
    penalty = Hierarchical(hierarchy=2.0)
    together = prox(w, 0.3, 30.0, 2.0)
    one = compiled(lambda v, u: penalty.prox([v, u], 0.3, 30.0))
    for i in range(0, 400, 4):  # the others may not have waited for it
        alone = one(*(np.float32(a[i : i + 1]) for a in w))
        for a, b in zip(alone, together, strict=True):
            np.testing.assert_allclose(ops.convert_to_numpy(a)[0], b[i], rtol=1e-6, atol=1e-6)


def test_the_residual_is_zero_where_the_prox_ends_and_only_there():
    rng = np.random.default_rng(4)
    v, u = draw(rng, (40, 2), 0.5), draw(rng, (40, 8), 0.5)
    s, t = (10 ** rng.uniform(-1, 1, w.shape) for w in (v, u))
    strength = np.quantile(edge(v, u, s, t, 2.0), 0.4)
    theta, w = prox([v, u], [s, t], strength, 2.0)
    gradient = [(theta - v) / s, (w - u) / t]
    size = np.sqrt(sum((g**2).sum(1) for g in gradient)) + strength
    assert (distance([theta, w], gradient, strength, 2.0) <= 30 * EPS * size).all()
    assert (distance([theta, w], gradient, 0.9 * strength, 2.0)[theta.any(1)] > 0.05).all()


def test_the_residual_is_the_distance_to_the_subdifferential_where_an_input_is_read():
    rng = np.random.default_rng(5)
    strength, hierarchy = 0.7, 0.4
    theta = rng.normal(size=(20, 2)).astype("float32")
    b = np.linalg.norm(theta, axis=1, keepdims=True)
    # Some of the weights at the bound, on either side.
    w = np.clip(1.5 * rng.normal(size=(20, 9)), -1, 1) * hierarchy * b
    gradient = [rng.normal(size=theta.shape), rng.normal(size=w.shape)]
    found = distance([theta, w], gradient, strength, hierarchy)
    for i in range(20):
        at = abs(w[i]) >= hierarchy * b[i] * (1 - 1e-5)
        unit = theta[i] / b[i]
        # ‖A·η − y‖ over η ≥ 0, the weights' part and the skip's.
        matrix = np.vstack(
            [np.diag(np.sign(w[i]))[:, at], -hierarchy * np.tile(unit, (at.sum(), 1)).T]
        )
        goal = np.concatenate([-gradient[1][i], -gradient[0][i] - strength * unit])
        assert found[i] == pytest.approx(nnls(matrix, goal)[1], rel=1e-4)


def test_at_zero_the_residual_is_zero_in_the_ball_and_no_more_than_the_distance_outside():
    rng = np.random.default_rng(6)
    zero = [np.zeros((30, 2)), np.zeros((30, 5))]
    gradient = [draw(rng, a.shape, 0.0) for a in zero]
    length = edge(*gradient, 1.0, 1.0, 2.0)
    strength = np.median(length)
    left = distance(zero, gradient, strength, 2.0)
    assert ((left > 0) == (length > strength)).all()
    # The ball holds 0, so the distance is at most the norm; its support function bounds it below.
    norm = np.sqrt(sum((g.astype("float64") ** 2).sum(1) for g in gradient))
    assert (left <= norm).all()
    assert (left >= (length - strength) / np.sqrt(1 + 4 * 5) - 1e-5).all()


def test_outside_of_the_constraint_value_and_residual_are_infinite():
    penalty = Hierarchical(0.5, hierarchy=2.0)
    theta, w = np.array([[3.0, 4.0], [0, 0]]), np.array([[10.0, -1.0], [0, 0]])
    for scale, value in ((1, 2.5), (1 + 3e-6, 2.5), (1 + 3e-5, np.inf)):
        assert run(penalty.value, [theta, scale * w], 0.5) == pytest.approx(value)
        left = distance([theta, scale * w], [0 * theta, 0 * w], 0.5, 2.0)
        assert np.isinf(left[0]) == np.isinf(value)
        assert left[1] == 0
    assert run(penalty.value, [0 * theta, w], 0.5) == np.inf
    assert np.isinf(distance([0 * theta, w], [theta, w], 0.5, 2.0)[0])


def test_the_critical_strength_is_the_edge_of_zero():
    rng = np.random.default_rng(7)
    gradient = [draw(rng, (6, 2)), draw(rng, (6, 9))]
    critical = run(Hierarchical(hierarchy=3.0).critical_strength, gradient)
    assert critical == pytest.approx(edge(*gradient, 1.0, 1.0, 3.0).max(), rel=1e-6)
    for factor, stays in ((1 + 1e-5, True), (1 - 1e-3, False)):
        moved = prox([-g for g in gradient], 1.0, factor * critical, 3.0)
        assert all((a == 0).all() for a in moved) == stays


def test_kernels_of_convolutions_are_grouped_by_their_inputs():
    rng = np.random.default_rng(8)
    kernels = [rng.normal(size=(3, 3, 4, 2)), rng.normal(size=(3, 3, 4, 5))]
    steps = [rng.uniform(0.1, 1, k.shape) for k in kernels]

    def flat(kernel):
        return kernel.transpose(2, 0, 1, 3).reshape(4, -1)

    found = prox(kernels, steps, 8.0, 1.5)
    expected = prox([flat(k) for k in kernels], [flat(s) for s in steps], 8.0, 1.5)
    for kernel, rows in zip(found, expected, strict=True):
        np.testing.assert_allclose(flat(kernel), rows, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_rounds_only_what_goes_in_and_out(dtype):
    rng = np.random.default_rng(9)
    given = [ops.convert_to_tensor(draw(rng, (5, n), 0.3), dtype) for n in (2, 6)]
    wide = [ops.cast(w, "float32") for w in given]
    penalty = Hierarchical(0.1, hierarchy=2.0)
    found, expected = penalty.prox(given, 0.1, 0.1), penalty.prox(wide, 0.1, 0.1)
    for a, b in zip(found, expected, strict=True):
        assert keras.backend.standardize_dtype(a.dtype) == dtype
        same = ops.equal(ops.cast(a, "float32"), ops.cast(ops.cast(b, dtype), "float32"))
        assert np.array(ops.convert_to_numpy(same)).all()
    assert np.isfinite(float(ops.convert_to_numpy(penalty.value(found, 0.1))))


@pytest.mark.skipif(not ON_JAX, reason="lanes are mapped on JAX")
def test_a_lane_of_many_is_the_lane_alone():
    import jax

    rng = np.random.default_rng(10)
    penalty = Hierarchical(hierarchy=2.0)
    w = [rng.normal(size=(6, 7, n)).astype("float32") for n in (3, 11)]
    steps = [(10 ** rng.uniform(-2, 2, a.shape)).astype("float32") for a in w]
    strength = np.geomspace(1e-3, 1e3, 6).astype("float32")
    one = jax.jit(penalty.prox)
    found = jax.jit(jax.vmap(penalty.prox))(w, steps, strength)
    for lane in range(6):
        alone = one([a[lane] for a in w], [s[lane] for s in steps], strength[lane])
        for a, b in zip(found, alone, strict=True):
            np.testing.assert_allclose(a[lane], b, rtol=1e-6, atol=1e-7)


def test_it_needs_two_weights_with_the_same_inputs():
    penalty = Hierarchical(0.1)
    for call in (lambda w: penalty.prox(w, 1.0, 0.1), lambda w: penalty.value(w, 0.1)):
        with pytest.raises(InputError, match=r'together: \{\("skip", "first"\): .*1 weight\.'):
            call([np.ones((3, 1))])
    with pytest.raises(InputError, match=r"together.*1 weight\."):
        penalty(np.ones((3, 1)))
    with pytest.raises(InputError, match=r"same number of inputs.*3, 4"):
        penalty.value([np.ones((3, 1)), np.ones((4, 5))], 0.1)


@pytest.mark.parametrize("bad", [0, -1.0, float("inf"), float("nan"), "a", True, None])
def test_hierarchy_is_a_finite_number_above_zero(bad):
    with pytest.raises(InputError, match=r"`hierarchy` must be a finite number > 0\. Received"):
        Hierarchical(hierarchy=bad)
