"""Results whose arrays are read-only: what a user writes into one changes no number behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np


class ReadOnly:
    """Mixin of a frozen dataclass: the arrays in its fields are read-only, also of a copy.

    It takes arrays in tuples and mappings of these too. What was given stays as writable as it was,
    since a field holds a view.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Result(ReadOnly):
        ...     losses: np.ndarray
        >>> Result(np.zeros(2)).losses[0] = 1.0
        Traceback (most recent call last):
        ValueError: assignment destination is read-only
    """

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]
            object.__setattr__(self, field.name, _read_only(getattr(self, field.name)))

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, _read_only(value))


def _read_only(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        view = value.view()
        view.flags.writeable = False
        return view
    if type(value) is tuple and any(isinstance(part, np.ndarray) for part in value):
        return tuple(map(_read_only, value))
    if isinstance(value, Mapping) and any(isinstance(part, np.ndarray) for part in value.values()):
        return {name: _read_only(part) for name, part in value.items()}
    return value
