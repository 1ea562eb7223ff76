"""An array is a list of one; arrays of a list are treated alone where groups do not join them."""

import numpy as np
import pytest
from keras import ops

from taut.penalties import ALL

RNG = np.random.default_rng(0)


def draw(shape, scale=1.0):
    return ops.convert_to_tensor((scale * RNG.normal(size=shape)).astype("float32"))


def same(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(a), ops.convert_to_numpy(b), rtol=2e-6)


@pytest.mark.parametrize("penalty", [p for p in ALL if len(p.shapes) == 1], ids=repr)
def test_an_array_is_a_list_of_one(penalty):
    w, g, a = draw((4, 3)), draw((4, 3)), 0.3
    steps = 0.5 if penalty.scalar_step else ops.exp(draw((4, 3)))
    same([penalty.value(w, a)], [penalty.value([w], a)])
    same([penalty.prox(w, steps, a)], penalty.prox([w], [steps], a))
    same([penalty.prox(w, 0.5, a)], penalty.prox([w], 0.5, a))
    same([penalty.distance(w, g, a)], penalty.distance([w], [g], a))
    if len(penalty.parts) == 1:
        same([penalty.critical_strength(g)], [penalty.critical_strength([g])])


@pytest.mark.parametrize("penalty", [p for p in ALL if len(p.shapes) == 1], ids=repr)
def test_arrays_of_numpy_are_arrays(penalty):
    w, g, a = draw((4, 3)), draw((4, 3)), 0.3
    arrays = [ops.convert_to_numpy(v) for v in (w, g)]
    same([penalty.value(arrays[0], a)], [penalty.value(w, a)])
    same([penalty.prox(arrays[0], 0.5, a)], [penalty.prox(w, 0.5, a)])
    same(penalty.prox([arrays[0]], 0.5, a), penalty.prox([w], 0.5, a))
    same([penalty.distance(*arrays, a)], [penalty.distance(w, g, a)])
    if len(penalty.parts) == 1:
        same([penalty.critical_strength(arrays[1])], [penalty.critical_strength(g)])


@pytest.mark.parametrize("penalty", [p for p in ALL if p.groups is None], ids=repr)
def test_arrays_without_groups_are_treated_alone(penalty):
    w, g, a = [draw((4, 3)), draw((3, 2), 3.0)], [draw((4, 3)), draw((3, 2))], 0.3
    steps = [0.5, 0.2]
    same([penalty.value(w, a)], [sum(penalty.value(v, a) for v in w)])
    same(penalty.prox(w, steps, a), [penalty.prox(v, s, a) for v, s in zip(w, steps, strict=True)])
    same(penalty.prox(w, 0.5, a), [penalty.prox(v, 0.5, a) for v in w])
    pairs = zip(w, g, strict=True)
    same(penalty.distance(w, g, a), [penalty.distance(v, d, a) for v, d in pairs])
    if len(penalty.parts) == 1:
        each = [float(penalty.critical_strength(d)) for d in g]
        assert float(penalty.critical_strength(g)) == max(each)
