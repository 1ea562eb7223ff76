"""`taut report`: the page of a run, written again from its saved results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from taut_cli import options as option
from taut_cli.console import attempt, console, load, say_json
from taut_cli.predict import check_run


def report(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Run directory of taut fit.", show_default=False)
    ],
    lang: option.Lang = "en",
    quiet: option.Quiet = False,
    as_json: option.AsJson = False,
) -> None:
    """Write the report of a run again; nothing is trained."""
    with attempt() as state:
        check_run(run)
        load(state, quiet=quiet or as_json)

        from taut.report import write_report

        page = write_report(run, name=str(run), lang=lang)
        state.written = str(page)
        if as_json:
            say_json({"report": str(page)})
        else:
            console(quiet=quiet).print(Text(str(page)), soft_wrap=True)
