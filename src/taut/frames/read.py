"""A table from a file: text, JSON, Parquet, Feather, Excel, Stata or SAS, perhaps packed."""

from __future__ import annotations

import csv
import lzma
import os
import re
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from taut.checks import names_given, path_given
from taut.errors import InputError
from taut.frames.arrow_file import read_arrow
from taut.frames.as_frame import NOTES, blank, check_marks, refuse_duplicates, with_columns
from taut.frames.column_options import distinct_texts
from taut.frames.cut_off import cut_off
from taut.frames.escapes import CleanedText
from taut.frames.excel_file import read_excel
from taut.frames.json_file import read_json
from taut.frames.numbers import decimal_sign, is_code, thousands
from taut.frames.row_checks import check_blanks, check_quotes, longest_row
from taut.frames.statistics_file import read_statistics
from taut.frames.table_edges import without_empty, without_foot
from taut.frames.table_file import EXCEL, JSON, SAS, STATA, TEXT, TableFile, find_table
from taut.frames.text_file import (
    SEPARATORS,
    TextFile,
    inspect,
    open_text,
    zeros_before_digits,
)
from taut.frames.values import EXACT, MISSING_TEXT, bare

# Each library has errors of its own for a damaged file; what packs it may be unknown to Python.
_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    csv.Error,
    lzma.LZMAError,
    zlib.error,
    zipfile.BadZipFile,
    NotImplementedError,
)


_TOO_LONG = (
    "Every row of {} must have at most as many fields as its first line, which names {} columns. "
    "Received: {} in line {}. Put fields that hold the separator in double quotes, or say which "
    "it is with --sep."
)


def read_table(
    path: str | os.PathLike[str],
    *,
    text: Sequence[str] = (),
    na: Sequence[str] = (),
    encoding: str | None = None,
    sep: str | None = None,
    sheet: str | None = None,
) -> pd.DataFrame:
    """Reads a CSV, JSON, Parquet, Feather, Excel, Stata or SAS file into a data frame.

    Args:
        path: a file ending in .csv, .tsv, .txt, .tab, .psv, .dat, .data, .json, .jsonl or .ndjson
            (also with .gz, .bz2 or .xz), .parquet, .pq, .feather, .arrow, .xlsx, .xlsm, .dta,
            .sas7bdat or .xpt, or a .zip with one such file.
            Where its first bytes show that it is another of these, it is read as that, and told.
            Titles above the line that names the columns are skipped, and told.
        text: columns of a text file to keep as they are written. A table to predict on may hold
            only "01" and "02" of a category that also has "A": without this they become 1 and 2.
            Names that the file does not have are ignored.
        na: marks of missing values. Empty fields and marks such as `NA` and `?` are so anyway.
        encoding: of a text file; found unless given, and told where it is not Unicode.
        sep: between the fields of a text file: a character, or "comma", "semicolon", "tab",
            "pipe" or "space"; found unless given.
        sheet: the name of an Excel sheet; the first unless given.

    Returns:
        The table [rows, columns], with at least one row and no two columns of one name. An index
        that was saved with a name in a Parquet or Feather file is a column again. `understand`
        tells what was decided here, which it finds in the frame's `attrs`.

    Raises:
        InputError: the file is missing or cannot be read, the suffix is unknown, the table is
            empty, two columns have one name, an option is of another kind of file, a JSON value
            is a list or an object, or an archive holds no table or several.

    Example:
        >>> frame = read_table("patients.csv")  # doctest: +SKIP
    """
    path = path_given(path=path)
    sep = SEPARATORS.get(sep or "", sep) if isinstance(sep, str) else sep
    if sep is not None and (not isinstance(sep, str) or len(sep) != 1):
        raise InputError(
            f"`sep` must be one character, or one of {', '.join(SEPARATORS)}. Received: {sep!r}."
        )
    na, text = check_marks(na), names_given(text=text)
    try:
        file = find_table(path)
        _refuse_options(file, {"sheet": sheet, "sep": sep, "encoding": encoding})
        frame = _read(file, text, na, encoding, sep, sheet)
    except InputError:
        raise
    except UnicodeError as error:
        raise InputError(
            f"{str(path)!r} is not text in the encoding {encoding or 'that it begins with'} "
            f"({error}). Say the right one with --encoding, or save the file in UTF-8."
        ) from error
    except pd.errors.ParserError as error:
        raise InputError(_unparsed(path, str(error))) from error
    except _DAMAGED as error:
        raise InputError(_unreadable(path, error)) from error
    if frame.empty:
        raise InputError(f"A table needs rows. Received: {file}, which has none.")
    frame.attrs[NOTES] = [*file.notes, *frame.attrs.get(NOTES, ())]
    return frame


def _read(
    file: TableFile,
    text: Sequence[str],
    na: Sequence[str],
    encoding: str | None,
    sep: str | None,
    sheet: str | None,
) -> pd.DataFrame:
    if file.kind == TEXT:
        return _read_text(file, text, na, encoding, sep)
    if file.kind == JSON:
        return blank(read_json(file, encoding), na)
    if file.kind == EXCEL:
        return blank(read_excel(file, sheet), na)
    return blank((read_statistics if file.kind in (STATA, SAS) else read_arrow)(file), na)


def _refuse_options(file: TableFile, given: dict[str, str | None]) -> None:
    """Raise for an option that says nothing about a file of this kind."""
    kinds = {"sheet": [EXCEL], "sep": [TEXT], "encoding": [TEXT, JSON]}
    for name, value in given.items():
        if value is not None and file.kind not in kinds[name]:
            raise InputError(
                f"`{name}` (--{name}) is for {' or '.join(kinds[name])}. "
                f"Received: {name}={value!r} with {file}, which is {file.kind}. Leave it out."
            )


