"""The command line itself: which commands there are, and the way out.

Nothing heavy is imported here or at the top of a command's file: the library, and with it Keras,
loads inside the commands, after what can be checked without it has been checked.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from taut_cli.compact import compact
from taut_cli.compare import compare
from taut_cli.demo import demo
from taut_cli.diagnose import diagnose
from taut_cli.fit import fit
from taut_cli.interrupts import STOPPING
from taut_cli.predict import predict
from taut_cli.report import report

app = typer.Typer(
    name="taut",
    help="A table in, a well-regularised network out.",
    epilog="Start with: taut demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (fit, predict, report, compare, diagnose, compact, demo):
    app.command()(command)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"taut {_installed_version()}")
        raise typer.Exit


def _installed_version() -> str:
    from importlib import metadata

    try:
        return metadata.version("taut")
    except metadata.PackageNotFoundError:
        return "(not installed)"


@app.callback()
def taut(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Say the version and exit."
        ),
    ] = False,
) -> None:
    """A table in, a well-regularised network out."""
    del version


def main() -> None:
    """Runs the command; it exits with 0, 1 (failed), 2 (bad input), or 128 and a signal's number.

    Ctrl-C is 130.
    """
    for stream in (sys.stdout, sys.stderr):
        # A column's name may have letters that the terminal's encoding lacks.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        app()
    except SystemExit as ended:
        if isinstance(ended.code, int) and ended.code - 128 in STOPPING:
            # Everything is cleaned up by now; a library that was interrupted half-way may crash
            # while Python takes it down.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(ended.code)
        raise
