"""`taut fit`: a table in, a run directory out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.cells import cell_len, set_cell_size
from rich.text import Text

from taut_cli import options as option
from taut_cli.command_line import fit_command
from taut_cli.console import (
    Attempt,
    attempt,
    clean,
    console,
    load,
    say_error,
    say_json,
    say_warning,
)
from taut_cli.errors import UsageError
from taut_cli.output import check_directory, check_table, write_directory, write_elsewhere

if TYPE_CHECKING:
    from taut.catalogue import Catalogue


def fit(
    table: Annotated[
        Path,
        typer.Argument(metavar="TABLE", help=option.TABLE_HELP, show_default=False),
    ],
    target: Annotated[
        str,
        typer.Option(
            "--target", "-t", metavar="COLUMN", help="Column to predict.", show_default=False
        ),
    ],
    out: option.Out = Path("taut-run"),
    task: Annotated[
        option.TaskName | None,
        typer.Option(
            metavar="TASK",
            help="What the target is: binary, multiclass, classification or regression; seen in "
            "the data if not given.",
            show_default=False,
        ),
    ] = None,
    penalty: option.Penalty = "auto",
    folds: option.Folds = 5,
    seeds: option.Seeds = 1,
    strengths: option.Strengths = None,
    groups: option.Groups = None,
    time: option.Time = None,
    weights: option.Weights = None,
    test: option.Test = None,
    test_sheet: option.TestSheet = None,
    test_size: option.TestSize = 0.2,
    single: option.Single = False,
    sparse: option.Sparse = False,
    inputs: option.Inputs = None,
    diagnosis: option.Diagnosed = True,
    learning_curve: option.LearningCurve = False,
    seed: option.Seed = 0,
    quick: option.Quick = False,
    minutes: option.Minutes = None,
    force: option.Force = False,
    features: option.Features = None,
    drop: option.Drop = None,
    kind: option.Kind = None,
    decimal: option.Decimal = None,
    na: option.Na = None,
    encoding: option.Encoding = None,
    sep: option.Sep = None,
    sheet: option.Sheet = None,
    lang: option.Lang = "en",
    quiet: option.Quiet = False,
    as_json: option.AsJson = False,
) -> None:
    """Fit a penalised network on a table, choose its strength, and write a run directory."""
    with attempt() as state:
        options = option.fit_options(
            task=task,
            penalty=penalty,
            folds=folds,
            seeds=seeds,
            strengths=strengths,
            test_size=test_size,
            single=single,
            sparse=sparse,
            inputs=inputs,
            diagnosis=diagnosis,
            learning_curve=learning_curve,
            seed=seed,
            quick=quick,
            budget=minutes,
        )
        columns = {
            "features": features,
            "drop": drop,
            "kind": option.read_kinds(kind) if kind else None,
            "decimal": decimal,
            "na": na,
        }
        place = check_directory(out, force=force)
        check_table(table)
        if test is not None:
            check_table(test)
        if test is None and test_sheet is not None and test_sheet == sheet:
            raise UsageError(
                "--test-sheet must be another sheet of TABLE than --sheet. Received: "
                f"{sheet!r} for both."
            )
        if (test or test_sheet) and test_size != option.DEFAULTS["test_size"]:
            raise UsageError(
                "--test-size is the share of TABLE that is set aside without --test and "
                f"--test-sheet. Received: both, --test-size {test_size:g}. Leave one out."
            )
        fit_file(
            table,
            target,
            place,
            test=test,
            test_sheet=test_sheet,
            shown=out,
            force=force,
            state=state,
            options=options,
            columns={name: value for name, value in columns.items() if value},
            roles={"groups": groups, "time": time, "weights": weights},
            reading={"encoding": encoding, "sep": sep, "sheet": sheet, "na": na or ()},
            lang=lang,
            quiet=quiet or as_json,
            as_json=as_json,
        )


def fit_file(
    table: Path,
    target: str,
    place: Path,
    *,
    test: Path | None = None,
    test_sheet: str | None = None,
    shown: Path,
    force: bool,
    state: Attempt,
    options: Mapping[str, Any],
    columns: Mapping[str, Any] = {},
    roles: Mapping[str, str | None] = {},
    reading: Mapping[str, Any] = {},
    lang: option.Language = "en",
    quiet: bool = False,
    as_json: bool = False,
) -> None:
    """Reads the table, shows what was understood, fits, writes the run, shows what was found.

    Args:
        table: The file.
        target: The column to predict.
        place: The run directory.
        test: The file of rows to test on; a share of the table unless given.
        test_sheet: Their sheet, of that file, or of the table's without.
        shown: The run directory as the user calls it.
        force: Whether a run that is there is replaced.
        state: What has been written.
        options: Of `taut.fit_table`, how to fit.
        columns: Of `understand`, what columns are.
        roles: Columns that group, order or weigh the rows.
        reading: Of `read_table`.
        lang: The language of what is told, and of the report.
        quiet: Whether only warnings and errors are written.
        as_json: Whether the run is told as one JSON object.
    """
    load(state, quiet=quiet)

    from taut.catalogue import catalogue
    from taut.engine.resumable import resumable
    from taut.errors import InputError
    from taut.frames.enough_rows import check_enough_rows, check_inputs, folds_for
    from taut.frames.read import read_table
    from taut.frames.roles import Roles
    from taut.frames.understand import understand
    from taut.run import REPORT, with_command
    from taut_cli.show import show_diagnosis, show_fit, show_schema

    out, say = console(quiet=quiet), catalogue(lang)
    frame = read_table(table, **reading)
    names = {
        n: option.read_names(columns[n], frame.columns)
        for n in ("features", "drop")
        if columns.get(n)
    }
    columns = {**columns, **names}
    schema = understand(frame, target=target, task=options["task"], roles=Roles(**roles), **columns)
    schema.row_facts(frame, Roles(**roles))  # refuses values that cannot be used, before any work
    folds = folds_for(options["folds"], quick=options["quick"])
    tests = test if test is not None or test_sheet is None else table
    share = options["test_size"] if tests is None else 0.0
    check_enough_rows(schema, folds=folds, test_size=share)
    check_inputs(options["inputs"], len(schema.used))
    rows = None
    if tests is not None:
        # What is text in the table is text here: "01" of a group is not 1, where one is "A".
        words = [n for n in Roles(**roles).named() if frame[n].dtype.kind not in "biuf"]
        alike = dict(reading) if tests.suffix == table.suffix else {}
        if test_sheet is not None:
            alike["sheet"] = test_sheet
        rows = read_table(tests, **{**alike, "text": [*schema.as_written, *words], "na": schema.na})

    show_schema(out, schema, name=table.name, say=say)
    wanted = {"target": target, "test": rows, **options, **columns, **roles}
    with resumable() as job:
        state.kept = job.left
        model = _trained(frame, wanted, state, lang=lang, quiet=quiet)
    command = fit_command(
        table,
        target,
        shown,
        test=test,
        test_sheet=test_sheet,
        options=options,
        columns=columns,
        roles=roles,
        reading=reading,
    )
    model.run = with_command(model.run, command)
    state.check()

    failed: list[Exception] = []

    def write(directory: Path) -> None:
        from taut.report import write_report

        model.save(directory)
        try:
            write_report(directory, name=str(shown), lang=lang)
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
    except (OSError, InputError, UsageError) as error:
        elsewhere = None if state.interrupts else write_elsewhere(place, write)
        if elsewhere is None:
            raise
        reason = str(getattr(error, "strerror", None) or error).rstrip(".")
        problem = (
            f"The run could not be written to {shown}: {reason}. It was written to {elsewhere}."
        )
        shown = elsewhere
    job.forget()
    for error in failed[-1:]:
        words = f"the report could not be written ({type(error).__name__}: {error})"
        say_warning(f"{words}; the run is whole, and taut report writes the page again")
    show_fit(out, model.run, told=schema.warnings, say=say)
    for sentence in model.run.metrics.warnings if quiet and not as_json else ():
        say_warning(say.stored(sentence), say("page.warning"))
    if model.diagnosis is not None:
        out.print()
        show_diagnosis(out, model.diagnosis, whole=False, say=say)
    page = None if failed else str(shown / REPORT)
    _show_where(out, shown, page, sparse=bool(model.run.metrics.sparse_inputs), say=say)
    if as_json:
        say_json(
            {
                "run": str(shown),
                "report": page,
                "metrics": model.run.metrics,
                "diagnosis": model.diagnosis,
            }
        )
    if problem is not None:
        say_error(problem)
        raise typer.Exit(1)


def _trained(
    frame: Any, options: dict[str, Any], state: Attempt, *, lang: option.Language, quiet: bool
) -> Any:
    from taut.progress import Display
    from taut.tables.fitting import fit_table

    screen = console(stderr=True, quiet=quiet)
    with Display(screen, check=state.check, lang=lang) as display:
        return fit_table(frame, callbacks=[display], **options)


def _show_where(out: Any, shown: Path, page: str | None, *, sparse: bool, say: Catalogue) -> None:
    run, answer = shlex.quote(clean(shown)), f"NEW.csv --out predictions.csv{say.option}"
    lines = [
        ("use.report", clean(page) if page else f"taut report {run}{say.option}"),
        ("use.predict", f"taut predict {run} {answer}"),
    ]
    if sparse:
        inner = shlex.quote(clean(shown / "sparse"))
        lines.append(("use.sparse", f"taut predict {inner} {answer}"))
    labels = [say(key) for key, _ in lines]
    width = max(map(cell_len, labels))
    out.print()
    for label, (_, value) in zip(labels, lines, strict=True):
        words = Text.assemble((f"{set_cell_size(label, width)}  ", "dim"), value)
        out.print(words, soft_wrap=True)
