"""The network that an estimator builds where it is given none, and the penalties by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from taut import penalties
from taut.errors import InputError
from taut.layers import Standardize
from taut.penalties import GroupLasso, Hierarchical, Penalty

STANDARDIZE, FIRST, SKIP, OUTPUT = "standardize", "hidden_1", "skip", "output"


def dense_network(
    inputs: int,
    outputs: int,
    *,
    hidden: Sequence[int],
    activation: Any,
    standardize: bool,
    skip: bool,
) -> Any:
    """Dense layers "hidden_1", "hidden_2", … and "output", which is linear; not compiled.

    Args:
        inputs: Numbers a row.
        outputs: Units of the last layer.
        hidden: Units of each hidden layer.
        activation: Of the hidden layers.
        standardize: Whether a layer "standardize" comes first.
        skip: Whether a linear layer "skip" from the inputs is added to the output.
    """
    given = x = keras.Input((inputs,), name="inputs")
    if standardize:
        x = Standardize(name=STANDARDIZE)(x)
    last = x
    for k, units in enumerate(hidden, 1):
        last = keras.layers.Dense(int(units), activation=activation, name=f"hidden_{k}")(last)
    last = keras.layers.Dense(outputs, name=OUTPUT)(last)
    if skip:
        direct = keras.layers.Dense(outputs, use_bias=False, name=SKIP)(x)
        last = keras.layers.Add(name="sum")([direct, last])
    return keras.Model(given, last)


def penalty_of(penalty: Any) -> Penalty | Mapping[Any, Any] | None:
    """What `penalty` of an estimator stands for, at a strength of its own.

    Args:
        penalty: "group" (`GroupLasso` over inputs), "hierarchical" (LassoNet's, between the layers
            "skip" and "hidden_1"), a name or instance that `taut.penalties.get` takes, a class of
            penalties, a mapping from selectors to these, or None.

    Raises:
        InputError: For what is no penalty.
    """
    if penalty is None or isinstance(penalty, Mapping):
        return penalty
    if isinstance(penalty, type) and issubclass(penalty, Penalty):
        return penalty()
    if isinstance(penalty, str) and penalty.lower() == "group":
        return GroupLasso(groups="inputs")
    if is_hierarchical(penalty):
        return {(SKIP, FIRST): Hierarchical()}
    return penalties.get(penalty)


def is_hierarchical(penalty: Any) -> bool:
    """Whether it asks for LassoNet's penalty, which needs a skip layer, by its name."""
    return isinstance(penalty, str) and penalty.lower() == "hierarchical"


def at_strength(penalty: Any, strength: float | None) -> Any:
    """The penalty at another strength; at its own where that is None.

    Raises:
        InputError: If it has more than one strength.
    """
    if strength is None or penalty is None:
        return penalty
    if isinstance(penalty, Mapping) and len(penalty) == 1:
        ((selector, one),) = penalty.items()
        one = penalties.get(one)
        if len(one.parts) == 1:
            return {selector: one.with_strength(strength)}
    elif isinstance(penalty, Penalty) and len(penalty.parts) == 1:
        return penalty.with_strength(strength)
    raise InputError(
        "A number as `strength` is for one penalty. Received: "
        f"strength={strength!r} with penalty={penalty!r}. Give `strength=None`, which leaves each "
        "its own strength."
    )
