"""Penalties that a model has besides those of a path: they stay, at their own strengths."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from taut.errors import UnsupportedError
from taut.optimizers import Proximal
from taut.optimizers.copied_requests import kept_entries, named
from taut.optimizers.proximals import proximals_in
from taut.optimizers.selection import Assignment, Entry, assign
from taut.optimizers.selectors import Matches, describe, ending, in_order
from taut.penalties import Penalty
from taut.penalties.sums import Sum
from taut.structure import structure
from taut.studies.axes import Axes, PartStrength


def with_kept(model: Any, axes: Axes) -> Axes:
    """The axes with what the model was compiled with besides, as one request.

    What is on the same weights is added. A compiled penalty of the kind and the selector of one of
    the path's is replaced by it. Selectors that mean objects of the model are turned into names,
    which its copies have too.

    Raises:
        InputError: If a selector matches nothing.
        UnsupportedError: If the prox of a sum is not known, or a penalty on groups would be split.
    """
    compiled = list(_compiled(model, axes.entries))
    if not compiled and all(_is_text(entry.selector) for entry in axes.entries):
        return axes
    variables = model.trainable_variables
    matches = Matches([*variables, *model.weights], model)
    plan = _plan(model, axes.entries, matches)
    if not compiled:
        return replace(axes, entries=tuple(named(entry, plan, matches) for entry in axes.entries))
    kept = _plan(model, [entry for entry, _ in compiled], matches)
    strengths = [*zip(axes.entries, axes.parts, strict=True), *compiled]
    of_entry = {id(entry): parts for entry, parts in strengths}
    cells: dict[tuple[int, ...], list[Any]] = {}
    entries = {id(entry): entry for entry, _ in strengths if entry.penalty is not None}
    for one, other in zip(plan, kept, strict=True):
        ids = tuple(id(a.entry) for a in (one, other) if id(a.entry) in entries)
        if ids:
            cells.setdefault(ids, []).append(one.variable)
    _check_groups(model, entries, cells)
    merged, parts = [], []
    for ids, members in cells.items():
        of_cell = [entries[key] for key in ids]
        ordered = next((e.selector for e in of_cell if isinstance(e.selector, tuple)), None)
        listed = [part for e in of_cell for part in e.penalty.parts]  # type: ignore[union-attr]
        penalty = listed[0] if len(listed) == 1 else Sum(listed)
        merged.append(Entry(_exact(members, ordered, matches), penalty))
        parts.append(tuple(part for key in ids for part in of_entry[key]))
    return replace(axes, entries=tuple(merged), parts=tuple(parts))


@dataclass(frozen=True)
class Reached:
    """One part of a penalty on some variables of a study's model.

    Attributes:
        variables: Their numbers among the trainable ones.
        part: The penalty.
        strength: How strong it is along the path.
    """

    variables: tuple[int, ...]
    part: Penalty
    strength: PartStrength


def reached(model: Any, axes: Axes) -> tuple[tuple[PartStrength, ...], list[Reached]]:
    """What a path varies, and what it keeps, in a model that is compiled with its request.

    Returns:
        (for each of the optimizer's strengths how strong it is, what is penalised with it). Layers'
        own penalties come after the request's, and stay.
    """
    optimizer = model.optimizer
    if not isinstance(optimizer, Proximal):
        return (), []
    flat = [part for parts in axes.parts for part in parts]
    own = optimizer.compiled_strengths[len(flat) :]
    of_strength = (*flat, *(PartStrength(None, strength) for strength in own))
    place = {id(variable): k for k, variable in enumerate(optimizer.strengths)}
    number = {id(variable): k for k, variable in enumerate(model.trainable_variables)}
    result = []
    for term in optimizer.terms:
        numbers = tuple(number[id(v)] for v in term.variables)
        for part, strength in zip(term.parts, optimizer.strengths_of(term), strict=True):
            known = place.get(id(strength))
            fixed = PartStrength(None, part.strength)
            result.append(Reached(numbers, part, fixed if known is None else of_strength[known]))
    return of_strength, result


def kept_texts(model: Any, parts: Sequence[Reached]) -> tuple[str, ...]:
    """The penalties that stay, and on what, in words."""
    paths: dict[str, list[str]] = {}
    for of_part in parts:
        if of_part.strength.axis is None:
            penalty, strength = of_part.part, of_part.strength.factor
            if penalty.strength != strength:  # as the optimizer was set to
                penalty = penalty.with_strength(strength)
            names = [model.trainable_variables[k].path for k in of_part.variables]
            paths.setdefault(repr(penalty), []).extend(names)
    return tuple(f"{penalty} on {', '.join(names)}" for penalty, names in paths.items())


def _compiled(
    model: Any, entries: Sequence[Entry]
) -> Iterator[tuple[Entry, tuple[PartStrength, ...]]]:
    """What the model was compiled with and no entry of the path replaces, with its strengths."""
    for optimizer in proximals_in(model.optimizer):
        strengths = list(optimizer.compiled_strengths)
        replaced = {_kind(entry) for entry in entries}
        for entry in kept_entries(optimizer, model):
            parts = () if entry.penalty is None else entry.penalty.parts
            present = strengths[: len(parts)] if optimizer.built else [p.strength for p in parts]
            strengths = strengths[len(parts) :]
            # An exception stays one of the compiled mapping.
            if entry.penalty is None or _kind(entry) not in replaced:
                yield entry, tuple(PartStrength(None, s) for s in present)


def _kind(entry: Entry) -> Any:
    parts = () if entry.penalty is None else entry.penalty.parts
    selector = entry.selector if _is_text(entry.selector) else id(entry.selector)
    return selector, tuple(map(type, parts))


def _plan(model: Any, entries: Sequence[Entry], matches: Matches) -> list[Assignment]:
    return assign(
        model.trainable_variables,
        entries,
        matches=matches,
        structures=structure(model),
        frozen=model.non_trainable_variables,
    )


def _is_text(selector: Any) -> bool:
    if isinstance(selector, tuple):
        return all(map(_is_text, selector))
    return selector is None or isinstance(selector, str)


def _check_groups(
    model: Any, entries: Mapping[int, Entry], cells: Mapping[tuple[int, ...], Sequence[Any]]
) -> None:
    """Raise where weights of one group would have different penalties."""
    structures = structure(model)
    for key, entry in entries.items():
        groups = entry.penalty.groups  # type: ignore[union-attr]
        if groups is None:
            continue
        kind = groups if isinstance(groups, str) else "inputs"
        views = [
            {view.key for v in members if (view := getattr(structures[id(v)], kind, None))}
            for ids, members in cells.items()
            if key in ids
        ]
        together = isinstance(entry.selector, tuple) and len(views) > 1
        if together or len(set().union(*views)) < sum(map(len, views)):
            raise UnsupportedError(
                "The weights of a group must all have the same penalties. Received: "
                f"{entry.penalty!r} on {describe(entry.selector)}, where the path, or the "
                "compiled model, has a further penalty on a part of a group. Give all of them as "
                "one mapping, `penalty={…}`, and compile the model without."
            )


def _exact(variables: Sequence[Any], ordered: Any, matches: Matches) -> Any:
    """A selector of these variables and no others; a tuple of one each, where these are a group."""
    paths = [v.path for v in matches.variables]
    ends = {id(v): re.escape(ending(v.path, paths)) for v in variables}
    if double := [v.path for v in variables if paths.count(v.path) > 1]:
        raise UnsupportedError(
            "Variables with penalties of their own must differ in their paths. Received: several "
            f"{double[0]!r}. Give each layer another `name`."
        )
    if ordered is None:
        return f"(^|/)({'|'.join(ends.values())})$"
    return tuple(f"(^|/){ends[id(v)]}$" for v in in_order(ordered, variables, matches))
