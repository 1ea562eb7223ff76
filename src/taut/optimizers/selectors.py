"""Selectors: which of a model's variables a pattern, a layer, a callable or a tuple means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras

from taut.errors import InputError

Selector = str | keras.layers.Layer | Callable[[Any], bool] | tuple[Any, ...] | None

_METACHARACTERS = frozenset("\\^$.*+?{}[]()")


def check_selector(selector: Any) -> Selector:
    """Return a selector, or raise if it is of no known kind."""
    if isinstance(selector, str):
        try:
            re.compile(selector)
        except re.error as error:
            raise InputError(
                f"A selector must be a valid regular expression. Received: {selector!r} ({error})."
            ) from None
        return selector
    if isinstance(selector, tuple) and selector:
        return tuple(map(check_selector, selector))
    if selector is None or isinstance(selector, keras.layers.Layer) or callable(selector):
        return selector
    raise InputError(
        "A selector must be a regular expression on a variable's path, a layer, a callable from "
        "variable to bool, or a tuple of these. "
        f"Received: {selector!r} of type {type(selector).__name__}."
    )


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


class Matches:
    """What selectors match among the variables of one model.

    A string that is a name (`"dense"`, `"dense/kernel"`, `"a|b"`: whole components of a path,
    one after another) means what has that name, and not `dense_1`. Any other string is searched
    in the paths as a regular expression. The model's own name, at the front of some paths, is
    left out, but for a string with a slash that matches nowhere else: `explain` shows such paths.

    Args:
        variables: All variables of the model that are known, frozen ones too.
        model: The model; None where it is not known. A component that all paths begin with, of
            three or more, is then taken for its name.
    """

    def __init__(self, variables: Iterable[Any], model: Any = None):
        self.variables: list[Any] = list({id(v): v for v in variables}.values())
        paths = [v.path for v in self.variables]
        self._known = model is not None
        root = _first_of_all(paths) if model is None else _own_name(model)
        self._paths = {id(v): v.path.removeprefix(f"{root}/") for v in self.variables}
        self._by_selector: dict[Any, dict[int, bool]] = {}

    def of(self, selector: Selector) -> dict[int, bool]:
        """By id of each variable that it matches: whether it asks for the variable itself.

        A pattern does so if it ends in the variable's own name, a callable always.
        """
        key = selector if isinstance(selector, str) else id(selector)
        if key not in self._by_selector:
            self._by_selector[key] = self._of(selector)
        return self._by_selector[key]

    def all_of(self, selector: Selector) -> list[Any]:
        """The variables that it matches."""
        matched_ids = self.of(selector)
        return [v for v in self.variables if id(v) in matched_ids]

    def _of(self, selector: Selector) -> dict[int, bool]:
        if selector is None:
            return dict.fromkeys(map(id, self.variables), False)
        if isinstance(selector, tuple):
            return _united(map(self.of, selector))
        if isinstance(selector, str):
            alternatives = selector.split("|")
            if len(alternatives) > 1 and all(alternatives) and not _METACHARACTERS & set(selector):
                return _united(map(self._named, alternatives))
            return self._named(selector)
        if isinstance(selector, keras.layers.Layer):
            layer_ids = {id(v) for v in selector.variables}
            return {id(v): False for v in self.variables if id(v) in layer_ids}
        return {id(v): True for v in self.variables if selector(v)}

    def _named(self, text: str) -> dict[int, bool]:
        by_id = {}
        for v in self.variables:
            path = f"/{self._paths[id(v)]}"
            if f"/{text}/" in f"{path}/" or text == v.path:
                by_id[id(v)] = path.endswith(f"/{text}") or text == v.path
        if by_id:
            return by_id
        by_id = _searched(text, self._paths)
        if not by_id and ("/" in text or not self._known):
            by_id = _searched(text, {id(v): v.path for v in self.variables})
        return by_id


def _united(parts: Iterable[dict[int, bool]]) -> dict[int, bool]:
    by_id: dict[int, bool] = {}
    for part in parts:
        for key, by_name in part.items():
            by_id[key] = by_id.get(key, False) or by_name
    return by_id


def _searched(pattern: str, paths: dict[int, str]) -> dict[int, bool]:
    # A pattern names the variable itself if it no longer matches when the last component of
    # the path is another.
    return {
        key: re.search(pattern, path.rpartition("/")[0] + "/\0") is None
        for key, path in paths.items()
        if re.search(pattern, path)
    }


def _own_name(model: Any) -> str | None:
    # At the front of a path the name may be that of a layer too.
    layers = getattr(model, "layers", ())
    return None if any(layer.name == model.name for layer in layers) else model.name


def _first_of_all(paths: Sequence[str]) -> str | None:
    first = {path.partition("/")[0] for path in paths}
    return first.pop() if len(first) == 1 and all(p.count("/") > 1 for p in paths) else None


def takes_all(selector: Selector) -> bool:
    """Whether a selector is written to match everything."""
    return selector is None or (isinstance(selector, str) and re.search(selector, "\0") is not None)


def in_order(selector: Selector, variables: Sequence[Any], matches: Matches) -> list[Any]:
    """Variables in the order of a tuple of selectors; as they are for other selectors."""
    if not isinstance(selector, tuple):
        return list(variables)
    place = {
        id(v): next(i for i, part in enumerate(selector) if id(v) in matches.of(part))
        for v in variables
    }
    return sorted(variables, key=lambda v: place[id(v)])


def is_end(end: str, path: str) -> bool:
    """Whether `end` is the end of a path."""
    return path == end or path.endswith("/" + end)


def saved_selector(
    selector: Selector, variables: Sequence[Any], paths: Sequence[str], matches: Matches
) -> Any:
    """A selector as it is saved: patterns as they are, all others as the paths they chose.

    Keras may drop the model's name from the front of a path when a model is loaded, so a path
    is saved by its end, and so is a pattern that needs that name.

    Raises:
        InputError: If a callable has not chosen yet, because the optimizer is not built.
    """
    if selector is None:
        return None
    if isinstance(selector, tuple):
        choices = [[v for v in variables if id(v) in matches.of(part)] for part in selector]
        return [
            saved_selector(*pair, paths, matches) for pair in zip(selector, choices, strict=True)
        ]
    chosen = [v.path for v in variables]
    if isinstance(selector, str) and all(
        re.search(selector, path.partition("/")[2]) or "/" not in path for path in chosen
    ):
        return selector
    if chosen:
        return f"(^|/)({'|'.join(re.escape(ending(path, paths)) for path in chosen)})$"
    if isinstance(selector, keras.layers.Layer):
        name: str = getattr(selector, "name", "")
        return f"(^|/){re.escape(name)}/"
    raise InputError(
        "A callable selector can be saved once the model is built, as the paths it chose. "
        f"Received: {describe(selector)} of a model that is not built. Build the model first, "
        "or use a regular expression."
    )


def ending(path: str, paths: Sequence[str]) -> str:
    """The shortest end of `path`, of two components or more, that no other path has."""
    components = path.split("/")
    for count in range(2, len(components)):
        end = "/".join(components[-count:])
        if sum(other == end or other.endswith("/" + end) for other in paths) == 1:
            return end
    return path
