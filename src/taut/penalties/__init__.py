"""Penalties R(w): value, prox, distance to the subdifferential, critical strength.

To add one: write its class beside the others, decorate it with
`keras.saving.register_keras_serializable("taut")`, and list it in `ALL`; the laws in
`tests/penalties` then hold it to its word.
"""

from taut.penalties.arrays import WithArrays
from taut.penalties.base import Binding, Grouped, Penalty, Separable
from taut.penalties.constraints import NonNegative, NormBall
from taut.penalties.convert import from_keras, get
from taut.penalties.grouped import GroupLasso, SparseGroupLasso
from taut.penalties.groups import Grouping
from taut.penalties.hierarchical import Hierarchical
from taut.penalties.nonconvex import MCP, SCAD
from taut.penalties.separable import L1, L2, ElasticNet, l1_and_l2, soft_threshold
from taut.penalties.spectral import NuclearNorm, Orthogonality
from taut.penalties.sums import Sum, distance_of, prox_is_known, prox_of, value_of
from taut.penalties.weighted import L2SP, WeightedL1

ALL: tuple[Penalty, ...] = (
    L1(),
    L2(),
    ElasticNet(),
    L1() + L2(),
    GroupLasso(),
    SparseGroupLasso(),
    MCP(),
    SCAD(),
    WeightedL1(),
    L2SP(),
    NonNegative(),
    NormBall(),
    NormBall(norm=1, groups="units"),
    Hierarchical(hierarchy=2.0),
    NuclearNorm(),
    Orthogonality(),
)
"""One example of each penalty, from which the tests of the laws are made."""

__all__ = [
    "ALL",
    "L1",
    "L2",
    "L2SP",
    "MCP",
    "SCAD",
    "Binding",
    "ElasticNet",
    "GroupLasso",
    "Grouped",
    "Grouping",
    "Hierarchical",
    "NonNegative",
    "NormBall",
    "NuclearNorm",
    "Orthogonality",
    "Penalty",
    "Separable",
    "SparseGroupLasso",
    "Sum",
    "WeightedL1",
    "WithArrays",
    "distance_of",
    "from_keras",
    "get",
    "l1_and_l2",
    "prox_is_known",
    "prox_of",
    "soft_threshold",
    "value_of",
]
