"""Which variables get which penalty, and why the others get none."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from taut import penalties
from taut._keras_compat import is_bias, is_normalization_scale
from taut.errors import InputError
from taut.penalties import Penalty
from taut.structure import VariableStructure

Selector = str | keras.layers.Layer | Callable[[Any], bool] | tuple[Any, ...] | None


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
        if self.entry is None or self.entry.penalty is None:
            return ()
        return self.entry.penalty.parts


class Lifted(keras.regularizers.Regularizer):
    """A layer's own penalty while a proximal optimizer treats it: adds nothing to the loss.

    It lasts as long as the optimizer: a model compiled anew with a plain optimizer gets its
    layers' penalties back, as Keras regularizers.
    """

    def __init__(self, penalty: Penalty, alive: Callable[[], Any]):
        self.penalty = penalty
        self._alive = alive

    def __call__(self, x: Any) -> Any:
        return ops.zeros((), x.dtype) if self._alive() is not None else self.penalty(x)

    def get_config(self) -> dict[str, Any]:
        return {"penalty": keras.saving.serialize_keras_object(self.penalty)}


def parse(request: Any) -> tuple[Entry, ...]:
    """Read what a user may pass: a penalty, or a mapping from selectors to penalties.

    Raises:
        InputError: If a selector or a penalty is of no known kind.
    """
    if isinstance(request, Mapping):
        if not request:
            raise InputError("A mapping of penalties must not be empty. Received: {}.")
        return tuple(
            Entry(_check_selector(key), None if value is None else penalties.get(value))
            for key, value in request.items()
        )
    return (Entry(None, penalties.get(request)),)


def _check_selector(selector: Any) -> Selector:
    if isinstance(selector, str):
        try:
            re.compile(selector)
        except re.error as error:
            raise InputError(
                f"A selector must be a valid regular expression. Received: {selector!r} ({error})."
            ) from None
        return selector
    if isinstance(selector, tuple) and selector:
        return tuple(map(_check_selector, selector))
    if selector is None or isinstance(selector, keras.layers.Layer) or callable(selector):
        return selector
    raise InputError(
        "A selector must be a regular expression on a variable's path, a layer, a callable from "
        "variable to bool, or a tuple of these. "
        f"Received: {selector!r} of type {type(selector).__name__}."
    )


def assign(
    variables: Sequence[Any],
    entries: Sequence[Entry],
    *,
    structures: Mapping[int, VariableStructure] | None = None,
    frozen: Sequence[Any] = (),
    saved: Mapping[int, Any] | None = None,
) -> list[Assignment]:
    """Give each variable the first entry that selects it.

    A layer's own penalty (`kernel_regularizer=taut.L1(…)`) comes before every entry. Without a
    selector all weights are meant: not biases, not normalisation scales, not other vectors. A
    layer or a pattern means the weights it matches; a pattern reaches a bias or a scale only if
    it names the variable itself (`"dense/bias"`, not `"dense"`). A callable decides alone. A
    penalty on units takes the biases and scales that belong to them, and, without a selector,
    leaves out the units that are the model's outputs.

    Args:
        variables: The trainable variables.
        entries: The request.
        structures: How variables divide into groups, by their id; None where not known.
        frozen: The model's other variables, for the message that a penalty on them is no use.
        saved: By id of the entry, the blocks that a saved optimizer had: its choice is kept.

    Raises:
        InputError: If a selector matches no variable, or none that is penalised unless asked by
            name; the paths that exist are listed.
    """
    structures = structures or {}
    found = [_assign(v, entries, structures.get(id(v)), saved or {}) for v in variables]
    for entry in entries:
        if entry.selector is not None:
            for one in entry.selector if isinstance(entry.selector, tuple) else (entry.selector,):
                _check_match(one, variables, frozen)
            _check_choice(entry, found)
    return found


def _check_match(selector: Selector, variables: Sequence[Any], frozen: Sequence[Any]) -> None:
    if not variables or any(_matches(selector, v) for v in variables):
        return
    idle = [v.path for v in frozen if _matches(selector, v)]
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


def _check_choice(entry: Entry, found: Sequence[Assignment]) -> None:
    matched = [a for a in found if _matches(entry.selector, a.variable)]
    if entry.penalty is None or not matched or any(a.entry is not None for a in matched):
        return  # it has a variable, or earlier entries have taken what it matches
    reasons = "\n  ".join(f"{a.variable.path}: {a.reason}" for a in matched)
    raise InputError(
        "A selector must choose at least one variable. Received: "
        f"{describe(entry.selector)}, which matches only\n  {reasons}"
    )


def without_penalty(assignment: Assignment) -> Assignment:
    """The assignment of a variable in which a penalty on groups found none of its groups."""
    if not assignment.parts:
        return assignment
    groups = assignment.entry.penalty.groups  # type: ignore[union-attr]
    name = groups if isinstance(groups, str) else "inputs"
    return Assignment(assignment.variable, None, f"does not divide into {name}")


def own_penalty(variable: Any) -> Penalty | None:
    """The penalty that a layer's own `…_regularizer=taut.…` puts on a variable."""
    own = variable.regularizer
    if isinstance(own, Lifted):
        own = own.penalty
    return own if isinstance(own, Penalty) else None


