"""Whether an optimizer that was made from a configuration is the one of that configuration."""

from __future__ import annotations

from typing import Any

from taut.describing.digest import may_differ
from taut.describing.packages import library
from taut.describing.parts import labels, optimizer_attributes
from taut.errors import UnsupportedError


def check_renewed(model: Any, copy: Any) -> None:
    """Raise unless the optimizer of a copy has all that own classes of the model's hold.

    Args:
        model: Compiled.
        copy: Compiled with an optimizer made from the configuration of the model's, and built.

    Raises:
        UnsupportedError: It names the attributes that the configuration does not hold.
    """
    before, after = _single(model.optimizer), _single(copy.optimizer)
    known = labels(model), labels(copy)
    if before and len(before) != len(after):  # a function chose others: none has a counterpart
        after = []
    for k, optimizer in enumerate(before):
        new = optimizer_attributes(after[k]) if after else {}
        lost = [
            name
            for name, value in optimizer_attributes(optimizer).items()
            if name not in new or may_differ(value, new[name], known=known)
        ]
        if lost:
            raise UnsupportedError(
                "The optimizer of a copy is made from the configuration of the model's, which must "
                f"hold all that it computes with. Received: {type(optimizer).__name__}, whose "
                f"{', '.join(map(repr, lost))} its `get_config` does not hold. Put it in there."
            )


def _single(optimizer: Any) -> list[Any]:
    """The optimizers inside of Keras's wrappers; an optimizer that is none is itself."""
    if library(type(optimizer).__module__) is None:
        return [optimizer]
    inside = getattr(optimizer, "optimizers", None)  # MultiOptimizer
    if inside is None:
        one = getattr(optimizer, "inner_optimizer", None)  # LossScaleOptimizer
        return [optimizer] if one is None else _single(one)
    return [each for one in inside for each in _single(one)]
