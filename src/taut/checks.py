"""Checks of arguments, with one sentence for each rule.

Each takes the arguments by name, since the error names them, and raises an `InputError` at the
first that breaks the rule. None breaks every rule but the one that allows it. `is_whole` and
`is_number` are for rules that need a sentence of their own; `names_given` returns what it has read.

Example:
    >>> from taut.checks import check_whole
    >>> check_whole(1, epochs=0)
    Traceback (most recent call last):
    taut.errors.InputError: `epochs` must be an integer >= 1. Received: epochs=0.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path
from typing import Any

from taut.errors import InputError


def is_whole(value: Any, least: int) -> bool:
    """Whether `value` is an integer >= `least`, Python's or NumPy's; a bool is none."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def is_number(value: Any) -> bool:
    """Whether `value` is one finite number, Python's or an array's without axes; a bool is none."""
    boolean = isinstance(value, bool) or str(getattr(value, "dtype", "")) == "bool"
    if boolean or not hasattr(value, "__float__") or getattr(value, "ndim", 0):
        return False
    return math.isfinite(float(value))


def check_whole(least: int, /, **arguments: Any) -> None:
    """Raise unless each is an integer >= `least`."""
    _check(arguments, lambda v: is_whole(v, least), f"an integer >= {least}")


def check_whole_or_none(least: int, /, **arguments: Any) -> None:
    """Raise unless each is None or an integer >= `least`."""
    rule = f"an integer >= {least} or None"
    _check(arguments, lambda v: v is None or is_whole(v, least), rule)


def check_at_least(least: float, /, **arguments: Any) -> None:
    """Raise unless each is a finite number >= `least`."""
    rule = f"a finite number >= {least:g}"
    _check(arguments, lambda v: is_number(v) and float(v) >= least, rule)


def check_above(bound: float, /, **arguments: Any) -> None:
    """Raise unless each is a finite number > `bound`."""
    rule = f"a finite number > {bound:g}"
    _check(arguments, lambda v: is_number(v) and float(v) > bound, rule)


def check_share(**arguments: Any) -> None:
    """Raise unless each lies between 0 and 1, both allowed."""
    _check(arguments, lambda v: is_number(v) and 0 <= float(v) <= 1, "between 0 and 1")


def check_inner_share(**arguments: Any) -> None:
    """Raise unless each lies between 0 and 1, neither allowed."""
    rule = "between 0 and 1, and neither of them"
    _check(arguments, lambda v: is_number(v) and 0 < float(v) < 1, rule)


def names_given(**argument: Any) -> tuple[str, ...]:
    """The names in the list that one argument is: text, or what else may name a column, as text.

    Raises:
        InputError: Unless it is a list, and no text, whose items name something: not None, nor
            lists themselves.

    Example:
        >>> names_given(names=["age", 2024])
        ('age', '2024')
    """
    ((name, value),) = argument.items()
    items = _items(value)
    if items is None:
        raise InputError(f"`{name}` must be a list of names. Received: {name}={value!r:.80}.")
    for item in items:
        if item is None or isinstance(item, bytes) or not isinstance(item, Hashable):
            raise InputError(
                f"`{name}` must be a list of names. Received: {item!r:.80} among its items."
            )
    return tuple(map(str, items))


def listed(kind: type, words: str, /, **argument: Any) -> list[Any]:
    """The items of the list that one argument is, all of one kind.

    Args:
        kind: Of each item.
        words: What users call them.

    Raises:
        InputError: Unless it is a list of these.
    """
    ((name, value),) = argument.items()
    items = _items(value)
    if items is None:
        raise InputError(f"`{name}` must be a list of {words}. Received: {name}={value!r:.80}.")
    for item in items:
        if not isinstance(item, kind):
            raise InputError(
                f"`{name}` must be a list of {words}. Received: {item!r:.80} among its items."
            )
    return items


def check_one_of(allowed: Sequence[Any], /, **arguments: Any) -> None:
    """Raise unless each is one of a few words, or None where that is among them."""
    words = [f'"{word}"' if isinstance(word, str) else repr(word) for word in allowed]
    rule = f"{', '.join(words[:-1])} or {words[-1]}"
    _check(arguments, lambda v: v is None or isinstance(v, str), rule)
    _check(arguments, lambda v: v in allowed, rule)


def check_same_order(**columns: Any) -> None:
    """Raise if two columns of pandas have the same index in different orders.

    Columns are read by position: those of an index that was sorted, or drawn, in one alone would
    be paired with rows of others, and nothing would tell.
    """
    indices = [(name, c.index) for name, c in columns.items() if hasattr(c, "iloc")]
    for (first, one), (second, other) in itertools.pairwise(indices):
        same = len(one) == len(other) and one.is_unique and other.is_unique
        if same and not one.equals(other) and bool(other.isin(one).all()):
            raise InputError(
                f"`{second}` must be in the order of `{first}`. Received: two columns of pandas "
                f"with the same index in different orders. Use `{second}.loc[{first}.index]`."
            )


def check_ordered(**lists: Any) -> None:
    """Raise for sets and mappings, where each item goes with one of another list."""
    for name, value in lists.items():
        if isinstance(value, (Mapping, Set)):
            raise InputError(
                f"`{name}` must be a list, whose order is known. Received: a "
                f"{type(value).__name__}."
            )


@contextmanager
def of_argument(name: str) -> Iterator[None]:
    """Errors of what an argument holds say whose they are: "Of `validation`: `sample_weight` …"."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"Of `{name}`: {error}") from error


def _items(value: Any) -> list[Any] | None:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        return None
    try:
        return list(value)
    except TypeError:  # an array without axes
        return None


def _check(arguments: Mapping[str, Any], holds: Callable[[Any], bool], rule: str) -> None:
    for name, value in arguments.items():
        if not holds(value):
            raise InputError(f"`{name}` must be {rule}. Received: {name}={value!r}.")


def path_given(**argument: Any) -> Path:
    """The path that one argument is.

    Raises:
        InputError: Unless it is text or a path.
    """
    ((name, value),) = argument.items()
    if not isinstance(value, (str, os.PathLike)):
        raise InputError(f"`{name}` must be a path. Received: {name}={value!r:.80}.")
    return Path(value)


def check_new_file(path: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """Raise for a folder, and for a file that exists unless it may be replaced; return the path."""
    place = path_given(path=path)
    if place.is_dir() or (place.exists() and not overwrite):
        raise InputError(
            f"`path` must be a new file. Received: {str(place)!r}, which exists. Choose "
            "another, or, to replace a file, pass overwrite=True."
        )
    return place
