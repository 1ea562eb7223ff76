"""Turn what users write into a penalty: a name, a Keras regularizer, a penalty."""

from __future__ import annotations

from typing import Any

import keras

from taut.errors import InputError, UnsupportedError
from taut.penalties.base import Penalty
from taut.penalties.constraints import NonNegative, NormBall
from taut.penalties.grouped import GroupLasso, SparseGroupLasso
from taut.penalties.hierarchical import Hierarchical
from taut.penalties.nonconvex import MCP, SCAD
from taut.penalties.separable import L1, L2, ElasticNet, l1_and_l2
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


def from_keras(regularizer: keras.regularizers.Regularizer) -> Penalty:
    r"""The penalty of a Keras L1 (a·Σ|w|), L2 (a·Σw², without our 1/2) or L1L2.

    `taut.penalties.get` does this wherever a penalty is expected.

    Args:
        regularizer: The Keras regularizer.

    Raises:
        UnsupportedError: For another Keras regularizer.
        InputError: If it is no Keras regularizer.

    Example:
        >>> import keras, taut
        >>> taut.from_keras(keras.regularizers.L2(0.01))
        L2(strength=0.02)
    """
    equal = from_keras_regularizer(regularizer)
    if equal:
        return equal[0][0]
    kind = type(regularizer).__name__
    if not isinstance(regularizer, keras.regularizers.Regularizer):
        raise InputError(
            "Give a Keras regularizer such as `keras.regularizers.L2(0.01)`. "
            f"Received: {regularizer!r} of type {kind}."
        )
    raise UnsupportedError(
        f"The Keras regularizer {kind} has no penalty here that equals it. Use L1, L2 "
        "or L1L2, a taut penalty, or leave it on its layer, where Keras adds it to the loss. "
        f"Received: {regularizer!r}."
    )


def from_keras_regularizer(regularizer: Any) -> tuple[tuple[Penalty, ...], ...]:
    """The sums of penalties that equal a Keras regularizer, each in its own words.

    Returns:
        For L1 and L2 one sum of one part; for L1L2 the elastic net, and L1 + L2; for all others
        none.
    """
    kind = type(regularizer)
    # Also at a strength of 0 a penalty of its kind: one that has a strength to be set.
    if kind is keras.regularizers.L1:
        return ((L1(float(regularizer.l1)),),)
    if kind is keras.regularizers.L2:
        return ((L2(2 * float(regularizer.l2)),),)
    if kind is not keras.regularizers.L1L2:
        return ()
    l1, l2 = float(regularizer.l1), float(regularizer.l2)
    whole = (l1_and_l2(l1, l2),)
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
