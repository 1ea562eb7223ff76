"""What a parser would read without a word, though the rows do not fit the header."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import islice
from typing import IO

from taut.errors import InputError
from taut.frames.text_file import TextFile


def check_quotes(file: object, handle: IO[str], form: TextFile) -> None:
    """Raise where a quote is closed, lines below, by one that opens a field of its own.

    A quote that is left open takes all rows up to the next one, and both are lost: behind that one
    stands neither a separator nor the end of a line.

    Args:
        file: what messages call the file.
        handle: its open text.
        form: how it is read.

    Raises:
        InputError: there is such a quote.
    """
    edge = re.escape(form.separator)
    blank = " \t".replace(form.separator, "")  # a tab that ends the field is none
    quote = form.quote
    closing = re.compile(
        rf"(?:[^{quote}]|{quote}{quote})*?{quote}(?!{quote})[{blank}]*"
        rf"(?P<rest>[{edge}\r\n].*|$)?",
        re.DOTALL,
    )
    opened = 0  # the line where a quoted field began that is still open
    for number, line in enumerate(handle, start=1):
        if quote not in line:
            continue
        rest = line
        if opened:
            close = closing.match(rest)
            if close is None:
                continue
            if close["rest"] is None:
                raise InputError(
                    f"Every quote of {file} must be closed where its field ends. Received: one "
                    f"that is opened in line {opened}, which would take the rows up to line "
                    f"{number}. Close it, or write it twice where it is a part of the text."
                )
            opened, rest = 0, close["rest"]
        if not opened and rest.count(quote) % 2 and _left_open(rest, form):
            opened = number


def _left_open(line: str, form: TextFile) -> bool:
    try:
        list(
            csv.reader(
                [line],
                delimiter=form.separator,
                quotechar=form.quote,
                skipinitialspace=True,
                strict=True,
            )
        )
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


def check_blanks(file: object, handle: IO[str], form: TextFile) -> None:
    """Raise where a row of a table that blanks set apart has not one field for each column.

    With an empty cell, as in a table of fixed width, its values would stand in other columns.

    Raises:
        InputError: there is such a row.
    """
    width = len(form.header) - (not form.header[-1])
    for line, fields in _widths(handle, form):
        if fields != width:
            raise InputError(
                "Every row of a table whose fields are set apart by blanks must have a field for "
                f"each column. Received: {fields} in line {line} of {file}, which names {width} "
                "columns. Where cells are empty or hold blanks, as in a table of fixed width, save "
                'it as CSV (`pandas.read_fwf(path).to_csv("table.csv", index=False)`).'
            )


def longest_row(handle: IO[str], form: TextFile) -> tuple[int, int]:
    """The first row with more fields than there are columns: its line and its fields; or (0, 0)."""
    found = ((line, n) for line, n in _widths(handle, form) if n > len(form.header))
    return next(found, (0, 0))


def _widths(handle: IO[str], form: TextFile) -> Iterator[tuple[int, int]]:
    """The line in which each row below the header ends, and how many fields the row has."""
    above, blanks = form.skipped, form.separator == " "
    lines = islice(handle, above, None)
    reader = csv.reader(
        (line.replace("\t", " ") for line in lines) if blanks else lines,
        delimiter=form.separator,
        quotechar=form.quote,
        skipinitialspace=True,
        escapechar="\\" if form.escaped else None,
    )
    next(reader, None)
    for row in reader:
        if any(field.strip() for field in row) and reader.line_num - 1 > form.between:
            yield above + reader.line_num, len(row) - (blanks and not row[-1])
