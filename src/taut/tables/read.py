"""A table from a file: CSV or Parquet."""

from __future__ import annotations

import csv
import gzip
import os
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from taut.errors import InputError
from taut.tables.columns import MISSING_TEXT

_TEXT_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_PARQUET_SUFFIXES = (".parquet", ".pq")


def read_table(path: str | os.PathLike[str], *, text: Sequence[str] = ()) -> pd.DataFrame:
    """Reads a CSV or Parquet file into a data frame.

    Args:
        path: a file ending in .csv, .csv.gz, .tsv, .tsv.gz, .parquet or .pq. A text file is in
            UTF-8 and names its columns in its first line; its separator (comma, semicolon or tab)
            is taken from that line. Empty fields and marks such as `NA` and `?` are missing.
        text: columns of a text file to keep as they are written. A table to predict on may hold
            only "01" and "02" of a category that also has "A": without this they become 1 and 2.
            Names that the file does not have are ignored.

    Returns:
        The table [rows, columns], with at least one row and no two columns of one name. An index
        that was saved with a name in a Parquet file is a column again.

    Raises:
        InputError: the file is missing or cannot be read, the suffix is unknown, the table is
            empty, or two columns have one name.

    Example:
        >>> frame = read_table("patients.csv")  # doctest: +SKIP
    """
    path = Path(path)
    suffix = "".join(path.suffixes[-2:] if path.suffix.lower() == ".gz" else path.suffixes[-1:])
    if suffix.lower() not in _TEXT_SUFFIXES + _PARQUET_SUFFIXES:
        known = ", ".join(_TEXT_SUFFIXES + _PARQUET_SUFFIXES)
        raise InputError(
            f"The name of a table ends in one of {known}. Received: {str(path)!r}. "
            "Save the table in one of these formats, or rename the file."
        )
    if not path.exists():
        raise InputError(f"There is no file {str(path)!r}. Check the path.")
    # Each library has errors of its own for a damaged file; most are ValueErrors or OSErrors.
    unreadable = (OSError, EOFError, ValueError, csv.Error, zlib.error)
    try:
        is_text = suffix.lower() in _TEXT_SUFFIXES
        frame = _read_text(path, text) if is_text else _read_parquet(path)
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise InputError(f"{str(path)!r} is not text in UTF-8 ({error}). Save it so.") from error
    except unreadable as error:
        raise InputError(f"{str(path)!r} cannot be read: {error}") from error
    if frame.empty:
        raise InputError(f"A table needs rows. Received: {str(path)!r}, which has none.")
    return frame


def _read_text(path: Path, text: Sequence[str]) -> pd.DataFrame:
    header, separator = _header(path)
    # pandas renames the second of two equal columns without a word, so the file itself is asked.
    _refuse_duplicates(path, (name for name in header if name))
    # Before pandas 3 numbers are read to the last digit only when asked.
    exact: dict[str, Any] = {}
    if int(pd.__version__.split(".")[0]) < 3:
        exact["float_precision"] = "round_trip"
    frame = pd.read_csv(
        path,
        sep=separator,
        skipinitialspace=True,
        dtype=dict.fromkeys(text, str),
        low_memory=False,
        **exact,
        keep_default_na=False,
        na_values=["NaN", "NaT", *MISSING_TEXT, *(mark.upper() for mark in MISSING_TEXT)],
    )
    if not frame.index.equals(pd.RangeIndex(len(frame))):  # pandas took the surplus for row names
        raise InputError(
            f"Every row of {str(path)!r} must have as many fields as its first line, which names "
            f"{len(header)} columns. Received: more. Name every column, or quote the fields that "
            "hold the separator."
        )
    return frame


def _header(path: Path) -> tuple[list[str], str]:
    """The column names in the first line that is not blank, and the separator they show."""
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        line = next((line for line in file if line.strip()), "")
        if not line:
            raise InputError(f"A table needs columns and rows. Received: {str(path)!r}, empty.")
    likely = "\t,;" if ".tsv" in path.name.lower() else ",;\t"
    rows = {
        separator: next(csv.reader([line], delimiter=separator, skipinitialspace=True))
        for separator in likely
    }
    separator = max(rows, key=lambda key: len(rows[key]))  # the first of equals
    return rows[separator], separator


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow.parquet  # costs as much as pandas itself, and CSV does not need it

    _refuse_duplicates(path, pyarrow.parquet.read_schema(path).names)
    frame = pd.read_parquet(path, engine="pyarrow")
    named = [name for name in frame.index.names if name is not None]
    return frame.reset_index(named) if named else frame


def _refuse_duplicates(path: Path, names: Iterable[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        shown = ", ".join(map(repr, repeated[:10]))
        raise InputError(
            f"Every column needs a name of its own. Received more than once in {str(path)!r}: "
            f"{shown}. Rename the columns (the first line of a text file must be their names)."
        )
