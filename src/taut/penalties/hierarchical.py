"""The hierarchical penalty of LassoNet: an input acts in the network only if it acts in a skip."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from taut.errors import InputError
from taut.penalties.base import Grouped
from taut.penalties.groups import Grouping, eps_of, largest_root, single

TINY = 1e-30


@keras.saving.register_keras_serializable("taut")
class Hierarchical(Grouped):
    r"""LassoNet's penalty α·Σ_j ‖θ_j‖₂, subject to |W_jk| ≤ M·‖θ_j‖₂: inputs are chosen.

    θ [inputs, outputs] is the kernel of a linear skip from the inputs, W [inputs, hidden] that of
    the network's first layer (or kernels of convolutions). An input whose skip is zero is read by
    nothing, and L1's evasion, small first weights and large later ones, is closed. M = 0 would
    leave the linear model, M = ∞ a free first layer. Outside of the constraint, by more than a
    relative 1e-5 (4 units in the last place in half precision), αR is infinite.

    prox, in any diagonal metric with steps s for θ and t for W: with b = ‖θ_j‖,

        W_k = sign(u_k)·min(|u_k|, M·b),   θ_i = v_i·b/(b + s_i·c),   b + s_i·c ≥ 0,
        c = α − M·Σ_k (|u_k| − M·b)₊/t_k,

    and b = 0 where ‖v/s‖₂ + M·Σ|u_k|/t_k ≤ α. The problem in b alone is convex, so b is unique.
    θ_j's direction is not where v_j = 0 and W moves it off zero: the first output (of those of the
    largest step) takes it, with a plus sign. The subdifferential is the regular one.

    Residual of stationarity: where θ_j ≠ 0, the least of Σ_k (g_k + η_k·sign(W_k))² +
    ‖g_θ + (α − M·Ση)·θ_j/b‖² over η ≥ 0 that are zero where |W_jk| < M·b; where θ_j = 0, the
    distance of g to the ball ‖g_θ‖₂ + M·‖g_W‖₁ ≤ α.
    Critical strength: max_j ‖g_θ,j‖₂ + M·‖g_W,j‖₁.

    Not convex, though α‖θ‖ is and the prox is unique but for that direction: the constraint is
    not. lassonet's `lambda_` is α, and its `M` is `hierarchy`.

    Args:
        strength: α, a finite number >= 0.
        hierarchy: M, a finite number > 0: how far the first layer may outgrow the skip.

    Raises:
        InputError: If `hierarchy` is no such number; where it is not given two weights.

    Example:
        >>> import taut
        >>> penalty = taut.penalties.Hierarchical(0.1, hierarchy=2.0)
        >>> skip, first = [[5.0], [0.0]], [[10.0, -3.0], [0.0, 0.0]]
        >>> float(penalty.value([skip, first], 0.1))
        0.5

    References:
        Lemhadri, Ruan, Abraham and Tibshirani, LassoNet: a neural network with feature
        sparsity, 2021 (the prox with one step, by sorting).
    """

    kind = "other"
    sparse = True
    convex = False
    shapes = ((4, 2), (4, 5))

    def __init__(self, strength: float = 0.01, *, hierarchy: float = 10.0):
        super().__init__(strength, groups="inputs")
        usable = hasattr(hierarchy, "__float__") and not isinstance(hierarchy, bool)
        if not usable or not 0 < float(hierarchy) < float("inf"):
            raise InputError(
                f"`hierarchy` must be a finite number > 0. Received: hierarchy={hierarchy!r}."
            )
        self.hierarchy = float(hierarchy)

    def value(self, w: Any, strength: Any) -> Any:
        _, (skip, first), tolerance = self._views(w)
        norm, largest = _norm(_rows(skip)), ops.max(ops.abs(first), axis=(0, 2))
        kept = ops.all(largest <= self.hierarchy * (1 + tolerance) * norm)
        return ops.where(kept, strength * ops.sum(norm), float("inf"))

    def prox(self, w: Any, step: Any, strength: Any) -> Any:
        grouping, (skip, first), _ = self._views(w)
        steps = grouping.views(step if isinstance(step, (list, tuple)) else [step] * 2)
        s, t = (ops.maximum(ops.cast(a, skip.dtype), TINY) for a in steps)
        v, size, m = _rows(skip), ops.abs(first), self.hierarchy
        # In units of the largest step of the skip, since only ratios of steps matter.
        unit, ratio = s, None
        if ops.ndim(s):
            unit = ops.max(_rows(s), axis=-1)
            ratio = _rows(s) / ops.expand_dims(unit, -1) if v.shape[-1] > 1 else None
        weights = ops.minimum((grouping.spread(unit) if ops.ndim(unit) else unit) / t, 1 / TINY)
        price = unit * ops.cast(strength, v.dtype)

        def solve(b: Any) -> tuple[Any, Any]:
            # What W costs as a function of ‖θ‖, were it at its bound where it is at M·b.
            total, count = _beyond(grouping, size, weights, m * b)
            theta = _skip(v, ratio, m * total - price, m**2 * count)
            return theta, _norm(theta)

        def going(theta: Any, b: Any, rising: Any) -> Any:
            del theta, b
            return rising

        def move(theta: Any, b: Any, rising: Any) -> tuple[Any, Any, Any]:
            del theta, rising
            theta, new = solve(b)
            return theta, new, ops.any(new - b > 4 * _precision(b.dtype) * new)

        # That cost bounds the true one from above, so b rises to its root from any first guess:
        # from 0, which tells what stays zero, and from ‖v‖, close by where training is near its
        # end. It is exact once the weights at their bound are known: a few passes over W.
        lowest = solve(ops.zeros_like(v[:, 0]))[1]
        near = ops.maximum(lowest, solve(_norm(v))[1])
        start = ops.where(lowest > 0, near, 0)
        state = (v, start, ops.convert_to_tensor(True))
        theta, b, _ = ops.while_loop(going, move, state, maximum_iterations=64)
        bound = grouping.spread(m * b)
        found = [_unrows(theta, skip), ops.maximum(ops.minimum(first, bound), -bound)]
        return _as(grouping.unviewed(found, w), w)

    def distance(self, w: Any, gradient: Any, strength: Any) -> Any:
        grouping, (skip, first), tolerance = self._views(w)
        _, (g_skip, g_first), _ = self._views(gradient)
        theta, g, m = _rows(skip), _rows(g_skip), self.hierarchy
        strength = ops.cast(strength, theta.dtype)
        b, pull, size = _norm(theta), _norm(g), ops.abs(first)
        alive, spread = b > 0, grouping.spread
        unit = theta / ops.expand_dims(ops.where(alive, b, 1), -1)
        slope = strength + ops.sum(g * unit, axis=-1)
        # Where θ ≠ 0: η = (a + M·(slope − x))₊ at the bound, with x = M·Ση; else a threshold x.
        held = size >= m * (1 - tolerance) * spread(b)
        push = spread(m * slope) - g_first * ops.sign(first)
        sizes = ops.where(spread(alive), ops.where(held, push, 0), ops.abs(g_first))

        def newton(x: Any) -> Any:
            total, count = _beyond(grouping, sizes, ops.ones_like(sizes), m * x)
            own = ops.cast(ops.logical_or(alive, pull > x), x.dtype)
            rest = ops.where(alive, 0, own * pull - strength)
            return (rest + m * total) / ops.maximum(own + m**2 * count, TINY)

        x = largest_root(ops.zeros_like(b), newton)
        eta = ops.maximum(sizes - spread(m * x), 0)
        kept = ops.expand_dims(ops.minimum(x / ops.maximum(pull, TINY), 1), -1)
        moved = g + ops.expand_dims(strength - x, -1) * unit
        bound = spread(m * x)
        inside = ops.maximum(ops.minimum(g_first, bound), -bound)
        allowed = ops.max(size, axis=(0, 2)) <= m * (1 + tolerance) * b
        left = ops.where(ops.expand_dims(alive, -1), moved, g * kept)
        left = ops.where(ops.expand_dims(allowed, -1), left, float("inf"))
        right = ops.where(spread(alive), g_first + eta * ops.sign(first), inside)
        return _as(grouping.unviewed([_unrows(left, skip), right], w), w)

    def critical_strength(self, gradient: Any) -> Any:
        grouping, (skip, first), _ = self._views(gradient)
        return ops.max(_norm(_rows(skip)) + self.hierarchy * grouping.sum([ops.abs(first)]))

    def _views(self, arrays: Any) -> tuple[Grouping, list[Any], float]:
        """The two arrays as [before, inputs, after], and the tolerance of the constraint."""
        if not isinstance(arrays, (list, tuple)) or len(arrays) != 2:
            one = len(arrays) if isinstance(arrays, (list, tuple)) else 1
            raise InputError(
                "Hierarchical needs the skip layer's and the first layer's weights together: "
                f'{{("skip", "first"): taut.Hierarchical(…)}}. Received: {one} '
                f"{'weight' if one == 1 else 'weights'}."
            )
        arrays = [ops.convert_to_tensor(a) for a in arrays]
        tolerance = max(1e-5, *(4 * _precision(a.dtype) for a in arrays if _is_half(a)), 0)
        wide = [ops.cast(a, "float32") if _is_half(a) else a for a in arrays]
        grouping = self.grouping_of(wide)
        return grouping, grouping.views(wide), tolerance

    def get_config(self) -> dict[str, Any]:
        return {"strength": self.strength, "hierarchy": self.hierarchy}


def _skip(v: Any, ratio: Any, pull: Any, bend: Any) -> Any:
    r"""[groups, n] the θ that minimise Σ (θ − v)²/(2·ratio) − pull·‖θ‖ + bend·‖θ‖²/2, by row.

    θ = v/q with q = 1 − r + r·γ, and γ the root of γ + pull/‖v/q‖ = 1 + bend. For pull ≥ 0 the
    left side is concave and increasing in γ, for pull < 0 the equation divided by γ is in 1/γ:
    Newton's method rises to the root, which it finds to a relative precision, also near 0.
    `ratio` None stands for ones.
    """
    n = v.shape[-1]
    column = lambda x: ops.expand_dims(x, -1)  # noqa: E731
    if ratio is None:
        norm = column(_norm(v))
        unit = ops.where(norm > 0, v / ops.where(norm > 0, norm, 1), np.eye(1, n, dtype="float32"))
        return unit * column(ops.maximum(norm[:, 0] + pull, 0) / (1 + bend))
    out, size = pull >= 0, ops.abs(pull)
    ratio = ops.maximum(ratio, 1e-15)
    goal, slope = ops.where(out, 1 + bend, 1), ops.where(out, 1, 1 + bend)
    rate = ops.where(column(out), ratio, 1 - ratio)

    def q(z: Any) -> Any:
        return ops.maximum(rate * column(z) + 1 - rate, TINY)

    def newton(z: Any) -> Any:
        below = q(z)
        left = v / below
        norm = ops.maximum(_norm(left), TINY)
        mean = ops.sum(ops.square(left / column(norm)) * rate / below, axis=-1)
        rise = ops.minimum(size / norm, 1 / TINY)
        return (goal - rise * (1 - z * mean)) / (slope + rise * mean)

    # Below the root, and the root itself for equal steps.
    widest = _norm(ops.where(ratio < 1, 0, v))
    start = ops.where(out, goal * widest / ops.maximum(widest + size, TINY), 0)
    z = largest_root(start, newton)
    theta = v / q(z) * column(ops.where(out, 1, z))
    # With γ = 0, the coordinates of the largest step, zero in v, take what θ lacks.
    norm = _norm(theta)
    b = ops.where(ops.logical_and(out, z <= 0), ops.maximum(pull / (1 + bend), norm), norm)
    rest = ops.sqrt(b - norm) * ops.sqrt(b + norm)
    return theta + column(rest) * ops.one_hot(ops.argmax(ratio, axis=-1), n, dtype=v.dtype)


def _beyond(grouping: Grouping, size: Any, weights: Any, level: Any) -> tuple[Any, Any]:
    """[groups] the sums of weights·size and of weights, over the sizes beyond a level."""
    # Products, since XLA's sums over a selection take several times as long on a CPU.
    beyond = ops.cast(size > grouping.spread(level), size.dtype) * weights
    return grouping.sum([beyond * size]), grouping.sum([beyond])


def _norm(x: Any) -> Any:
    """The Euclidean norm of each row, where squares may underflow."""
    largest = ops.max(ops.abs(x), axis=-1, keepdims=True)
    safe = ops.where(largest > 0, largest, 1)
    return safe[:, 0] * ops.sqrt(ops.sum(ops.square(x / safe), axis=-1))


def _rows(view: Any) -> Any:
    """[before, slices, after] as [slices, before·after]."""
    return ops.reshape(ops.transpose(view, (1, 0, 2)), (view.shape[1], -1))


def _unrows(rows: Any, view: Any) -> Any:
    before, slices, after = view.shape
    return ops.transpose(ops.reshape(rows, (slices, before, after)), (1, 0, 2))


def _as(arrays: list[Any], like: Any) -> list[Any]:
    return [
        ops.cast(a, ops.convert_to_tensor(w).dtype) for a, w in zip(arrays, like, strict=True)
    ]


def _is_half(a: Any) -> bool:
    return keras.backend.standardize_dtype(a.dtype) in HALVES


def _precision(dtype: Any) -> float:
    name = keras.backend.standardize_dtype(dtype)
    return {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float64": 2.0**-52}.get(name, 2.0**-23)
