"""The `Proximal` optimizers of a model."""

from __future__ import annotations

from typing import Any

from taut.errors import UnsupportedError
from taut.optimizers.proximal import Proximal, kept_proximals, proximals_in


def proximals_of(model: Any) -> list[Proximal]:
    """The `Proximal` optimizers of a model, built as far as it is known for which variables.

    These are its own, also inside Keras's `LossScaleOptimizer` and `MultiOptimizer`, and those
    that a model with a `train_step` of its own keeps as attributes.
    """
    own = getattr(model, "optimizer", None)
    others = kept_proximals(model)
    inner: Any = getattr(own, "inner_optimizer", own)
    several = hasattr(inner, "optimizers")
    if model.built and not others and (several or proximals_in(own)) and not inner.built:
        # Keras builds it when training starts, with the same variables.
        for proximal in proximals_in(own):
            proximal.bind(model)
        inner.build(model.trainable_variables)
    return list({id(one): one for one in [*proximals_in(own), *others]}.values())


def proximal_of(model: Any) -> Any:
    """The model's only `Proximal` optimizer, as `proximals_of` has it, or None.

    Raises:
        UnsupportedError: If there are several.
    """
    found = proximals_of(model)
    if len(found) > 1:
        raise UnsupportedError(
            "This works on models with one `taut.Proximal` optimizer. Received: "
            f"{model.name!r} with {len(found)}. Compile it with one, and give it a mapping from "
            "selectors to penalties."
        )
    return found[0] if found else None
