"""Rows at the edges of a table that are none of its own: units, a second row of names, totals."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from taut.frames.dates import find_date_form
from taut.frames.numbers import is_number, no_value
from taut.frames.values import MISSING_TEXT, shorten

_TOTAL = re.compile(
    r"(?i)((grand|sub) ?)?(totals?|sums?|summe|gesamt(summe|ergebnis)?|insgesamt|means?|averages?"
    r"|avg\.?|mittelwert|durchschnitt|合计|总计|总和|小计|平均值?|均值)(\s*\(.*\))?\s*[:：]?"
)
_LETTER, _SIGN = re.compile(r"[^\W\d_]"), re.compile(r"[\s:：*=]")  # of a sentence
_REMARK = re.compile(
    r"(?i)((data )?sources?|notes?|quellen?|anmerkung(en)?|hinweise?|(数据)?来源|备注|注)\s*[:：]"
)
_RULE = re.compile(r":?-{2,}:?|={2,}")
_MOST_FOOT, _LOOK_BACK = 10, 100


def lower_names(
    header: Sequence[str], below: Sequence[str], later: Sequence[Sequence[str]]
) -> list[str]:
    """The names where a row of merged cells stands above them; none where it is the header.

    Args:
        header: the first row, whose merged cells leave names empty.
        below: the row below it.
        later: some of the rows below that, as text.

    Returns:
        The row below if its names are unique, else each with the one above it; [] if it is a
        row of the table, which has texts like those below it.
    """
    names = [cell.strip() for cell in below]
    merged = not all(cell.strip() for cell in header[1:])  # a first one is that of an index
    if not merged or any(is_number(name) or not _there(name) for name in names):
        return []
    if not numeric_places(later):
        return []
    if len(set(names)) == len(names):
        return names
    above = ""
    groups = [above := head.strip() or above for head in header]
    return [f"{group} {name}".strip() for group, name in zip(groups, names, strict=True)]


def is_between(row: Sequence[str], later: Sequence[Sequence[str]]) -> bool:
    """Whether a row below the names holds no values: units, a second name, or a ruled line.

    It has words in two columns or more that have nothing but numbers below, three at least, and
    it has no number.

    Args:
        row: the row below the names.
        later: some of the rows below that, as text.
    """
    filled = [cell.strip() for cell in row if cell.strip()]
    if len(filled) > 1 and all(map(_RULE.fullmatch, filled)):
        return True
    if any(_there(cell) and is_number(cell) for cell in filled):  # most tables end here
        return False
    return sum(k < len(row) and _there(row[k]) for k in numeric_places(later, least=3)) > 1


def note_between(row: Sequence[str]) -> str:
    """What is told of such a row."""
    words = [shorten(cell.strip()) for cell in row if cell.strip()]
    shown = ", ".join(words[:3]) + (", …" if len(words) > 3 else "")
    return f"The row below the names holds words where the others hold numbers, {shown}: left out."


def note_repeated(count: int) -> str:
    """What is told of rows that repeat the names of the columns, as where files were joined."""
    if count == 1:
        return "Left out 1 row that repeats the names of the columns."
    return f"Left out {count} rows that repeat the names of the columns."


def without_empty(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The table without rows that have no value, as spreadsheets save them, and what is told."""
    there = frame.notna().any(axis=1).to_numpy()
    if there.all():
        return frame, []
    end = int(there.nonzero()[0][-1]) + 1 if there.any() else 0
    notes = [note_empty(int((~there[:end]).sum())), note_empty(len(frame) - end, end=True)]
    return frame[there].reset_index(drop=True), [note for note in notes if note]


def note_empty(count: int, *, end: bool = False) -> str:
    """What is told of empty rows that are left out, between the others or at the end."""
    rows = f"{count} empty row{'s' * (count != 1)}"
    where = "at the end" if end else "between the others"
    return f"Left out {rows} {where}." if count else ""


def without_foot(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The table without totals and remarks in its last rows.

    A row of totals begins with a word for them that its column has nowhere else, and has nothing
    but numbers beside it. A remark is a sentence that stands alone in the first column, or says
    that it is a source or a note.

    Args:
        frame: what was read [rows, columns].

    Returns:
        The table, and what is to be told.
    """
    end = len(frame)
    shown: list[str] = []
    remarks = False
    while end > 1 and len(shown) < _MOST_FOOT:
        row = frame.iloc[end - 1]
        cells = ["" if gone else str(cell) for cell, gone in zip(row, row.isna(), strict=True)]
        filled = [k for k, cell in enumerate(cells) if cell.strip()]
        if not filled:
            end -= 1
            continue
        kind = _foot(cells) if isinstance(row.iloc[filled[0]], str) else ""
        label = cells[filled[0]].strip()
        above = frame.iloc[: end - 1, filled[0]]
        if not kind or (kind == "total" and above.astype(str).str.strip().eq(label).any()):
            break
        remarks = remarks or kind == "remark"
        shown.insert(0, shorten(label))
        end -= 1
    rows = frame.iloc[max(0, end - _LOOK_BACK) : end].notna().sum(axis=1)
    if not shown or (remarks and not (rows > 1).all()):
        return frame, []
    what = "last row" if len(shown) == 1 else f"last {len(shown)} rows"
    return frame.iloc[:end], [f"Left out the {what}, no part of the table: {', '.join(shown)}."]


def _foot(cells: Sequence[str]) -> str:
    """Whether a row may be a "total" or a "remark"; "" for none of these."""
    filled = [k for k, cell in enumerate(cells) if cell.strip()]
    if not filled:
        return ""
    label = cells[filled[0]].strip()
    if _TOTAL.fullmatch(label) and all(is_number(cells[k].strip()) for k in filled[1:]):
        return "total"
    sentence = filled == [0] and _LETTER.search(label) and _SIGN.search(label)
    alone = sentence and find_date_form([label]) is None
    says_so = 2 * len(filled) <= len(cells) + 1 and _REMARK.match(label)
    return "remark" if len(cells) > 2 and (alone or says_so) else ""


def numeric_places(rows: Sequence[Sequence[str]], *, least: int = 1) -> list[int]:
    """The places of columns in which all texts above the foot are numbers, so many at least."""
    end = len(rows)
    while end and (not any(cell.strip() for cell in rows[end - 1]) or _foot(rows[end - 1])):
        end -= 1
    rows = rows[:end]
    width = max(map(len, rows), default=0)
    columns = ([row[k] for row in rows if k < len(row) and _there(row[k])] for k in range(width))
    return [k for k, held in enumerate(columns) if len(held) >= least and all(map(is_number, held))]


def _there(cell: str) -> bool:
    text = cell.strip()
    return text.lower() not in MISSING_TEXT and not no_value(text)
