"""`taut fit`: a table in, a run directory out."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.text import Text

from taut.cli.console import Attempt, attempt, console, say_error, say_warning
from taut.cli.output import check_directory, write_directory, write_elsewhere
from taut.cli.reading import (
    DecimalOption,
    DropOption,
    EncodingOption,
    FeaturesOption,
    KindOption,
    NaOption,
    SepOption,
    SheetOption,
    read_kinds,
    read_names,
)
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


@dataclass(frozen=True)
class Choices:
    """What `fit` and `demo` pass on to `taut.fit_table`."""

    task: str | None
    penalty: str
    folds: int
    seeds: int
    strengths: tuple[float, ...] | None
    test_size: float
    single: bool
    seed: int
    quick: bool
    groups: str | None = None
    time: str | None = None
    weights: str | None = None


def fit(
    table: Annotated[
        Path,
        typer.Argument(metavar="TABLE", help="CSV, Parquet or Excel file.", show_default=False),
    ],
    target: Annotated[
        str,
        typer.Option(
            "--target", "-t", metavar="COLUMN", help="Column to predict.", show_default=False
        ),
    ],
    out: OutOption = Path("taut-run"),
    task: Annotated[Task | None, typer.Option(help="What the target is; seen in the data.")] = None,
    penalty: PenaltyOption = "auto",
    folds: FoldsOption = 5,
    seeds: SeedsOption = 1,
    strengths: StrengthsOption = None,
    groups: GroupsOption = None,
    time: TimeOption = None,
    weights: WeightsOption = None,
    test_size: TestSizeOption = 0.2,
    single: SingleOption = False,
    seed: SeedOption = 0,
    quick: QuickOption = False,
    force: ForceOption = False,
    features: FeaturesOption = None,
    drop: DropOption = None,
    kind: KindOption = None,
    decimal: DecimalOption = None,
    na: NaOption = None,
    encoding: EncodingOption = None,
    sep: SepOption = None,
    sheet: SheetOption = None,
) -> None:
    """Fit a penalised network on a table, choose its strength, and write a run directory."""
    with attempt() as state:
        choices = checked(
            task, penalty, folds, seeds, strengths, test_size, single=single, seed=seed, quick=quick
        )
        choices = replace(choices, groups=groups, time=time, weights=weights)
        columns = {
            "features": features,
            "drop": drop,
            "kind": read_kinds(kind) if kind else None,
            "decimal": decimal,
            "na": na,
        }
        place = check_directory(out, force=force)
        fit_file(
            table,
            target,
            place,
            choices,
            shown=out,
            force=force,
            state=state,
            columns={name: value for name, value in columns.items() if value is not None},
            reading={"encoding": encoding, "sep": sep, "sheet": sheet, "na": na or ()},
        )


def checked(
    task: str | None,
    penalty: str,
    folds: int,
    seeds: int,
    strengths: str | None,
    test_size: float,
    *,
    single: bool,
    seed: int,
    quick: bool,
) -> Choices:
    """The options, refused where they are out of range."""
    if folds < 2:
        raise InputError(f"--folds must be at least 2. Received: {folds}.")
    if seeds < 1:
        raise InputError(f"--seeds must be at least 1. Received: {seeds}.")
    if seed < 0:
        raise InputError(f"--seed must be at least 0. Received: {seed}.")
    if not 0 < test_size < 1:
        raise InputError(f"--test-size must lie between 0 and 1. Received: {test_size:g}.")
    values = None if strengths is None else read_strengths(strengths)
    return Choices(task, penalty, folds, seeds, values, test_size, single, seed, quick)


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


def fit_file(
    table: Path,
    target: str,
    place: Path,
    choices: Choices,
    *,
    shown: Path,
    force: bool,
    state: Attempt,
    columns: dict[str, Any] | None = None,
    reading: dict[str, Any] | None = None,
) -> None:
    """Reads the table, shows what was understood, fits, writes the run, shows what was found.

    Args:
        table: The file.
        target: The column to predict.
        place: The run directory.
        choices: How to fit.
        shown: The run directory as the user calls it.
        force: Whether a run that is there is replaced.
        state: What has been written.
        columns: Options of `understand` that say what columns are.
        reading: Options of `read_table`.
    """
    from taut.frames.enough_rows import check_enough_rows, folds_for
    from taut.frames.read import read_table
    from taut.frames.roles import Roles
    from taut.frames.understand import understand

    out = console()
    frame = read_table(table, **(reading or {}))
    roles = Roles(choices.groups, choices.time, choices.weights)
    columns = dict(columns or {})
    for name in columns.keys() & {"features", "drop"}:
        columns[name] = read_names(columns[name], frame.columns)
    schema = understand(frame, target=target, task=choices.task, roles=roles, **columns)
    schema.row_facts(frame, roles)  # refuses values that cannot be used, before any work
    folds = folds_for(choices.folds, quick=choices.quick)
    check_enough_rows(schema, folds=folds, test_size=choices.test_size)

    from taut.cli.show import show_fit, show_schema

    show_schema(out, schema, name=table.name)
    model = _trained(frame, target, choices, state, columns)
    state.check()

    failed: list[Exception] = []

    def write(directory: Path) -> None:
        from taut.report import write_report

        model.save(directory)
        try:
            write_report(directory, name=place.name)
        except OSError:
            raise  # the disk: the run beside it is no better
        except Exception as error:  # the page must not lose the training that it is about
            if state.interrupts:
                raise
            failed.append(error)

    def done() -> None:
        state.written = str(shown)

    problem = None
    try:
        write_directory(place, write, force=force, done=done)
    except (OSError, InputError) as error:
        elsewhere = None if state.interrupts else write_elsewhere(place, write)
        if elsewhere is None:
            raise
        reason = str(getattr(error, "strerror", None) or error).rstrip(".")
        problem = (
            f"The run could not be written to {shown}: {reason}. It was written to {elsewhere}."
        )
        shown = elsewhere
    for error in failed[-1:]:
        words = f"the report could not be written ({type(error).__name__}: {error})"
        say_warning(f"{words}; the run is whole, and taut report writes the page again")
    show_fit(out, model.run)
    _show_where(out, shown)
    if problem is not None:
        say_error(problem)
        raise typer.Exit(1)


def _trained(
    frame: Any, target: str, choices: Choices, state: Attempt, columns: dict[str, Any]
) -> Any:
    screen = console(stderr=True)
    with screen.status("starting"):  # these imports take seconds
        from taut.progress import Display
        from taut.tables.fitting import fit_table

    state.check()
    with Display(screen, check=state.check) as display:
        return fit_table(
            frame,
            target=target,
            task=choices.task,
            penalty=choices.penalty,
            test_size=choices.test_size,
            folds=choices.folds,
            seeds=choices.seeds,
            strengths=choices.strengths,
            groups=choices.groups,
            time=choices.time,
            weights=choices.weights,
            quick=choices.quick,
            single=choices.single,
            seed=choices.seed,
            callbacks=[display],
            **columns,
        )


def _show_where(out: Any, shown: Path) -> None:
    from taut.report.text import clean

    run = shlex.quote(clean(shown))
    out.print()
    lines = [
        ("report ", clean(shown / "report.html")),
        ("predict", f"taut predict {run} NEW.csv --out predictions.csv"),
    ]
    for label, value in lines:
        out.print(Text.assemble((f"{label}  ", "dim"), value), soft_wrap=True)
