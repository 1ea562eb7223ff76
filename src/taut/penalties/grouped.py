"""Penalties that choose whole groups of weights: the group lasso and the sparse group lasso."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from taut.checks import check_one_of, check_share
from taut.penalties.base import Grouped
from taut.penalties.groups import Grouping, largest_root, some_at_a_time
from taut.penalties.separable import soft_threshold

TINY = 1e-30


def group_shrink(grouping: Grouping, views: list[Any], steps: Any, strength: Any) -> list[Any]:
    r"""The prox of Σ_g λ_g·‖u_g‖₂ in a diagonal metric, exactly.

    u = w·r/(r + s·λ) with r = ‖u_g‖₂ the root of Σ (w/(r + s·λ))² = 1, or zero where
    ‖w/s‖₂ ≤ λ. With one step for all, r = ‖w‖₂ − s·λ. Otherwise r is found by Newton's method
    on 1/√(Σ (w/(r + s·λ))²) − 1, concave and nearly linear in r, from below: a few iterations,
    for all groups at once.

    Args:
        grouping: How the views divide into groups.
        views: The weights, each [before, slices, after].
        steps: One step for all, a scalar, or a list of views of steps.
        strength: λ, [groups].

    References:
        Yuan and Lin, Model selection and estimation in regression with grouped variables, 2006.
        Moré and Sorensen, Computing a trust region step, 1983 (the root).
    """
    if isinstance(steps, list):
        return some_at_a_time(_shrink_in_metric, grouping, views, steps, strength)
    norm = grouping.norm(views)
    left = ops.maximum(1 - steps * strength / ops.maximum(norm, TINY), 0)
    return [w * grouping.spread(left) for w in views]


def _shrink_in_metric(
    grouping: Grouping, views: list[Any], steps: list[Any], strength: Any
) -> list[Any]:
    norm = grouping.norm(views)
    steps = [ops.maximum(s, TINY) for s in steps]
    lost = [s * grouping.spread(strength) for s in steps]

    def newton(r: Any) -> Any:
        below = [grouping.spread(r) + d + TINY for d in lost]
        squares = [ops.square(w / d) for w, d in zip(views, below, strict=True)]
        h = grouping.sum(squares)
        slope = grouping.sum([q / d for q, d in zip(squares, below, strict=True)])
        return r + h * (ops.sqrt(h) - 1) / ops.maximum(slope, TINY)

    pull = [ops.square(w / s) for w, s in zip(views, steps, strict=True)]
    kept = ops.sqrt(grouping.sum(pull)) > strength
    # Where the tangent at infinity is zero: below the root, and the root itself for equal steps.
    # No term of the sum is larger than 1 at the root, which bounds it where steps differ much.
    moment = grouping.sum([ops.square(w) * d for w, d in zip(views, lost, strict=True)])
    start = norm - moment / ops.maximum(ops.square(norm), TINY)
    single = grouping.max([ops.abs(w) - d for w, d in zip(views, lost, strict=True)])
    start = ops.maximum(ops.maximum(start, single), 0)
    r = grouping.spread(ops.where(kept, largest_root(start, newton), 0))
    return [w * (r / ops.maximum(r + d, TINY)) for w, d in zip(views, lost, strict=True)]


def group_distance(
    grouping: Grouping, views: list[Any], low: list[Any], high: list[Any], strength: Any
) -> list[Any]:
    """Entries whose norm by group is the distance of 0 to [low, high] + ∂(λ‖w_g‖₂).

    `low` and `high` hold the slopes of all else: of the data loss and of the other penalties.
    """
    norm = grouping.norm(views)
    alive = grouping.spread(norm > 0)
    pull = grouping.spread(strength / ops.where(norm > 0, norm, 1))
    away = [
        ops.maximum(ops.maximum(lo + w * pull, -hi - w * pull), 0)
        for w, lo, hi in zip(views, low, high, strict=True)
    ]
    # Of a group that is zero, what the other slopes leave over must fit into a ball.
    left = [ops.maximum(ops.maximum(lo, -hi), 0) for lo, hi in zip(low, high, strict=True)]
    size = grouping.norm(left)
    over = grouping.spread(ops.maximum(size - strength, 0) / ops.where(size > 0, size, 1))
    return [ops.where(alive, a, v * over) for a, v in zip(away, left, strict=True)]


@keras.saving.register_keras_serializable("taut")
class GroupLasso(Grouped):
    r"""The group lasso α·Σ_g c_g·‖w_g‖₂: whole groups become exactly zero.

    With c_g = √(size of the group) (`weights="sqrt_size"`, Yuan and Lin's) groups of different
    sizes are treated alike; with `weights="unit"` it is the plain sum of norms.

    prox: w_g·max(1 − s·α·c_g/‖w_g‖, 0) for one step s; in a metric u = w·r/(r + s·α·c_g), see
    `group_shrink`. Residual: ‖g + α·c_g·w_g/‖w_g‖‖ where w_g ≠ 0, max(‖g‖ − α·c_g, 0) where it
    is zero. Critical strength: max_g ‖g_g‖/c_g.

    With the mean squared error over n rows, celer's `GroupLasso(alpha=a, weights=c)` is
    `GroupLasso(2·a)` with the same c_g.

    Args:
        strength: α, a finite number >= 0.
        groups: `"inputs"`, everything that reads one input; `"units"`, everything that makes
            one unit, channel or head, with its bias and scale; `"rows"`, an embedding's words;
            or a list of lists of inputs, each list one group.
        weights: `"sqrt_size"` or `"unit"`.

    Raises:
        InputError: For `groups` or `weights` that are none of these.

    Example:
        >>> import taut
        >>> penalty = taut.GroupLasso(0.1, groups="inputs", weights="unit")
        >>> float(penalty([[3.0, 4.0], [0.0, 0.0]]))
        0.5

    References:
        Yuan and Lin, Model selection and estimation in regression with grouped variables, 2006.
    """

    sparse = True

    def __init__(
        self,
        strength: float = 0.01,
        *,
        groups: str | Sequence[Sequence[int]] = "inputs",
        weights: str = "sqrt_size",
    ):
        super().__init__(strength, groups=groups)
        check_one_of(("sqrt_size", "unit"), weights=weights)
        self.weights = weights

    def scales(self, grouping: Grouping, views: list[Any], strength: Any = 1.0) -> Any:
        """[groups] the α·c_g, in the dtype of the views."""
        sizes, dtype = grouping.sizes, views[0].dtype
        scales = np.sqrt(sizes) if self.weights == "sqrt_size" else np.ones_like(sizes)
        return ops.cast(strength, dtype) * ops.cast(scales, dtype)

    def value(self, w: Any, strength: Any) -> Any:
        grouping = self.grouping_of(w)
        views = grouping.views(w)
        return ops.sum(self.scales(grouping, views, strength) * grouping.norm(views))

    def prox(self, w: Any, step: Any, strength: Any) -> Any:
        grouping = self.grouping_of(w)
        views = grouping.views(w)
        one_step = not isinstance(step, list)
        steps = ops.cast(step, views[0].dtype) if one_step else grouping.views(step)
        scales = self.scales(grouping, views, strength)
        return grouping.unviewed(group_shrink(grouping, views, steps, scales), w)

    def distance(self, w: Any, gradient: Any, strength: Any) -> Any:
        return self.distance_within(w, gradient, gradient, strength)

    def distance_within(self, w: Any, low: Any, high: Any, strength: Any) -> Any:
        """The residual where all else has the slopes [low, high] at each weight."""
        grouping = self.grouping_of(w)
        views, lows, highs = map(grouping.views, (w, low, high))
        scales = self.scales(grouping, views, strength)
        return grouping.unviewed(group_distance(grouping, views, lows, highs, scales), w)

    def critical_strength(self, gradient: Any) -> Any:
        grouping = self.grouping_of(gradient)
        views = grouping.views(gradient)
        return ops.max(grouping.norm(views) / self.scales(grouping, views))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "weights": self.weights}


@keras.saving.register_keras_serializable("taut")
class SparseGroupLasso(GroupLasso):
    r"""The sparse group lasso α·(ρ·Σ|w| + (1−ρ)·Σ_g c_g·‖w_g‖₂), with ρ the `l1_ratio`.

    Whole groups become zero, and single weights within the groups that stay.

    prox: that of the group lasso after that of L1, in every diagonal metric.
    Residual: that of the group lasso, where each slope may move within the interval of L1.
    Critical strength: max_g t_g, where ‖soft(g_g, t·ρ)‖ = t·(1−ρ)·c_g.

    Args:
        strength: α, a finite number >= 0.
        groups: As in `GroupLasso`.
        weights: `"sqrt_size"` or `"unit"`.
        l1_ratio: ρ, from 0 (group lasso) to 1 (L1).

    Raises:
        InputError: For `groups`, `weights` or `l1_ratio` that are none of these.

    References:
        Simon, Friedman, Hastie and Tibshirani, A sparse-group lasso, 2013.
    """

    def __init__(
        self,
        strength: float = 0.01,
        *,
        groups: str | Sequence[Sequence[int]] = "inputs",
        weights: str = "sqrt_size",
        l1_ratio: float = 0.5,
    ):
        super().__init__(strength, groups=groups, weights=weights)
        check_share(l1_ratio=l1_ratio)
        self.l1_ratio = float(l1_ratio)

    def value(self, w: Any, strength: Any) -> Any:
        absolute = sum(ops.sum(ops.abs(v)) for v in self.grouping_of(w).views(w))
        grouped = super().value(w, strength * (1 - self.l1_ratio))
        return ops.cast(strength, grouped.dtype) * self.l1_ratio * absolute + grouped

    def prox(self, w: Any, step: Any, strength: Any) -> Any:
        steps = step if isinstance(step, list) else [step] * len(w)
        level = strength * self.l1_ratio
        soft = [soft_threshold(a, s * level) for a, s in zip(w, steps, strict=True)]
        return super().prox(soft, step, strength * (1 - self.l1_ratio))

    def distance_within(self, w: Any, low: Any, high: Any, strength: Any) -> Any:
        level = strength * self.l1_ratio
        zero = [ops.cast(ops.equal(a, 0), a.dtype) for a in w]
        low = [g + (ops.sign(a) - z) * level for a, z, g in zip(w, zero, low, strict=True)]
        high = [g + (ops.sign(a) + z) * level for a, z, g in zip(w, zero, high, strict=True)]
        return super().distance_within(w, low, high, strength * (1 - self.l1_ratio))

    def critical_strength(self, gradient: Any) -> Any:
        grouping = self.grouping_of(gradient)
        sizes = [ops.abs(v) for v in grouping.views(gradient)]
        scales = (1 - self.l1_ratio) * self.scales(grouping, sizes)
        if self.l1_ratio == 1:
            return ops.max(grouping.max(sizes))

        # ‖soft(g, t·ρ)‖ − t·(1−ρ)·c falls from ‖g‖ and is convex: Newton rises to its root.
        def newton(t: Any) -> Any:
            level = grouping.spread(t) * self.l1_ratio
            soft = [ops.maximum(v - level, 0) for v in sizes]
            norm = grouping.norm(soft)
            slope = self.l1_ratio * grouping.sum(soft) / ops.maximum(norm, TINY) + scales
            return t + (norm - t * scales) / slope

        return ops.max(largest_root(ops.zeros_like(scales), newton, iterations=200))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "l1_ratio": self.l1_ratio}
