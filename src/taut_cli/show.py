"""What the terminal shows of a table and of a fit: tables on a terminal, plain text elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from taut import readable
from taut.catalogue import EN
from taut.report import findings
from taut.report.scored import TAUT, differences, scores
from taut.run import Run
from taut.run_metrics import Metrics

if TYPE_CHECKING:
    from taut.diagnosis.diagnosis_result import Diagnosis
    from taut.frames.schema import Schema

MOST_COLUMNS = 40
MOST_INPUTS = 20
_NAME_WIDTH = 34


def show_schema(out: Console, schema: Schema, *, name: str) -> None:
    """What was understood of each column; what makes the scores doubtful, first."""
    _show_warnings(out, schema.warnings)
    inputs = len(schema.used)
    facts = [
        EN.count("row", schema.rows),
        f"{readable.fixed(len(schema.columns) + 1, 0)} columns",
        f"{readable.fixed(inputs, 0)} of them used",
    ]
    out.print(Text.assemble((readable.clean(name), "bold"), f": {', '.join(facts)}"))
    target = Text.assemble("target ", (readable.clean(schema.target), "bold"), f": {_task(schema)}")
    out.print(target.append(f" ({_sentence(schema.reason)})", style="dim"))
    shown = _worth_showing(schema.columns)
    table = plain_table(out, "column", "kind", ">missing", ">distinct", "note")
    for column in shown:
        cells = [readable.shorten(column.name, _NAME_WIDTH), column.kind]
        cells += [f"{column.missing or ''}", f"{column.levels}"]
        note = ("" if column.used else "left out: ") + column.reason
        table.add_row(
            *map(Text, cells), Text(readable.clean(note)), style="" if column.used else "dim"
        )
    out.print(Padding(table, (1, 0, 0, 0)))
    hidden = [column for column in schema.columns if column not in shown]
    if hidden:
        kinds = Counter(f"{c.kind}{'' if c.used else ', left out'}" for c in hidden)
        rest = "; ".join(f"{n} {kind}" for kind, n in kinds.most_common())
        out.print(Text(f"… and {len(hidden)} more: {rest}", style="dim"))
    for note in schema.notes:
        out.print(Text(f"note: {readable.clean(note)}", style="yellow"))
    out.print()


def _task(schema: Schema) -> str:
    if not schema.classes:
        return "regression"
    counts = [
        f"{readable.shorten(c, 20)} {n}" for c, n in zip(schema.classes, schema.counts, strict=True)
    ]
    more = [f"and {len(counts) - 6} more"] if len(counts) > 6 else []
    return f"{len(counts)} classes ({', '.join(counts[:6] + more)})"


def _worth_showing(columns: tuple[Any, ...]) -> list[Any]:
    """All columns, or, of many, those with something to say first; in the table's order."""
    if len(columns) <= MOST_COLUMNS:
        return list(columns)
    noted = [c for c in columns if not c.used or c.reason][: MOST_COLUMNS // 2]
    plain = [c for c in columns if c not in noted][: MOST_COLUMNS - len(noted)]
    return [c for c in columns if c in noted or c in plain]


def show_diagnosis(out: Console, diagnosis: Diagnosis, *, lang: str = "en") -> None:
    """The verdicts, and what clearly helps."""
    out.print()
    for line in diagnosis.text(lang=lang, whole=False).split("\n"):
        out.print(Text(readable.clean(line)), soft_wrap=True)


def show_fit(out: Console, run: Run, *, told: Collection[str] = ()) -> None:
    """Warnings but for those already told, the scores on the test rows, the choice, the inputs."""
    metrics = run.metrics
    _show_warnings(out, [sentence for sentence in metrics.warnings if sentence not in told])
    trained = EN.count("network", metrics.split.lanes)
    out.print(Text(f"{trained} trained in {EN.duration(metrics.seconds)}", style="dim"))
    out.print(Text(findings.choice(metrics), style="bold"))
    if metrics.choice.rule:
        out.print(Text(readable.clean(metrics.choice.rule), style="dim"))
    certificate = metrics.choice.stationarity
    if certificate:
        largest = readable.short(certificate.largest)
        words = f"certificate: at most {largest} from stationary"
        if certificate.converged is not None:
            words += f", {'converged' if certificate.converged else 'not converged'}"
        words += f". {certificate.note}"
        out.print(Text(readable.clean(words), style="dim"))
    out.print()
    _show_scores(out, metrics)
    sentence = findings.overfitting(metrics)
    if sentence:
        out.print(Text(sentence))
    out.print()
    _show_inputs(out, run)
    _show_sparse(out, metrics)


def _show_warnings(out: Console, sentences: Sequence[str]) -> None:
    for sentence in sentences:
        words = Text.assemble(("warning: ", "bold red"), (readable.clean(sentence), "red"))
        out.print(words, soft_wrap=not out.is_terminal)
    if sentences:
        out.print()


def _show_scores(out: Console, metrics: Metrics) -> None:
    if metrics.test is None:
        out.print("The test rows could not be scored.", style="bold")
        return
    level = f"{100 * metrics.test.confidence:g}%"
    out.print(Text(findings.headline(metrics), style="bold"))
    table = plain_table(out, "", ">value", f">{level} interval", "taut is")
    for name in metrics.test.metrics:
        of_pairs = {d.versus: d for d in differences(metrics, name)}
        better = "lower" if readable.lower_is_better(name) else "higher"
        table.add_row(Text.assemble(EN.metric(name), (f", {better} is better", "dim")))
        for score in scores(metrics, name):
            pair = of_pairs.get(score.system)
            code, verdict = (pair.code, pair.verdict) if pair else ("", "")
            style = "bold" if score.system == TAUT else ""
            table.add_row(
                Text(f"  {readable.clean(score.system)}", style=style),
                Text(score.shown, style=style),
                Text(score.interval, style=style),
                Text(verdict, style={"better": "green", "worse": "red"}.get(code, "dim")),
            )
        table.add_section()
    out.print(table)
    for sentence in findings.withheld(metrics):
        out.print(Text(sentence, style="dim"))
    for sentence in findings.classes(metrics):
        out.print(Text(sentence))
    out.print()


def show_evaluation(out: Console, metrics: Metrics) -> None:
    """The scores of predicted rows whose target is known, beside those of looking at no input."""
    assert metrics.test is not None
    out.print()
    target = readable.clean(metrics.target.name)
    out.print(Text(f"They were scored by {target!r}. Rows that were learned from score too well."))
    level = f"{100 * metrics.test.confidence:g}%"
    table = plain_table(out, "", ">value", f">{level} interval", ">no input")
    for name in metrics.test.metrics:
        mine, base = scores(metrics, name)
        table.add_row(EN.metric(name), mine.shown, mine.interval, base.shown)
    out.print(table)
    for sentence in findings.withheld(metrics):
        out.print(Text(sentence, style="dim"))


def _show_inputs(out: Console, run: Run) -> None:
    out.print(Text(findings.inputs(run.metrics), style="bold"))
    kept = run.features.loc[run.features["kept"]]
    kept = kept.sort_values("importance", ascending=False, kind="stable")
    if kept.empty:
        return
    shares = kept["importance"].fillna(0.0)
    most = float(shares.max()) or 1.0
    table = plain_table(out, "input", ">importance", ">in models", "")
    for share, row in zip(shares, kept.head(MOST_INPUTS).to_dict("records"), strict=False):
        blocks = "█" * max(1, round(20 * share / most)) if out.is_terminal else ""
        table.add_row(
            Text(readable.shorten(row["feature"], _NAME_WIDTH)),
            Text(readable.share(row["importance"], 1)),
            Text(readable.percent(row["folds_kept"])),
            Text(blocks, style="blue"),
        )
    out.print(table)
    if len(kept) > MOST_INPUTS:
        out.print(Text(f"… and {len(kept) - MOST_INPUTS} more in features.csv", style="dim"))


def _show_sparse(out: Console, metrics: Metrics) -> None:
    sentences = findings.sparse(metrics)
    if not sentences:
        return
    out.print()
    out.print(Text(sentences[0], style="bold"))
    for sentence in sentences[1:]:
        out.print(Text(sentence))
    selection = metrics.selection
    kept = [item for item in selection.inputs if item.kept] if selection else []
    if not kept:
        return
    table = plain_table(out, "input", "kept as", ">in halves", ">loss without it")
    for item in kept[:MOST_INPUTS]:
        table.add_row(
            Text(readable.shorten(item.input, _NAME_WIDTH)),
            Text(findings.reason(item)),
            Text(readable.percent(item.frequency)),
            Text(findings.rise(item)),
        )
    out.print(table)
    if len(kept) > MOST_INPUTS:
        out.print(Text(f"… and {len(kept) - MOST_INPUTS} more in metrics.json", style="dim"))


def plain_table(out: Console, *headers: str) -> Table:
    """A table with thin rules on a terminal and none elsewhere; `>` aligns a column right."""
    edges = box.SIMPLE_HEAD if out.is_terminal else None
    table = Table(box=edges, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for header in headers:
        right = header.startswith(">")
        table.add_column(
            header.lstrip(">"),
            justify="right" if right else "left",
            no_wrap=right,
            overflow="fold",
            header_style="dim",
        )
    return table


def _sentence(reason: str) -> str:
    return readable.clean(reason).rstrip(".")
