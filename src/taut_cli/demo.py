"""`taut demo`: a real table, and exactly what `taut fit` does with it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from taut_cli import options as option
from taut_cli.console import attempt, clean, console, uninterrupted
from taut_cli.errors import UsageError
from taut_cli.fit import fit_file
from taut_cli.output import check_directory, write_file

TABLE, TARGET, RUN = "breast_cancer.csv", "diagnosis", "run"


def demo(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to write.")] = Path(
        "taut-demo"
    ),
    quick: option.Quick = False,
    lang: option.Lang = "en",
    force: option.Force = False,
) -> None:
    """Write a real table (569 tumours, 30 measurements each), and fit it.

    Ten of the measurements are in it once more, shuffled: inputs that are known to be irrelevant.
    """
    with attempt() as state:
        if directory.exists() and not directory.is_dir():
            raise UsageError(f"DIR must name a directory. Received: {directory}, a file.")
        run, table = directory / RUN, directory / TABLE
        place = check_directory(run, force=force)
        made = write_table(table)
        try:
            out = console()
            command = ["taut", "fit", clean(table), "--target", TARGET, "--out", clean(run)]
            command += ["--sparse"]
            command += ["--lang", lang] * (lang != "en")
            command += ["--quick"] * quick + ["--force"] * force
            out.print(Text(f"$ {shlex.join(command)}", style="bold"), soft_wrap=True)
            options = option.fit_options(quick=quick, sparse=True)
            fit_file(
                table,
                TARGET,
                place,
                shown=run,
                force=force,
                state=state,
                options=options,
                lang=lang,
            )
        except BaseException:
            if state.written is None:
                _remove(made)
            raise


def write_table(table: Path) -> list[Path]:
    """Writes scikit-learn's breast-cancer table; returns what it made, innermost first.

    Its ten means are in it a second time, each shuffled on its own, and are called so.

    A file that is there must be this table, byte for byte: another one is somebody's own.
    """
    import numpy as np
    from sklearn.datasets import load_breast_cancer

    data: Any = load_breast_cancer(as_frame=True)
    labels = dict(enumerate(data.target_names))
    draw = np.random.default_rng(0)
    means = [name for name in data.data if name.startswith("mean ")]
    shuffled = {f"{name} (shuffled)": draw.permutation(data.data[name]) for name in means}
    frame = data.data.assign(**shuffled, **{TARGET: data.target.map(labels)})
    content = frame.to_csv(index=False, lineterminator="\n").encode("utf-8")
    if table.exists():
        if table.read_bytes() != content:
            raise UsageError(
                f"The demo writes its own table. Received: {table}, which holds something else. "
                "Choose another directory."
            )
        return []
    missing = [d for d in (table.parent, *table.parent.parents) if not d.exists()]
    made = [table, *missing]
    try:
        table.parent.mkdir(parents=True, exist_ok=True)
        write_file(table, lambda temporary: _write(temporary, content))
    except BaseException:
        _remove(made)
        raise
    return made


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _remove(made: list[Path]) -> None:
    """Takes away what this call made, so that a demo that failed leaves nothing behind."""
    with uninterrupted():
        for path in made:
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
            else:
                path.unlink(missing_ok=True)
