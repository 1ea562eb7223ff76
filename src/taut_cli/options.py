"""The options of the commands: how to fit, how a table is read, and what its columns are."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from taut_cli.errors import UsageError

TaskName = Literal["binary", "multiclass", "classification", "regression"]
PenaltyName = Literal["auto", "l1", "l2"]
Language = Literal["en", "zh"]

FILE, COLUMNS, TRAINING = "How the file is read", "What the columns are", "How it is trained"
"""Groups of options in the help, each with columns as wide as it needs."""

TABLE_HELP = "CSV, JSON, Parquet, Feather, Excel, Stata or SAS file, or a .zip with one."
Out = Annotated[Path, typer.Option("--out", "-o", metavar="RUN", help="Run directory to write.")]
Penalty = Annotated[
    PenaltyName, typer.Option(help="Which penalty; auto tries both.", rich_help_panel=TRAINING)
]
Folds = Annotated[
    int, typer.Option(help="Folds of the cross-validation, at least 2.", rich_help_panel=TRAINING)
]
Seeds = Annotated[
    int, typer.Option(help="Networks for each fold and strength.", rich_help_panel=TRAINING)
]
Strengths = Annotated[
    str | None,
    typer.Option(
        metavar="A,B,…",
        help="Strengths to try, such as 0.1,0.01; a default list if not given.",
        rich_help_panel=TRAINING,
    ),
]
Groups = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Rows with one value of it (a patient) stay on one side of every split.",
        rich_help_panel=COLUMNS,
    ),
]
Time = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Learn from the past, be tested on the latest rows.",
        rich_help_panel=COLUMNS,
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN", help="How much each row counts, 0 or more.", rich_help_panel=COLUMNS
    ),
]
Test = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Table of rows to test on, in place of a share of TABLE; read as TABLE is.",
        rich_help_panel=TRAINING,
    ),
]
TestSheet = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Sheet of rows to test on, of the file of --test, or of TABLE without.",
        show_default=False,
        rich_help_panel=TRAINING,
    ),
]
TestSize = Annotated[
    float,
    typer.Option(
        help="Share of the rows set aside as a test, where none are given.",
        rich_help_panel=TRAINING,
    ),
]
Single = Annotated[
    bool, typer.Option("--single", help="Refit one network on all folds.", rich_help_panel=TRAINING)
]
Sparse = Annotated[
    bool,
    typer.Option(
        "--sparse",
        help="Also select inputs, and fit a network on these alone.",
        rich_help_panel=TRAINING,
    ),
]
Inputs = Annotated[
    int | None,
    typer.Option(
        metavar="K",
        help="How many inputs the sparse network reads (implies --sparse); as many as are needed "
        "if not given.",
        rich_help_panel=TRAINING,
    ),
]
Diagnosed = Annotated[
    bool,
    typer.Option("--diagnosis/--no-diagnosis", help="Say whether the network overfits, and why."),
]
LearningCurve = Annotated[
    bool,
    typer.Option(
        "--learning-curve", help="Say what more rows would give.", rich_help_panel=TRAINING
    ),
]
Seed = Annotated[
    int, typer.Option(help="Seed of everything that is random.", rich_help_panel=TRAINING)
]
Lang = Annotated[Language, typer.Option("--lang", help="Language of what it says.")]
Quick = Annotated[
    bool,
    typer.Option("--quick", help="A first look: less of everything.", rich_help_panel=TRAINING),
]
Minutes = Annotated[
    float | None,
    typer.Option(help="About how long it may take.", show_default=False, rich_help_panel=TRAINING),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a run that is there.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Write nothing but warnings and errors.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Write one JSON object to stdout, for other programs.")
]
Features = Annotated[
    list[str] | None,
    typer.Option(
        "--features",
        metavar="A,B,…",
        help="Input columns to use, in place of all useful ones.",
        show_default=False,
        rich_help_panel=COLUMNS,
    ),
]
Drop = Annotated[
    list[str] | None,
    typer.Option(
        "--drop",
        metavar="A,B,…",
        help="Columns to leave out.",
        show_default=False,
        rich_help_panel=COLUMNS,
    ),
]
Kind = Annotated[
    list[str] | None,
    typer.Option(
        "--kind",
        metavar="COL=KIND",
        help="What a column is: numeric, category, date (date-dmy, date-mdy), text or ignore. "
        "May be repeated.",
        show_default=False,
        rich_help_panel=COLUMNS,
    ),
]
Decimal = Annotated[
    str | None,
    typer.Option(
        metavar="SIGN",
        help='Decimal sign, "." or ",", where it is in doubt.',
        show_default=False,
        rich_help_panel=COLUMNS,
    ),
]
Na = Annotated[
    list[str] | None,
    typer.Option(
        "--na",
        metavar="MARK",
        help="Another mark of missing values, such as -999. May be repeated.",
        show_default=False,
        rich_help_panel=COLUMNS,
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Encoding of a text file, such as gb18030; found if not given.",
        show_default=False,
        rich_help_panel=FILE,
    ),
]
Sep = Annotated[
    str | None,
    typer.Option(
        metavar="SIGN",
        help="Sign between the fields; found if not given.",
        show_default=False,
        rich_help_panel=FILE,
    ),
]
Sheet = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Sheet of an Excel file; the first if not given.",
        show_default=False,
        rich_help_panel=FILE,
    ),
]


def read_kinds(given: Sequence[str]) -> dict[str, str]:
    """`["zip=category"]` as a dict."""
    kinds: dict[str, str] = {}
    for pair in given:
        name, equals, kind = pair.rpartition("=")
        if not equals or not name or not kind:
            raise UsageError(f"--kind must be COL=KIND, such as zip=category. Received: {pair!r}.")
        kinds[name] = kind
    return kinds


def read_names(given: Sequence[str], columns: Sequence[Any]) -> list[str]:
    """`["a,b", "c"]` as names; a name that has a comma itself is known by the table's columns."""
    known = set(map(str, columns))
    names: list[str] = []
    for entry in given:
        names += [entry] if entry in known else next(csv.reader([entry], skipinitialspace=True), [])
    return names


