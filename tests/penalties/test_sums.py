"""What sums are allowed, what their critical strength is, and the arguments of all penalties."""

import numpy as np
import pytest
from keras import ops

from taut.errors import InputError, UnsupportedError
from taut.penalties import (
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
    Sum,
    WeightedL1,
)

REFUSED = [
    (L1(), L1()),
    (L1(), WeightedL1()),
    (L1(), ElasticNet()),
    (MCP(), SCAD()),
    (MCP(), GroupLasso()),
    (ElasticNet(), GroupLasso()),
    (GroupLasso(), SparseGroupLasso()),
    (GroupLasso(), GroupLasso(groups="units")),
    (NonNegative(), NonNegative()),
    (NormBall(), NonNegative()),
    (NormBall(), L1()),
    (NormBall(), MCP()),
    (NormBall(), GroupLasso()),
    (NormBall(), NormBall(norm=1)),
    (L2(), L1(), L1()),
]


def tensor(x):
    return ops.convert_to_tensor(np.asarray(x, "float32"))


def critical(penalty, gradient):
    return float(ops.convert_to_numpy(penalty.critical_strength(tensor(gradient))))


@pytest.mark.parametrize(
    "parts", REFUSED, ids=lambda parts: " + ".join(type(p).__name__ for p in parts)
)
def test_sums_whose_prox_is_not_known_are_refused(parts):
    for order in (list(parts), list(reversed(parts))):
        with pytest.raises(UnsupportedError, match="The prox of a sum is known for"):
            Sum(order)


def test_a_sum_of_sums_is_flat_and_equal_to_that_of_its_parts():
    assert (L1(0.1) + L2(0.2)) + NonNegative() == Sum([L1(0.1), L2(0.2), NonNegative()])
    assert L1(0.1) + L2(0.2) != L2(0.2) + L1(0.1)
    with pytest.raises(TypeError):
        L1() + 1


def test_a_sum_has_no_single_strength():
    with pytest.raises(InputError, match="one strength a part"):
        (L1() + L2()).with_strength(0.1)


def test_the_critical_strength_multiplies_the_strengths_of_the_parts():
    gradient = [[3.0, -1.0], [0.5, 0.0]]
    assert critical(L1(0.5) + L2(7.0), gradient) == 6
    # What the constraint holds at zero does not count.
    assert critical(L1(0.5) + NonNegative(), gradient) == 2
    assert critical(L2(0.5) + NonNegative(), gradient) == float("inf")
    assert critical(L2(0.5) + NonNegative(), np.abs(gradient)) == 0
    group = GroupLasso(0.5, weights="unit")
    assert critical(group + L2(1.0), gradient) == pytest.approx(2 * np.sqrt(10))
    assert critical(group + NonNegative(), gradient) == 2
    assert critical(L1(0.0) + L2(1.0), gradient) == float("inf")
    assert critical(L1(0.0) + L2(1.0), np.zeros(2)) == 0


@pytest.mark.parametrize("penalty", [GroupLasso() + L1(), L2SP(reference=1.0) + L1()], ids=repr)
def test_a_critical_strength_that_is_not_known_is_an_error(penalty):
    with pytest.raises(UnsupportedError, match="Give the strengths to try yourself"):
        critical(penalty, np.ones((2, 2)))


def test_one_step_for_all_takes_the_closed_form_also_in_a_sum():
    w, group = tensor([[3.0, 4.0], [0.1, 0.1]]), GroupLasso(0.5, weights="unit")
    found = (group + L2(1.0)).prox([w], 1.0, 1.0)[0]
    expected = group.prox([w / 2], 0.5, 0.5)[0]
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, (found, expected)))


CLASSES = [L1, L2, ElasticNet, GroupLasso, SparseGroupLasso, MCP, SCAD, WeightedL1, L2SP]


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf"), "a", None, True])
@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_strength_is_a_finite_number_not_negative(kind, bad):
    with pytest.raises(InputError, match=r"`strength` must be a finite number >= 0\. Received"):
        kind(bad)


@pytest.mark.parametrize("bad", [-0.1, 1.5, float("nan"), "a", None])
@pytest.mark.parametrize("kind", [ElasticNet, SparseGroupLasso])
def test_l1_ratio_is_between_zero_and_one(kind, bad):
    with pytest.raises(InputError, match="`l1_ratio` must be between 0 and 1"):
        kind(0.1, l1_ratio=bad)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ("kernels", "must be 'inputs', 'units', 'rows' or lists"),
        (None, "must be 'inputs', 'units', 'rows' or lists"),
        ([], "must be 'inputs', 'units', 'rows' or lists"),
        ([[]], "must be 'inputs', 'units', 'rows' or lists"),
        ([[0], [-1]], "must be 'inputs', 'units', 'rows' or lists"),
        ([[0, 1], [1, 2]], r"must not overlap.*\[1\] more than once"),
        ([[0, 0], [1]], r"must not overlap.*\[0\] more than once"),
        ([[0], [3]], r"must cover every input.*without the inputs \[1, 2\]"),
    ],
)
def test_groups_are_named_or_divide_the_inputs(groups, message):
    with pytest.raises(InputError, match=message):
        GroupLasso(groups=groups)


def test_weights_of_groups_are_of_two_kinds():
    with pytest.raises(InputError, match='`weights` must be "sqrt_size" or "unit"'):
        GroupLasso(weights="size")


def test_the_weights_of_a_group_must_fit_together():
    with pytest.raises(InputError, match="the same number of inputs"):
        GroupLasso().value([tensor(np.ones((4, 3))), tensor(np.ones((3, 4)))], 1.0)
    with pytest.raises(InputError, match="lists of 3 inputs and weights with 4"):
        GroupLasso(groups=[[0, 1], [2]]).value([tensor(np.ones((4, 3)))], 1.0)
