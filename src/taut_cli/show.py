"""What the terminal shows of a table and of a fit: tables on a terminal, plain text elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from taut import readable
from taut.catalogue import EN, Catalogue
from taut.report import findings
from taut.report.scored import TAUT, differences, scores
from taut.run import Run
from taut.run_metrics import Metrics
from taut.wrapping import tell

if TYPE_CHECKING:
    from taut.diagnosis.diagnosis_result import Diagnosis
    from taut.frames.schema import Schema

MOST_COLUMNS = 40
MOST_INPUTS = 20
MOST_CLASSES = 6
_NAME_WIDTH = 34


def show_schema(out: Console, schema: Schema, *, name: str, say: Catalogue = EN) -> None:
    """What was understood of each column; what makes the scores doubtful, first."""
    _show_warnings(out, schema.warnings, say)
    size = say(
        "table.size",
        rows=readable.fixed(schema.rows, 0),
        columns=readable.fixed(len(schema.columns) + 1, 0),
    )
    facts = say("sentence.separator").join([size, findings.used(schema.columns, say)])
    tell(out, Text.assemble((readable.clean(name), "bold"), say("clause.reason"), facts))
    tell(out, _target(schema, say))
    if schema.classes:
        tell(out, say("table.classes", counts=_classes(schema, say)))
    out.print()
    shown = _worth_showing(schema.columns)
    counts = (f">{say('table.missing')}", f">{say('table.distinct')}")
    headers = (say("table.column"), say("table.kind"), *counts, say("table.note"))
    table = plain_table(out, *headers)
    for column in shown:
        cells = [readable.shorten(column.name, _NAME_WIDTH), say.stored(column.kind)]
        cells += [f"{column.missing or ''}", f"{column.levels}", _note(column, say)]
        table.add_row(*map(Text, cells), style="" if column.used else "dim")
    out.print(table)
    hidden = [column for column in schema.columns if column not in shown]
    if hidden:
        kinds = Counter(_kind(column, say) for column in hidden).most_common()
        listed = say.listed(say("table.kind_count", n=n, kind=kind) for kind, n in kinds)
        tell(out, say("table.more_columns", n=len(hidden), kinds=listed), "dim")
    show_notes(out, schema.notes, say=say)
    out.print()


def _target(schema: Schema, say: Catalogue) -> str:
    reason = say.stored(schema.reason.rstrip("."))
    task = say(f"read_as.{schema.task}", n=len(schema.classes))
    target = readable.clean(schema.target)
    return say("table.target", target=target, task=task, reason=say.brackets(reason))


def _classes(schema: Schema, say: Catalogue) -> str:
    pairs = zip(schema.classes, schema.counts, strict=True)
    counts = [f"{readable.shorten(c, 20)} {readable.fixed(n, 0)}" for c, n in pairs]
    names, more = say.listed(counts[:MOST_CLASSES]), len(counts) - MOST_CLASSES
    return say("stored.names_more", names=names, n=more) if more > 0 else names


def _kind(column: Any, say: Catalogue) -> str:
    kind = say.stored(column.kind)
    return kind if column.used else kind + say.brackets(say("table.left_out_mark"))


def _note(column: Any, say: Catalogue) -> str:
    reason = say.stored(column.reason)
    if column.used:
        return reason
    return say("clause.reason").join(filter(None, [say("table.left_out_mark"), reason]))


def show_notes(out: Console, sentences: Sequence[str], *, say: Catalogue) -> None:
    """What else there is to know, a line each."""
    for sentence in sentences:
        tell(out, say("page.note") + say.stored(sentence), "yellow")


def _worth_showing(columns: tuple[Any, ...]) -> list[Any]:
    """All columns, or, of many, those with something to say first; in the table's order."""
    if len(columns) <= MOST_COLUMNS:
        return list(columns)
    noted = [c for c in columns if not c.used or c.reason][: MOST_COLUMNS // 2]
    plain = [c for c in columns if c not in noted][: MOST_COLUMNS - len(noted)]
    return [c for c in columns if c in noted or c in plain]


def show_diagnosis(
    out: Console, diagnosis: Diagnosis, *, whole: bool = True, say: Catalogue = EN
) -> None:
    """The verdicts, and what clearly helps; `whole`, also what was left out."""
    for line in diagnosis.text(lang=say.lang, whole=whole).split("\n"):
        tell(out, readable.clean(line))


def show_fit(out: Console, run: Run, *, told: Collection[str] = (), say: Catalogue = EN) -> None:
    """Warnings but for those already told, the scores on the test rows, the choice, the inputs."""
    metrics = run.metrics
    _show_warnings(out, [sentence for sentence in metrics.warnings if sentence not in told], say)
    tell(out, findings.trained(metrics, say), "dim")
    tell(out, findings.choice(metrics, say), "bold")
    for sentence in (say.stored(metrics.choice.rule or ""), findings.certificate(metrics, say)):
        if sentence:
            tell(out, sentence, "dim")
    out.print()
    _show_scores(out, metrics, say)
    sentence = findings.overfitting(metrics, say)
    if sentence:
        tell(out, sentence)
    out.print()
    _show_inputs(out, run, say)
    _show_sparse(out, metrics, say)


def _show_warnings(out: Console, sentences: Sequence[str], say: Catalogue) -> None:
    for sentence in sentences:
        label = (say("page.warning"), "bold red")
        tell(out, Text.assemble(label, (say.stored(sentence), "red")))
    if sentences:
        out.print()


def _show_scores(out: Console, metrics: Metrics, say: Catalogue) -> None:
    tell(out, findings.headline(metrics, say), "bold")
    if metrics.test is None:
        return
    table = plain_table(out, "", *_value(metrics, say), say("test.taut_is"))
    for name in metrics.test.metrics:
        of_pairs = {d.versus: d for d in differences(metrics, name, say)}
        better = say("test.lower" if readable.lower_is_better(name) else "test.higher")
        table.add_row(say.metric(name), "", "", Text(better, style="dim"))
        for score in scores(metrics, name, say):
            pair = of_pairs.get(score.system)
            code, verdict = (pair.code, pair.verdict) if pair else ("", "")
            style = "bold" if score.system == TAUT else ""
            table.add_row(
                Text(f"  {score.name}", style=style),
                Text(score.shown, style=style),
                Text(score.interval, style=style),
                Text(verdict, style={"better": "green", "worse": "red"}.get(code, "dim")),
            )
        table.add_section()
    out.print(table)
    for sentence in findings.withheld(metrics, say):
        tell(out, sentence, "dim")
    for sentence in findings.classes(metrics, say):
        tell(out, sentence)
    out.print()


def show_evaluation(out: Console, metrics: Metrics, *, say: Catalogue = EN) -> None:
    """The scores of predicted rows whose target is known, beside those of looking at no input."""
    assert metrics.test is not None
    out.print()
    tell(out, say("predict.scored", target=repr(readable.clean(metrics.target.name))))
    table = plain_table(out, "", *_value(metrics, say), f">{say('predict.no_input')}")
    for name in metrics.test.metrics:
        mine, base = scores(metrics, name, say)
        table.add_row(say.metric(name), mine.shown, mine.interval, base.shown)
    out.print(table)
    for sentence in findings.withheld(metrics, say):
        tell(out, sentence, "dim")


def _value(metrics: Metrics, say: Catalogue) -> tuple[str, str]:
    level = f"{100 * metrics.tested.confidence:g}%"
    return f">{say('compare.value')}", f">{say('rows.low_high', level=level)}"


def _show_inputs(out: Console, run: Run, say: Catalogue) -> None:
    tell(out, findings.inputs(run.metrics, say), "bold")
    kept = run.features.loc[run.features["kept"]]
    kept = kept.sort_values("importance", ascending=False, kind="stable")
    if kept.empty:
        return
    shares = kept["importance"].fillna(0.0)
    most = float(shares.max()) or 1.0
    shown = (f">{say('inputs.importance')}", f">{say('inputs.in_models')}")
    table = plain_table(out, say("inputs.input"), *shown, "")
    for share, row in zip(shares, kept.head(MOST_INPUTS).to_dict("records"), strict=False):
        blocks = ("█" * round(20 * share / most) or "▏") if out.is_terminal else ""
        table.add_row(
            Text(readable.shorten(row["feature"], _NAME_WIDTH)),
            Text(readable.share(row["importance"], 1)),
            Text(readable.percent(row["folds_kept"])),
            Text(blocks, style="blue"),
        )
    out.print(table)
    if len(kept) > MOST_INPUTS:
        tell(out, say("inputs.more", n=len(kept) - MOST_INPUTS), "dim")


def _show_sparse(out: Console, metrics: Metrics, say: Catalogue) -> None:
    sentences = findings.sparse(metrics, say)
    if not sentences:
        return
    out.print()
    tell(out, sentences[0], "bold")
    for sentence in sentences[1:]:
        tell(out, sentence)
    selection = metrics.selection
    kept = [item for item in selection.inputs if item.kept] if selection else []
    if not kept:
        return
    shown = (f">{say('sparse.in_halves')}", f">{say('sparse.without')}")
    table = plain_table(out, say("inputs.input"), say("sparse.kept_as"), *shown)
    for item in kept[:MOST_INPUTS]:
        table.add_row(
            Text(readable.shorten(item.input, _NAME_WIDTH)),
            Text(findings.reason(item, say)),
            Text(readable.percent(item.frequency)),
            Text(findings.rise(item)),
        )
    out.print(table)
    if len(kept) > MOST_INPUTS:
        tell(out, say("sparse.more", n=len(kept) - MOST_INPUTS), "dim")


def plain_table(out: Console, *headers: str) -> Table:
    """A table with thin rules on a terminal and none elsewhere; `>` aligns a column right."""
    edges = box.SIMPLE_HEAD if out.is_terminal else None
    between = 2 - (edges is not None)  # the rules have a cell of their own
    table = Table(box=edges, show_edge=False, pad_edge=False, padding=(0, between, 0, 0))
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
