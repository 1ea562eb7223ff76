"""The options of the commands: how to fit, how a table is read, and what its columns are."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from taut.errors import InputError

Task = Literal["binary", "multiclass", "classification", "regression"]
Penalty = Literal["auto", "l1", "l2"]

OutOption = Annotated[
    Path, typer.Option("--out", "-o", metavar="RUN", help="Run directory to write.")
]
PenaltyOption = Annotated[Penalty, typer.Option(help="Which penalty; auto tries both.")]
FoldsOption = Annotated[int, typer.Option(help="Folds of the cross-validation, at least 2.")]
SeedsOption = Annotated[int, typer.Option(help="Networks for each fold and strength.")]
StrengthsOption = Annotated[
    str | None,
    typer.Option(
        metavar="A,B,…",
        help="Strengths to try, such as 0.1,0.01; a default list if not given.",
    ),
]
GroupsOption = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Rows with one value of it (a patient) stay on one side of every split.",
    ),
]
TimeOption = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Learn from the past, be tested on the latest rows."),
]
WeightsOption = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="How much each row counts, 0 or more.")
]
TestSizeOption = Annotated[float, typer.Option(help="Share of the rows set aside as a test.")]
SingleOption = Annotated[bool, typer.Option("--single", help="Refit one network on all folds.")]
SeedOption = Annotated[int, typer.Option(help="Seed of everything that is random.")]
QuickOption = Annotated[bool, typer.Option("--quick", help="A first look: less of everything.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace a run that is there.")]
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


def read_strengths(given: str) -> tuple[float, ...]:
    """`0.1,0.01` as numbers."""
    rule = "--strengths must be finite numbers >= 0 with commas between them"
    try:
        values = tuple(float(part) for part in given.split(","))
    except ValueError:
        raise InputError(f"{rule}, such as 0.1,0.01. Received: {given!r}.") from None
    wrong = [value for value in values if not math.isfinite(value) or value < 0]
    if wrong:
        raise InputError(f"{rule}. Received: {', '.join(f'{value:g}' for value in wrong)}.")
    return values


def fit_options(
    *,
    task: str | None = None,
    penalty: str = "auto",
    folds: int = 5,
    seeds: int = 1,
    strengths: str | None = None,
    test_size: float = 0.2,
    single: bool = False,
    seed: int = 0,
    quick: bool = False,
) -> dict[str, Any]:
    """What `taut.fit_table` is to do, refused where it is out of range."""
    if folds < 2:
        raise InputError(f"--folds must be at least 2. Received: {folds}.")
    if seeds < 1:
        raise InputError(f"--seeds must be at least 1. Received: {seeds}.")
    if seed < 0:
        raise InputError(f"--seed must be at least 0. Received: {seed}.")
    if not 0 < test_size < 1:
        raise InputError(f"--test-size must lie between 0 and 1. Received: {test_size:g}.")
    given = None if strengths is None else read_strengths(strengths)
    return {
        "task": task,
        "penalty": penalty,
        "folds": folds,
        "seeds": seeds,
        "strengths": given,
        "test_size": test_size,
        "single": single,
        "seed": seed,
        "quick": quick,
    }
