"""Writes report.html: one self-contained page from the saved files of a run."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from taut import readable
from taut.catalogue import Catalogue, catalogue
from taut.diagnosis.diagnosis_result import Diagnosis
from taut.report.page import page
from taut.run import DIAGNOSIS, METRICS, REPORT, Run

if TYPE_CHECKING:
    import jinja2

_CODE, _OPTION = re.compile("`([^`]+)`"), re.compile(r"(?<![\w>-])--[a-z][a-z-]*(?![^<]*</code>)")
_PACKAGE = "taut.report"


def write_report(directory: str | Path, *, name: str | None = None, lang: str = "en") -> Path:
    """Renders the saved results of a run as one HTML page; trains nothing.

    The page asks no network for anything. Its content security policy allows its own style sheet
    and its own script, each by hash, and nothing else; without the script it is whole too, but for
    the slider over the strengths. Everything that comes from data is escaped. An existing report
    is replaced in one step, when the new one is whole.

    Args:
        directory: A run directory with `metrics.json`, `path.parquet` and `features.csv`.
        name: What the page calls the run in the commands that it shows; the directory's own
            name when not given.
        lang: The page's language, "en" or "zh".

    Returns:
        The path of `report.html` in that directory.

    Raises:
        InputError: The directory is no run, or a file in it is missing or cannot be read; the page
            does not speak the language.

    Example:
        >>> from taut.report import write_report
        >>> write_report("taut-run")  # doctest: +SKIP
        PosixPath('taut-run/report.html')
    """
    say = catalogue(lang)
    directory = Path(directory)
    run = Run.load(directory)
    found = directory / DIAGNOSIS
    diagnosis = Diagnosis.load(found) if found.is_file() else None
    html = render(run, name or directory.resolve().name, say, diagnosis)
    target = directory / REPORT
    put_page(target, html, like=directory / METRICS)
    return target


def put_page(target: Path, html: str, *, like: Path | None) -> None:
    """A page in place of what is there, when it is whole, as readable as the file `like`.

    Without one it is as readable as a new file.
    """
    handle, temporary = tempfile.mkstemp(prefix=".report-", suffix=".html", dir=target.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(html)
        # mkstemp makes a file for its owner alone.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, like.stat().st_mode & 0o666 if like else 0o666 & ~mask)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def render(run: Run, name: str, say: Catalogue, diagnosis: Diagnosis | None = None) -> str:
    """The page of a run, as HTML; its commands call the run `name`."""
    return fill("report.html.jinja", page(run, name, say, diagnosis), say)


def fill(template: str, values: dict[str, Any], say: Catalogue) -> str:
    """A template with its values, the style sheet, the script, and the words of a language."""
    environment = _environment(say)
    parts = {}
    for kind, file in (("style", "report.css"), ("script", "report.js")):
        source = environment.loader.get_source(environment, file)[0]  # type: ignore[union-attr]
        digest = base64.b64encode(hashlib.sha256(source.encode("utf-8")).digest()).decode("ascii")
        parts |= {kind: source, f"{kind}_hash": digest}
    return environment.get_template(template).render(values | parts)


@cache
def _environment(say: Catalogue) -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def coded(sentence: object) -> Markup:
        escaped = str(escape(sentence))  # `sub` of a Markup would escape what it puts in
        return Markup(_OPTION.sub(r"<code>\g<0></code>", _CODE.sub(r"<code>\1</code>", escaped)))

    def stored(sentence: object) -> Markup:
        words = coded(say.stored(sentence))
        if say.knows(sentence):
            return words
        return Markup('<span lang="en">{}</span>').format(words)

    filters: dict[str, Any] = {
        "clean": readable.clean,
        "fixed": readable.fixed,
        "short": readable.short,
        "percent": readable.percent,
        "share": readable.share,
        "stored": stored,
        "coded": coded,
        "interval": lambda score: say.interval(score.low, score.high, 2),
        "bdi": lambda name: Markup("<bdi>{}</bdi>").format(readable.clean(name)),
        "name": lambda name: Markup('<bdi class="name">{}</bdi>').format(readable.clean(name)),
    }
    environment.filters.update(filters)
    environment.globals.update(
        t=say.html,
        lang=say("lang.code"),
        lang_option=say.option,
        gap=say("sentence.separator"),
    )
    return environment
