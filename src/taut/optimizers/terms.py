"""The terms of αR(w): variables that one penalty treats together, and its functions of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from keras import ops

from taut._keras.optimizer_updates import present_values
from taut.errors import InputError
from taut.optimizers.own import combined, constraint_parts, equals, is_penalty
from taut.optimizers.selection import Assignment, Entry
from taut.optimizers.selectors import Matches, describe, in_order, is_end
from taut.penalties import Binding, Grouping, Penalty, distance_of, prox_of, value_of
from taut.structure import VariableStructure

SavedTerm = list[Any]
"""[[end of a path, [before, slices, after]], …], as an optimizer's configuration keeps it."""


@dataclass(frozen=True)
class Term:
    """One term of αR(w): a penalty and its variables, one or a group that spans several.

    Attributes:
        entry: The line of the request that they come from, or the layer's own penalty of taut;
            with no penalty where only what Keras's layers have of their own is treated.
        variables: The variables, in the order in which the penalty takes them.
        parts: The penalties, bound to these variables: the entry's, then what equals the Keras
            regularizers of the variables, then what equals their Keras constraints.
        grouping: How the variables divide into groups; None for penalties without groups.
        regularizers: How many of the parts stand for Keras regularizers.
        constraints: How many stand for Keras constraints.
    """

    entry: Entry
    variables: tuple[Any, ...]
    parts: tuple[Penalty, ...]
    grouping: Grouping | None = None
    regularizers: int = 0
    constraints: int = 0

    @property
    def requested(self) -> int:
        """How many of the parts are the entry's."""
        return len(self.parts) - self.regularizers - self.constraints

    @property
    def lifts(self) -> bool:
        """Whether the layers' own regularizers are treated here, and so not in the loss."""
        layer_regularizers = [v.regularizer for v in self.variables if v.regularizer is not None]
        return self.regularizers > 0 or any(
            regularizer is self.entry.penalty for regularizer in layer_regularizers
        )

    def values(self) -> list[Any]:
        """The present values of the variables."""
        return [ops.convert_to_tensor(v) for v in self.variables]

    def value(self, w: Sequence[Any], strengths: Sequence[Any]) -> Any:
        """αR(w), a scalar."""
        return value_of(self.parts, list(w), strengths)

    def prox(self, w: Sequence[Any], steps: Any, strengths: Sequence[Any]) -> list[Any]:
        """The prox of αR; `steps` is a scalar or one a variable."""
        return prox_of(self.parts, list(w), steps, strengths)

    def distance(
        self, w: Sequence[Any], gradients: Sequence[Any], strengths: Sequence[Any]
    ) -> list[Any]:
        """The residual of stationarity, one array a variable."""
        return distance_of(self.parts, list(w), list(gradients), strengths)

    @property
    def scalar_step(self) -> bool:
        """Whether the prox is known only for one step for all weights of a variable."""
        return any(part.scalar_step for part in self.parts)


def divide(
    assignments: Sequence[Assignment],
    structures: Mapping[int, VariableStructure] | None,
    constants: Callable[[Sequence[Any], Sequence[Any], str], list[Any]],
    saved: Mapping[int, list[SavedTerm]],
    saved_own: SavedTerm,
    matches: Matches,
) -> list[Term]:
    """The terms of what was assigned, each with its penalty bound to its variables.

    What equals the layers' own Keras regularizers and constraints is added to each; a variable
    that has nothing but these is a term too.

    Args:
        assignments: What each variable gets.
        structures: How the variables of the model divide into groups; None where the optimizer
            knows no model.
        constants: (variables, arrays, name) -> Keras variables that keep the arrays.
        saved: By id of the entry, the terms that a saved optimizer had.
        saved_own: The groups that layers' own penalties had in it, one variable each.
        matches: What selectors match, for the order of variables in groups of several.

    Raises:
        InputError: If a penalty on groups finds none, or groups of different lengths.
        UnsupportedError: For a Keras constraint that the prox cannot treat.
    """
    terms: list[Term] = []
    entries = {id(a.entry): a.entry for a in assignments if a.entry is not None and a.parts}
    for entry in entries.values():
        variables = [a.variable for a in assignments if a.entry is entry]
        penalty = entry.penalty
        assert penalty is not None
        if penalty.groups is None:
            groups = [([v], None) for v in variables]
        elif structures is None and id(entry) in saved:
            groups = _saved_groups(variables, saved[id(entry)], penalty.groups)
        elif structures is None and (layer_terms := _own(variables, saved_own)):
            groups = _saved_groups(variables, layer_terms, penalty.groups)
        elif structures is None:
            raise InputError(
                f"A penalty on groups must know the model that it is for. Received: {penalty!r} "
                "in a `taut.Proximal` that knows none. Use a model of `taut.models`, or call "
                "`optimizer.bind(model)` before `compile`."
            )
        else:
            groups = _groups(entry, variables, structures, matches)
        for members, grouping in groups:
            binding = Binding(
                tuple(v.path for v in members),
                tuple(present_values(members)),
                lambda arrays, name, members=members: constants(members, arrays, name),
                grouping,
            )
            parts = penalty.bind(binding).parts
            terms.append(_with_own(Term(entry, tuple(members), parts, grouping)))
    taken = {id(v) for term in terms for v in term.variables}
    left = [a.variable for a in assignments if id(a.variable) not in taken]
    # Where there is no penalty at all, Keras's constraints may be whatever they are.
    penalised = bool(terms) or any(map(equals, left))
    return [*terms, *own_terms(left, penalised=penalised)]


