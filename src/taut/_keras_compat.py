"""The only home of Keras internals: everything here may need a look when Keras changes."""

from typing import Any

from keras import ops
from keras.src.backend import StatelessScope

__all__ = ["HookedUpdates", "StatelessScope", "is_normalization_scale"]

_SCALES = ("gamma", "beta", "alpha", "scale", "moving_mean", "moving_variance")


def is_bias(variable: Any) -> bool:
    return variable.name == "bias" or variable.name.endswith("_bias")


def is_normalization_scale(variable: Any) -> bool:
    return variable.name in _SCALES


class HookedUpdates:
    """Mixin before a Keras optimizer: calls `_after_update` inside the gated update.

    Keras gates an update by gradient accumulation, loss scaling and the finiteness of the
    gradients, and clips the gradients first. `_backend_update_step` is inside all of these
    gates on every backend, which a variable's `constraint` is not.
    """

    _clip_factors: dict[int, Any]

    def _clip_gradients(self, grads: list[Any]) -> list[Any]:
        clipped = super()._clip_gradients(grads)  # type: ignore[misc]
        # Which variables these gradients belong to is known in `_backend_update_step` only,
        # where they arrive in the same order.
        self._clip_pairs = None if clipped is grads else list(zip(grads, clipped, strict=True))
        return clipped

    def _backend_update_step(
        self, grads: list[Any], trainable_variables: list[Any], learning_rate: Any
    ) -> None:
        super()._backend_update_step(grads, trainable_variables, learning_rate)  # type: ignore[misc]
        pairs, self._clip_pairs = self._clip_pairs, None
        factors = [None] * len(grads) if pairs is None else [_ratio(*pair) for pair in pairs]
        for variable, factor in zip(trainable_variables, factors, strict=True):
            self._after_update(variable, learning_rate, factor)

    def _after_update(self, variable: Any, learning_rate: Any, clip_factor: Any) -> None:
        """Called for each variable after its update; `clip_factor` is clipped/raw or None."""
        raise NotImplementedError


def _ratio(raw: Any, clipped: Any) -> Any:
    safe = ops.where(ops.equal(raw, 0), ops.ones_like(raw), raw)
    return ops.where(ops.equal(raw, 0), ops.ones_like(raw), clipped / safe)
