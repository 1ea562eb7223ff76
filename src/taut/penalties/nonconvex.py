"""Penalties that leave large weights alone: MCP and SCAD."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from taut.checks import check_above
from taut.penalties.base import Separable
from taut.penalties.separable import soft_threshold


class FoldedConcave(Separable):
    """A penalty like L1 near zero, concave further out, and flat beyond γ·α.

    A subclass says `value`, `slope` and `prox`.

    Args:
        strength: α, a finite number >= 0.
        gamma: γ, a finite number > `least_gamma`.

    Raises:
        InputError: If `gamma` is no such number.
    """

    sparse = True
    convex = False
    least_gamma: float = 0.0

    def __init__(self, strength: float = 0.01, *, gamma: float = 3.0):
        super().__init__(strength)
        check_above(self.least_gamma, gamma=gamma)
        self.gamma: float = float(gamma)

    def slope(self, size: Any, strength: Any) -> Any:
        """The derivative of αR at |w| > 0."""
        raise NotImplementedError

    def subdifferential(self, w: Any, strength: Any) -> tuple[Any, Any]:
        zero, slope = ops.equal(w, 0), ops.sign(w) * self.slope(ops.abs(w), strength)
        return ops.where(zero, -strength, slope), ops.where(zero, strength, slope)

    def critical_strength(self, gradient: Any) -> Any:
        return ops.max(ops.abs(gradient))

    def get_config(self) -> dict[str, Any]:
        return {"strength": self.strength, "gamma": self.gamma}


@keras.saving.register_keras_serializable("taut")
class MCP(FoldedConcave):
    r"""The minimax concave penalty: zeros as L1 makes them, and no shrinkage of large weights.

        αR(w) = Σ α|w| − w²/(2γ)   where |w| ≤ γα
                  γα²/2             where |w| > γα

    prox, the global minimiser: for s < γ, soft(w, sα)/(1 − s/γ) where |w| ≤ γα, else w (firm
    threshold); for s ≥ γ, 0 where |w| ≤ α√(sγ), else w (hard threshold).
    Residual of stationarity: |g + sign(w)·max(α − |w|/γ, 0)| where w ≠ 0, max(|g| − α, 0) where
    w = 0. Critical strength: max|g|.

    Not convex: J' may have several stationary points, and training finds one of them. As γ
    grows it becomes L1. α is inside of R: twice the strength is another function, not twice it.
    With half the mean squared error it is skglm's `MCPenalty(alpha, gamma)`.

    Args:
        strength: α, a finite number >= 0.
        gamma: γ, a finite number > 0, in units of a step: where the slope has fallen to zero.

    Raises:
        InputError: If `gamma` is not a finite number > 0.

    Example:
        >>> from taut.penalties import MCP
        >>> float(MCP(1.0, gamma=3.0)([1.0, 100.0]))
        2.3333332538604736

    References:
        Zhang, Nearly unbiased variable selection under minimax concave penalty, 2010.
    """

    def value(self, w: Any, strength: Any) -> Any:
        size = ops.minimum(ops.abs(w), self.gamma * strength)
        return ops.sum(size * (strength - size / (2 * self.gamma)))

    def slope(self, size: Any, strength: Any) -> Any:
        return ops.maximum(strength - size / self.gamma, 0)

    def prox(self, w: Any, step: Any, strength: Any) -> Any:
        step = ops.cast(step, w.dtype)
        size, curved = ops.abs(w), step / self.gamma
        convex = ops.less(curved, 1)
        # Between the pieces the firm threshold ends at |w|, where rounding must not pass it.
        stretched = soft_threshold(w, step * strength) / ops.where(convex, 1 - curved, 1)
        firm = ops.sign(w) * ops.minimum(ops.abs(stretched), size)
        # From s = γ on the first piece is concave: its least is an end, 0 or on the flat piece.
        hard_from = strength * self.gamma * ops.sqrt(ops.maximum(curved, 1))
        kept = ops.logical_not(size <= hard_from)  # NaN is kept
        return ops.where(kept, w, ops.where(convex, firm, 0))


@keras.saving.register_keras_serializable("taut")
class SCAD(FoldedConcave):
    r"""The smoothly clipped absolute deviation: L1 up to α, then ever less, flat from γα on.

        αR(w) = Σ α|w|                               where |w| ≤ α
                  (2γα|w| − w² − α²) / (2(γ−1))      where α < |w| ≤ γα
                  α²(γ+1)/2                          where |w| > γα

    prox, the global minimiser: for s < γ−1, soft(w, sα) where |w| ≤ α(1+s), then
    soft(w, sγα/(γ−1))·(γ−1)/(γ−1−s) where |w| ≤ γα, else w; for s ≥ γ−1 the better of
    clip(soft(w, sα), −α, α) and w.
    Residual of stationarity: |g + sign(w)·clip((γα − |w|)/(γ−1), 0, α)| where w ≠ 0,
    max(|g| − α, 0) where w = 0. Critical strength: max|g|.

    Not convex: J' may have several stationary points, and training finds one of them. α is
    inside of R, as in `MCP`. With half the mean squared error it is skglm's `SCAD(alpha, gamma)`.

    Args:
        strength: α, a finite number >= 0.
        gamma: γ, a finite number > 2; 3.7 is the authors' choice.

    Raises:
        InputError: If `gamma` is not a finite number > 2.

    Example:
        >>> from taut.penalties import SCAD
        >>> float(SCAD(1.0, gamma=3.0)([1.0, 100.0]))
        3.0

    References:
        Fan and Li, Variable selection via nonconcave penalized likelihood, 2001.
        Gong et al., A general iterative shrinkage and thresholding algorithm, 2013 (the prox).
    """

    least_gamma = 2.0

    def __init__(self, strength: float = 0.01, *, gamma: float = 3.7):
        super().__init__(strength, gamma=gamma)

    def value(self, w: Any, strength: Any) -> Any:
        size, flat = ops.abs(w), self.gamma * strength
        # L1 on the first piece, and the integral of the slope over the part of the second.
        first = strength * ops.minimum(size, strength)
        passed = ops.clip(size, strength, flat) - strength
        return ops.sum(first + passed * (strength - passed / (2 * (self.gamma - 1))))

    def slope(self, size: Any, strength: Any) -> Any:
        falling = (self.gamma * strength - size) / (self.gamma - 1)
        return ops.maximum(ops.minimum(falling, strength), 0)

    def prox(self, w: Any, step: Any, strength: Any) -> Any:
        step = ops.cast(step, w.dtype)
        size, width = ops.abs(w), self.gamma - 1
        near = ops.maximum(size - step * strength, 0)
        convex = ops.less(step, width)
        stretch = width / ops.where(convex, width - step, width)
        middle = ops.maximum(size - step * (strength * self.gamma / width), 0) * stretch
        firm = ops.where(size <= strength * (1 + step), near, ops.minimum(middle, size))
        # From s = γ−1 on the second piece is concave: the least is on the first or the third.
        near = ops.minimum(near, strength)
        gain = step * strength * (strength * (self.gamma + 1) / 2 - near)
        flat_is_best = ops.square(size - near) / 2 > gain
        kept = ops.logical_and(size > self.gamma * strength, ops.logical_or(convex, flat_is_best))
        return ops.where(kept, w, ops.sign(w) * ops.where(convex, firm, near))
