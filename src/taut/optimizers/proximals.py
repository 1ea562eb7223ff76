"""The `Proximal` optimizers of a model, and what of its loss they treat."""

from __future__ import annotations

from typing import Any

import keras

from taut._keras.left_out_losses import leave_out_of_losses
from taut.errors import UnsupportedError
from taut.optimizers.proximal import ALIVE, Proximal


def proximals_in(optimizer: Any) -> list[Proximal]:
    """The `Proximal` optimizers that an optimizer is, or has inside Keras's wrappers."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # LossScaleOptimizer
    inside = getattr(optimizer, "optimizers", [optimizer])  # MultiOptimizer
    return [proximal for proximal in inside if isinstance(proximal, Proximal)]


def kept_proximals(model: Any) -> list[Proximal]:
    """Those that a model with a `train_step` of its own keeps as attributes."""
    optimizer = getattr(model, "optimizer", None)
    return [
        proximal
        for kept in list(vars(model).values())
        for candidate in (kept if isinstance(kept, (list, tuple)) else [kept])
        if candidate is not optimizer and isinstance(candidate, keras.optimizers.Optimizer)
        for proximal in proximals_in(candidate)
    ]


def proximals_of(model: Any) -> list[Proximal]:
    """The `Proximal` optimizers of a model, built as far as it is known for which variables.

    These are its own, also inside Keras's `LossScaleOptimizer` and `MultiOptimizer`, and those
    that a model with a `train_step` of its own keeps as attributes.
    """
    optimizer = getattr(model, "optimizer", None)
    others = kept_proximals(model)
    inner: Any = getattr(optimizer, "inner_optimizer", optimizer)
    several = hasattr(inner, "optimizers")
    if model.built and not others and (several or proximals_in(optimizer)) and not inner.built:
        # Keras builds it when training starts, with the same variables.
        for proximal in proximals_in(optimizer):
            proximal.bind(model)
        inner.build(model.trainable_variables)
    return list(
        {id(proximal): proximal for proximal in [*proximals_in(optimizer), *others]}.values()
    )


def proximal_of(model: Any) -> Any:
    """The model's only `Proximal` optimizer, as `proximals_of` has it, or None.

    Raises:
        UnsupportedError: If there are several.
    """
    proximals = proximals_of(model)
    if len(proximals) > 1:
        raise UnsupportedError(
            "This works on models with one `taut.Proximal` optimizer. Received: "
            f"{model.name!r} with {len(proximals)}. Compile it with one, and give it a mapping "
            "from selectors to penalties."
        )
    return proximals[0] if proximals else None


def left_out_of_loss(model: Any) -> set[int]:
    """The ids of the variables whose regularizers are no part of a model's loss."""
    if not isinstance(model, keras.Model) or not model.built:
        return set()
    optimizer = getattr(model, "optimizer", None)
    several = hasattr(getattr(optimizer, "inner_optimizer", optimizer), "optimizers")
    mine = [p for p in proximals_in(optimizer) if p.built or not several]
    mine += [p for p in kept_proximals(model) if p.built]
    for proximal in mine:
        proximal.has_model = True
    if optimizer is None:  # perhaps a loop of one's own
        mine += [p for p in list(ALIVE) if p.may_train(model)]
    return set().union(*(proximal.lifted(model) for proximal in mine))


leave_out_of_losses(left_out_of_loss)
