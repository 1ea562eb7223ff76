"""Backslashes before quotes and separators that are text, as Spark, Hive and MySQL write them."""

from __future__ import annotations

import csv
import io
import re
from typing import IO

_ENOUGH = 100  # lines that show whether a backslash escapes


def escapes(handle: IO[str], separator: str, width: int) -> bool:
    r"""Whether most lines with a backslash before a quote or a separator are rows if it escapes.

    A path such as "C:\data\" ends in a backslash of its own.

    Args:
        handle: the open text.
        separator: the sign between fields.
        width: how many fields a row has.
    """
    signs = re.compile(rf'\\["{re.escape(separator)}]')
    rows = {True: 0, False: 0}
    while (lines := handle.readlines(1 << 20)) and sum(rows.values()) < _ENOUGH:
        if signs.search("".join(lines)):
            for line in filter(signs.search, lines):
                for escape in rows:
                    rows[escape] += _is_row(line, separator, width, "\\" if escape else None)
    return rows[True] > rows[False]


def _is_row(line: str, separator: str, width: int, escape: str | None) -> bool:
    try:
        (row,) = csv.reader(
            [line], delimiter=separator, skipinitialspace=True, strict=True, escapechar=escape
        )
    except (csv.Error, ValueError):
        return False
    return len(row) == width


class WithoutMarks(io.TextIOBase):
    r"""A text whose fields \N are empty: what unescapes it would make an "N" of each.

    Args:
        handle: the open text.
        separator: the sign between fields.
    """

    def __init__(self, handle: IO[str], separator: str) -> None:
        edge = re.escape(separator)
        self._handle = handle
        self._mark = re.compile(rf"(?:(?<={edge})|^)\\N(?=[{edge}\r\n]|$)", re.MULTILINE)

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> str:
        # Whole lines, and so more than was asked for, which its reader allows.
        lines = self._handle.readlines(-1 if size is None else max(size, 1))
        return self._mark.sub("", "".join(lines))
