"""The options that say how a table is read and what its columns are."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from taut.errors import InputError

FeaturesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--features",
        metavar="A,B,…",
        help="Input columns to use, in place of all useful ones.",
        show_default=False,
    ),
]
DropOption = Annotated[
    list[str] | None,
    typer.Option("--drop", metavar="A,B,…", help="Columns to leave out.", show_default=False),
]
KindOption = Annotated[
    list[str] | None,
    typer.Option(
        "--kind",
        metavar="COL=KIND",
        help="What a column is: numeric, category, date (date-dmy, date-mdy), text or ignore. "
        "May be repeated.",
        show_default=False,
    ),
]
DecimalOption = Annotated[
    str | None,
    typer.Option(
        metavar="SIGN", help='Decimal sign, "." or ",", where it is in doubt.', show_default=False
    ),
]
NaOption = Annotated[
    list[str] | None,
    typer.Option(
        "--na",
        metavar="MARK",
        help="Another mark of missing values, such as -999. May be repeated.",
        show_default=False,
    ),
]
EncodingOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Encoding of a text file, such as gb18030; found if not given.",
        show_default=False,
    ),
]
SepOption = Annotated[
    str | None,
    typer.Option(
        metavar="SIGN", help="Sign between the fields; found if not given.", show_default=False
    ),
]
SheetOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Sheet of an Excel file; the first if not given.", show_default=False
    ),
]


def read_kinds(given: Sequence[str]) -> dict[str, str]:
    """`["zip=category"]` as a dict."""
    kinds: dict[str, str] = {}
    for one in given:
        name, equals, kind = one.rpartition("=")
        if not equals or not name or not kind:
            raise InputError(f"--kind must be COL=KIND, such as zip=category. Received: {one!r}.")
        kinds[name] = kind
    return kinds


def read_names(given: Sequence[str], columns: Sequence[Any]) -> list[str]:
    """`["a,b", "c"]` as names; a name that has a comma itself is known by the table's columns."""
    known = set(map(str, columns))
    names: list[str] = []
    for one in given:
        names += [one] if one in known else next(csv.reader([one], skipinitialspace=True), [])
    return names
