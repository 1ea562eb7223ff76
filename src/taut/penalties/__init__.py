"""Penalties R(w): value, prox, distance to the subdifferential, critical strength.

To add one: write its class beside the others, decorate it with
`keras.saving.register_keras_serializable("taut")`, and list it in `ALL`; the laws in
`tests/penalties` then hold it to its word.
"""

from taut.penalties.base import Penalty, Sum, sum_distance, sum_prox, sum_value
from taut.penalties.convert import get
from taut.penalties.separable import L1, L2, ElasticNet, soft_threshold

ALL: tuple[Penalty, ...] = (L1(), L2(), ElasticNet(), L1() + L2())
"""One example of each penalty, from which the tests of the laws are made."""

__all__ = [
    "ALL",
    "L1",
    "L2",
    "ElasticNet",
    "Penalty",
    "Sum",
    "get",
    "soft_threshold",
    "sum_distance",
    "sum_prox",
    "sum_value",
]