def _unreadable(path: Path, error: Exception) -> str:
    why = str(error).strip().rstrip(".")
    if isinstance(error, PermissionError):
        return f"{str(path)!r} cannot be read: {why}. Check the path and who may read it."
    return (
        f"{str(path)!r} cannot be read as what its name says that it is: {why}. Save it anew, or "
        "give it the name of what it is."
    )


def _unparsed(path: Path, said: str) -> str:
    """What pandas stumbled over in a text file, as something to mend."""
    if uneven := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", said):
        named, line, fields = uneven.groups()
        return _TOO_LONG.format(repr(str(path)), named, fields, line)
    if open_quote := re.search(r"EOF inside string starting at row (\d+)", said):
        return (
            f"Every quote of {str(path)!r} must be closed. Received: one that is opened in row "
            f"{open_quote[1]} below the header, up to the end of the file. Close it, or write it "
            "twice where it is a part of the text."
        )
    return _unreadable(path, ValueError(said))


def _read_text(
    file: TableFile, text: Sequence[str], na: Sequence[str], encoding: str | None, sep: str | None
) -> pd.DataFrame:
    form = inspect(file, encoding=encoding, separator=sep)
    text = [name for name in form.header if bare(name) in set(text)]
    # pandas renames the second of two equal columns without a word, so the file itself is asked.
    refuse_duplicates(file, (bare(name) for name in form.header if bare(name)))
    with open_text(file, form.encoding) as handle:
        if form.separator == " ":
            check_blanks(file, handle, form)
        elif not form.escaped:
            check_quotes(file, handle, form)
    frame = _parse(file, form, na, dtype=dict.fromkeys(text, str))
    if not frame.index.equals(pd.RangeIndex(len(frame))):  # pandas took the surplus for row names
        # Every line but the first ends in a separator.
        if not isinstance(frame.index, pd.MultiIndex) and frame.iloc[:, -1].isna().all():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", pd.errors.ParserWarning)
                frame = _parse(file, form, na, dtype=dict.fromkeys(text, str), index_col=False)
        else:
            with open_text(file, form.encoding) as handle:
                line, fields = longest_row(handle, form)
            raise InputError(_TOO_LONG.format(file, len(form.header), fields, line))
    with open_text(file, form.encoding) as handle:
        cut = cut_off(handle, form)
    frame = _keep_thousands(file, form, na, frame)
    frame = _keep_digits(file, form, na, frame)
    frame, empty = without_empty(frame.rename(columns=bare))
    frame, left_out = without_foot(frame)
    frame.attrs[NOTES] = [*form.notes, *empty, *left_out, *filter(None, [cut])]
    return frame


def _parse(file: TableFile, form: TextFile, na: Sequence[str], **options: Any) -> pd.DataFrame:
    # Before pandas 3 numbers are read to the last digit only when asked.
    if int(pd.__version__.split(".")[0]) < 3:
        options["float_precision"] = "round_trip"
    # The last is the sign with which DOS ends a text.
    marks = [*MISSING_TEXT, *(mark.upper() for mark in MISSING_TEXT), *na, "\x1a"]
    with open_text(file, form.encoding) as handle:
        for _ in range(form.skipped):
            handle.readline()
        if form.row_names:
            options |= {"names": form.header, "header": 0}
        if form.escaped:
            options["escapechar"] = "\\"
        text: Any = handle
        if form.escaped or form.repeated:
            text = CleanedText(handle, form.separator, escaped=form.escaped, repeated=form.repeated)
        return pd.read_csv(
            text,
            sep=r"\s+" if form.separator == " " else form.separator,
            quotechar=form.quote,
            skipinitialspace=True,
            low_memory=False,
            keep_default_na=False,
            na_values=["NaN", "NaT", *marks],
            skiprows=range(1, 1 + form.between),
            **options,
        )


def _keep_thousands(
    file: TableFile, form: TextFile, na: Sequence[str], frame: pd.DataFrame
) -> pd.DataFrame:
    """Beside decimal commas "12.345" may be 12345: then it stays text, and `understand` decides."""
    texts = distinct_texts(frame, frame.columns)
    names = [name for name in frame.columns if frame[name].dtype == float]
    if not names or "," not in map(decimal_sign, texts):
        return frame
    written = _parse(file, form, na, dtype=str, usecols=names)
    kept = [name for name in names if thousands(written[name].dropna().unique().tolist(), ".")]
    return with_columns(frame, {name: written[name] for name in kept})


def _keep_digits(
    file: TableFile, form: TextFile, na: Sequence[str], frame: pd.DataFrame
) -> pd.DataFrame:
    """Whole numbers stay text where a number would lose their digits.

    "00123" may be a code; and beside gaps pandas makes floats of them, of 15 digits.
    """
    whole = [
        name
        for name in frame.columns
        if frame[name].dtype.kind in "iuf" and not np.mod(frame[name].dropna(), 1).any()
    ]
    long = [n for n in whole if frame[n].dtype.kind == "f" and frame[n].abs().max() >= EXACT]
    names = whole if whole and zeros_before_digits(file, form) else long
    if not names:
        return frame
    written = _parse(file, form, na, dtype=str, usecols=names)
    kept = [n for n in names if n in long or is_code(written[n].dropna().unique().tolist())]
    return with_columns(frame, {name: written[name] for name in kept})
