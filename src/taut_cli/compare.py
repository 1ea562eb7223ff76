"""`taut compare`: runs side by side, with paired differences where the test rows are the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from taut_cli import options as option
from taut_cli.console import attempt, console, load, say_json
from taut_cli.errors import UsageError
from taut_cli.output import check_file
from taut_cli.predict import check_run

if TYPE_CHECKING:
    from taut.report.side_by_side import SideBySide


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN RUN…",
            help="Run directories of taut fit; the first is compared with.",
            show_default=False,
        ),
    ],
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE.html", help="Also write one HTML page."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    lang: option.Lang = "en",
    quiet: option.Quiet = False,
    as_json: option.AsJson = False,
) -> None:
    """Show runs side by side: what was fitted, scores, and differences row by row."""
    with attempt() as state:
        if len(runs) < 2:
            raise UsageError(f"RUN must be given twice or more. Received: {len(runs)}.")
        for run in runs:
            check_run(run)
        if html is not None:
            check_file(html, force=force, suffix=".html", option="--html")
        load(state, quiet=quiet or as_json)

        from taut.report.side_by_side import side_by_side

        compared = side_by_side(runs, lang=lang)
        if html is not None:
            compared.save_html(html)
            state.written = str(html)
        if as_json:
            say_json(_as_json(compared, html))
            return
        out = console(quiet=quiet)
        _show(out, compared)
        if html is not None:
            out.print(Text(str(html)), soft_wrap=True)


def _as_json(compared: SideBySide, html: Path | None) -> dict[str, Any]:
    return {
        "runs": list(compared.names),
        "scores": compared.to_frame().to_dict("records"),
        "not_comparable": {p.name: p.why_not for p in compared.pairs if p.why_not is not None},
        "page": None if html is None else str(html),
    }


def _show(out: Any, compared: SideBySide) -> None:
    from taut.wrapping import tell
    from taut_cli.show import plain_table

    say = compared.say
    table = plain_table(out, say("compare.run"), *compared.names)
    for label, values in compared.facts():
        table.add_row(Text(label, style="dim"), *map(Text, values))
    out.print(table)
    out.print()
    gaps = {(p.name, d.metric): d for p in compared.pairs for d in p.differences}
    headers = (f">{say('compare.value')}", f">{say('test.interval')}")
    pairs = (f">{say('test.difference')}", f">{say('test.interval')}", say("compare.verdict"))
    table = plain_table(out, "", *headers, *(pairs if gaps else ()))
    for metric in compared.metrics():
        table.add_row(Text(say.metric(metric), style="bold"))
        for name, score in compared.scores(metric):
            cells = [Text(f"  {name}"), Text(score.shown), Text(score.interval)]
            gap = gaps.get((name, metric))
            if gap is not None:
                style = {"better": "green", "worse": "red"}.get(gap.code, "dim")
                cells += [Text(gap.shown), Text(gap.interval), Text(gap.verdict, style=style)]
            table.add_row(*cells)
        table.add_section()
    out.print(table)
    for sentence in compared.why_not():
        tell(out, sentence, "yellow")
