"""A sheet of an Excel workbook: where its table begins, and what its columns are called."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any

import pandas as pd

from taut.errors import InputError
from taut.frames.as_frame import NOTES, refuse_duplicates
from taut.frames.table_edges import (
    is_between,
    lower_names,
    note_between,
    note_empty,
    note_repeated,
    numeric_places,
    without_foot,
)
from taut.frames.table_file import TableFile, libraries
from taut.frames.unpacking import refuse_more
from taut.frames.values import bare, shorten

_SAMPLE = 100  # rows that show where the header is


def read_excel(file: TableFile, sheet: str | None) -> pd.DataFrame:
    """The first sheet of a workbook, or the one that is named.

    Args:
        file: which it is.
        sheet: the name of a sheet; the first unless given.

    Raises:
        InputError: openpyxl is not installed, there is no such sheet, it has no rows below names,
            or two columns have one name.
    """
    try:
        import openpyxl
    except ImportError:
        raise InputError(
            f"Excel files are read by openpyxl, which is not installed. Received: {file}. "
            "Install it with `pip install openpyxl`, or save the table as CSV."
        ) from None
    with file.open() as opened:
        refuse_more(file.path, _size(opened))
        with libraries(), _quietly(), ExitStack() as stack:
            book = openpyxl.load_workbook(opened, read_only=True, data_only=True)
            stack.callback(book.close)
            name, others = _choose(book, sheet)
            rows = _rows(book[name])
            merged = _merged_down(opened, book[name])
    filled = [k for k, row in enumerate(rows) if _filled(row)]
    # A cover page is no table.
    seen = f", sheet {name!r} (--sheet reads another: {', '.join(others)})" if others else ""
    if len(filled) < 2:
        what = "no rows" if filled else "nothing"
        raise InputError(
            f"A table needs columns and rows. Received: {file}{seen}, which holds {what}."
        )
    # Titles fill fewer cells than the table below them.
    usual = Counter(_filled(rows[k]) for k in filled).most_common(1)[0][0]
    start = next((k for k in filled if _filled(rows[k]) >= max(2, usual / 2)), filled[0])
    texts = [list(map(_text, row)) for row in rows[start : start + _SAMPLE]]
    header, notes = texts[0], []
    lower = lower_names(header, texts[1], texts[2:]) if len(texts) > 1 else []
    if lower:
        notes.append(
            f"The header is in rows {start + 1} and {start + 2} of the sheet {name!r}: the names "
            f"are {', '.join(map(repr, lower[:3]))}{', …' if len(lower) > 3 else ''}."
        )
        start, header, texts = start + 1, lower, texts[1:]
    elif start > filled[0]:
        notes.append(f"The header is in row {start + 1} of the sheet {name!r}.")
    if len(texts) > 2 and is_between(texts[1], texts[2:]):
        notes.append(note_between(texts[1]))
        start += 1
    if filled_down := _fill_down(rows, merged, start):
        named = ", ".join(shorten(header[k] or f"Unnamed: {k}") for k in sorted(filled_down))
        notes.append(f"Cells merged over several rows count for each of these, in {named}.")
    held = [row for row in rows[start + 1 :] if _filled(row)]
    own = [row for row in held if list(map(_text, row)) != header]
    if len(own) < len(held) and numeric_places([list(map(_text, r)) for r in own[:_SAMPLE]]):
        notes.append(note_repeated(len(held) - len(own)))
        held = own
    columns = list(map(list, zip(*held, strict=True)))
    kept = [
        k
        for k, head in enumerate(header)
        if head or (columns and any(cell is not None for cell in columns[k]))
    ]
    names = [header[k] or f"Unnamed: {k}" for k in kept]
    refuse_duplicates(file, names)
    frame = pd.DataFrame(
        {
            head: pd.Series(columns[k] if columns else [], dtype=object).infer_objects()
            for head, k in zip(names, kept, strict=True)
        }
    )
    empty = sum(k > start and k not in filled for k in range(filled[-1]))
    if empty:
        notes.append(note_empty(empty))
    if others and sheet is None:
        notes.append(f"Read the first sheet, {name!r}, of {len(others) + 1} (--sheet decides).")
    frame, left_out = without_foot(frame)
    frame.attrs[NOTES] = [*notes, *left_out]
    return frame


def _choose(book: Any, sheet: str | None) -> tuple[str, list[str]]:
    """The name of the sheet to read, the first that is shown unless one is named; the others."""
    names = [each.title for each in book.worksheets]  # a chart is none
    if sheet is not None and sheet not in names:
        raise InputError(f"The file has no sheet {sheet!r}. Its sheets are {', '.join(names)}.")
    shown = [each.title for each in book.worksheets if each.sheet_state == "visible"] or names
    name = sheet or shown[0]
    return name, [other for other in names if other != name]


def _rows(sheet: Any) -> list[list[Any]]:
    """The cells of a sheet, each row as wide as the table."""
    sheet.reset_dimensions()  # what other programs say of the size may be wrong
    rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    width = max((k + 1 for row in rows for k, cell in enumerate(row) if _text(cell)), default=0)
    while rows and not _filled(rows[-1]):
        rows.pop()
    return [[*row[:width], *[None] * (width - len(row))] for row in rows]


def _merged_down(opened: IO[bytes], sheet: Any) -> list[tuple[int, int, int]]:
    """Cells that are merged over several rows: their column, and the first and the last row."""
    from openpyxl.utils.cell import column_index_from_string

    # openpyxl leaves them out where it reads row by row; they stand behind all rows.
    behind = b""
    with zipfile.ZipFile(opened) as archive, archive.open(sheet._worksheet_path) as part:
        while piece := part.read(1 << 20):
            behind += piece
            begins = behind.find(b"mergeCells")
            behind = behind[begins:] if begins >= 0 else behind[-len(b"mergeCells") :]
    found = re.findall(rb'mergeCell ref="([A-Z]+)(\d+):[A-Z]+(\d+)"', behind)
    cells = (
        (column_index_from_string(c.decode()) - 1, int(a) - 1, int(b) - 1) for c, a, b in found
    )
    return [(column, first, last) for column, first, last in cells if last > first]


def _fill_down(rows: list[list[Any]], merged: list[tuple[int, int, int]], header: int) -> set[int]:
    """Give the value of merged cells below the header to each of their rows; their columns."""
    filled: set[int] = set()
    for column, first, last in merged:
        if first > header and first < len(rows) and column < len(rows[first]):
            value = rows[first][column]
            below = [row for row in rows[first + 1 : last + 1] if _filled(row)]
            if value is not None and below:
                filled.add(column)
                for row in below:
                    row[column] = value
    return filled


def _size(opened: IO[bytes]) -> int:
    """Bytes of all that is packed in the file, as it says; no more of it is unpacked."""
    with zipfile.ZipFile(opened) as archive:
        return sum(entry.file_size for entry in archive.infolist())


@contextmanager
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of formats that hold no values
        yield


def _text(cell: Any) -> str:
    return "" if cell is None else bare(str(cell))


def _filled(row: list[Any]) -> int:
    return sum(_text(cell) != "" for cell in row)
