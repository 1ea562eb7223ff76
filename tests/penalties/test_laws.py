"""Every penalty keeps the laws of `Penalty`, on every kind of weights it can be put on."""

import functools

import numpy as np
import pytest

from taut.penalties import (
    ALL,
    L1,
    L2,
    L2SP,
    MCP,
    SCAD,
    ElasticNet,
    GroupLasso,
    NonNegative,
    NormBall,
    SparseGroupLasso,
    WeightedL1,
)
from taut.testing import LAWS, Case, check_law
from tests.conftest import slow_elsewhere

WEIGHTS = {"layer_0/kernel": np.array([[0.0], [0.5], [1.0], [3.0]]), "layer_1/kernel": 2.0}
START = {"kernel": np.linspace(-1, 1, 12).reshape(4, 3), "layer_1/kernel": np.ones(2)}

# Other arguments and shapes: groups through several arrays, lists, convolutions, single weights.
OTHERS = [
    (L1(), ((1,),)),
    (L1(), ((),)),
    (MCP(gamma=0.5), ((3,),)),
    (WeightedL1(weights=WEIGHTS), ((4, 3), (2,))),
    (L2SP(reference=START), ((4, 3), (2,))),
    (GroupLasso(groups="inputs"), ((4, 3), (4, 2))),
    (GroupLasso(groups="units", weights="unit"), ((2, 2, 2, 3), (3,))),
    (GroupLasso(groups=[[0, 2], [1], [3]]), ((4, 3), (4, 1))),
    (SparseGroupLasso(groups="rows", l1_ratio=0.0), ((4, 3),)),
    (NormBall(norm="inf"), ((4, 3),)),
    (NormBall(0.5, norm=2, groups="units"), ((4, 3), (3,))),
    (NormBall(2.0, norm="inf", groups=[[0, 1], [2]]), ((3, 2), (3, 1))),
    (NormBall(3.0, norm=1), ((2, 2), ())),
]
# Each kind of sum whose prox is known.
SUMS = [
    (MCP(0.01) + NonNegative() + L2(0.02), ((4, 3),)),
    (SCAD(0.01, gamma=2.1) + L2SP(0.01), ((4, 3), (2,))),
    (ElasticNet(0.01) + NonNegative(), ((4, 3),)),
    (WeightedL1(0.01) + L2SP(0.01, reference=START) + L2(0.01), ((4, 3), (2,))),
    (L2(0.01) + L2SP(0.02), ((4, 3),)),
    (GroupLasso(0.01) + L1(0.01), ((4, 3), (4, 2))),
    (GroupLasso(0.01, groups="units") + L2(0.02) + L2SP(0.01), ((4, 3), (3,))),
    (GroupLasso(0.01) + WeightedL1(0.01) + NonNegative() + L2(0.01), ((4, 3),)),
    (SparseGroupLasso(0.01) + NonNegative() + L2SP(0.01), ((4, 3), (4, 1))),
    (NormBall(norm=1, groups="inputs") + L2(0.01), ((4, 3), (4, 1))),
]
# One example of each class shows the laws of form, and compiling for each dtype takes long.
QUICK = [law for law in LAWS if law not in ("dtypes", "compiled", "serialisation")]


@functools.cache
def case_of(kind, index):
    penalty, shapes = {"other": OTHERS, "sum": SUMS}[kind][index]
    return Case(penalty, shapes=shapes, seed=index)


@functools.cache
def case_of_all(index):
    return Case(ALL[index])


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("index", range(len(ALL)), ids=lambda i: f"{i}-{type(ALL[i]).__name__}")
def test_every_penalty_keeps_the_laws(index, law):
    check_law(law, case_of_all(index))


@slow_elsewhere
@pytest.mark.parametrize("law", QUICK)
@pytest.mark.parametrize("index", range(len(OTHERS)), ids=lambda i: f"{OTHERS[i]}")
def test_other_arguments_and_shapes_keep_the_laws(index, law):
    check_law(law, case_of("other", index))


@slow_elsewhere
@pytest.mark.parametrize("law", QUICK)
@pytest.mark.parametrize("index", range(len(SUMS)), ids=lambda i: f"{SUMS[i]}")
def test_sums_keep_the_laws(index, law):
    check_law(law, case_of("sum", index))


def test_groups_through_two_arrays_keep_their_dtype_and_can_be_mapped():
    case = case_of("other", [str(p) for p, _ in OTHERS].index(str(GroupLasso(groups="inputs"))))
    check_law("dtypes", case)
    check_law("compiled", case)
