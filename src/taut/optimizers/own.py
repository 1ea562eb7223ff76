"""What layers themselves ask of their weights: regularizers and constraints, as penalties."""

from __future__ import annotations

from typing import Any

import keras

from taut._keras.layer_parts import own_weights
from taut.describing import may_differ
from taut.errors import UnsupportedError
from taut.penalties import Penalty, prox_is_known
from taut.penalties.convert import from_keras_constraint, from_keras_regularizer

Parts = tuple[Penalty, ...]
SET_TOO_LATE = (
    "A layer's regularizer counts when the layer is built, in Keras too; set later it changes "
    "nothing until the model is saved and loaded. Give it to the layer where that is made, or to "
    "`compile(weight_regularizer=…)`."
)


def own_penalty(variable: Any) -> Penalty | None:
    """The penalty that a layer's own `…_regularizer=taut.…` puts on a variable."""
    regularizer = variable.regularizer
    return regularizer if isinstance(regularizer, Penalty) else None


def equals(variable: Any) -> tuple[Parts, ...]:
    """The sums of penalties that equal the Keras regularizer of a variable; none if none do."""
    regularizer = variable.regularizer
    if regularizer is None or isinstance(regularizer, Penalty):
        return ()
    return from_keras_regularizer(regularizer)


def constraint_parts(variable: Any) -> Parts:
    """The penalty that equals the Keras constraint of a variable, if it has one.

    Raises:
        UnsupportedError: If no penalty equals it.
    """
    constraint = variable.constraint
    if constraint is None:
        return ()
    penalty = _equal(variable)
    if penalty is None:
        raise UnsupportedError(
            "A layer's Keras constraint must equal a constraint of taut: NonNeg, MaxNorm (over "
            "neighbouring axes) or MinMaxNorm with min_value=0 and rate=1. Otherwise it is not "
            f"known where training with penalties ends. Received: {_named(constraint)} on "
            f"{variable.path}. Take it off the layer, or compile without `taut.Proximal`."
        )
    return (penalty,)


def is_penalty(variable: Any) -> bool:
    """Whether a penalty equals the Keras constraint of a variable."""
    return variable.constraint is not None and _equal(variable) is not None


def _equal(variable: Any) -> Penalty | None:
    return from_keras_constraint(variable.constraint, tuple(variable.shape))


def combined(parts: Parts, variables: list[Any]) -> tuple[Parts, Parts]:
    """What the layers of some variables add to the penalties that these share.

    Args:
        parts: The penalties of the request; none where there is no request.
        variables: The variables of one term of αR(w).

    Returns:
        (of Keras regularizers, of Keras constraints): what the prox can treat too. A regularizer
        whose sum with `parts` has no known prox is left in the loss.

    Raises:
        UnsupportedError: For a constraint whose sum with `parts` has no known prox, or that not
            all of the variables have, or that equals no penalty.
    """
    constraints = [constraint_parts(v) for v in variables]
    constraint = tuple(part for part in constraints[0] if part not in parts)
    alike = all(other == constraints[0] for other in constraints)
    if not alike or not prox_is_known([*parts, *constraint]):
        received = ", ".join(
            f"{_named(v.constraint)} on {v.path}" for v in variables if v.constraint is not None
        )
        raise UnsupportedError(
            "A layer's Keras constraint must go with the penalty on the same weights: the prox is "
            "known for NonNeg with penalties on single weights and group lassos, and for norms "
            f"with L2. Received: {received}, with {' + '.join(map(repr, parts))} on "
            f"{', '.join(v.path for v in variables)}. Take one of the two off."
        )
    choices = [equals(v) for v in variables]
    for choice in choices[0] if all(other == choices[0] for other in choices) else ():
        if prox_is_known([*parts, *constraint, *choice]):
            return choice, constraint
    return (), constraint


def in_loss(variables: list[Any], treated: set[int]) -> list[str]:
    """The Keras regularizers that stay in the loss, in words."""
    return [
        f"{_named(v.regularizer)} on {v.path}"
        for v in variables
        if v.regularizer is not None and id(v) not in treated
    ]


def activities(model: Any) -> list[str]:
    """The regularizers of what layers make, which no prox can treat, in words."""
    return [
        f"{_named(layer.activity_regularizer)} on what {layer.name!r} makes"
        for layer in model._flatten_layers()
        if getattr(layer, "activity_regularizer", None) is not None
    ]


def set_too_late(model: Any) -> list[str]:
    """The regularizers that layers of Keras were given once they were built, in words.

    Keras applies those that they were built with, until the model is saved and loaded.
    """
    found = []
    for layer in model._flatten_layers():
        kernels = own_weights(layer) if type(layer).__module__.startswith("keras.") else ()
        for variable in kernels:
            name = f"{variable.name.removesuffix('_kernel')}_regularizer"
            asked = vars(layer).get(name, variable.regularizer)
            if asked is not variable.regularizer and may_differ(asked, variable.regularizer):
                built = [_in_words(regularizer) for regularizer in (asked, variable.regularizer)]
                found.append(
                    f"{built[0]} as {name} of {layer.name!r}, which was built with {built[1]}"
                )
    return found


def _in_words(regularizer: Any) -> str:
    if regularizer is None or isinstance(regularizer, (str, Penalty)):
        return repr(regularizer)
    return _named(regularizer)


def asks_for_prox(model: Any) -> tuple[bool, bool]:
    """Whether layers of a model have penalties of taut, and regularizers that equal some.

    Looks at the variables that there are, and at the arguments of layers that are not built yet.
    """
    regularizers = [v.regularizer for v in model.trainable_variables]
    regularizers += [
        getattr(layer, name, None)
        for layer in model._flatten_layers()
        if not layer.built
        for name in dir(layer)
        if name.endswith("_regularizer") and name != "activity_regularizer"
    ]
    ours = any(isinstance(regularizer, Penalty) for regularizer in regularizers)
    theirs = any(
        from_keras_regularizer(regularizer)
        for regularizer in regularizers
        if isinstance(regularizer, keras.regularizers.Regularizer)
        and not isinstance(regularizer, Penalty)
    )
    return ours, theirs


def _named(constraint: Any) -> str:
    name = getattr(constraint, "__name__", type(constraint).__name__)
    return f"Keras's {name}" if type(constraint).__module__.startswith("keras.") else name
