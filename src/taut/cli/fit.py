"""`taut fit`: a table in, a run directory out."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.text import Text

from taut.cli.console import Attempt, attempt, console
from taut.cli.output import check_directory, write_directory
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


def fit(
    table: Annotated[
        Path, typer.Argument(metavar="TABLE", help="CSV or Parquet file.", show_default=False)
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
    test_size: TestSizeOption = 0.2,
    single: SingleOption = False,
    seed: SeedOption = 0,
    quick: QuickOption = False,
    force: ForceOption = False,
) -> None:
    """Fit a penalised network on a table, choose its strength, and write a run directory."""
    with attempt() as state:
        choices = checked(
            task, penalty, folds, seeds, strengths, test_size, single=single, seed=seed, quick=quick
        )
        place = check_directory(out, force=force)
        fit_file(table, target, place, choices, shown=out, force=force, state=state)


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
) -> None:
    """Reads the table, shows what was understood, fits, writes the run, shows what was found."""
    from taut.tables.read import read_table
    from taut.tables.schema import check_enough_rows, folds_for, understand

    out = console()
    frame = read_table(table)
    schema = understand(frame, target=target, task=choices.task)
    folds = folds_for(choices.folds, quick=choices.quick)
    check_enough_rows(schema, folds=folds, test_size=choices.test_size)

    from taut.cli.show import show_fit, show_schema

    show_schema(out, schema, name=table.name)
    model = _trained(frame, target, choices, state)
    state.check()

    def write(directory: Path) -> None:
        from taut.report import write_report

        model.save(directory)
        write_report(directory, name=place.name)

    def done() -> None:
        state.written = str(shown)

    write_directory(place, write, force=force, done=done)
    show_fit(out, model.metrics, model.features)
    _show_where(out, shown)


def _trained(frame: Any, target: str, choices: Choices, state: Attempt) -> Any:
    screen = console(stderr=True)
    with screen.status("starting"):  # these imports take seconds
        from taut.progress import Display
        from taut.tables.fit import fit_table

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
            quick=choices.quick,
            single=choices.single,
            seed=choices.seed,
            callbacks=[display],
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
