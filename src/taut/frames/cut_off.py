"""Whether a text file ends in the middle of a row, as where a download broke off."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import IO

from taut.frames.numbers import is_number
from taut.frames.text_file import TextFile

_SAMPLE, _ENOUGH = 1000, 5  # rows that the last one is compared with


def cut_off(handle: IO[str], form: TextFile) -> str:
    """What is told of a file whose last line has no end and may be a part of a row; else "".

    It has fewer fields than there are columns; or its last field is shorter than that of each of
    the first thousand rows, or the beginning of one of these, and itself none of them. Where the
    last fields are numbers of any length, nothing tells a whole one from the beginning of one.

    Args:
        handle: the open text.
        form: how it is read.
    """
    sample = list(islice(handle, form.skipped + 1 + form.between, _SAMPLE))
    last = "".join(deque(handle, maxlen=1)) or (sample.pop() if sample else "")
    if not last or last.endswith(("\n", "\r")) or form.separator == " ":
        return ""
    fields, others = _fields(last, form), [_fields(line, form) for line in sample]
    width = len(form.header)
    if 0 < len(fields) < width:
        place = f"in field {len(fields)} of {width}"
        return f"The file ends without a line break, {place}: it may be cut off."
    ends = {row[-1].strip() for row in others if len(row) == width}
    end = fields[-1].strip() if fields else ""
    if len(others) < _ENOUGH or end in ends:
        return ""
    shorter = len(end) < min(map(len, ends), default=0)
    begun = end and not is_number(end) and any(other.startswith(end) for other in ends)
    if not (shorter or begun):
        return ""
    return f"The file ends without a line break, behind {end!r}: it may be cut off."


def _fields(line: str, form: TextFile) -> Sequence[str]:
    """The fields of a line; none where it is a part of a row only."""
    rows = csv.reader(
        [line],
        delimiter=form.separator,
        quotechar=form.quote,
        skipinitialspace=True,
        escapechar="\\" if form.escaped else None,
        strict=True,
    )
    try:
        return next(rows, [])
    except csv.Error:
        return []