def own_terms(variables: Sequence[Any], *, penalised: bool = True) -> list[Term]:
    """Blocks of variables that have nothing but Keras regularizers and constraints.

    Args:
        variables: Those that no term of the request has.
        penalised: Whether a constraint that equals no penalty is an error.

    Raises:
        UnsupportedError: For a Keras constraint that the prox cannot treat.
    """
    terms = []
    for variable in variables:
        known = variable.constraint is not None and (penalised or is_penalty(variable))
        if equals(variable) or known:
            terms.append(_with_own(Term(Entry(None, None), (variable,), ())))
    return [term for term in terms if term.parts]


@dataclass(frozen=True)
class KerasConstraints:
    """The constraints that Keras applies after each step of a plain optimizer.

    Attributes:
        terms: A term for each variable that has one.
    """

    terms: list[Term]

    @classmethod
    def of(cls, variables: Sequence[Any], treated: Sequence[Term]) -> KerasConstraints:
        """Those of the variables that none of the terms of proximal optimizers has.

        Raises:
            UnsupportedError: For a constraint that equals no penalty.
        """
        taken = {id(v) for term in treated for v in term.variables}
        return cls(
            [
                Term(Entry(None, None), (v,), parts, constraints=len(parts))
                for v in variables
                if id(v) not in taken and (parts := constraint_parts(v))
            ]
        )

    def strengths_of(self, term: Term) -> list[float]:
        """What stands for strengths of the parts, which have none."""
        return [1.0] * len(term.parts)


def _with_own(term: Term) -> Term:
    regularizers, constraints = combined(term.parts, list(term.variables))
    return replace(
        term,
        parts=(*term.parts, *regularizers, *constraints),
        regularizers=len(regularizers),
        constraints=len(constraints),
    )


def _groups(
    entry: Entry,
    variables: Sequence[Any],
    structures: Mapping[int, VariableStructure],
    matches: Matches,
) -> list[tuple[list[Any], Grouping]]:
    groups = entry.penalty.groups  # type: ignore[union-attr]
    name = groups if isinstance(groups, str) else "inputs"
    views = {id(v): getattr(structures[id(v)], name) for v in variables if id(v) in structures}
    having = [v for v in variables if views.get(id(v)) is not None]
    if not having:
        raise InputError(
            f"A penalty on {name} must be on weights that have {name}. Received: "
            f"{describe(entry.selector)}, which selects "
            f"{', '.join(v.path for v in variables)}: none of them divides into {name}."
        )
    if isinstance(entry.selector, tuple):
        sets = [in_order(entry.selector, having, matches)]
    else:
        keys = dict.fromkeys(views[id(v)].key for v in having)
        sets = [[v for v in having if views[id(v)].key == key] for key in keys]
    shapes = [tuple(views[id(v)].shape for v in members) for members in sets]
    pairs = zip(sets, shapes, strict=True)
    return [(members, Grouping.checked(shape, groups)) for members, shape in pairs]


def _own(variables: Sequence[Any], saved: SavedTerm) -> list[SavedTerm]:
    return [[group] for group in saved for v in variables if is_end(group[0], v.path)]


def _saved_groups(
    variables: Sequence[Any], saved: list[SavedTerm], groups: Any
) -> list[tuple[list[Any], Grouping]]:
    result = []
    for term in saved:
        if not any(is_end(end, v.path) for end, _ in term for v in variables):
            continue  # frozen since
        members, shapes = [], []
        for end, shape in term:
            same = [v for v in variables if is_end(end, v.path)]
            if len(same) != 1 or np.prod(shape) != np.prod(same[0].shape):
                raise InputError(
                    "A saved penalty on groups must find its weights again. Received: a model "
                    f"without one weight {end!r} of the size {int(np.prod(shape))}."
                )
            members.append(same[0])
            shapes.append(tuple(shape))
        result.append((members, Grouping.checked(tuple(shapes), groups)))
    return result
