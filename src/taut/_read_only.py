"""Results that nobody can change: what a user writes into one changes no number behind it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np


class ReadOnly:
    """Mixin of a frozen dataclass whose values stay as they are, also in copies of it.

    Arrays in its fields, and those in tuples and mappings there, are read-only views: what was
    given stays as writable as it was. Data frames and dicts are handed out as copies, one each
    time, to which columns and keys can be added.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Result(ReadOnly):
        ...     losses: np.ndarray
        ...     names: dict[int, str]
        >>> result = Result(np.zeros(2), {0: "a"})
        >>> result.names[1] = "b"
        >>> result.names
        {0: 'a'}
        >>> result.losses[0] = 1.0
        Traceback (most recent call last):
        ValueError: assignment destination is read-only
    """

    def __post_init__(self) -> None:
        _hand_out_copies(type(self))
        for field in fields(self):  # type: ignore[arg-type]
            object.__setattr__(self, field.name, _read_only(vars(self)[field.name]))

    def __setstate__(self, state: dict[str, Any]) -> None:
        _hand_out_copies(type(self))
        for name, value in state.items():
            object.__setattr__(self, name, _read_only(value))


class _Copied:
    """A field of which each reader gets a copy."""

    def __init__(self, name: str):
        self._name = name

    def __get__(self, result: Any, kind: type) -> Any:
        if result is None:
            raise AttributeError(f"{kind.__name__!r} has {self._name!r} in its instances alone")
        value = vars(result)[self._name]
        return copy.copy(value) if isinstance(value, dict) or hasattr(value, "columns") else value

    def __set__(self, result: Any, value: Any) -> None:
        vars(result)[self._name] = value


def _hand_out_copies(kind: Any) -> None:
    """Once for each class, when it is whole: before that its defaults are read."""
    for field in fields(kind):
        changeable = any(word in str(field.type) for word in ("DataFrame", "dict[", "Mapping["))
        if changeable and not isinstance(vars(kind).get(field.name), _Copied):
            setattr(kind, field.name, _Copied(field.name))


def _read_only(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        view = value.view()
        view.flags.writeable = False
        return view
    if type(value) is tuple and any(isinstance(part, np.ndarray) for part in value):
        return tuple(map(_read_only, value))
    if isinstance(value, Mapping):
        return {name: _read_only(part) for name, part in value.items()}
    return value
