"""Turn what users write into a penalty: a name, a Keras regularizer, a penalty."""

from __future__ import annotations

from typing import Any

import keras

from taut.errors import InputError
from taut.penalties.base import Penalty
from taut.penalties.constraints import NonNegative, NormBall
from taut.penalties.conventions import from_keras, terms_of_keras
from taut.penalties.grouped import GroupLasso, SparseGroupLasso
from taut.penalties.hierarchical import Hierarchical
from taut.penalties.nonconvex import MCP, SCAD
from taut.penalties.separable import L1, L2, ElasticNet
from taut.penalties.spectral import NuclearNorm, Orthogonality
from taut.penalties.weighted import L2SP, WeightedL1

_NAMES = {
    "l1": L1,
    "l2": L2,
    "elastic_net": ElasticNet,
    "elasticnet": ElasticNet,
    "l1_l2": ElasticNet,
    "group_lasso": GroupLasso,
    "sparse_group_lasso": SparseGroupLasso,
    "hierarchical": Hierarchical,
    "mcp": MCP,
    "scad": SCAD,
    "l2_sp": L2SP,
    "weighted_l1": WeightedL1,
    "nuclear_norm": NuclearNorm,
    "orthogonality": Orthogonality,
    "non_negative": NonNegative,
    "norm_ball": NormBall,
}


def get(identifier: Any) -> Penalty:
    r"""Return the penalty that `identifier` stands for.

    Args:
        identifier: A `Penalty`; a name in small letters (`"l1"`, `"elastic_net"`,
            `"group_lasso"`, …), with the defaults of its class; or a Keras regularizer, converted
            exactly: `L1(a)` to `L1(a)`, `L2(a)` to `L2(2·a)`, `L1L2(a, b)` to the elastic net of
            strength a + 2·b.

    Raises:
        InputError: If it is none of these.
        UnsupportedError: If it is a Keras regularizer whose prox is not known.
    """
    if isinstance(identifier, Penalty):
        return identifier
    if isinstance(identifier, str):
        if identifier.lower() not in _NAMES:
            raise InputError(
                f"A penalty's name must be one of {sorted(set(_NAMES))}. Received: {identifier!r}."
            )
        return _NAMES[identifier.lower()]()
    if isinstance(identifier, keras.regularizers.Regularizer):
        return from_keras(identifier)
    if isinstance(identifier, type) and issubclass(identifier, Penalty):
        raise InputError(
            "A penalty must be made, with its strength. Received: the class "
            f"{identifier.__name__}. Write `taut.{identifier.__name__}(0.01)`."
        )
    raise InputError(
        "A penalty must be a taut penalty, a name such as 'l1', or a Keras regularizer. "
        f"Received: {identifier!r} of type {type(identifier).__name__}."
    )


def from_keras_regularizer(regularizer: Any) -> tuple[tuple[Penalty, ...], ...]:
    """The sums of penalties that equal a Keras regularizer, each in its own words.

    Returns:
        For L1 and L2 one sum of one part; for L1L2 the elastic net, and L1 + L2; for all others
        none.
    """
    try:
        l1, l2 = terms_of_keras(regularizer)
    except InputError:  # any callable may be a regularizer
        return ()
    whole = (from_keras(regularizer),)
    return (whole, (L1(l1), L2(2 * l2))) if l1 and l2 else (whole,)


def from_keras_constraint(constraint: Any, shape: tuple[int, ...]) -> Penalty | None:
    """The penalty that equals a Keras constraint on an array of this shape; None if none does."""
    kind = type(constraint)
    if kind is keras.constraints.NonNeg:
        return NonNegative()
    is_ball = kind is keras.constraints.MinMaxNorm and (
        constraint.min_value <= 0 and constraint.rate == 1
    )
    if kind is keras.constraints.MaxNorm or is_ball:
        try:
            ball = NormBall(constraint.max_value, axis=constraint.axis)
            ball.grouping_along(shape)
        except InputError:
            return None
        return ball
    return None
