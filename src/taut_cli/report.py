"""`taut report`: the page of a run, written again from its saved results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from taut_cli.console import attempt, console, load
from taut_cli.predict import check_run


def report(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Run directory of taut fit.", show_default=False)
    ],
) -> None:
    """Write the report of a run again; nothing is trained."""
    with attempt() as state:
        check_run(run)
        load(state)

        from taut.report import write_report

        console().print(Text(str(write_report(run))), soft_wrap=True)
