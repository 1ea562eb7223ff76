"""The network that an estimator builds where it is given none, and the penalties by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from taut import penalties
from taut.layers import Standardize
from taut.penalties import GroupLasso, Hierarchical, Penalty, Sum
from taut.studies.axes import axes_of

NAMED_STRENGTH = 0.001
"""Of a penalty that is asked for by its name alone."""
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


def penalty_of(penalty: Any) -> Any:
    """What `penalty` of an estimator stands for.

    Args:
        penalty: "group" (`GroupLasso` over inputs), "hierarchical" (LassoNet's, between the layers
            "skip" and "hidden_1") or another name of `taut.penalties.get`, at `NAMED_STRENGTH`;
            what else `taut.Proximal` takes, as it is.

    Raises:
        InputError: For a name of no penalty.
    """
    if not isinstance(penalty, str):
        return penalty
    if is_hierarchical(penalty):
        return {(SKIP, FIRST): Hierarchical(NAMED_STRENGTH)}
    if penalty.lower() == "group":
        return GroupLasso(NAMED_STRENGTH, groups="inputs")
    return penalties.get(penalty).with_strength(NAMED_STRENGTH)


def is_hierarchical(penalty: Any) -> bool:
    """Whether it asks for LassoNet's penalty, which needs a skip layer, by its name."""
    return isinstance(penalty, str) and penalty.lower() == "hierarchical"


def at_strength(penalty: Any, strengths: Any, strength: Any) -> Any:
    """The penalty as it is at one point of a path.

    Args:
        penalty: As `taut.regularization_path` takes it, or None.
        strengths: Those of the path.
        strength: One of them, or a mapping from axes to them; None leaves each strength as it is.

    Raises:
        InputError: For a penalty or a strength that cannot be.
    """
    if penalty is None or strength is None:
        return penalty
    axes = axes_of(penalty, strengths)
    point = [strength[name] for name in axes.names] if isinstance(strength, Mapping) else [strength]
    request: dict[Any, Penalty | None] = {}
    for entry, along in zip(axes.entries, axes.parts, strict=True):
        parts = [] if entry.penalty is None else list(entry.penalty.parts)
        for k, number in enumerate(along):
            if number.axis is not None:
                parts[k] = parts[k].with_strength(number.at(point))
        request[entry.selector] = Sum(parts) if len(parts) > 1 else next(iter(parts), None)
    return request[None] if list(request) == [None] else request
