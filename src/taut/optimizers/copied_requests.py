"""What an optimizer was asked for, asked again of another model of the same paths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from taut.optimizers.proximal import Proximal
from taut.optimizers.selection import Assignment, Entry
from taut.optimizers.selectors import Matches, saved_selector
from taut.penalties import L2SP
from taut.penalties.sums import Sum


def kept_entries(optimizer: Proximal, model: Any) -> list[Entry]:
    """The entries of an optimizer; what refers to the weights at its start still does so.

    An `L2SP` without a reference means the weights that its optimizer was built over. In an
    optimizer of a copy it would mean those of today.

    Args:
        optimizer: As `model` was compiled with.
        model: The model.
    """
    return [_with_references(optimizer, entry, model) for entry in optimizer.entries]


def copied_request(optimizer: Proximal, model: Any) -> dict[Any, Any] | None:
    """What `Proximal` takes to treat a copy of a model as its optimizer treats the model itself."""
    plan = optimizer.assignments(model.trainable_variables)
    matches = Matches([*model.trainable_variables, *model.weights], model)
    names = [named(entry, plan, matches).selector for entry in optimizer.entries]
    kept = kept_entries(optimizer, model)
    return {name: entry.penalty for name, entry in zip(names, kept, strict=True)} or None


def named(entry: Entry, plan: Sequence[Assignment], matches: Matches) -> Entry:
    """The entry with names for what its selector chose, which copies of the model have too."""
    chosen = [a.variable for a in plan if a.entry is entry]
    paths = [v.path for v in matches.variables]
    selector = saved_selector(entry.selector, chosen, paths, matches)
    return Entry(tuple(selector) if isinstance(selector, list) else selector, entry.penalty)


def keep_own_references(model: Any, copy: Any) -> None:
    """The same for penalties that layers have of their own.

    Args:
        model: Compiled.
        copy: A copy of it, compiled, whose optimizer is built.
    """
    pairs = zip(model.trainable_variables, copy.trainable_variables, strict=True)
    there = {id(variable): other for variable, other in pairs}
    kept = {id(there[id(v)]): array for v, array in _own_references(model.optimizer)}
    for variable, array in _own_references(copy.optimizer):
        if id(variable) in kept:
            array.assign(kept[id(variable)])


def _own_references(optimizer: Any) -> Iterator[tuple[Any, Any]]:
    """Variables whose layers' own penalties refer to what they were, and these arrays."""
    for term in optimizer.terms if isinstance(optimizer, Proximal) else ():
        if term.entry not in optimizer.entries:
            for part in filter(_unreferred, term.parts):
                yield from zip(term.variables, part.kept, strict=True)


def _with_references(optimizer: Proximal, entry: Entry, model: Any) -> Entry:
    terms = [term for term in optimizer.terms if term.entry is entry]
    parts = () if entry.penalty is None else entry.penalty.parts
    if not terms or not any(map(_unreferred, parts)):
        return entry
    given = []
    for k, part in enumerate(parts):
        if _unreferred(part):
            kept = [pair for t in terms for pair in zip(t.variables, t.parts[k].kept, strict=True)]
            arrays = {v.path.removeprefix(f"{model.name}/"): array for v, array in kept}
            part = L2SP(part.strength, reference=arrays)
        given.append(part)
    return Entry(entry.selector, given[0] if len(given) == 1 else Sum(given))


def _unreferred(part: Any) -> bool:
    return isinstance(part, L2SP) and part.reference is None
