"""A sheet of an Excel workbook: where its table begins, and what its columns are called."""

from __future__ import annotations

import warnings
from collections import Counter
from contextlib import ExitStack
from typing import Any

import pandas as pd

from taut.errors import InputError
from taut.frames.as_frame import NOTES, refuse_duplicates
from taut.frames.numbers import is_number
from taut.frames.table_file import TableFile


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
    with file.open() as opened, ExitStack() as stack:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of formats that hold no values
            book = openpyxl.load_workbook(opened, read_only=True, data_only=True)
        stack.callback(book.close)
        if sheet is not None and sheet not in book.sheetnames:
            raise InputError(
                f"The file has no sheet {sheet!r}. Its sheets are {', '.join(book.sheetnames)}."
            )
        name = sheet or book.sheetnames[0]
        rows = [list(row) for row in book[name].iter_rows(values_only=True)]
        others = [other for other in book.sheetnames if other != name]
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
    header = ["" if cell is None else str(cell).strip() for cell in rows[start]]
    top, lower = start, _lower_names(rows, start, header)
    if lower:
        start, header = start + 1, lower
    columns = list(map(list, zip(*(row for row in rows[start + 1 :] if _filled(row)), strict=True)))
    kept = [
        k
        for k, head in enumerate(header)
        if head or (columns and any(cell is not None for cell in columns[k]))
    ]
    names = [header[k] or f"Unnamed: {k}" for k in kept]
    refuse_duplicates(file, names)
    held = {
        head: pd.Series(columns[k] if columns else [], dtype=object).infer_objects()
        for head, k in zip(names, kept, strict=True)
    }
    frame = pd.DataFrame(held)
    notes = []
    if lower:
        notes.append(
            f"The header is in rows {top + 1} and {start + 1} of the sheet {name!r}: the names are "
            f"{', '.join(map(repr, lower[:3]))}{', …' if len(lower) > 3 else ''}."
        )
    elif start > filled[0]:
        notes.append(f"The header is in row {start + 1} of the sheet {name!r}.")
    if others and sheet is None:
        notes.append(f"Read the first sheet, {name!r}, of {len(others) + 1} (--sheet decides).")
    frame.attrs[NOTES] = notes
    return frame


def _lower_names(rows: list[list[Any]], start: int, header: list[str]) -> list[str]:
    """The names where a row of merged cells stands above them; none where it is the header."""
    below = rows[start + 1 : start + 2]
    if not below or "" not in header or not all(isinstance(cell, str) for cell in below[0]):
        return []
    names = [cell.strip() for cell in below[0]]
    later = rows[start + 2 : start + 22]
    numbers = any(isinstance(cell, (int, float)) for row in later for cell in row)
    if not all(names) or any(map(is_number, names)) or not numbers:
        return []  # a row of the table, which has texts like those below it
    if len(set(names)) == len(names):
        return names
    above = ""
    groups = [above := head or above for head in header]
    return [f"{group} {name}".strip() for group, name in zip(groups, names, strict=True)]


def _filled(row: list[Any]) -> int:
    return sum(cell is not None and str(cell).strip() != "" for cell in row)
