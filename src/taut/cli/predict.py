"""`taut predict`: a run applied to a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from taut.cli.console import attempt, console
from taut.cli.output import check_file, write_file
from taut.errors import InputError

if TYPE_CHECKING:
    import pandas


def predict(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Run directory of taut fit.", show_default=False)
    ],
    table: Annotated[
        Path, typer.Argument(metavar="TABLE", help="CSV or Parquet file.", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="FILE.csv", help="CSV file to write.", show_default=False
        ),
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Predict each row of a table: the prediction, and one probability for each class."""
    with attempt() as state:
        check_file(out, force=force, source=table)
        check_run(run)
        if not table.is_file():
            raise InputError(f"There is no file {str(table)!r}. Check the path.")

        from taut.tables.fit import TableModel
        from taut.tables.read import read_table

        model = TableModel.load(run)
        # A category that happens to look like numbers in this table is still a category.
        categories = [c.name for c in model.schema.used if c.kind == "category"]
        answer = predictions(model, read_table(table, text=categories))

        def done() -> None:
            state.written = str(out)

        write_file(
            out,
            lambda temporary: answer.to_csv(temporary, index=False, encoding="utf-8"),
            done=done,
        )
        rows = f"{len(answer)} row{'s' * (len(answer) != 1)}"
        console().print(Text(f"{rows} predicted, written to {out}"), soft_wrap=True)


def predictions(model: Any, frame: pandas.DataFrame) -> pandas.DataFrame:
    """A column `prediction` and, for classes, a column `probability_<class>` for each."""
    import pandas

    columns: dict[str, Any] = {"prediction": model.predict(frame)}
    if model.schema.classes:
        probabilities = model.predict_proba(frame)
        for k, label in enumerate(model.schema.classes):
            columns[f"probability_{label}"] = probabilities[:, k]
    return pandas.DataFrame(columns)


def check_run(run: Path) -> None:
    """Refuses a path that is no run directory, before anything is loaded."""
    if not (run / "metrics.json").is_file():
        what = "has no metrics.json" if run.is_dir() else "is no directory"
        raise InputError(
            f"RUN must be a directory that taut fit wrote. Received: {run}, which {what}."
        )
