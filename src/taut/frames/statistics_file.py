"""Files of statistics programs: of Stata, and of SAS."""

from __future__ import annotations

import codecs
import io
import warnings
from typing import Any

import pandas as pd

from taut.frames.as_frame import NOTES, with_columns
from taut.frames.table_file import STATA, TableFile, libraries
from taut.frames.unpacking import refuse_more
from taut.frames.values import shorten

_DAY, _SECOND = ("DATE", "DDMMYY", "MMDDYY", "YYMMDD", "E8601DA"), ("DATETIME", "E8601DT")
_ZERO = 2.0**-260
"""What pandas makes of the eight zero bytes that are 0 in a transport file."""
_BEGIN = pd.Timestamp(1960, 1, 1)  # of time, in SAS


def read_statistics(file: TableFile) -> pd.DataFrame:
    """The table of a Stata file (`.dta`) or of a SAS file (`.sas7bdat`, `.xpt`).

    Codes of missing values, such as `.a`, are missing, and dates are dates. A column of Stata all
    of whose values have a label holds the labels, as a category; one of which some have, such as
    an age with -9 for "refused", holds its numbers, which is told.

    Args:
        file: which it is.

    Raises:
        InputError: it says that it holds far more than the file has bytes.
        ValueError: it is damaged.
    """
    with file.open() as opened:
        content = io.BytesIO(opened.read())
    with libraries(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of formats of dates that no one knows
        return _stata(content) if file.kind == STATA else _sas(file, content)


def _stata(content: io.BytesIO) -> pd.DataFrame:
    frame = pd.read_stata(content, convert_categoricals=False)
    notes = []
    for name, labels in _labels(content, frame).items():
        named = [label for label in labels.cat.categories if isinstance(label, str)]
        if len(named) == len(labels.cat.categories):
            frame[name] = labels.cat.as_unordered().cat.remove_unused_categories()
        elif named:
            notes.append(
                f"Column {name!r}: some of its values have a label, such as {shorten(named[0])}, "
                "and others have none: it was read as numbers."
            )
    frame.attrs[NOTES] = notes
    return frame


def _labels(content: io.BytesIO, frame: pd.DataFrame) -> dict[str, pd.Series]:
    """The columns that have labels, with these in place of codes where there are any."""

    def read(columns: list[str] | None) -> pd.DataFrame:
        content.seek(0)
        return pd.read_stata(content, columns=columns)

    try:
        parts = [read(None)]
    except ValueError:  # two codes of a column have one label: its codes say more
        parts = []
        for name in frame.columns:
            try:
                parts.append(read([name]))
            except ValueError:
                continue
    columns = {str(name): part[name] for part in parts for name in part.columns}
    return {n: s for n, s in columns.items() if isinstance(s.dtype, pd.CategoricalDtype)}


def _sas(file: TableFile, content: io.BytesIO) -> pd.DataFrame:
    if content.getvalue().startswith(b"HEADER RECORD"):
        return _transport(content)
    reader: Any
    with pd.read_sas(content, format="sas7bdat", iterator=True) as reader:
        refuse_more(file.path, 8 * reader.row_count * reader.column_count)
        return _decoded(reader.read(), reader.inferred_encoding)


def _transport(content: io.BytesIO) -> pd.DataFrame:
    reader: Any
    with pd.read_sas(content, format="xport", iterator=True) as reader:
        frame = reader.read()
        formats = {f["name"].decode(): f["nform"].decode().strip() for f in reader.fields}
    numbers = frame.select_dtypes("float").columns
    frame[numbers] = frame[numbers].mask(frame[numbers] == _ZERO, 0.0)
    for name, form in formats.items():
        unit = "D" if form in _DAY else "s" if form in _SECOND else ""
        if unit:
            frame[name] = _BEGIN + pd.to_timedelta(frame[name], unit=unit)
    return _decoded(frame, "")


def _decoded(frame: pd.DataFrame, encoding: str) -> pd.DataFrame:
    """The table with its texts, which are UTF-8 if they can be, else in the file's encoding."""
    names = [name for name in frame.columns if frame[name].dtype == object]
    held = [value for name in names for value in frame[name] if isinstance(value, bytes)]
    try:
        b"\n".join(held).decode()
        chosen = "utf-8"
    except UnicodeDecodeError:
        try:
            chosen = codecs.lookup(encoding).name
        except LookupError:
            chosen = "cp1252"

    def text(value: Any) -> Any:
        return value.decode(chosen, "replace") if isinstance(value, bytes) else value

    return with_columns(frame, {name: frame[name].map(text) for name in names})
