"""What a penalty is, and the sum of two."""

from __future__ import annotations

import math
from typing import Any, Self

import keras
from keras import ops

from taut.errors import InputError, UnsupportedError


def check_strength(value: Any, name: str = "strength") -> float:
    """Return `value` as a float, or raise: a strength is a finite number >= 0."""
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise InputError(f"`{name}` must be a finite number >= 0. Received: {name}={value!r}.")
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise InputError(f"`{name}` must be a finite number >= 0. Received: {name}={value!r}.")
    return number


class Penalty(keras.regularizers.Regularizer):
    r"""A function R of one weight array, and its strength α: the penalty is α·R(w).

    A subclass says what R is by four methods. `strength` is an argument of each, because in
    training it is a variable of the optimizer, not the number kept here. Their laws, which the
    tests check for every penalty registered in `taut.penalties.ALL`:

    * `value(w)` is R(w), a scalar, finite and >= 0, and R(0) = 0.
    * `prox(w, step, strength)` minimises Σ (u−w)²/(2·step) + strength·R(u) over u. `step` is a
      scalar or has the shape of w: a step a coordinate (the optimizer's metric).
    * `distance(w, gradient, strength)` has the shape of w, and its Euclidean norm is the
      distance of −gradient to strength·∂R(w): zero exactly where w is stationary.
    * `critical_strength(gradient)` is the least strength at which w = 0 is stationary for that
      gradient of the data loss, or infinity where no strength suffices.

    Every penalty is also a Keras regularizer: called on a weight it returns α·R(w).

    Args:
        strength: α, a finite number >= 0.

    Raises:
        InputError: If the strength is negative, not finite or not a number.
    """

    quadratic = False
    """Whether R is (1/2)·Σ w², which joins any other penalty in a sum."""
    sparse = False
    """Whether its prox makes exact zeros."""

    def __init__(self, strength: float = 0.01):
        self.strength = check_strength(strength)

    def value(self, w: Any) -> Any:
        """R(w), a scalar."""
        raise NotImplementedError

    def prox(self, w: Any, step: Any, strength: Any) -> Any:
        """The minimiser of Σ (u−w)²/(2·step) + strength·R(u), of the shape of `w`."""
        raise NotImplementedError

    def distance(self, w: Any, gradient: Any, strength: Any) -> Any:
        """The residual of stationarity by entry; zero where −gradient ∈ strength·∂R(w)."""
        raise NotImplementedError

    def critical_strength(self, gradient: Any) -> Any:
        """The least strength at which w = 0 is stationary, given the data loss's gradient."""
        raise NotImplementedError

    @property
    def parts(self) -> tuple[Penalty, ...]:
        """The penalties that this one is the sum of: itself alone, but for a `Sum`."""
        return (self,)

    def __call__(self, x: Any) -> Any:
        return self.strength * self.value(x)

    def __add__(self, other: Penalty) -> Sum:
        if not isinstance(other, Penalty):
            return NotImplemented
        return Sum([*self.parts, *other.parts])

    def with_strength(self, strength: float) -> Self:
        """The same penalty at another strength."""
        return type(self).from_config({**self.get_config(), "strength": strength})

    def get_config(self) -> dict[str, Any]:
        return {"strength": self.strength}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)

    def __repr__(self) -> str:
        inside = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({inside})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.get_config() == other.get_config()  # type: ignore[union-attr]

    def __hash__(self) -> int:
        return hash(repr(self))


@keras.saving.register_keras_serializable("taut")
class Sum(Penalty):
    r"""Σ_k α_k·R_k(w), where the prox of the sum is known: one penalty plus any number of L2.

    For f any penalty and q(w) = (a/2)·Σ w² the sum is exact in every diagonal metric,

        prox_{s(f+q)}(v) = prox_{s/(1+s·a)·f}(v / (1+s·a)).

    Written `taut.L1(0.01) + taut.L2(0.1)`. Each part keeps a strength of its own; the strength
    that the methods take multiplies them all.

    Args:
        penalties: The parts.

    Raises:
        UnsupportedError: If more than one part is not an `L2`.

    References:
        Parikh and Boyd, Proximal Algorithms, 2014, section 2.2.
    """

    def __init__(self, penalties: list[Penalty]):
        self._parts = tuple(part for penalty in penalties for part in penalty.parts)
        check_sum(self._parts)
        self.strength = 1.0

    @property
    def parts(self) -> tuple[Penalty, ...]:
        return self._parts

    def _strengths(self, strength: Any = 1.0) -> list[Any]:
        return [strength * part.strength for part in self._parts]

    def value(self, w: Any) -> Any:
        return sum_value(self._parts, w, self._strengths())

    def prox(self, w: Any, step: Any, strength: Any) -> Any:
        return sum_prox(self._parts, w, step, self._strengths(strength))

    def distance(self, w: Any, gradient: Any, strength: Any) -> Any:
        return sum_distance(self._parts, w, gradient, self._strengths(strength))

    def critical_strength(self, gradient: Any) -> Any:
        # L2 parts have no gradient at zero: the other part decides alone.
        rest = [part for part in self._parts if not part.quadratic]
        decides = rest[0] if rest else self._parts[0]
        return decides.critical_strength(gradient) / (decides.strength or 1.0)

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


def check_sum(parts: tuple[Penalty, ...]) -> None:
    """Raise unless the prox of the sum of `parts` is known."""
    if sum(not part.quadratic for part in parts) > 1:
        raise UnsupportedError(
            "At most one penalty of a sum may be other than L2: the prox of other sums is not "
            f"known. Received: {' + '.join(map(repr, parts))}. For L1 and L2 together use "
            "`taut.L1(a) + taut.L2(b)` or `taut.ElasticNet`."
        )


def sum_value(parts: tuple[Penalty, ...], w: Any, strengths: list[Any]) -> Any:
    """Σ_k α_k·R_k(w)."""
    return sum(a * part.value(w) for part, a in zip(parts, strengths, strict=True))


def sum_prox(parts: tuple[Penalty, ...], w: Any, step: Any, strengths: list[Any]) -> Any:
    """The prox of Σ_k α_k·R_k, by the rule in `Sum`."""
    quadratic = sum(a for part, a in zip(parts, strengths, strict=True) if part.quadratic)
    rest = [(p, a) for p, a in zip(parts, strengths, strict=True) if not p.quadratic]
    if len(rest) < len(parts):
        shrink = 1 / (1 + step * quadratic)
        w, step = w * shrink, step * shrink
    for part, strength in rest:
        w = part.prox(w, step, strength)
    return w


def sum_distance(parts: tuple[Penalty, ...], w: Any, gradient: Any, strengths: list[Any]) -> Any:
    """The residual of stationarity of the sum: L2 parts are smooth and join the gradient."""
    rest = None
    for part, strength in zip(parts, strengths, strict=True):
        if part.quadratic:
            gradient = gradient + strength * w
        else:
            rest = part, strength
    if rest is None:
        return ops.abs(gradient)
    return rest[0].distance(w, gradient, rest[1])
