"""Constraints as penalties that are 0 inside and infinite outside: signs and norms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self

import keras
from keras import ops

from taut.checks import check_above
from taut.errors import InputError
from taut.penalties.balls import norm_of, normal_distance, project, tolerance
from taut.penalties.base import Grouped, Penalty, Separable
from taut.penalties.groups import Grouping


class Constraint(Penalty):
    """A penalty without a strength: 0 where the constraint holds, infinite elsewhere."""

    def with_strength(self, strength: float) -> Self:
        raise InputError(
            "A constraint has no strength: it holds or it does not. Received: "
            f"strength={strength!r} for {self!r}. Use the constraint as it is."
        )


@keras.saving.register_keras_serializable("taut")
class NonNegative(Constraint, Separable):
    r"""The constraint w >= 0, for each weight.

    value: 0 where it holds, else infinite. prox: max(w, 0), for every step.
    Residual of stationarity: |g| where w > 0, max(−g, 0) where w = 0, infinite where w < 0.
    Critical strength: 0 where g >= 0, otherwise infinite; a constraint has no strength.

    Alone, or in a sum with one penalty on single weights, or with group lassos: see `Sum`.

    Example:
        >>> from taut.penalties import NonNegative
        >>> float(NonNegative()([1.0, -2.0]))
        inf

    References:
        Lee and Seung, Learning the parts of objects by non-negative matrix factorization, 1999.
        Parikh and Boyd, Proximal Algorithms, 2014, section 6.2.
    """

    kind = "cone"
    sparse = True

    def __init__(self):
        super().__init__(1.0)

    def value(self, w: Any, strength: Any) -> Any:
        del strength
        return ops.sum(ops.where(w < 0, ops.full_like(w, float("inf")), ops.zeros_like(w)))

    def prox(self, w: Any, step: Any, strength: Any) -> Any:
        del step, strength
        return ops.maximum(w, 0)

    def subdifferential(self, w: Any, strength: Any) -> tuple[Any, Any]:
        del strength
        zero, everything = ops.zeros_like(w), ops.full_like(w, float("inf"))
        # Outside there is no slope at all: the interval is empty, and nothing is near it.
        low = ops.where(w > 0, zero, ops.where(w < 0, everything, -everything))
        return low, ops.where(w < 0, -everything, zero)

    def critical_strength(self, gradient: Any) -> Any:
        least = ops.min(gradient)
        return ops.where(least >= 0, ops.zeros_like(least), float("inf"))

    def get_config(self) -> dict[str, Any]:
        return {}


@keras.saving.register_keras_serializable("taut")
class NormBall(Constraint, Grouped):
    r"""The constraint ‖w‖ <= radius, for each array, or for each group: max-norm and others.

    value: 0 where it holds to a relative tolerance of 1e-5, else infinite.
    prox: the nearest point in the metric Σ(u−w)²/(2s), with μ the root of ‖u‖ = radius where
    ‖w‖ is larger:

        norm=2:      u = w/(1 + s·μ)                          (w·radius/‖w‖ for one step)
        norm=1:      u = sign(w)·max(|w| − s·μ, 0)            (with exact zeros)
        norm="inf":  u = clip(w, −radius, radius)

    Residual of stationarity: the distance of −g to the normal cone: |g| inside; on the boundary,
    again to 1e-5, ‖g + t·u‖ with the best t >= 0 and subgradient u of the norm; infinite outside.
    In half precision the tolerance is eight units in the last place.
    Critical strength: 0 where g = 0, otherwise infinite; a constraint has no strength.

    With `groups="units"` and `norm=2` it is the max-norm constraint that goes with dropout; with
    `axis=0` that is Keras's `MaxNorm`, whose groups are without biases. In sums with quadratics
    only.

    Args:
        radius: A finite number > 0.
        norm: 2, 1 or "inf".
        groups: None, each array by itself; or as in `GroupLasso`: `"units"`, `"inputs"`,
            `"rows"` or lists of inputs, where a group may run through several arrays.
        axis: In place of `groups`: the axis or axes that each norm is taken over, of each array
            by itself. The others must be neighbours.

    Raises:
        InputError: If the radius is not a finite number > 0, or the norm, the groups or the axes
            are none of these.

    Example:
        >>> from taut.penalties import NormBall
        >>> u = NormBall(1.0).prox(keras.ops.array([3.0, 4.0]), 1.0, 1.0)
        >>> [round(float(v), 6) for v in u]
        [0.6, 0.8]

    References:
        Srebro and Shraibman, Rank, trace-norm and max-norm, 2005; Srivastava et al., Dropout,
        2014 (max-norm).
        Duchi et al., Efficient projections onto the l1-ball, 2008.
        Moré and Sorensen, Computing a trust region step, 1983 (the root for norm 2).
    """

    kind = "other"
    for_lists = True

    def __init__(
        self,
        radius: float = 1.0,
        *,
        norm: int | str = 2,
        groups: str | Sequence[Sequence[int]] | None = None,
        axis: int | Sequence[int] | None = None,
    ):
        super().__init__(1.0, groups="inputs" if groups is None else groups)
        check_above(0, radius=radius)
        if isinstance(norm, bool) or norm not in (1, 2, "inf"):
            raise InputError(f"`norm` must be 2, 1 or 'inf'. Received: norm={norm!r}.")
        self.radius = float(radius)
        self.norm = norm
        axes = (axis,) if isinstance(axis, int) else tuple(axis or ())
        whole = all(isinstance(i, int) and not isinstance(i, bool) for i in axes)
        if not whole or (axis is not None and (groups is not None or not axes)):
            raise InputError(
                "`axis` must be an axis or several, in place of `groups`. "
                f"Received: axis={axis!r}, groups={groups!r}."
            )
        if groups is None:
            self.groups = None
        self.axis = axes or None
        self.sparse = norm == 1

    def grouping_of(self, w: list[Any]) -> Grouping:
        if self.groups is not None:
            return super().grouping_of(w)
        return self.grouping_along(tuple(w[0].shape))

    def grouping_along(self, shape: tuple[int, ...]) -> Grouping:
        """The groups of one array: one for all places on the axes that no norm is taken over.

        Raises:
            InputError: If the array lacks an axis, or if those left over are not neighbours.
        """
        rank = len(shape)
        axes = range(rank) if self.axis is None else {i + rank * (i < 0) for i in self.axis}
        left = [i for i in range(rank) if i not in axes]
        neighbours = not left or left == list(range(left[0], left[-1] + 1))
        if not set(axes) <= set(range(rank)) or not neighbours:
            raise InputError(
                "`axis` must name axes of the array, and leave neighbours over. "
                f"Received: axis={self.axis} for the shape {shape}."
            )
        first, last = (left[0], left[-1] + 1) if left else (0, 0)
        return Grouping(
            ((math.prod(shape[:first]), math.prod(shape[first:last]), math.prod(shape[last:])),)
        )

    def value(self, w: Any, strength: Any) -> Any:
        del strength
        grouping = self.grouping_of(w)
        size = norm_of(grouping, grouping.views(w), self.norm)
        holds = ops.all(size <= self.radius * (1 + tolerance(w[0])))
        return ops.where(holds, ops.zeros_like(size[0]), float("inf"))

    def prox(self, w: Any, step: Any, strength: Any) -> Any:
        del strength
        grouping = self.grouping_of(w)
        steps = grouping.views(step) if isinstance(step, list) else step
        moved = project(grouping, grouping.views(w), steps, self.radius, self.norm)
        return grouping.unviewed(moved, w)

    def distance(self, w: Any, gradient: Any, strength: Any) -> Any:
        del strength
        grouping = self.grouping_of(w)
        views, slopes = grouping.views(w), grouping.views(gradient)
        slack = tolerance(w[0])
        left = normal_distance(grouping, views, slopes, self.radius, self.norm, slack)
        return grouping.unviewed(left, w)

    def critical_strength(self, gradient: Any) -> Any:
        largest = ops.max(ops.stack([ops.max(ops.abs(g)) for g in gradient]))
        return ops.where(ops.equal(largest, 0), largest, float("inf"))

    def get_config(self) -> dict[str, Any]:
        config = {"radius": self.radius, "norm": self.norm, "groups": self.groups}
        return config if self.axis is None else {**config, "axis": list(self.axis)}
