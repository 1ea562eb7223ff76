"""Weights with a strength or a place of their own: the weighted lasso and L2-SP."""

from __future__ import annotations

from typing import Any, Self

import keras
import numpy as np
from keras import ops

from taut.checks import check_above, check_at_least
from taut.errors import InputError
from taut.penalties.arrays import WithArrays, arrays_of
from taut.penalties.separable import soft_threshold


@keras.saving.register_keras_serializable("taut")
class WeightedL1(WithArrays):
    r"""The weighted lasso α·Σ c·|w|, with a weight c >= 0 for each w.

    prox: sign(w)·max(|w| − s·α·c, 0). Residual of stationarity: |g + α·c·sign(w)| where w ≠ 0,
    max(|g| − α·c, 0) where w = 0. Critical strength: max|g|/c; infinite where c = 0 and g ≠ 0.

    `WeightedL1.adaptive` makes the adaptive lasso of a fitted model.

    Args:
        strength: α, a finite number >= 0.
        weights: The c: one array that broadcasts to the weights, or a mapping from the path of
            a variable, or its end such as `"first/kernel"`, to an array. None: all 1.

    Raises:
        InputError: If a weight is negative or not finite; when the optimizer is built, if a
            variable has no array or one of another shape.

    Example:
        >>> from taut.penalties import WeightedL1
        >>> float(WeightedL1(0.5, weights=[[1.0], [0.0]])([[1.0, -2.0], [3.0, 4.0]]))
        1.5

    References:
        Zou, The adaptive lasso and its oracle properties, 2006.
    """

    kind = "threshold"
    sparse = True
    field = "weights"

    def __init__(self, strength: float = 0.01, *, weights: Any = None):
        super().__init__(strength, arrays=weights)

    @classmethod
    def adaptive(
        cls, model: Any, strength: float = 0.01, *, exponent: float = 1.0, epsilon: float = 1e-6
    ) -> Self:
        """The adaptive lasso: c = 1/(|ŵ| + ε)^γ, from the weights ŵ of a fitted model.

        What the first fit found large is hardly shrunk, what it found to be zero stays so.
        Compare strengths anew: the c change their meaning.

        Args:
            model: A fitted Keras model with the same layers as the one to be penalised.
            strength: α, a finite number >= 0.
            exponent: γ, a finite number >= 0.
            epsilon: ε > 0, which keeps the c of exact zeros finite.

        Raises:
            InputError: If the model is not built, or a number is out of its range.
        """
        check_at_least(0, exponent=exponent)
        check_above(0, epsilon=epsilon)
        fitted = arrays_of(model, "model", trainable=True)
        # In double precision: small weights to a power are out of the range of half precision.
        sizes = {key: np.abs(w.astype("float64")) + epsilon for key, w in fitted.items()}
        return cls(
            strength, weights={k: (v**-exponent).astype("float32") for k, v in sizes.items()}
        )

    @property
    def weights(self) -> Any:
        """The c as they were given."""
        return self._given

    def checked(self, array: Any, key: str = "") -> np.ndarray:
        weights = super().checked(array, key)
        if (weights < 0).any():
            raise InputError(
                "`weights` must be >= 0. Received: a smallest weight of "
                f"{weights.min():g}{f' for {key!r}' if key else ''}."
            )
        return weights

    def default(self, value: np.ndarray) -> np.ndarray:
        return np.ones(np.shape(value), "float32")

    def array(self, w: Any) -> Any:
        unweighted = self._kept is None and self._given is None
        return ops.ones_like(w) if unweighted else super().array(w)

    def value(self, w: Any, strength: Any) -> Any:
        return strength * ops.sum(self.array(w) * ops.abs(w))

    def prox(self, w: Any, step: Any, strength: Any) -> Any:
        return soft_threshold(w, step * strength * self.array(w))

    def subdifferential(self, w: Any, strength: Any) -> tuple[Any, Any]:
        most = strength * self.array(w)
        zero, slope = ops.equal(w, 0), most * ops.sign(w)
        return ops.where(zero, -most, slope), ops.where(zero, most, slope)

    def critical_strength(self, gradient: Any) -> Any:
        size, c = ops.abs(gradient), self.array(gradient)
        free = ops.where(ops.equal(size, 0), size, float("inf"))
        return ops.max(ops.where(c > 0, size / ops.where(c > 0, c, 1), free))


@keras.saving.register_keras_serializable("taut")
class L2SP(WithArrays):
    r"""The distance to where training starts, (α/2)·Σ (w − w⁰)²: fine-tuning that remembers.

    prox: (w + s·α·w⁰)/(1 + s·α). Residual of stationarity: |g + α·(w − w⁰)|. Critical strength:
    0 where g = 0, otherwise infinite: it draws weights to w⁰, not to zero.

    To fine-tune: load the pretrained weights, then compile and fit. With `reference=None` the
    w⁰ are the weights that the model has when the optimizer is built. They are saved with the
    optimizer. Layers that are new have no pretrained weights: give them `L2` (L2-SP's second
    strength).

    Args:
        strength: α, a finite number >= 0.
        reference: The w⁰: None; a Keras model; a mapping from the path of a variable, or its
            end such as `"first/kernel"`, to an array; or one array.

    Raises:
        InputError: If an array is not finite; when the optimizer is built, if a variable has no
            array or one of another shape.

    Example:
        >>> from taut.penalties import L2SP
        >>> float(L2SP(0.5, reference=[1.0, 2.0])([1.0, 4.0]))
        1.0

    References:
        Li, Grandvalet and Davoine, Explicit inductive bias for transfer learning with
        convolutional networks, 2018.
    """

    kind = "quadratic"
    curvature = 1.0
    field = "reference"

    def __init__(self, strength: float = 0.01, *, reference: Any = None):
        super().__init__(strength, arrays=reference)

    @property
    def reference(self) -> Any:
        """The w⁰ as they were given."""
        return self._given

    def default(self, value: np.ndarray) -> np.ndarray:
        return value

    def centre(self, w: Any) -> Any:
        """Where the penalty is least."""
        return self.array(w)

    def value(self, w: Any, strength: Any) -> Any:
        return strength * ops.sum(ops.square(w - self.array(w))) / 2

    def prox(self, w: Any, step: Any, strength: Any) -> Any:
        pull = step * strength
        return (w + pull * self.array(w)) / (1 + pull)

    def subdifferential(self, w: Any, strength: Any) -> tuple[Any, Any]:
        slope = strength * (w - self.array(w))
        return slope, slope

    def critical_strength(self, gradient: Any) -> Any:
        largest = ops.max(ops.abs(gradient))
        return ops.where(ops.equal(largest, 0), largest, float("inf"))
