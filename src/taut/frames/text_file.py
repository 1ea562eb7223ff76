"""What a text file is: its encoding, its separator, and where its header stands."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, NamedTuple

from taut.errors import InputError
from taut.frames.escapes import escapes, later_headers
from taut.frames.quote_signs import DOUBLE, SINGLE, quote_sign
from taut.frames.table_edges import (
    is_between,
    lower_names,
    note_between,
    note_repeated,
    numeric_places,
)
from taut.frames.table_file import TableFile
from taut.frames.text_encoding import find_encoding

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": " "}
_SAMPLE = 100  # lines that show the separator and the header
_LONGEST = 1 << 20  # characters in all of them
_NUMBER_LIKE = re.compile(r"[\s\d.,:/%$€£¥+\-−()']*\d[\s\d.,:/%$€£¥+\-−()']*|")


class TextFile(NamedTuple):
    """How a text file is to be read.

    Args:
        encoding: the encoding, as Python calls it.
        separator: the sign between fields.
        skipped: lines above the header, which are not a part of the table.
        header: the column names.
        between: lines below the header that hold no values.
        row_names: whether the rows begin with a name that the file's own header leaves out.
        quote: the sign around fields, " or '.
        escaped: whether a backslash stands before a quote or a separator that is text.
        repeated: the line that names the columns, where it stands once more below; else "".
        notes: what was decided that could be otherwise, in sentences.
    """

    encoding: str
    separator: str
    skipped: int
    header: list[str]
    between: int
    row_names: bool
    quote: str
    escaped: bool
    repeated: str
    notes: tuple[str, ...]


def inspect(
    file: TableFile, *, encoding: str | None = None, separator: str | None = None
) -> TextFile:
    """Says how to read a text file, from its bytes and its first lines.

    Args:
        file: which it is.
        encoding: its encoding; found unless given.
        separator: its separator; found unless given.

    Raises:
        InputError: the file is empty, or it is not text in this encoding.
    """
    encoding, notes = find_encoding(file, encoding)
    with open_text(file, encoding) as opened:
        lines = _first_lines(opened)
    declared = re.fullmatch(r'"?sep=(.)"?\s*', lines[0]) if lines else None
    if declared:
        separator = separator or declared[1]
    first = 1 if declared else 0
    if not any(line.strip() for line in lines[first:]):
        raise InputError(f"A table needs columns and rows. Received: {file}, empty.")
    likely = "\t,;| " if ".tsv" in file.name.lower() else ",;\t| "
    best = min(
        (
            _Reading(lines[first:], sign, escape)
            for sign in ([separator] if separator else likely)
            for escape in ((False, True) if any("\\" in line for line in lines) else (False,))
        ),
        key=lambda reading: reading.rank,
    )
    if best.failed is not None:
        raise best.failed
    if best.skipped_text:
        shown = best.skipped_text if len(best.skipped_text) < 60 else best.skipped_text[:56] + "..."
        notes.append(
            f"The header is in line {first + best.skipped + 1}; above it stands {shown!r}."
        )
    if all(_NUMBER_LIKE.fullmatch(name) for name in best.header) and len(best.header) > 1:
        notes.append("The first line holds numbers: it was read as the names of the columns.")
    if best.between:
        notes.append(note_between(best.below))
    header = best.header
    if best.row_names:
        header = ["Unnamed: 0", *header]
        notes.append(
            "Each line has one field more than there are names: it begins with a row name."
        )
    skipped = first + best.skipped
    with open_text(file, encoding) as opened:
        escaped = best.escaped or escapes(opened, best.separator, len(header), best.quote)
    if escaped:
        notes.append(
            'A backslash stands before quotes and separators that are text, as in "\\"": '
            "it was left out."
        )
    if best.quote == SINGLE:
        notes.append("Fields stand in single quotes, as in 'a, b': these were left out.")
    repeated, count = "", 0
    if best.measures:
        with open_text(file, encoding) as opened:
            repeated, count = later_headers(opened, skipped)
    if count:
        notes.append(note_repeated(count))
    return TextFile(
        encoding,
        best.separator,
        skipped,
        header,
        best.between,
        best.row_names,
        best.quote,
        escaped,
        repeated if count else "",
        tuple(notes),
    )


@contextmanager
def open_text(file: TableFile, encoding: str) -> Iterator[IO[str]]:
    """The file's text, unpacked and decoded."""
    with file.open() as opened, io.TextIOWrapper(opened, encoding, newline="") as text:
        yield text


