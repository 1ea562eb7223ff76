"""Which variables get which penalty, and why the others get none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from taut import penalties
from taut._keras.layer_parts import is_bias, is_normalization_scale
from taut.errors import InputError
from taut.optimizers.own import own_penalty
from taut.optimizers.selectors import (
    Matches,
    Selector,
    check_selector,
    describe,
    is_end,
    takes_all,
)
from taut.penalties import Penalty
from taut.structure import VariableStructure


@dataclass(frozen=True)
class Entry:
    """One line of the user's request: a selector (None: every weight) and what it gets.

    A tuple of selectors means what each of them selects, together in one group, in that order.
    """

    selector: Selector
    penalty: Penalty | None


@dataclass(frozen=True)
class Assignment:
    """What one variable gets: the entry that chose it, or the reason why none did."""

    variable: Any
    entry: Entry | None
    reason: str

    @property
    def parts(self) -> tuple[Penalty, ...]:
        """The penalties of the request, or the layer's own of taut; not what Keras's equal."""
        if self.entry is None or self.entry.penalty is None:
            return ()
        return self.entry.penalty.parts


def parse(request: Any) -> tuple[Entry, ...]:
    """Read what a user may pass: a penalty, or a mapping from selectors to penalties.

    Raises:
        InputError: If a selector or a penalty is of no known kind.
    """
    if isinstance(request, Mapping):
        if not request:
            raise InputError("A mapping of penalties must not be empty. Received: {}.")
        return tuple(
            Entry(check_selector(key), None if value is None else penalties.get(value))
            for key, value in request.items()
        )
    return (Entry(None, penalties.get(request)),)


def assign(
    variables: Sequence[Any],
    entries: Sequence[Entry],
    *,
    matches: Matches | None = None,
    structures: Mapping[int, VariableStructure] | None = None,
    frozen: Sequence[Any] | None = (),
    saved: Mapping[int, Any] | None = None,
    checked_before: bool = False,
) -> list[Assignment]:
    """Give each variable the first entry that selects it.

    A layer's own penalty (`kernel_regularizer=taut.L1(…)`) comes before every entry. Without a
    selector all weights are meant: not biases, not normalisation scales; their names tell which
    these are. A layer or a pattern means the weights it matches; a pattern reaches a bias or a
    scale only if it names the variable itself (`"dense/bias"`, not `"dense"`). A callable decides
    alone. A penalty on units takes the biases and scales that belong to them, and, without a
    selector, leaves out the units that are the model's outputs.

    Args:
        variables: The trainable variables.
        entries: The request.
        matches: What selectors match in the model; of `variables` where it is None.
        structures: How variables divide into groups, by their id; None where not known.
        frozen: The model's other variables, for the message that a penalty on them is no use; None
            where no model is known.
        saved: By id of the entry, the terms that a saved optimizer had: its choice is kept.
        checked_before: Whether the request was met when it was saved. What it chose may have been
            frozen since, and is then not looked for.

    Raises:
        InputError: If a selector matches no variable, or none that is penalised unless asked by
            name; the paths that exist are listed. Also if the request penalises nothing.
    """
    others = frozen or ()
    matches = matches or Matches([*variables, *others])
    structures = structures or {}
    assignments = [
        _assign(v, entries, matches, structures.get(id(v)), saved or {}) for v in variables
    ]
    for entry in entries:
        if entry.selector is not None:
            parts = entry.selector if isinstance(entry.selector, tuple) else (entry.selector,)
            for selector in parts:
                hidden = frozen is None or any(id(v) in matches.of(selector) for v in frozen)
                if not (checked_before and hidden):
                    _check_match(selector, variables, others, matches)
            _check_choice(entry, assignments, matches)
    wanted = [entry for entry in entries if entry.penalty is not None]
    if checked_before:
        return assignments
    if wanted and variables and not any(a.entry is entry for a in assignments for entry in wanted):
        reasons = "\n  ".join(f"{a.variable.path}: {a.reason}" for a in assignments)
        raise InputError(
            "A penalty must be on at least one variable. Received: "
            f"{', '.join(describe(entry.selector) for entry in wanted)}, where\n  {reasons}\n"
            "Name the variable that you mean, {'layer/variable': taut.L1(…)}, and take other "
            "penalties off it."
        )
    return assignments


def _check_match(
    selector: Selector, variables: Sequence[Any], frozen: Sequence[Any], matches: Matches
) -> None:
    matched_ids = matches.of(selector)
    if not variables or any(id(v) in matched_ids for v in variables):
        return
    idle = [v.path for v in frozen if id(v) in matched_ids]
    if idle:
        raise InputError(
            "A penalty must be on trainable weights: frozen ones do not move. Received: "
            f"{describe(selector)}, which matches only {', '.join(idle)}. Set "
            "`trainable = True` and compile again, or leave the selector out."
        )
    paths = "\n  ".join(v.path for v in variables)
    raise InputError(
        "A selector must match at least one trainable variable. "
        f"Received: {describe(selector)}, which matches none of\n  {paths}"
    )


def _check_choice(entry: Entry, assignments: Sequence[Assignment], matches: Matches) -> None:
    matched = [a for a in assignments if id(a.variable) in matches.of(entry.selector)]
    if entry.penalty is None or not matched or any(a.entry is not None for a in matched):
        return  # it has a variable, or earlier entries have taken what it matches
    reasons = "\n  ".join(f"{a.variable.path}: {a.reason}" for a in matched)
    raise InputError(
        "A selector must choose at least one variable. Received: "
        f"{describe(entry.selector)}, which matches only\n  {reasons}"
    )


def shadowed(
    entries: Sequence[Entry], assignments: Sequence[Assignment], matches: Matches
) -> list[str]:
    """Where a selector has taken what a later one names, in words.

    An exception that comes before a wider selector (`"first/kernel"` before `"first"`, anything
    before `".*"`) is meant; what is told is the reverse, and a selector that is left with nothing.
    """
    sentences = []
    for late, entry in enumerate(entries):
        if takes_all(entry.selector):
            continue
        eligible = [a for a in assignments if _may_take(entry, a.variable, matches)]
        for a in eligible:
            if a.entry is entry or a.entry is None:
                continue
            if a.entry not in entries[:late]:
                sentences.append(
                    f"{a.variable.path} has {a.reason}, not that of {describe(entry.selector)}"
                )
                continue
            earlier = [o for o in assignments if _may_take(a.entry, o.variable, matches)]
            wider = {id(o.variable) for o in eligible} <= {id(o.variable) for o in earlier}
            if wider or not any(o.entry is entry for o in eligible):
                sentences.append(
                    f"{describe(a.entry.selector)} has taken {a.variable.path}, which "
                    f"{describe(entry.selector)} matches too"
                )
    return sentences


def _may_take(entry: Entry, variable: Any, matches: Matches) -> bool:
    by_id = matches.of(entry.selector)
    return id(variable) in by_id and (by_id[id(variable)] or exclusion(variable) is None)


def without_penalty(assignment: Assignment) -> Assignment:
    """The assignment of a variable in which a penalty on groups found none of its groups."""
    if not assignment.parts:
        return assignment
    groups = assignment.entry.penalty.groups  # type: ignore[union-attr]
    name = groups if isinstance(groups, str) else "inputs"
    return Assignment(assignment.variable, None, f"does not divide into {name}")


def _assign(
    variable: Any,
    entries: Sequence[Entry],
    matches: Matches,
    structure: VariableStructure | None,
    saved: Mapping[int, Any],
) -> Assignment:
    penalty = own_penalty(variable)
    if penalty is not None:
        return Assignment(variable, Entry(None, penalty), "the layer's own penalty")
    excluded = exclusion(variable)
    reason = excluded or "no selector matches it"
    claimed = False
    for entry in entries:
        if structure is None and id(entry) in saved:
            ends = [end for term in saved[id(entry)] for end, _ in term]
            if any(is_end(end, variable.path) for end in ends):
                return Assignment(variable, entry, describe(entry.selector))
            continue
        by_name = matches.of(entry.selector).get(id(variable))
        if by_name is None:
            continue
        of_units = getattr(entry.penalty, "groups", None) == "units" and structure is not None
        # A bias goes with its weights: not into groups of units if an earlier entry has these.
        belongs = of_units and structure.units is not None and not claimed  # type: ignore[union-attr]
        if excluded and not belongs and not by_name:
            claimed = True
            continue
        if of_units and entry.selector is None and structure.output:  # type: ignore[union-attr]
            reason = "its units are the model's outputs: not chosen among unless asked by name"
            continue
        if entry.penalty is None:
            return Assignment(variable, entry, f"left out by {describe(entry.selector)}")
        return Assignment(variable, entry, describe(entry.selector))
    return Assignment(variable, None, reason)


def exclusion(variable: Any) -> str | None:
    """Why a variable is not penalised unless asked by name; None for weights."""
    if is_bias(variable):
        return "a bias: biases are not penalised unless asked by name"
    if is_normalization_scale(variable):
        return "a scale or offset: these are not penalised unless asked by name"
    return None
