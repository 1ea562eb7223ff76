"""The optimizers of Keras that may be given penalties."""

from __future__ import annotations

from typing import Any

import keras

from taut.errors import UnsupportedError
from taut.optimizers.metric import STEPS, keras_class

NAMED: dict[str, Any] = {kind.__name__.lower(): kind for kind in STEPS}  # Keras lacks some


def resolved(optimizer: Any) -> Any:
    """The optimizer of Keras that a name or an instance means.

    Raises:
        UnsupportedError: If its metric is not known, or its weights decay.
    """
    if isinstance(optimizer, str) and optimizer.lower() == "adamw":
        # Keras's default decay of 0.004 is a choice of nobody's here: the penalty replaces it.
        return keras.optimizers.AdamW(weight_decay=0.0)
    named = NAMED.get(optimizer.lower()) if isinstance(optimizer, str) else None
    found = named() if named else keras.optimizers.get(optimizer)
    keras_class(found)  # raises where it is of no known kind
    if found.weight_decay:
        raise UnsupportedError(
            "`weight_decay` must be 0 or None in a proximal optimizer: decoupled decay is the "
            "gradient of no penalty, so no stated objective would be minimised. Received: "
            f"weight_decay={found.weight_decay}. Pass weight_decay=0 and a penalty with an L2 "
            "part, such as `taut.L1(a) + taut.L2(b)`."
        )
    return found


def may_be_proximal(optimizer: Any) -> bool:
    """Whether an optimizer of Keras may be given penalties."""
    try:
        resolved(optimizer)
    except UnsupportedError:
        return False
    return True
