"""Checks of arguments, with one sentence for each rule.

Each takes the arguments by name, since the error names them, and raises an `InputError` at the
first that breaks the rule. None breaks every rule but the one that allows it. `is_whole` and
`is_number` are for rules that need a sentence of their own.

Example:
    >>> from taut.checks import check_whole
    >>> check_whole(1, epochs=0)
    Traceback (most recent call last):
    taut.errors.InputError: `epochs` must be an integer >= 1. Received: epochs=0.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

from taut.errors import InputError


def is_whole(value: Any, least: int) -> bool:
    """Whether `value` is an integer >= `least`, Python's or NumPy's; a bool is none."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def is_number(value: Any) -> bool:
    """Whether `value` is one finite number, Python's or an array's without axes; a bool is none."""
    if isinstance(value, bool) or not hasattr(value, "__float__") or getattr(value, "ndim", 0):
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


def _check(arguments: Mapping[str, Any], holds: Callable[[Any], bool], rule: str) -> None:
    for name, value in arguments.items():
        if not holds(value):
            raise InputError(f"`{name}` must be {rule}. Received: {name}={value!r}.")


def check_new_file(path: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """Raise for a folder, and for a file that exists unless it may be replaced; return the path."""
    place = Path(path)
    if place.is_dir() or (place.exists() and not overwrite):
        raise InputError(
            f"`path` must be a new file. Received: {str(place)!r}, which exists. Choose "
            "another, or, to replace a file, pass overwrite=True."
        )
    return place
