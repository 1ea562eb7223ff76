"""Writes report.html: one self-contained page from the saved files of a run."""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

from taut.report import findings, text
from taut.report.page import page
from taut.run import METRICS, Run

_PACKAGE = "taut.report"


def write_report(directory: str | Path, *, name: str | None = None) -> Path:
    """Renders the saved results of a run as one HTML page; trains nothing.

    The page has no scripts and asks no network for anything; its content security policy
    allows its own style sheet, by hash, and nothing else. Everything that comes from data is
    escaped. An existing report is replaced in one step, when the new one is whole.

    Args:
        directory: A run directory with `metrics.json`, `path.parquet` and `features.csv`.
        name: What the page calls the run in the commands that it shows; the directory's own
            name when not given.

    Returns:
        The path of `report.html` in that directory.

    Raises:
        InputError: The directory is no run, or a file in it is missing or cannot be read.

    Example:
        >>> from taut.report import write_report
        >>> write_report("taut-run")  # doctest: +SKIP
        PosixPath('taut-run/report.html')
    """
    directory = Path(directory)
    html = render(Run.load(directory), name or directory.resolve().name)
    target = directory / "report.html"
    handle, temporary = tempfile.mkstemp(prefix=".report-", suffix=".html", dir=directory)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(html)
        # mkstemp makes a file for its owner alone; a report is as readable as its neighbours.
        os.chmod(temporary, (directory / METRICS).stat().st_mode & 0o666)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return target


def render(run: Run, name: str) -> str:
    """The page of a run, as HTML; its commands call the run `name`."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "clean": text.clean,
        "fixed": text.fixed,
        "short": text.short,
        "percent": text.percent,
        "interval": lambda score: findings.interval(score.low, score.high, 2),
    }
    environment.filters.update(filters)
    style = environment.loader.get_source(environment, "report.css")[0]  # type: ignore[union-attr]
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    template = environment.get_template("report.html.jinja")
    return template.render(page(run, name), style=style, style_hash=digest)