def _assign(
    variable: Any,
    entries: Sequence[Entry],
    structure: VariableStructure | None,
    saved: Mapping[int, Any],
) -> Assignment:
    own = own_penalty(variable)
    if own is not None:
        return Assignment(variable, Entry(None, own), "the layer's own penalty")
    exclusion = _exclusion(variable)
    reason = exclusion or "no selector matches it"
    claimed = False
    for entry in entries:
        if structure is None and id(entry) in saved:
            ends = [end for block in saved[id(entry)] for end, _ in block]
            if any(is_end(end, variable.path) for end in ends):
                return Assignment(variable, entry, describe(entry.selector))
            continue
        if not _matches(entry.selector, variable):
            continue
        of_units = getattr(entry.penalty, "groups", None) == "units" and structure is not None
        # A bias goes with its weights: not into groups of units if an earlier entry has these.
        belongs = of_units and structure.units is not None and not claimed  # type: ignore[union-attr]
        if exclusion and not belongs and not _asks_by_name(entry.selector, variable):
            claimed = True
            continue
        if of_units and entry.selector is None and structure.output:  # type: ignore[union-attr]
            reason = "its units are the model's outputs: not chosen among unless asked by name"
            continue
        if entry.penalty is None:
            return Assignment(variable, entry, f"left out by {describe(entry.selector)}")
        return Assignment(variable, entry, describe(entry.selector))
    if variable.regularizer is not None:
        reason += f"; the layer's {type(variable.regularizer).__name__} stays in the loss"
    return Assignment(variable, None, reason)


def _exclusion(variable: Any) -> str | None:
    if is_bias(variable):
        return "a bias: biases are not penalised unless asked by name"
    if is_normalization_scale(variable):
        return "a scale or offset: these are not penalised unless asked by name"
    if len(variable.shape) < 2:
        return "a vector: vectors are not penalised unless asked by name"
    return None


def _matches(selector: Selector, variable: Any) -> bool:
    if selector is None:
        return True
    if isinstance(selector, tuple):
        return any(_matches(one, variable) for one in selector)
    if isinstance(selector, str):
        return re.search(selector, variable.path) is not None
    if isinstance(selector, keras.layers.Layer):
        return any(variable is v for v in selector.variables)
    return bool(selector(variable))


def _asks_by_name(selector: Selector, variable: Any) -> bool:
    # A pattern names the variable itself if it no longer matches when the last component of
    # the path is another.
    if isinstance(selector, tuple):
        return any(_matches(one, variable) and _asks_by_name(one, variable) for one in selector)
    if isinstance(selector, str):
        return re.search(selector, variable.path.rpartition("/")[0] + "/\0") is None
    return selector is not None and not isinstance(selector, keras.layers.Layer)


def describe(selector: Selector) -> str:
    """A selector in words, for messages and tables."""
    if selector is None:
        return "every weight"
    if isinstance(selector, tuple):
        return "together " + " and ".join(map(describe, selector))
    if isinstance(selector, str):
        return f"pattern {selector!r}"
    if isinstance(selector, keras.layers.Layer):
        return f"layer {selector.name!r}"
    return f"callable {getattr(selector, '__name__', selector)!r}"


def in_order(selector: Selector, variables: Sequence[Any]) -> list[Any]:
    """Variables in the order of a tuple of selectors; as they are for other selectors."""
    if not isinstance(selector, tuple):
        return list(variables)
    first = [next(i for i, one in enumerate(selector) if _matches(one, v)) for v in variables]
    return [v for _, v in sorted(zip(first, variables, strict=True), key=lambda pair: pair[0])]


def is_end(end: str, path: str) -> bool:
    """Whether `end` is the end of a path."""
    return path == end or path.endswith("/" + end)


def saved_selector(selector: Selector, variables: Sequence[Any], every: Sequence[str]) -> Any:
    """A selector as it is saved: patterns as they are, all others as the paths they chose.

    Keras may drop the model's name from the front of a path when a model is loaded, so a path
    is saved by its end, and so is a pattern that needs that name.

    Raises:
        InputError: If a callable has not chosen yet, because the optimizer is not built.
    """
    if selector is None:
        return None
    if isinstance(selector, tuple):
        own = [[v for v in variables if _matches(one, v)] for one in selector]
        return [saved_selector(*pair, every) for pair in zip(selector, own, strict=True)]
    chosen = [v.path for v in variables]
    if isinstance(selector, str) and all(
        re.search(selector, path.partition("/")[2]) or "/" not in path for path in chosen
    ):
        return selector
    if chosen:
        return f"(^|/)({'|'.join(re.escape(ending(path, every)) for path in chosen)})$"
    if isinstance(selector, keras.layers.Layer):
        name: str = getattr(selector, "name", "")
        return f"(^|/){re.escape(name)}/"
    raise InputError(
        "A callable selector can be saved once the model is built, as the paths it chose. "
        f"Received: {describe(selector)} of a model that is not built. Build the model first, "
        "or use a regular expression."
    )


def ending(path: str, every: Sequence[str]) -> str:
    """The shortest end of `path`, of two components or more, that no other path has."""
    components = path.split("/")
    for count in range(2, len(components)):
        end = "/".join(components[-count:])
        if sum(other == end or other.endswith("/" + end) for other in every) == 1:
            return end
    return path