def read_strengths(given: str) -> tuple[float, ...]:
    """`0.1,0.01` as numbers."""
    rule = "--strengths must be finite numbers >= 0 with commas between them"
    try:
        values = tuple(float(part) for part in given.split(","))
    except ValueError:
        raise UsageError(f"{rule}, such as 0.1,0.01. Received: {given!r}.") from None
    wrong = [value for value in values if not math.isfinite(value) or value < 0]
    if wrong:
        raise UsageError(f"{rule}. Received: {', '.join(f'{value:g}' for value in wrong)}.")
    return values


DEFAULTS: dict[str, Any] = {
    "task": None,
    "penalty": "auto",
    "folds": 5,
    "seeds": 1,
    "strengths": None,
    "test_size": 0.2,
    "single": False,
    "sparse": False,
    "inputs": None,
    "diagnosis": True,
    "learning_curve": False,
    "seed": 0,
    "quick": False,
    "budget": None,
}
FLAGS = {"budget": "minutes"}
"""Options of `fit_table` that the command calls otherwise."""
"""How `taut.fit_table` fits unless it is told otherwise."""


def fit_options(**given: Any) -> dict[str, Any]:
    """How it is to fit, refused where a number is out of range."""
    options = {**DEFAULTS, **given}
    for name, least in (("folds", 2), ("seeds", 1), ("seed", 0)):
        if options[name] < least:
            raise UsageError(f"--{name} must be at least {least}. Received: {options[name]}.")
    if not 0 < options["test_size"] < 1:
        raise UsageError(
            f"--test-size must lie between 0 and 1. Received: {options['test_size']:g}."
        )
    if options["budget"] is not None and not 0 < options["budget"] < math.inf:
        raise UsageError(f"--minutes must be more than 0. Received: {options['budget']:g}.")
    if options["inputs"] is not None and options["inputs"] < 1:
        raise UsageError(f"--inputs must be at least 1. Received: {options['inputs']}.")
    if options["strengths"] is not None:
        options["strengths"] = read_strengths(options["strengths"])
    return options
