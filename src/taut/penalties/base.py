"""What a penalty is."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import keras
import numpy as np
from keras import ops

from taut.checks import check_at_least
from taut.errors import InputError
from taut.penalties.groups import Grouping
from taut.penalties.lists import METHODS, takes_lists

Kind = Literal["quadratic", "cone", "threshold", "separable", "group", "other"]


@dataclass(frozen=True)
class Binding:
    """The weights that a penalty is put on, for penalties that must know them.

    Attributes:
        paths: The path of each variable.
        values: The present value of each.
        constants: Keeps arrays, one a variable, with the optimizer's variables, so that they are
            saved with the model; returns the variables that hold them.
        grouping: How the variables divide into groups, for penalties on groups.
    """

    paths: tuple[str, ...]
    values: tuple[np.ndarray, ...]
    constants: Any
    grouping: Grouping | None = None


class Penalty(keras.regularizers.Regularizer):
    r"""A function of weights with a strength α, most often α·R(w).

    A subclass says what it is by four methods. `strength` is an argument of each, because in
    training it is a variable of the optimizer, not the number kept here. Their laws, which
    `taut.testing.check_penalty` checks:

    * `value(w, strength)` is αR(w), a scalar >= 0; infinite outside of a constraint.
    * `prox(w, step, strength)` minimises Σ (u−w)²/(2·step) + αR(u) over u. `step` is a scalar
      or has the shape of w: a step a coordinate (the optimizer's metric).
    * `distance(w, gradient, strength)` has the shape of w, and its Euclidean norm is the
      distance of −gradient to the subdifferential of αR at w: zero exactly where w is stationary.
    * `critical_strength(gradient)` is the least strength at which w = 0 is stationary for that
      gradient of the data loss, or infinity where no strength suffices.

    Here w is one array, for which a subclass writes them. They take a list of arrays too, with
    lists of steps (or one scalar) and of gradients: each array is then treated alone, and the
    values add up. A penalty on groups (`kind` "group", or a `groups` that is not None) is
    written for lists, since a group may run through several arrays. What a penalty must know of
    the model it learns from `bind`.

    Every penalty is also a Keras regularizer: called on a weight it returns αR(w).

    Args:
        strength: α, a finite number >= 0.

    Raises:
        InputError: If the strength is negative, not finite or not a number.
    """

    kind: Kind = "separable"
    """What sums with it are known: see `Sum`. "separable" and "threshold" promise that αR never
    falls as |w| grows."""
    sparse = False
    """Whether its prox makes exact zeros."""
    convex = True
    """Whether αR is convex, so that its prox is nonexpansive and its stationary points minima."""
    groups: Any = None
    """What a group is: "inputs", "units", "rows", or lists of inputs; None without groups."""
    curvature: float = 0.0
    """The largest μ for which R − (μ/2)·Σ w² is known to be convex."""
    scalar_step = False
    """Whether the prox is known only for one step for all weights of an array."""
    for_lists = False
    """Whether its class writes the four methods for lists of arrays even without groups."""
    shapes: tuple[tuple[int, ...], ...] = ((4, 3),)
    """The shapes of weights on which `taut.testing.check_penalty` checks the laws."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in METHODS:
            if name in vars(cls):
                setattr(cls, name, takes_lists(vars(cls)[name]))

    def __new__(cls, *args: Any, **options: Any) -> Self:
        known = inspect.signature(cls.__init__).parameters
        if unknown := [name for name in options if name not in known]:
            names = [name for name in known if name != "self"]
            raise InputError(
                f"The arguments of `{cls.__name__}` are {', '.join(names)}. Received: "
                f"{', '.join(f'{name}={options[name]!r}' for name in unknown)}. Other packages "
                "measure strengths otherwise: `taut.from_sklearn`, `taut.from_keras` and the like "
                "convert them; L1 and L2 together are `taut.L1(a) + taut.L2(b)`."
            )
        return super().__new__(cls)

    def __init__(self, strength: float = 0.01):
        check_at_least(0, strength=strength)
        self.strength: float = float(strength)

    def __mul__(self, factor: Any) -> Any:
        raise InputError(
            "A penalty has its own strength, and is not multiplied. Received: "
            f"{factor!r} · {self!r}. Write the product into it, `taut.L1(0.02)`."
        )

    __rmul__ = __mul__

    def value(self, w: Any, strength: Any) -> Any:
        """αR(w), a scalar."""
        raise NotImplementedError

    def prox(self, w: Any, step: Any, strength: Any) -> Any:
        """The minimiser of Σ (u−w)²/(2·step) + αR(u), of the shape of `w`."""
        raise NotImplementedError

    def distance(self, w: Any, gradient: Any, strength: Any) -> Any:
        """The residual of stationarity by entry; zero where −gradient ∈ ∂(αR)(w)."""
        raise NotImplementedError

    def critical_strength(self, gradient: Any) -> Any:
        """The least strength at which w = 0 is stationary, given the data loss's gradient."""
        raise NotImplementedError

    def bind(self, binding: Binding) -> Self:
        """This penalty for certain weights; itself, where it need not know them."""
        del binding
        return self

    def each(self, count: int) -> list[Penalty]:
        """The penalty of each of the variables that it is for, where each is treated alone."""
        return [self] * count

    @property
    def kept(self) -> tuple[Any, ...]:
        """The variables of an optimizer that hold the arrays of a binding."""
        return ()

    def unbound(self) -> Self:
        """This penalty without the arrays that a binding keeps with the optimizer."""
        return self

    @property
    def parts(self) -> tuple[Penalty, ...]:
        """The penalties that this one is the sum of: itself alone, but for a `Sum`."""
        return (self,)

    def __call__(self, x: Any) -> Any:
        return self.value(ops.convert_to_tensor(x), self.strength)

    def __add__(self, other: Any) -> Any:
        # Lazy imports, which close the algebra: a sum is a penalty.
        from taut.penalties.convert import get
        from taut.penalties.sums import Sum

        if not isinstance(other, keras.regularizers.Regularizer):
            return NotImplemented
        return Sum([*self.parts, *get(other).parts])

    def __radd__(self, other: Any) -> Any:
        from taut.penalties.convert import get

        if not isinstance(other, keras.regularizers.Regularizer):
            return NotImplemented
        return get(other) + self

    def with_strength(self, strength: float) -> Self:
        """The same penalty at another strength."""
        return type(self).from_config({**self.get_config(), "strength": strength})

    def get_config(self) -> dict[str, Any]:
        return {"strength": self.strength}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)

    def __repr__(self) -> str:
        inside = ", ".join(f"{k}={_short(v)}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({inside})"

    def __eq__(self, other: object) -> bool:
        # What a binding adds does not count: the optimizer keeps it.
        if not isinstance(other, Penalty) or type(self) is not type(other):
            return False
        return _same(self.get_config(), other.get_config())

    def __hash__(self) -> int:
        return hash(repr(self))


def _short(value: Any) -> str:
    """`repr`, but an array is its shape, and a long mapping its beginning."""
    if isinstance(value, np.ndarray):
        return f"array({'×'.join(map(str, value.shape)) or 'scalar'})"
    if isinstance(value, dict):
        items = [f"{key!r}: {_short(v)}" for key, v in list(value.items())[:3]]
        more = [f"… {len(value) - 3} more"] if len(value) > 3 else []
        return "{" + ", ".join([*items, *more]) + "}"
    return repr(value)


def _same(a: Any, b: Any) -> bool:
    """Whether two configurations are equal, of which parts may be arrays."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    return a == b


class Separable(Penalty):
    """A penalty that treats each weight alone, so that its subdifferential is an interval each.

    A subclass says `value`, `prox`, `critical_strength` and `subdifferential`.
    """

    def subdifferential(self, w: Any, strength: Any) -> tuple[Any, Any]:
        """The least and the largest slope of αR at each weight (equal where it is smooth)."""
        raise NotImplementedError

    def distance(self, w: Any, gradient: Any, strength: Any) -> Any:
        return outside(*self.subdifferential(w, strength), gradient)


def outside(low: Any, high: Any, gradient: Any) -> Any:
    """How far −gradient lies outside of [low, high], by entry."""
    return ops.maximum(ops.maximum(low + gradient, -gradient - high), 0)


class Grouped(Penalty):
    """A penalty on groups of weights, which may run through several arrays.

    Written for lists of arrays. A subclass works on views of them, [before, groups, after],
    by `self.grouping_of(w)`; the grouping is the one of the binding, or, unbound, that of a
    kernel of a dense or convolutional layer.

    Args:
        strength: α, a finite number >= 0.
        groups: `"inputs"`, everything that reads one input; `"units"`, everything that makes
            one unit, channel or head, with its bias and scale; `"rows"`, an embedding's words;
            or a list of lists of inputs, each list one group.

    Raises:
        InputError: If `groups` is none of these, or its lists overlap or leave out an input.
    """

    kind: Kind = "group"

    def __init__(self, strength: float = 0.01, *, groups: str | Sequence[Sequence[int]] = "inputs"):
        super().__init__(strength)
        self.groups = Grouping.check(groups)
        self._grouping: Grouping | None = None

    def bind(self, binding: Binding) -> Self:
        bound = type(self).from_config(self.get_config())
        bound._grouping = binding.grouping
        return bound

    def grouping_of(self, w: list[Any]) -> Grouping:
        """How the arrays `w` divide into groups."""
        if self._grouping is not None:
            return self._grouping
        return Grouping.of_kernels(self.groups, [tuple(a.shape) for a in w])

    def get_config(self) -> dict[str, Any]:
        return {"strength": self.strength, "groups": self.groups}
