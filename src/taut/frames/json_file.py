"""JSON: one object a line, or a list of objects, whose names are the columns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd

from taut.errors import InputError
from taut.frames.as_frame import NOTES
from taut.frames.table_file import TableFile
from taut.frames.text_encoding import find_encoding
from taut.frames.text_file import open_text
from taut.frames.values import EXACT, bare, shorten


def read_json(file: TableFile, encoding: str | None) -> pd.DataFrame:
    """The table [objects, names]; a name that an object does not have is missing there.

    Texts stay texts, `"007"` too, and whole numbers stay exact, however large.

    Args:
        file: which it is.
        encoding: its encoding; found unless given.

    Raises:
        InputError: a line, or a part of the list, is no JSON object, has a name twice, or holds a
            list or an object as a value.
    """
    encoding, notes = find_encoding(file, encoding)
    columns: dict[str, list[Any]] = {}
    rows = 0
    for place, names in _objects(file, encoding):
        for name, value in names:
            column = columns.setdefault(name, [])
            if len(column) > rows:
                raise InputError(
                    f"Every column needs a name of its own. Received more than once in {place} of "
                    f"{file}: {name!r}. Rename one of the two."
                )
            if isinstance(value, list):
                held = "an object" if isinstance(value, _Object) else "a list"
                if rows == 0 and _alone(file, encoding):
                    raise InputError(
                        "A JSON file holds an object for each row. Received: "
                        f"{file}, one object for all, with {held} as {name!r}. Write one object a "
                        'line (pandas: `to_json(path, orient="records", lines=True)`).'
                    )
                raise InputError(
                    f"A column holds one value in each row. Received: {held} in the column "
                    f"{name!r}, {place} of {file}. Make columns of its parts, or leave it out of "
                    "the file."
                )
            if len(column) < rows:
                column += [None] * (rows - len(column))
            column.append(value)
        rows += 1
    held = {
        name or f"Unnamed: {k}": _series([*column, *[None] * (rows - len(column))])
        for k, (name, column) in enumerate(columns.items())
    }
    frame = pd.DataFrame(held, index=pd.RangeIndex(rows))
    frame.attrs[NOTES] = list(notes)
    return frame


def _alone(file: TableFile, encoding: str) -> bool:
    """Whether the file is one object, and no list of any."""
    try:
        with open_text(file, encoding) as text:
            return isinstance(json.load(text), dict)
    except ValueError:
        return False


def _objects(file: TableFile, encoding: str) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """Where each object stands, and its names and values in their order."""
    with open_text(file, encoding) as lines:
        first = next((line for line in lines if line.strip()), "")
    with open_text(file, encoding) as lines:
        if first.lstrip().startswith("["):
            for number, found in enumerate(_parsed(file, 1, lines.read(), list), start=1):
                if not isinstance(found, _Object):
                    raise _no_object(file, number, repr(found), what="part")
                yield f"object {number}", _stripped(found)
            return
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield f"line {number}", _stripped(_parsed(file, number, line, _Object))


def _parsed(file: TableFile, number: int, text: str, kind: type[list[Any]]) -> list[Any]:
    try:
        found = json.loads(text, object_pairs_hook=_Object)
    except (ValueError, RecursionError) as error:
        raise _no_object(file, number, text) from error
    if type(found) is not kind:
        raise _no_object(file, number, text)
    return found


def _stripped(found: list[Any]) -> list[tuple[str, Any]]:
    return [(bare(name), bare(v) if isinstance(v, str) else v) for name, v in found]


class _Object(list[tuple[str, Any]]):
    """A JSON object with all its names, also those that it has twice; a list is a list."""


def _no_object(file: TableFile, number: int, text: str, *, what: str = "line") -> InputError:
    return InputError(
        "A JSON file holds one whole object a line, or a list of objects. Received: "
        f"{what} {number} of {file}, {shorten(text.strip())}. Write one object a line, such as "
        '`{"age": 31, "city": "Bonn"}` (pandas: `to_json(path, orient="records", lines=True)`).'
    )


def _series(values: list[Any]) -> pd.Series:
    """The values in their own type; whole numbers that a float cannot hold stay Python's."""
    held = pd.Series(values, dtype=object)
    inferred = held.infer_objects()
    inexact = inferred.dtype == float and any(type(v) is int and abs(v) >= EXACT for v in values)
    return held if inexact else inferred
