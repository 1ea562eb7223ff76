"""Balls of norms: the nearest point in a diagonal metric, and the distance to the normal cone.

Arrays come as views [before, slices, after] of a `Grouping`; each group has a ball of its own.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from taut.penalties.groups import Grouping, eps_of, largest_root
from taut.penalties.separable import soft_threshold

TINY = 1e-30
SLOWEST = 1e-12


def tolerance(like: Any) -> float:
    """How far from the radius, relative to it, rounding may leave a projected point."""
    return max(1e-5, 8 * eps_of(like))


def norm_of(grouping: Grouping, views: list[Any], norm: int | str) -> Any:
    """[groups] the norm of each group."""
    if norm == 2:
        return grouping.norm(views)
    sizes = [ops.abs(w) for w in views]
    return grouping.sum(sizes) if norm == 1 else grouping.max(sizes)


def project(
    grouping: Grouping, views: list[Any], steps: Any, radius: float, norm: int | str
) -> list[Any]:
    r"""The u with ‖u_g‖ <= radius that minimise Σ (u−w)²/(2s), exactly.

    `steps` are a scalar, one step for all, or a list of views.

    norm 2: u = w/(1 + s·μ). 1/‖u‖ is concave and nearly linear in μ, so Newton's method on
    1/‖u‖ − 1/radius rises to the root in a few iterations.
    norm 1: u = soft(w, s·μ). ‖u‖ is convex and piecewise linear in μ: Newton's method from below
    passes at least one corner at a time and ends at the root.

    References:
        Moré and Sorensen, Computing a trust region step, 1983.
        Duchi et al., Efficient projections onto the l1-ball for learning in high dimensions, 2008.
    """
    if norm == "inf":
        return [ops.clip(w, -radius, radius) for w in views]
    size = norm_of(grouping, views, norm)
    outside = size > radius
    zero: list[Any] = [False] * len(views)
    if norm == 2 and not isinstance(steps, list):
        moved = views
    else:
        # The length of one step for all changes no projection.
        steps = steps if isinstance(steps, list) else [1.0] * len(views)
        steps = _relative(grouping, steps, views)
        if norm == 2:
            moved = _shrunk(grouping, views, steps, radius, size)
        else:
            moved, zero = _thresholded(grouping, views, steps, radius, size)
    # Exactly onto the sphere, where the root ended in rounding.
    left = radius / ops.maximum(norm_of(grouping, moved, norm), TINY)
    left, outside = grouping.spread(left), grouping.spread(outside)
    return [
        ops.where(z, ops.zeros_like(w), ops.where(outside, u * left, w))
        for u, w, z in zip(moved, views, zero, strict=True)
    ]


def _relative(grouping: Grouping, steps: list[Any], views: list[Any]) -> list[Any]:
    # The largest step of a group as 1, which changes no projection: a learning rate may be 0,
    # and Adam's steps are huge where the gradient vanishes.
    whole = [s + ops.zeros_like(w) for s, w in zip(steps, views, strict=True)]
    largest = grouping.spread(ops.maximum(grouping.max(whole), TINY))
    return [ops.maximum(s / largest, SLOWEST) for s in whole]


def _shrunk(
    grouping: Grouping, views: list[Any], steps: list[Any], radius: float, size: Any
) -> list[Any]:
    def newton(mu: Any) -> Any:
        below = [1 + s * grouping.spread(mu) for s in steps]
        squares = [ops.square(w / d) for w, d in zip(views, below, strict=True)]
        h = grouping.sum(squares)
        slope = [q * (s / d) for q, s, d in zip(squares, steps, below, strict=True)]
        return mu + h * (ops.sqrt(h) / radius - 1) / ops.maximum(grouping.sum(slope), TINY)

    # No step is larger than 1, so that ‖u‖ >= ‖w‖/(1 + μ): below the root, or equal to it.
    mu = largest_root(ops.maximum(size / radius - 1, 0), newton)
    return [w / (1 + s * grouping.spread(mu)) for w, s in zip(views, steps, strict=True)]


def _thresholded(
    grouping: Grouping, views: list[Any], steps: list[Any], radius: float, size: Any
) -> tuple[list[Any], list[Any]]:
    """The soft-thresholded views, and which entries are zero as far as rounding can tell.

    Where the steps are so short that weights of the size of the radius do not move, the small
    ones, which do, would all leave zero. Σ|u| is known to some units in the last place of the
    radius; so is the root, to that over the slope of the weights that are clearly left, and what
    a root so much higher sets to zero is zero. That is less than the rounding of Σ|u| in all.
    """

    def newton(mu: Any) -> Any:
        left = [ops.abs(w) - s * grouping.spread(mu) for w, s in zip(views, steps, strict=True)]
        slope = [ops.where(v > 0, s, 0) for v, s in zip(left, steps, strict=True)]
        over = grouping.sum([ops.maximum(v, 0) for v in left]) - radius
        return mu + over / ops.maximum(grouping.sum(slope), TINY)

    mu = largest_root(ops.zeros_like(size), newton, iterations=200)
    moved = [soft_threshold(w, s * grouping.spread(mu)) for w, s in zip(views, steps, strict=True)]
    rounding = 8 * eps_of(views[0]) * radius
    clear = [ops.where(ops.abs(u) > rounding, s, 0) for u, s in zip(moved, steps, strict=True)]
    margin = rounding / ops.maximum(grouping.sum(clear), TINY)
    on_sphere = size > radius * (1 - tolerance(views[0]))
    margin = grouping.spread(ops.where(on_sphere, margin, ops.zeros_like(margin)))
    zero = [
        ops.abs(u) <= ops.minimum(s * margin, rounding) for u, s in zip(moved, steps, strict=True)
    ]
    return moved, zero


def normal_distance(
    grouping: Grouping,
    views: list[Any],
    slopes: list[Any],
    radius: float,
    norm: int | str,
    slack: float,
) -> list[Any]:
    """Entries whose norm is the distance of −slope to the normal cone of the ball at w.

    The cone is {0} inside of the ball, and {t·u: t >= 0, u ∈ ∂‖w‖} on its sphere, which is as
    thick as `slack` (relative); it is empty outside, and the distance infinite.
    """
    size = norm_of(grouping, views, norm)
    on_sphere = grouping.spread(size >= radius * (1 - slack))
    outside = grouping.spread(size > radius * (1 + slack))
    if norm == 2:
        along = -grouping.sum([g * w for g, w in zip(slopes, views, strict=True)])
        t = grouping.spread(ops.maximum(along, 0) / ops.maximum(ops.square(size), TINY))
        left = [ops.abs(g + t * w) for g, w in zip(slopes, views, strict=True)]
    elif norm == 1:
        t = grouping.spread(_best_multiple(grouping, views, slopes))
        left = [
            ops.where(ops.equal(w, 0), ops.maximum(ops.abs(g) - t, 0), ops.abs(g + t * ops.sign(w)))
            for g, w in zip(slopes, views, strict=True)
        ]
    else:  # each entry on its own face
        on_sphere = [ops.abs(w) >= radius * (1 - slack) for w in views]
        left = [ops.maximum(g * ops.sign(w), 0) for g, w in zip(slopes, views, strict=True)]
    faces = on_sphere if isinstance(on_sphere, list) else [on_sphere] * len(views)
    return [
        ops.where(outside, float("inf"), ops.where(face, v, ops.abs(g)))
        for face, v, g in zip(faces, left, slopes, strict=True)
    ]


def _best_multiple(grouping: Grouping, views: list[Any], slopes: list[Any]) -> Any:
    """[groups] the t >= 0 that makes the distance of −slope to t·∂‖w‖₁ least.

    Half its derivative in t, Σ (t + g·sign(w)) where w ≠ 0, less Σ max(|g| − t, 0) where w = 0,
    is concave, increasing and piecewise linear: Newton's method rises from 0 to the root.
    """
    zeros = [ops.equal(w, 0) for w in views]
    fixed = [g * ops.sign(w) for g, w in zip(slopes, views, strict=True)]

    def newton(t: Any) -> Any:
        at = grouping.spread(t)
        over = [ops.where(z, ops.abs(g) - at, 0) for z, g in zip(zeros, slopes, strict=True)]
        counted = [
            ops.where(ops.logical_or(ops.logical_not(z), v > 0), 1.0, 0.0)
            for z, v in zip(zeros, over, strict=True)
        ]
        moving = [
            ops.where(z, -ops.maximum(v, 0), at + f)
            for z, v, f in zip(zeros, over, fixed, strict=True)
        ]
        count = ops.cast(grouping.sum(counted), t.dtype)
        return t - grouping.sum(moving) / ops.maximum(count, 1)

    return largest_root(grouping.sum([ops.zeros_like(w) for w in views]), newton, iterations=200)
