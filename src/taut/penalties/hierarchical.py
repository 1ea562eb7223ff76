"""The hierarchical penalty of LassoNet: an input acts in the network only if it acts in a skip."""

from __future__ import annotations

from typing import Any, Self

import keras
from keras import ops

from taut.checks import check_above
from taut.errors import InputError
from taut.penalties.base import Binding, Grouped
from taut.penalties.groups import Grouping, eps_of, largest_root

TINY, LARGE = 1e-30, 1e20


@keras.saving.register_keras_serializable("taut")
class Hierarchical(Grouped):
    r"""LassoNet's penalty α·Σ_j ‖θ_j‖₂, subject to |W_jk| ≤ M·‖θ_j‖₂: inputs are chosen.

    θ [inputs, outputs] is the kernel of a linear skip from the inputs, W [inputs, hidden] that of
    the network's first layer (or kernels of convolutions). An input whose skip is zero is read by
    nothing, and L1's evasion, small first weights and large later ones, is closed. M = 0 would
    leave the linear model, M = ∞ a free first layer. Outside of the constraint, by more than a
    relative 1e-5 (8 units in the last place in half precision), αR is infinite.

    prox, in any diagonal metric with steps s for θ and t for W: with b = ‖θ_j‖,

        W_k = sign(u_k)·min(|u_k|, M·b),   θ_i = v_i·b/(b + s_i·c),   b + s_i·c ≥ 0,
        c = α − M·Σ_k (|u_k| − M·b)₊/t_k,

    and b = 0 where ‖v/s‖₂ + M·Σ|u_k|/t_k ≤ α. The problem in b alone is convex, so b is unique.
    θ_j's direction is not where v_j = 0 and W moves it off zero: the first output (of those of the
    largest step) takes it, with a plus sign.

    Residual of stationarity: where θ_j ≠ 0, the least of ‖g_θ + (α − M·Ση)·θ_j/b‖² +
    Σ_k (g_k + η_k·sign(W_k))² over η ≥ 0 that are zero where |W_jk| < M·b. Where θ_j = 0, the
    slope of the steepest descent, ‖prox(−g)‖ with a step of 1: zero in the ball ‖g_θ‖₂ +
    M·‖g_W‖₁ ≤ α, the subdifferential, and outside of it somewhat less than the distance to it,
    since R is not convex.
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
        >>> penalty = taut.Hierarchical(0.1, hierarchy=2.0)
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
        check_above(0, hierarchy=hierarchy)
        self.hierarchy = float(hierarchy)

    def value(self, w: Any, strength: Any) -> Any:
        _, (skip, first), tolerance = self._views(w)
        norm, largest = _norm(_rows(skip)), ops.max(ops.abs(first), axis=(0, 2))
        kept = ops.all(largest <= self.hierarchy * (1 + tolerance) * norm)
        return ops.where(kept, ops.cast(strength, norm.dtype) * ops.sum(norm), float("inf"))

    def prox(self, w: Any, step: Any, strength: Any) -> Any:
        grouping, (skip, first), _ = self._views(w)
        steps = grouping.views(step if isinstance(step, (list, tuple)) else [step] * 2)
        s, t = (ops.maximum(ops.cast(a, skip.dtype), TINY) for a in steps)
        v, size, m = _rows(skip), ops.abs(first), self.hierarchy
        # In units of the largest step of the skip, since only ratios of steps matter.
        unit = ops.max(s, axis=(0, 2))
        ratio = _rows(s) / _column(unit) if max(s.shape[0], s.shape[2]) > 1 else None
        weights = ops.minimum(grouping.spread(unit) / t, LARGE)
        price = unit * ops.cast(strength, v.dtype)

        def going(number: Any, point: Any, root: Any, theta: Any, more: Any) -> Any:
            del number, point, root, theta
            return more

        def move(number: Any, point: Any, root: Any, theta: Any, more: Any) -> tuple[Any, ...]:
            del theta, more
            # What W costs as a function of ‖θ‖, if it is at its bound where it is at M·point:
            # at least the true cost, so that the solution is at most the root.
            total, count = _beyond(grouping, size, weights, m * point)
            theta = _skip(v, ratio, m * total - price, m**2 * count)
            new, first_time = _norm(theta), ops.equal(number, 0)
            root = ops.where(ops.logical_or(first_time, root > 0), ops.maximum(root, new), 0)
            rises = ops.any(new - point > 4 * eps_of(new) * new)
            more = ops.logical_or(rises, ops.equal(number, 1))
            guess = ops.where(root > 0, norm, 0)
            return number + 1, ops.where(first_time, guess, root), root, theta, more

        # First from 0, which tells what stays zero, and from ‖v‖, close by where training is near
        # its end; then the solutions rise to the root, exactly, once it is known which weights
        # are at their bound: a few passes over W.
        norm, zero = _norm(v), ops.zeros_like(v[:, 0])
        number, more = ops.convert_to_tensor(0), ops.convert_to_tensor(True)
        state = (number, zero, zero, v, more)
        theta = ops.while_loop(going, move, state, maximum_iterations=64)[3]
        b = _norm(theta)
        bound = grouping.spread(m * b)
        views = [_unrows(theta, skip), ops.maximum(ops.minimum(first, bound), -bound)]
        return grouping.unviewed(views, w)

    def distance(self, w: Any, gradient: Any, strength: Any) -> Any:
        grouping, (skip, first), tolerance = self._views(w)
        _, (g_skip, g_first), _ = self._views(gradient)
        theta, g, m, spread = _rows(skip), _rows(g_skip), self.hierarchy, grouping.spread
        strength = ops.cast(strength, theta.dtype)
        b, size = _norm(theta), ops.abs(first)
        alive = b > 0
        unit = theta / _column(ops.where(alive, b, 1))
        slope = strength + ops.sum(g * unit, axis=-1)
        # η = (push + M·(slope − x))₊ at the bound, with x = M·Ση the root.
        held = ops.logical_and(spread(alive), size >= m * (1 - tolerance) * spread(b))
        pushes = ops.where(held, spread(m * slope) - g_first * ops.sign(first), 0)

        def newton(x: Any) -> Any:
            total, count = _beyond(grouping, pushes, ops.ones_like(pushes), m * x)
            return m * total / (1 + m**2 * count)

        x = largest_root(ops.zeros_like(b), newton)
        eta = ops.maximum(pushes - spread(m * x), 0)
        moved = g + _column(strength - x) * unit
        allowed = ops.max(size, axis=(0, 2)) <= m * (1 + tolerance) * b
        moved = ops.where(_column(allowed), moved, float("inf"))
        views = [_unrows(moved, skip), g_first + eta * ops.sign(first)]
        # From zero αR rises as steeply far out as near by: a step of 1 shows its least slope.
        steepest = grouping.views(
            self.prox([-ops.convert_to_tensor(a) for a in gradient], 1.0, strength)
        )
        dead = spread(ops.logical_and(b <= 0, allowed))
        views = [ops.where(dead, a, f) for a, f in zip(steepest, views, strict=True)]
        return grouping.unviewed(views, w)

    def critical_strength(self, gradient: Any) -> Any:
        grouping, (skip, first), _ = self._views(gradient)
        return ops.max(_norm(_rows(skip)) + self.hierarchy * grouping.sum([ops.abs(first)]))

    def bind(self, binding: Binding) -> Self:
        self._views(list(binding.values))  # two weights, or an error now
        return super().bind(binding)

    def _views(self, arrays: Any) -> tuple[Grouping, list[Any], float]:
        """The two arrays as [before, inputs, after], and the tolerance of the constraint."""
        if not isinstance(arrays, (list, tuple)) or len(arrays) != 2:
            count = len(arrays) if isinstance(arrays, (list, tuple)) else 1
            raise InputError(
                "Hierarchical needs the skip layer's and the first layer's weights together: "
                f'{{("skip", "first"): taut.Hierarchical(…)}}. Received: {count} '
                f"{'weight' if count == 1 else 'weights'}."
            )
        arrays = [ops.convert_to_tensor(a) for a in arrays]
        grouping = self.grouping_of(arrays)
        return grouping, grouping.views(arrays), max(1e-5, *(8 * eps_of(a) for a in arrays))

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
    if ratio is None:
        norm = _column(_norm(v))
        unit = v / ops.where(norm > 0, norm, 1)
        unit = ops.where(norm > 0, unit, ops.eye(1, n, dtype=v.dtype))
        return unit * _column(ops.maximum(norm[:, 0] + pull, 0) / (1 + bend))
    out, size = pull >= 0, ops.abs(pull)
    ratio = ops.maximum(ratio, 1e-15)
    goal, slope = ops.where(out, 1 + bend, 1), ops.where(out, 1, 1 + bend)
    rate = ops.where(_column(out), ratio, 1 - ratio)
    base = ops.where(_column(out), 1 - ratio, ratio)

    def q(z: Any) -> Any:
        return ops.maximum(rate * _column(z) + base, TINY)

    def newton(z: Any) -> Any:
        below = q(z)
        left = v / below
        norm = ops.maximum(_norm(left), TINY)
        mean = ops.sum(ops.square(left / _column(norm)) * rate / below, axis=-1)
        rise = ops.minimum(size / norm, LARGE)
        return (goal - rise * (1 - z * mean)) / (slope + rise * mean)

    # Below the root, and the root itself for equal steps.
    widest = _norm(ops.where(ratio < 1, 0, v))
    start = ops.where(out, goal * widest / ops.maximum(widest + size, TINY), 0)
    z = largest_root(start, newton)
    theta = v / q(z) * _column(ops.where(out, 1, z))
    # With γ = 0, the coordinates of the largest step, zero in v, take what θ lacks.
    norm = _norm(theta)
    b = ops.where(ops.logical_and(out, z <= 0), ops.maximum(pull / (1 + bend), norm), norm)
    rest = ops.sqrt(b - norm) * ops.sqrt(b + norm)
    return theta + _column(rest) * ops.one_hot(ops.argmax(ratio, axis=-1), n, dtype=v.dtype)


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


def _column(x: Any) -> Any:
    return ops.expand_dims(x, -1)


def _rows(view: Any) -> Any:
    """[before, slices, after] as [slices, before·after]."""
    return ops.reshape(ops.transpose(view, (1, 0, 2)), (view.shape[1], -1))


def _unrows(rows: Any, view: Any) -> Any:
    before, slices, after = view.shape
    return ops.transpose(ops.reshape(rows, (slices, before, after)), (1, 0, 2))
