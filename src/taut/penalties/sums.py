"""Sums of penalties, where the prox of the sum is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import keras
from keras import ops

from taut.errors import InputError, UnsupportedError
from taut.penalties.base import Binding, Penalty, Separable, outside
from taut.penalties.separable import L2

Parts = Sequence[Any]


@keras.saving.register_keras_serializable("taut")
class Sum(Penalty):
    r"""Σ_k α_k·R_k(w), where the prox of the sum is known in every diagonal metric.

    Known are, together:

    * any number of quadratics (`L2`, `L2SP`), with anything: for q(w) = (a/2)·Σ (w−c)²,
      prox_{s(f+q)}(v) = prox_{s'f}((v + s·a·c)/(1 + s·a)) with s' = s/(1 + s·a);
    * `NonNegative`, with at most one penalty that treats each weight alone:
      prox_f(max(v, 0));
    * one group lasso, with at most one of `L1` and `WeightedL1`, and `NonNegative`: the group
      lasso's prox after theirs.

    Written `taut.L1(0.01) + taut.L2(0.1)`. Each part keeps a strength of its own; the strength
    that the methods take multiplies them all.

    Args:
        penalties: The parts.

    Raises:
        UnsupportedError: If the prox of the sum is not known.

    References:
        Parikh and Boyd, Proximal Algorithms, 2014, section 2.2.
        Yu, On decomposing the proximal map, 2013 (the group lasso after the lasso).
    """

    for_lists = True

    def __init__(self, penalties: list[Penalty]):
        self._parts = tuple(part for penalty in penalties for part in penalty.parts)
        check_sum(self._parts)
        self.strength = 1.0
        self.sparse = any(part.sparse for part in self._parts)
        self.convex = all(part.convex for part in self._parts)
        self.scalar_step = any(part.scalar_step for part in self._parts)
        named = [part.groups for part in self._parts if part.groups is not None]
        self.groups = named[0] if named else None

    @property
    def parts(self) -> tuple[Penalty, ...]:
        return self._parts

    def _strengths(self, strength: Any) -> list[Any]:
        return [strength * part.strength for part in self._parts]

    def value(self, w: Any, strength: Any) -> Any:
        return value_of(self._parts, w, self._strengths(strength))

    def prox(self, w: Any, step: Any, strength: Any) -> Any:
        return prox_of(self._parts, w, step, self._strengths(strength))

    def distance(self, w: Any, gradient: Any, strength: Any) -> Any:
        return distance_of(self._parts, w, gradient, self._strengths(strength))

    def critical_strength(self, gradient: Any) -> Any:
        rest = [part for part in self._parts if part.kind not in ("quadratic", "cone")]
        shifted = any(p.kind == "quadratic" and not isinstance(p, L2) for p in self._parts)
        if len(rest) > 1 or shifted:
            raise UnsupportedError(
                "The critical strength is known for sums of one penalty with L2 and NonNegative. "
                f"Received: {self!r}. Give the strengths to try yourself."
            )
        # L2 has no slope at zero; NonNegative holds at zero what would turn negative.
        decides = rest[0] if rest else self._parts[0]
        if any(part.kind == "cone" for part in self._parts):
            gradient = [ops.minimum(g, 0) for g in gradient]
        critical = decides.critical_strength(gradient)
        if decides.strength > 0:
            return critical / decides.strength
        return ops.where(ops.equal(critical, 0), critical, float("inf"))

    def bind(self, binding: Binding) -> Self:
        return type(self)([part.bind(binding) for part in self._parts])

    def each(self, count: int) -> list[Penalty]:
        rows = zip(*(part.each(count) for part in self._parts), strict=True)
        return [type(self)(list(row)) for row in rows]

    def unbound(self) -> Self:
        return type(self)([part.unbound() for part in self._parts])

    def get_config(self) -> dict[str, Any]:
        parts = [keras.saving.serialize_keras_object(part) for part in self._parts]
        return {"penalties": parts}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls([keras.saving.deserialize_keras_object(part) for part in config["penalties"]])

    def with_strength(self, strength: float) -> Self:
        raise InputError(
            "A sum of penalties has one strength a part. Build the sum from parts with the "
            f"strengths you want. Received: strength={strength!r} for {self!r}."
        )

    def __repr__(self) -> str:
        return " + ".join(map(repr, self._parts))


def prox_is_known(parts: Parts) -> bool:
    """Whether the prox of the sum of `parts` is known.

    More are known than a `Sum` allows, which has one penalty on single weights: any number of
    soft thresholds may come before another, since αR never falls as |w| grows.
    """
    count = dict.fromkeys(("quadratic", "cone", "threshold", "separable", "group", "other"), 0)
    for part in parts:
        count[part.kind] += 1
    alone = count["threshold"] + count["separable"]
    return (
        count["separable"] <= 1
        and count["cone"] <= 1
        and count["group"] + count["other"] <= 1
        and not (count["group"] and count["separable"])
        and not (count["other"] and (alone or count["cone"]))
    )


def check_sum(parts: Parts) -> None:
    """Raise unless the prox of the sum of `parts` is known, with one on single weights at most."""
    alone = sum(part.kind in ("threshold", "separable") for part in parts)
    known = prox_is_known(parts) and alone <= 1
    if not known:
        kinds = {type(part).__name__ for part in parts}
        remedy = "Write an elastic net as `taut.L1(a) + taut.L2(b)`."
        if len(kinds) == 1 and len(parts) > 1:
            remedy = f"Add their strengths in one: `taut.{kinds.pop()}(a + b)`."
        raise UnsupportedError(
            "The prox of a sum is known for any number of L2 and L2SP with one other penalty, "
            "for NonNegative with one penalty on single weights, and for a group lasso with L1, "
            f"WeightedL1 and NonNegative. Received: {' + '.join(map(repr, parts))}. {remedy}"
        )


def value_of(parts: Parts, w: list[Any], strengths: Sequence[Any]) -> Any:
    """Σ_k α_k·R_k of a list of arrays."""
    return sum(part.value(w, a) for part, a in zip(parts, strengths, strict=True))


def prox_of(parts: Parts, w: list[Any], steps: Any, strengths: Sequence[Any]) -> list[Any]:
    """The prox of Σ_k α_k·R_k of a list of arrays, by the rules in `Sum`.

    `steps` is a scalar, one step for all, or a list, of which each is a scalar or an array.
    """
    order = ("cone", "threshold", "separable", "group", "other")
    given = list(zip(parts, strengths, strict=True))
    quadratics = [(part.each(len(w)), a) for part, a in given if part.kind == "quadratic"]
    if quadratics:
        total = sum(a for _, a in quadratics)
        shared = not isinstance(steps, (list, tuple))
        each = [steps] * len(w) if shared else steps
        pulls = [
            sum(a * penalties[i].centre(v) for penalties, a in quadratics) for i, v in enumerate(w)
        ]
        shrink = [1 / (1 + s * total) for s in each]
        w = [(v + s * p) * k for v, s, p, k in zip(w, each, pulls, shrink, strict=True)]
        steps = steps * shrink[0] if shared else [s * k for s, k in zip(each, shrink, strict=True)]
    others = [pair for pair in given if pair[0].kind != "quadratic"]
    for part, strength in sorted(others, key=lambda pair: order.index(pair[0].kind)):
        w = part.prox(w, steps, strength)
    return w


def distance_of(
    parts: Parts, w: list[Any], gradient: list[Any], strengths: Sequence[Any]
) -> list[Any]:
    """The residual of stationarity of a list of arrays: slopes that are intervals add up."""
    low, high = list(gradient), list(gradient)
    whole = None
    for part, strength in zip(parts, strengths, strict=True):
        if isinstance(part, Separable):
            for i, (penalty, v) in enumerate(zip(part.each(len(w)), w, strict=True)):
                least, most = penalty.subdifferential(v, strength)
                low[i], high[i] = low[i] + least, high[i] + most
        else:
            whole = part, strength
    if whole is None:
        return [outside(a, b, 0) for a, b in zip(low, high, strict=True)]
    part, strength = whole
    if part.kind == "group":
        return part.distance_within(w, low, high, strength)
    # Only quadratics can be beside it: low and high are the same.
    return part.distance(w, low, strength)
