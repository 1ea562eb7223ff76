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

    def _as_lists(self, *arrays: Any) -> list[Any]:
        return list(arrays) if self.listed else [[a] for a in arrays]

    def _as_given(self, arrays: list[Any]) -> Any:
        return arrays if self.listed else arrays[0]

    def value(self, w: Any, strength: Any) -> Any:
        (w,) = self._as_lists(w)
        return value_of(self._parts, w, self._strengths(strength))

    def prox(self, w: Any, step: Any, strength: Any) -> Any:
        (w,) = self._as_lists(w)
        steps = step if self.listed else [step]
        return self._as_given(prox_of(self._parts, w, steps, self._strengths(strength)))

    def distance(self, w: Any, gradient: Any, strength: Any) -> Any:
        w, gradient = self._as_lists(w, gradient)
        return self._as_given(distance_of(self._parts, w, gradient, self._strengths(strength)))

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
        (gradient,) = self._as_lists(gradient)
        if any(part.kind == "cone" for part in self._parts):
            gradient = [ops.minimum(g, 0) for g in gradient]
        found = decides.critical_strength(self._as_given(gradient))
        if decides.strength > 0:
            return found / decides.strength
        return ops.where(ops.equal(found, 0), found, float("inf"))

    def bind(self, binding: Binding) -> Self:
        return type(self)([part.bind(binding) for part in self._parts])

    def at(self, index: int) -> Penalty:
        return self if self.listed else type(self)([part.at(index) for part in self._parts])

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


def _steps(steps: Sequence[Any], like: Sequence[Any]) -> list[Any]:
    return list(steps) if isinstance(steps, (list, tuple)) else [steps] * len(like)


def value_of(parts: Parts, w: list[Any], strengths: Sequence[Any]) -> Any:
    """Σ_k α_k·R_k of a list of arrays."""
    total = 0
    for part, a in zip(parts, strengths, strict=True):
        if part.listed:
            total = total + part.value(w, a)
        else:
            total = total + sum(part.at(i).value(v, a) for i, v in enumerate(w))
    return total


def prox_of(parts: Parts, w: list[Any], steps: Any, strengths: Sequence[Any]) -> list[Any]:
    """The prox of Σ_k α_k·R_k of a list of arrays, by the rules in `Sum`.

    `steps` is a scalar, one step for all, or a list, of which each is a scalar or an array.
    """
    order = ("cone", "threshold", "separable", "group", "other")
    given = list(zip(parts, strengths, strict=True))
    quadratics = [pair for pair in given if pair[0].kind == "quadratic"]
    if quadratics:
        shared = not isinstance(steps, (list, tuple))
        total = sum(a for _, a in quadratics)
        w = [
            v + s * sum(a * part.at(i).centre(v) for part, a in quadratics)
            for i, (v, s) in enumerate(zip(w, _steps(steps, w), strict=True))
        ]
        shrink = [1 / (1 + s * total) for s in _steps(steps, w)]
        w = [v * k for v, k in zip(w, shrink, strict=True)]
        steps = steps * shrink[0] if shared else [s * k for s, k in zip(steps, shrink, strict=True)]
    for part, strength in sorted(
        given, key=lambda pair: order.index(pair[0].kind) if pair[0].kind in order else -1
    ):
        if part.kind == "quadratic":
            continue
        if part.listed:
            w = part.prox(w, steps, strength)
        else:
            w = [
                part.at(i).prox(v, s, strength)
                for i, (v, s) in enumerate(zip(w, _steps(steps, w), strict=True))
            ]
    return w


def distance_of(
    parts: Parts, w: list[Any], gradient: list[Any], strengths: Sequence[Any]
) -> list[Any]:
    """The residual of stationarity of a list of arrays: slopes that are intervals add up."""
    low, high = list(gradient), list(gradient)
    whole = None
    for part, strength in zip(parts, strengths, strict=True):
        if isinstance(part, Separable):
            for i, v in enumerate(w):
                lo, hi = part.at(i).subdifferential(v, strength)
                low[i], high[i] = low[i] + lo, high[i] + hi
        else:
            whole = part, strength
    if whole is None:
        return [outside(lo, hi, 0) for lo, hi in zip(low, high, strict=True)]
    part, strength = whole
    if part.kind == "group":
        return part.distance_within(w, low, high, strength)
    # Only quadratics can be beside it: low and high are the same.
    if part.listed:
        return part.distance(w, low, strength)
    return [
        part.at(i).distance(v, g, strength) for i, (v, g) in enumerate(zip(w, low, strict=True))
    ]
