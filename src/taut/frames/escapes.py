"""Backslashes before quotes and separators that are text, as Spark, Hive and MySQL write them."""

from __future__ import annotations

import csv
import io
import re
from typing import IO

_ENOUGH = 100  # lines that show whether a backslash escapes


def escapes(handle: IO[str], separator: str, width: int, quote: str) -> bool:
    r"""Whether most lines with a backslash before a quote or a separator are rows if it escapes.

    A path such as "C:\data\" ends in a backslash of its own.

    Args:
        handle: the open text.
        separator: the sign between fields.
        width: how many fields a row has.
        quote: the sign around fields.
    """
    signs = re.compile(rf"\\[{quote}{re.escape(separator)}]")
    rows = {True: 0, False: 0}
    while (lines := handle.readlines(1 << 20)) and sum(rows.values()) < _ENOUGH:
        if signs.search("".join(lines)):
            for line in filter(signs.search, lines):
                for escape in rows:
                    rows[escape] += _is_row(line, separator, width, quote, "\\" if escape else None)
    return rows[True] > rows[False]


def _is_row(line: str, separator: str, width: int, quote: str, escape: str | None) -> bool:
    try:
        (row,) = csv.reader(
            [line],
            delimiter=separator,
            quotechar=quote,
            skipinitialspace=True,
            strict=True,
            escapechar=escape,
        )
    except (csv.Error, ValueError):
        return False
    return len(row) == width


class CleanedText(io.TextIOBase):
    r"""A text without what its parser would take for values: later header lines, and marks \N.

    What unescapes a text would make an "N" of each \N.

    Args:
        handle: the open text, before its header.
        separator: the sign between fields.
        escaped: whether fields that are \N shall be empty.
        repeated: the header line, "" where it stands there but once.
    """

    def __init__(self, handle: IO[str], separator: str, *, escaped: bool, repeated: str) -> None:
        edge = re.escape(separator)
        self._handle = handle
        self._mark = re.compile(rf"(?:(?<={edge})|^)\\N(?=[{edge}\r\n]|$)", re.MULTILINE)
        self._escaped, self._repeated = escaped, repeated
        self._header = handle.readline()

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> str:
        # Whole lines, and so more than was asked for, which its reader allows.
        lines = self._handle.readlines(-1 if size is None else max(size, 1))
        while lines and self._repeated:
            kept = [line for line in lines if line.rstrip("\r\n") != self._repeated]
            if kept:
                lines = kept
                break
            lines = self._handle.readlines(max(size or 0, 1))  # nothing would be the end
        text = self._header + "".join(lines)
        self._header = ""
        return self._mark.sub("", text) if self._escaped else text


def later_headers(handle: IO[str], skipped: int) -> tuple[str, int]:
    """The line that names the columns, and how often it stands below itself.

    Args:
        handle: the open text.
        skipped: the lines above the header.
    """
    for _ in range(skipped):
        handle.readline()
    header = handle.readline().rstrip("\r\n")
    count = 0
    while lines := handle.readlines(1 << 20):
        count += sum(lines.count(header + end) for end in ("\n", "\r\n", "\r", ""))
    return header, count
