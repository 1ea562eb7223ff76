"""Whether what a classifier's network makes is logits or probabilities."""

from __future__ import annotations

from typing import Any

import keras

from taut.errors import InputError


def makes_logits(model: Any) -> bool:
    """Whether a classifier's output is logits rather than probabilities.

    Raises:
        InputError: If its last layer does not say so.
    """
    last = model.layers[-1]
    name = getattr(getattr(last, "activation", None), "__name__", None)
    if isinstance(last, keras.layers.Softmax) or name in ("softmax", "sigmoid"):
        return False
    if name in (None, "linear") and isinstance(last, (keras.layers.Dense, keras.layers.Add)):
        return True
    raise InputError(
        "A classifier's model must end in a layer that says what it makes: Dense without an "
        'activation for logits, "softmax" or "sigmoid" for probabilities. Received: '
        f"{type(last).__name__} {last.name!r} with the activation {name!r}."
    )