def zeros_before_digits(file: TableFile, form: TextFile) -> bool:
    """Whether any field is a whole number that begins with a zero, such as 007."""
    edge = re.escape(form.separator) + r"\s" + form.quote
    # It begins with the zero, which is found fast, and looks back from there: a fifth of the time.
    found = re.compile(rf"0(?<![^{edge}]0)\d+(?![^{edge}])")
    with open_text(file, form.encoding) as handle:
        while lines := handle.readlines(1 << 20):
            if found.search("".join(lines)):
                return True
    return False


class _Reading:
    """The first lines, read with one separator, and with backslashes that escape or do not."""

    def __init__(self, lines: list[str], separator: str, escaped: bool):
        self.separator, self.escaped = separator, escaped
        # Quotes of both signs in one file are double ones: most texts have an apostrophe.
        self.quote = quote_sign(lines, separator) if any(SINGLE in n for n in lines) else DOUBLE
        rows: list[tuple[int, list[str]]] = []  # the lines before each row, and its fields
        escape = "\\" if escaped else None
        reader = csv.reader(
            lines,
            delimiter=separator,
            quotechar=self.quote,
            skipinitialspace=True,
            escapechar=escape,
        )
        done = 0
        self.failed: csv.Error | None = None
        try:
            for row in reader:
                if any(field.strip() for field in row):
                    rows.append((done, row))
                done = reader.line_num
        except csv.Error as error:  # a line is one long field where this is not the separator
            self.failed = error
        if not rows:
            rows = [(0, [lines[0]])]
        widths = [len(row) for _, row in rows]
        usual = Counter(widths[len(widths) // 5 :]).most_common(1)[0][0]
        fields = [row for _, row in rows]
        start = _header_row(fields, usual)
        self.below = fields[start + 1] if len(fields) > start + 1 else []
        lower = lower_names(fields[start], self.below, fields[start + 2 :])
        if lower and lower == [name.strip() for name in self.below]:
            start += 1
            self.below = fields[start + 1]
        self.skipped, self.header = rows[start]
        # What pandas shall leave out is one line, the one below that of the names.
        after = rows[start + 1 : start + 3]
        one = [line - self.skipped for line, _ in after] in ([1], [1, 2])
        self.between = int(one and is_between(self.below, fields[start + 2 :]))
        others = [row for row in fields[start + 1 + self.between :] if row != self.header]
        self.measures = bool(numeric_places(others, least=3))
        self.row_names = _has_row_names(self.header, fields[start + 1 :], separator)
        titles = [" ".join(filter(str.strip, row)) for _, row in rows[:start]]
        self.skipped_text = " / ".join(titles)
        below = [len(self.header) + self.row_names, *widths[start + 1 :]]
        uneven = sum(width != usual for width in below) / len(below)
        # One column is what every file has under a separator that it does not use; and texts
        # have blanks in them.
        self.rank = (
            self.failed is not None,
            usual == 1,
            separator == " ",
            len(self.header) == 1,
            round(uneven, 1),
            start,
            -usual,
            escaped,
        )


def _header_row(rows: list[list[str]], usual: int) -> int:
    """Which row names the columns: the first one, but for titles above it."""
    for k, row in enumerate(rows[:20]):
        if k == 0 and len(row) == usual and not _title(row):
            return 0
        names = [field.strip() for field in row]
        named = len(row) == usual > 1 and sum(map(bool, names)) > max(1, usual / 2)
        if k and named and not any(_NUMBER_LIKE.fullmatch(name) for name in names if name):
            above = rows[:k]
            return k if all(_title(r) or len(r) != usual for r in above) else 0
    return 0


def _has_row_names(header: list[str], rows: list[list[str]], separator: str) -> bool:
    """Whether the rows begin with a name, as R writes them: one field more than the header has.

    The names all differ. With commas they must number the rows: else a field may hold a comma.
    """
    if not rows or any(len(row) != len(header) + 1 for row in rows):
        return False
    names = [row[0].strip() for row in rows]
    if not any(row[-1].strip() for row in rows) or len(set(names)) < len(names):
        return False
    return separator != "," or names in (
        [str(k) for k in range(first, first + len(rows))] for first in (0, 1)
    )


def _title(row: list[str]) -> bool:
    """A line of text that was padded to the width of a table."""
    return bool(row[0].strip()) and len(row) > 1 and not any(field.strip() for field in row[1:])


def _first_lines(file: IO[str]) -> list[str]:
    lines: list[str] = []
    size = 0
    for line in file:
        lines.append(line)
        size += len(line)
        if len(lines) >= _SAMPLE or size > _LONGEST:
            break
    return lines
