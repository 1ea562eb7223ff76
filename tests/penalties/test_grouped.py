"""The prox of groups in a metric: to machine precision, and the same in parts as in one go."""

import keras
import numpy as np
import pytest
from keras import ops

import taut
from taut.penalties import groups


def problem(shape, spread=1.0):
    rng = np.random.default_rng(0)
    w = rng.normal(size=shape).astype("float32")
    steps = np.exp(spread * rng.normal(size=shape)).astype("float32")
    return [ops.convert_to_tensor(w)], [ops.convert_to_tensor(steps)]


@pytest.mark.parametrize("shape", [(37, 11), (3, 5, 23, 7)], ids=str)
@pytest.mark.parametrize("name", ["inputs", "units"])
@pytest.mark.parametrize("kind", [taut.GroupLasso, taut.SparseGroupLasso])
def test_a_few_groups_at_a_time_give_what_all_at_once_give(shape, name, kind, monkeypatch):
    w, steps = problem(shape)
    penalty = kind(groups=name)
    whole = ops.convert_to_numpy(penalty.prox(w, steps, 0.5)[0])
    seen = []
    take = ops.slice
    monkeypatch.setattr(groups.ops, "slice", lambda *a: seen.append(a) or take(*a))
    monkeypatch.setattr(groups, "CHUNK", 40)
    parts = ops.convert_to_numpy(penalty.prox(w, steps, 0.5)[0])
    assert seen
    np.testing.assert_array_equal(parts == 0, whole == 0)
    np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("spread", [0.0, 1.0, 4.0])
def test_the_root_is_exact_however_much_the_steps_differ(spread):
    w, steps = problem((50, 8), spread)
    penalty = taut.GroupLasso(groups="inputs", weights="unit")
    u = ops.convert_to_numpy(penalty.prox(w, steps, 0.3)[0]).astype("float64")
    size = np.linalg.norm(u, axis=1, keepdims=True)
    alive = size[:, 0] > 0
    w, s = (ops.convert_to_numpy(a[0]).astype("float64") for a in (w, steps))
    expected = w * size / (size + s * 0.3)
    np.testing.assert_allclose(u[alive], expected[alive], rtol=2e-6, atol=1e-9)
    np.testing.assert_array_equal(alive, np.linalg.norm(w / s, axis=1) > 0.3)
    assert (
        keras.backend.standardize_dtype(penalty.prox(*problem((4, 3)), 0.3)[0].dtype) == "float32"
    )
