"""`taut report`: the page of a run, written again from its saved results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from taut.cli.console import attempt, console
from taut.cli.predict import check_run


def report(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Run directory of taut fit.", show_default=False)
    ],
) -> None:
    """Write the report of a run again; nothing is trained."""
    with attempt():
        check_run(run)

        from taut.report import write_report

        console().print(Text(str(write_report(run))), soft_wrap=True)
