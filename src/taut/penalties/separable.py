"""Penalties that treat each weight alone: L1, L2 and the elastic net."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from taut.checks import check_share
from taut.penalties.base import Separable


def soft_threshold(w: Any, threshold: Any) -> Any:
    """sign(w)·max(|w| − threshold, 0), with exact zeros."""
    return w - ops.maximum(ops.minimum(w, threshold), -threshold)


@keras.saving.register_keras_serializable("taut")
class L1(Separable):
    r"""The lasso penalty α·Σ|w|; its prox sets small weights to exactly zero.

    prox: sign(w)·max(|w| − s·α, 0) (soft threshold).
    Residual of stationarity: |g + α·sign(w)| where w ≠ 0, max(|g| − α, 0) where w = 0.
    Critical strength: max|g|.

    With the mean squared error, `L1(2·a)` is scikit-learn's `Lasso(alpha=a)`; Keras's `L1(a)`
    is the same function, but the gradient steps taken on it never reach zero.

    Args:
        strength: α, a finite number >= 0.

    Example:
        >>> import taut
        >>> float(taut.L1(0.1)([1.0, -2.0]))
        0.30000001192092896

    References:
        Tibshirani, Regression shrinkage and selection via the lasso, 1996.
    """

    kind = "threshold"
    sparse = True

    def value(self, w: Any, strength: Any) -> Any:
        return strength * ops.sum(ops.abs(w))

    def prox(self, w: Any, step: Any, strength: Any) -> Any:
        return soft_threshold(w, step * strength)

    def subdifferential(self, w: Any, strength: Any) -> tuple[Any, Any]:
        zero, slope = ops.equal(w, 0), strength * ops.sign(w)
        return ops.where(zero, -strength, slope), ops.where(zero, strength, slope)

    def critical_strength(self, gradient: Any) -> Any:
        return ops.max(ops.abs(gradient))


@keras.saving.register_keras_serializable("taut")
class L2(Separable):
    r"""The ridge penalty (α/2)·Σ w².

    prox: w / (1 + s·α). Residual of stationarity: |g + α·w|. Critical strength: 0 where g = 0,
    otherwise infinite, since L2 leaves no weight exactly at zero.

    The factor 1/2 is ours: `L2(2·a)` is Keras's `L2(a)`. With the mean squared error over n
    rows, `L2(2·a/n)` is scikit-learn's `Ridge(alpha=a)`.

    Args:
        strength: α, a finite number >= 0.

    Example:
        >>> import taut
        >>> float(taut.L2(0.1)([1.0, -2.0]))
        0.25

    References:
        Hoerl and Kennard, Ridge regression, 1970.
    """

    kind = "quadratic"
    curvature = 1.0

    def centre(self, w: Any) -> Any:
        """Where the penalty is least."""
        return ops.zeros_like(w)

    def value(self, w: Any, strength: Any) -> Any:
        return strength * ops.sum(ops.square(w)) / 2

    def prox(self, w: Any, step: Any, strength: Any) -> Any:
        return w / (1 + step * strength)

    def subdifferential(self, w: Any, strength: Any) -> tuple[Any, Any]:
        return strength * w, strength * w

    def critical_strength(self, gradient: Any) -> Any:
        largest = ops.max(ops.abs(gradient))
        return ops.where(ops.equal(largest, 0), largest, float("inf"))


_L1, _L2 = L1(), L2()


@keras.saving.register_keras_serializable("taut")
class ElasticNet(Separable):
    r"""The elastic net α·(ρ·Σ|w| + (1−ρ)/2·Σ w²), with ρ the `l1_ratio`.

    prox: soft threshold at s·α·ρ, then division by 1 + s·α·(1−ρ).
    Residual of stationarity: that of L1 at the gradient g + α·(1−ρ)·w.
    Critical strength: max|g| / ρ.

    With the mean squared error, scikit-learn's `ElasticNet(alpha=a, l1_ratio=r)` is
    `ElasticNet(2·a, l1_ratio=r)`.

    Args:
        strength: α, a finite number >= 0.
        l1_ratio: ρ, from 0 (L2) to 1 (L1).

    Raises:
        InputError: If `l1_ratio` is not between 0 and 1.

    References:
        Zou and Hastie, Regularization and variable selection via the elastic net, 2005.
    """

    def __init__(self, strength: float = 0.01, *, l1_ratio: float = 0.5):
        super().__init__(strength)
        check_share(l1_ratio=l1_ratio)
        self.l1_ratio = float(l1_ratio)
        self.sparse = self.l1_ratio > 0
        self.curvature = 1 - self.l1_ratio

    def _terms(self, strength: Any) -> tuple[Any, Any]:
        return strength * self.l1_ratio, strength * (1 - self.l1_ratio)

    def value(self, w: Any, strength: Any) -> Any:
        l1, l2 = self._terms(strength)
        return _L1.value(w, l1) + _L2.value(w, l2)

    def prox(self, w: Any, step: Any, strength: Any) -> Any:
        l1, l2 = self._terms(strength)
        return _L2.prox(_L1.prox(w, step, l1), step, l2)

    def subdifferential(self, w: Any, strength: Any) -> tuple[Any, Any]:
        l1, l2 = self._terms(strength)
        low, high = _L1.subdifferential(w, l1)
        return low + l2 * w, high + l2 * w

    def critical_strength(self, gradient: Any) -> Any:
        if self.l1_ratio == 0:
            return _L2.critical_strength(gradient)
        return _L1.critical_strength(gradient) / self.l1_ratio

    def get_config(self) -> dict[str, Any]:
        return {"strength": self.strength, "l1_ratio": self.l1_ratio}


def l1_and_l2(l1: float, l2: float) -> L1 | L2 | ElasticNet:
    """The penalty l1·Σ|w| + l2·Σw² as L1, L2 or the elastic net; `L2(0)` where both are 0."""
    if l1 and l2:
        return ElasticNet(l1 + 2 * l2, l1_ratio=l1 / (l1 + 2 * l2))
    return L1(l1) if l1 else L2(2 * l2)
