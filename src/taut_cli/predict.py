"""`taut predict`: a run applied to a table."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from taut_cli import options as option
from taut_cli.console import attempt, clean, console, load, say_json
from taut_cli.errors import UsageError
from taut_cli.output import check_file, check_table, write_file

if TYPE_CHECKING:
    import pandas

    from taut.run_metrics import Test


def predict(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Run directory of taut fit.", show_default=False)
    ],
    table: Annotated[
        Path,
        typer.Argument(metavar="TABLE", help=option.TABLE_HELP, show_default=False),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="FILE.csv", help="CSV file to write.", show_default=False
        ),
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    encoding: option.Encoding = None,
    sep: option.Sep = None,
    sheet: option.Sheet = None,
    lang: option.Lang = "en",
    quiet: option.Quiet = False,
    as_json: option.AsJson = False,
) -> None:
    """Predict each row of a table: its identifiers, the prediction, a probability a class."""
    with attempt() as state:
        check_file(out, force=force, source=table)
        check_run(run)
        check_table(table)
        load(state, quiet=quiet or as_json)

        from taut.catalogue import catalogue
        from taut.formulas import write_csv
        from taut.frames.as_frame import NOTES
        from taut.frames.read import read_table
        from taut.tables.evaluation import as_table
        from taut.tables.table_model import TableModel
        from taut_cli.show import show_evaluation, show_notes

        # The table is read and checked first: the network takes a while to load.
        schema = TableModel.load_schema(run)
        frame = read_table(
            table,
            text=[*schema.as_written, *schema.names_of_rows],
            na=schema.na,
            encoding=encoding,
            sep=sep,
            sheet=sheet,
        )
        schema.prepare(frame, require_target=False)
        model = TableModel.load(run)
        answer, sentences = predictions(model, frame)
        test = None
        if schema.target in frame.columns:
            test, told = _scored(model, frame, answer)
            sentences += told
        state.check()

        def done() -> None:
            state.written = str(out)

        write_file(
            out,
            lambda temporary: write_csv(answer, temporary),
            done=done,
        )
        notes = [*frame.attrs.get(NOTES, ()), *sentences]
        if as_json:
            told = {"predictions": str(out), "rows": len(answer), "notes": list(map(clean, notes))}
            scores = [] if test is None else as_table(test).to_dict("records")
            say_json(told | {"scores": scores})
            return
        screen, say = console(quiet=quiet), catalogue(lang)
        show_notes(console(stderr=True), notes, say=say)
        words = say("predict.written", rows=say.count("row", len(answer)), file=clean(out))
        screen.print(Text(words), soft_wrap=True)
        if test is not None:
            show_evaluation(screen, replace(model.run.metrics, test=test), say=say)


def predictions(model: Any, frame: pandas.DataFrame) -> tuple[pandas.DataFrame, list[str]]:
    """What is written, and what is to be told.

    The columns that name the rows, where the table has them; `prediction`; and, for classes, one
    `probability_<class>` each.
    """
    import pandas

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        columns: dict[str, Any] = {}
        if model.schema.classes:
            probabilities = model.predict_proba(frame)
            columns["prediction"] = model.schema.labels(probabilities.argmax(axis=1))
            for k, label in enumerate(model.schema.classes):
                columns[f"probability_{label}"] = probabilities[:, k]
        else:
            columns["prediction"] = model.predict(frame)
    sentences = dict.fromkeys(
        str(warning.message) for warning in caught if warning.category is UserWarning
    )
    named: dict[str, Any] = {}
    for name in model.schema.names_of_rows:
        if name in frame.columns:
            free = name
            while free in columns or free in named:
                free += "_"
            named[free] = frame[name].array
    return pandas.DataFrame({**named, **columns}), list(sentences)


def _scored(
    model: Any, frame: pandas.DataFrame, answer: pandas.DataFrame
) -> tuple[Test | None, list[str]]:
    """The scores of rows whose target the table has, or why there are none."""
    from taut.errors import InputError
    from taut.tables.evaluation import evaluated

    classes = len(model.schema.classes)  # their probabilities are the last columns
    output = answer.iloc[:, -max(classes, 1) :].to_numpy(float)
    try:
        rows_of = lambda rows: output[rows.index]  # noqa: E731
        return evaluated(frame, model.schema, model.run.metrics, rows_of), []
    except InputError as error:
        return None, [f"The predictions were not scored. {error}"]
    except Exception as error:  # the predictions are there
        return None, [f"The predictions were not scored ({type(error).__name__}: {error})."]


def check_run(run: Path, *, name: str = "RUN", model: bool = False) -> None:
    """Refuses a path that is no run directory, before anything is loaded.

    Args:
        run: The path.
        name: What the command calls it.
        model: Whether a model that Keras saved would do as well.
    """
    if not (run / "metrics.json").is_file():
        what = "has no metrics.json" if run.is_dir() else "is no directory"
        other = ", or a model that Keras saved (.keras)" if model else ""
        raise UsageError(
            f"{name} must be a directory that taut fit wrote{other}. Received: {run}, which {what}."
        )
