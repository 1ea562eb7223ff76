"""Dataclasses as JSON has them, and back."""

from __future__ import annotations

import dataclasses
import json
import types
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def plain(value: Any) -> Any:
    """A dataclass, and what it holds, as dicts, lists, str, numbers, booleans and None.

    A field with `metadata={"key": name}` goes by that name. One with `metadata={"with": field}` is
    left out where that field is None.

    Example:
        >>> @dataclasses.dataclass
        ... class Point:
        ...     x: float
        ...     marks: tuple[str, ...] = ()
        >>> plain(Point(1.0, ("a",)))
        {'x': 1.0, 'marks': ['a']}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.metadata.get("key", field.name): plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if "with" not in field.metadata or getattr(value, field.metadata["with"]) is not None
        }
    if isinstance(value, dict):
        return {key: plain(element) for key, element in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(element) for element in value]
    item: Any = getattr(value, "item", None)  # of a number of NumPy
    return value if item is None else item()


def json_text(value: Any, *, indent: int | None = None) -> str:
    """What `plain` gives as JSON, which has no NaN and no infinities: they are null.

    Example:
        >>> json_text({"loss": float("nan"), "names": ("a", "ä")})
        '{"loss": null, "names": ["a", "ä"]}'
    """
    finite = json.loads(json.dumps(plain(value)), parse_constant=lambda _: None)
    return json.dumps(finite, indent=indent, ensure_ascii=False)


def typed(kind: type[T], value: Any) -> T:
    """What `plain` made of an instance of a dataclass, as that again; keys unknown are left out.

    Raises:
        TypeError: a key is missing whose field has no default, or a value is of another shape.
    """
    return _of(kind, value)


def _of(hint: Any, value: Any) -> Any:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        kinds = [
            option for option in inner if get_origin(option) or dataclasses.is_dataclass(option)
        ]
        return value if value is None or not kinds else _of(kinds[0], value)
    if dataclasses.is_dataclass(hint):
        _check(value, dict, hint)
        there = {name: _of(kind, value[key]) for name, key, kind in _fields(hint) if key in value}
        return hint(**there)  # type: ignore[operator]
    if origin is tuple:
        _check(value, list, hint)
        return tuple(_of(inner[0], element) for element in value)
    if origin is dict:
        _check(value, dict, hint)
        return {key: _of(inner[1], element) for key, element in value.items()}
    return value


def _check(value: Any, kind: type, hint: Any) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{hint} is stored as a {kind.__name__}, not as {value!r:.60}")


@cache
def _fields(kind: Any) -> list[tuple[str, str, Any]]:
    """Name, key and type of each field."""
    hints = get_type_hints(kind)
    return [
        (field.name, field.metadata.get("key", field.name), hints[field.name])
        for field in dataclasses.fields(kind)
    ]
