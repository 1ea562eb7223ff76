"""Which sign stands around the fields of a text file: " or '."""

from __future__ import annotations

import re
from collections.abc import Sequence

DOUBLE, SINGLE = '"', "'"


def quote_sign(lines: Sequence[str], separator: str) -> str:
    """The sign that quotes fields: ' where it stands around fields as a quote does, else ".

    Every field that begins with ' must end with it, so that 's-Hertogenbosch has none; and it must
    stand around each filled field of some column below the names, or around a separator.

    Args:
        lines: the first lines of the file.
        separator: the sign between fields.

    Example:
        >>> quote_sign(["name,n\\n", "'Smith, J',1\\n", "'Wu, L',2"], ",")
        "'"
    """
    edge = re.escape(separator)
    field = re.compile(
        rf"[ ]*(?:(?P<quoted>'(?:\\'|[^']|'')*')[ ]*(?=[{edge}\r\n]|$)|(?P<other>[^{edge}\r\n]*))"
        rf"(?:{edge}|\r?\n|$)"
    )
    needed, columns = False, dict[int, bool]()
    whole = [line for line in lines if line.endswith(("\n", "\r"))]  # the last may be cut off
    for number, line in enumerate(whole if len(whole) > 1 else lines):
        for place, found in enumerate(field.finditer(line)):
            quoted, other = found["quoted"], found["other"]
            if other is not None and other.startswith((SINGLE, DOUBLE)):
                return DOUBLE
            needed |= quoted is not None and separator in quoted
            if number and (quoted or other):
                columns[place] = columns.get(place, True) and quoted is not None
    return SINGLE if needed or any(columns.values()) else DOUBLE
