"""What a run found, in sentences: the same words in the page and in the terminal.

They claim no more than the intervals allow: a difference whose interval holds zero is called
no clear difference, and one on the wrong side is called worse.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from taut import readable
from taut.catalogue import EN, Catalogue
from taut.report.scored import TAUT, Difference, half, scores
from taut.run_metrics import Choice, Metrics, Predicting, SelectedInput, Selection


def warnings(metrics: Metrics, say: Catalogue = EN) -> list[str]:
    """Why the scores may say less than they seem to, the worst first."""
    return [say.stored(sentence) for sentence in metrics.warnings]


def base_rate(metrics: Metrics, name: str, say: Catalogue = EN) -> str | None:
    """What a score is without looking at any input: `always the commonest class: 0.948`."""
    base = metrics.tested.base
    score = next((s for s in scores(metrics, name, say) if s.system == base), None)
    if base is None or score is None:
        return None
    if name == "accuracy":
        return say("headline.commonest", score=score.shown)
    return say("headline.base", system=score.name, score=score.shown)


def headline(metrics: Metrics, say: Catalogue = EN) -> str:
    """`Log-loss 0.083 on 114 rows that nothing was chosen on (95% interval 0.051 to 0.121; base
    rate: 0.66). Accuracy 0.974 (always the commonest class: 0.632).`"""
    primary = metrics.tested.primary
    if primary is None and metrics.split.test:
        return say("headline.unscored")
    if primary is None:
        return say("headline.no_test")
    mine = next((s for s in scores(metrics, primary, say) if s.system == TAUT), None)
    rows = say.count("row", metrics.split.test)
    if mine is None:
        return say("headline.no_score", rows=rows)
    level = f"{100 * metrics.tested.confidence:g}%"
    if mine.withheld:
        interval = say("headline.withheld", reason=say.stored(mine.withheld))
    else:
        interval = say("headline.interval", level=level, interval=mine.interval)
    base = base_rate(metrics, primary, say)
    return say(
        "headline",
        metric=_capital(say.metric(primary)),
        score=mine.shown,
        rows=rows,
        context=say("clause.separator").join([interval, *([base] if base else [])]),
        second=_second(metrics, say),
    )


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def _second(metrics: Metrics, say: Catalogue) -> str:
    """The score that people ask for, beside its base rate."""
    name = next((n for n in ("accuracy", "r2") if n in metrics.tested.metrics), None)
    if name is None or metrics.tested.base is None:
        return ""
    mine = next((s for s in scores(metrics, name, say) if s.system == TAUT), None)
    base = base_rate(metrics, name, say)
    if mine is None or base is None:
        return ""
    metric = _capital(say.metric(name))
    return say("headline.second", metric=metric, score=mine.shown, base=base)


MOST_CLASSES = 5


def classes(metrics: Metrics, say: Catalogue = EN) -> list[str]:
    """What an accuracy hides: classes that are never recognised, and how a rare one fares."""
    sentences = []
    for outcome in metrics.tested.classes or ():
        label, rows, right = readable.clean(outcome.label), outcome.rows, outcome.recognised
        if rows == 0:
            sentences.append(say("class.absent", label=label))
        elif right == 0 and rows == 1:
            sentences.append(say("class.one_missed", label=label))
        elif right == 0:
            sentences.append(say("class.all_missed", label=label, rows=readable.fixed(rows, 0)))
        elif outcome.label == metrics.tested.rare:
            spread = say.interval(outcome.recall.low, outcome.recall.high, 2)
            known = spread != readable.MISSING
            sentences.append(
                say(
                    "class.rare",
                    rows=say.count("row", rows),
                    label=label,
                    n=readable.fixed(right, 0),
                    recall=readable.fixed(outcome.recall.value, 2),
                    spread=say("class.rare_spread", interval=spread) if known else "",
                    named=say.count("row", outcome.named),
                )
            )
    more = len(sentences) - MOST_CLASSES
    return sentences[:MOST_CLASSES] + ([say("class.more", n=more)] if more > 0 else [])


def withheld(metrics: Metrics, say: Catalogue = EN) -> list[str]:
    """Why some intervals are not given, each reason once."""
    base = metrics.tested.base
    reasons: dict[str, list[str]] = {}
    for name in metrics.tested.metrics:
        for score in scores(metrics, name, say):
            if score.withheld and score.system != base:
                label = say.metric(name)
                if score.system != TAUT:
                    label = say("withheld.of", metric=label, system=score.name)
                names = reasons.setdefault(score.withheld, [])
                if say.metric(name) not in names:
                    names.append(label)
    return [
        say("withheld", names=say.listed(names), reason=say.stored(reason))
        for reason, names in reasons.items()
    ]


def against(difference: Difference, metrics: Metrics, say: Catalogue = EN) -> str:
    """One sentence on one difference: what the other reached, and whether that is clear."""
    other = next(
        (s for s in scores(metrics, difference.metric, say) if s.system == difference.versus), None
    )
    return say(
        f"against.{difference.code}",
        system=difference.name,
        reached=say.brackets(other.shown) if other else "",
        difference=difference.shown,
        **_sizes(difference, say),
    )


def _sizes(difference: Difference, say: Catalogue) -> dict[str, str]:
    """A clear difference as a size, with an interval without signs; another one with them."""
    if difference.code not in ("better", "worse"):
        return {"interval": difference.interval, "size": difference.shown}
    low, high = sorted(abs(end or 0.0) for end in (difference.low, difference.high))
    size = readable.fixed(abs(difference.value or 0.0), difference.places)
    return {"interval": say.interval(low, high, difference.places), "size": size}


def choice(metrics: Metrics, say: Catalogue = EN, *, with_edge: bool = True) -> str:
    """Who predicts, what the best of them is, and a word where it is the last that was tried."""
    chosen = metrics.choice
    what = setting(chosen, say)
    models, settings, share = chosen.models, chosen.predicting, chosen.zero_share
    zeros = say("choice.zeros", share=readable.percent(share)) if share else ""
    if len(settings) > 1:
        sentence = say(
            "choice.several",
            networks=say.count("network", models),
            settings=len(settings),
            penalties=_penalties(settings, say),
            what=what,
            zeros=zeros,
        )
    else:
        key = "choice.one" if models == 1 else "choice.mean"
        sentence = say(key, what=what, What=_capital(what), zeros=zeros, models=models)
    beyond = edge(metrics, say) if with_edge else []
    return say("sentence.separator").join([_capital(sentence), *beyond])


def edge(metrics: Metrics, say: Catalogue = EN) -> list[str]:
    """A word where the best strength is the last one that was tried."""
    chosen, side = metrics.choice, metrics.choice.edge
    if side is None or (side == "strongest" and chosen.zero_share == 1):
        return []  # beyond a strength that leaves nothing there is nothing
    return [say(f"edge.{side}", penalty=chosen.penalty)]


def setting(chosen: Choice, say: Catalogue = EN) -> str:
    """The best setting in a few words: `L1 with strength 0.004`."""
    if not chosen.strength:
        return say("penalty.none")
    what = say("choice.setting", penalty=chosen.penalty, strength=readable.short(chosen.strength))
    if chosen.network != "full":
        what += say("choice.network", network=say.stored(chosen.network))
    return what


def penalties(settings: Sequence[Predicting], say: Catalogue = EN) -> list[str]:
    """The penalties of some settings, each once: `["L1", "no penalty"]`."""
    none = say("penalty.none")
    return list(dict.fromkeys(s.penalty if s.strength else none for s in settings))


def _penalties(settings: Sequence[Predicting], say: Catalogue) -> str:
    counts = [
        (name, sum(penalties([s], say) == [name] for s in settings))
        for name in penalties(settings, say)
    ]
    return say.listed(say("choice.count", n=n, penalty=name) for name, n in counts)


def trained(metrics: Metrics, say: Catalogue = EN) -> str:
    """How many networks were trained, and how long that took."""
    lanes = metrics.split.lanes
    words = say("tile.trained", n=lanes, duration=say.duration(metrics.seconds))
    return f"{readable.fixed(lanes, 0)} {words}"


def certificate(metrics: Metrics, say: Catalogue = EN) -> str | None:
    """How far a model is from a stationary point of its penalised objective."""
    found = metrics.choice.stationarity
    if found is None:
        return None
    said = {True: "notes.converged", False: "notes.not_converged"}.get(found.converged)  # type: ignore[arg-type]
    return say(
        "notes.certificate",
        largest=readable.short(found.largest),
        converged=say(said, limit=readable.short(found.limit)) if said else "",
        note=say.stored(found.note),
    )


def overfitting(metrics: Metrics, say: Catalogue = EN) -> str | None:
    """The gap between training and test loss, with the penalty and without."""
    losses = metrics.overfitting
    if not losses:
        return None
    mine = _gap(losses.train_loss, losses.test_loss)
    bare = _gap(losses.unpenalised_train_loss, losses.unpenalised_test_loss)
    if mine is None or bare is None:
        return None
    places = readable.decimals([max(abs(mine), abs(bare)) / 2])
    mine_shown, bare_shown = (readable.fixed(gap, places, sign=True) for gap in (mine, bare))
    return say("overfitting", mine=mine_shown, bare=bare_shown)


def _gap(train: float | None, test: float | None) -> float | None:
    return test - train if readable.is_number(train) and readable.is_number(test) else None  # type: ignore[operator]


class _Column(Protocol):
    """A column of a table, of a schema as well as of a run."""

    @property
    def kind(self) -> str: ...

    @property
    def used(self) -> bool: ...


def used(columns: Sequence[_Column], say: Catalogue = EN) -> str:
    """How many of the columns are inputs, and of which kinds."""
    kinds = Counter(say.stored(column.kind) for column in columns if column.used)
    if len(kinds) == 1:
        every = say("all") if len(columns) > 1 else ""
        words = say("table.kinds_one", all=every, kind=next(iter(kinds)))
    else:
        counts = (say("table.kind_count", n=n, kind=kind) for kind, n in kinds.most_common())
        words = say("table.kinds", kinds=say.listed(counts))
    return say("table.inputs", inputs=say.count("input", kinds.total()), kinds=words)


def inputs(metrics: Metrics, say: Catalogue = EN) -> str:
    """How many of the input columns the sparsest good models read."""
    kept, total = metrics.features.kept, metrics.features.of
    if kept == total:
        return say("inputs.one") if total == 1 else say("inputs.all", n=total)
    return say("inputs.some", kept=kept, total=say.count("input", total))


def sparse(metrics: Metrics, say: Catalogue = EN) -> list[str]:
    """What the sparse network reads, what that costs, and how sure it is; nothing without one."""
    selection = metrics.selection
    if selection is None:
        return []
    kept, total = len(selection.kept), len(selection.inputs)
    if not kept:
        return [say("sparse.none")]
    reads = {"kept": kept, "total": say.count("input", total)}
    price = selection.price
    if price is None or not readable.is_number(price.value):
        sentences = [say("sparse.reads", **reads)]
    else:
        places = readable.decimals([half(price)])
        spread = say.interval(price.low, price.high, places)
        less = (price.value or 0.0) < 0
        sentences = [
            say(
                f"sparse.reads_price.{'less' if less else 'more'}",
                **reads,
                metric=say.metric(price.metric),
                size=readable.fixed(abs(price.value or 0.0), places),
                spread=say.brackets(spread) if spread != readable.MISSING else "",
            )
        ]
    needed = sum(item.reason == "needed" for item in selection.inputs)
    if needed:
        sentences.append(say("sparse.needed", known=kept - needed, needed=needed))
    return [*sentences, *_halves(selection, say)]


def _halves(selection: Selection, say: Catalogue) -> list[str]:
    """How often halves of the rows choose the kept inputs, and what that says of chance."""
    often = [item.frequency or 0.0 for item in selection.inputs if item.kept]
    if not selection.halves:
        return []
    known = {"kept": len(often), "halves": selection.halves}
    if selection.expected_false is None:
        most = sum(share > 0.5 for share in often)
        return [say("sparse.few_halves", n=most, **known), say("sparse.late")]
    least = min(often)
    words = say(
        "sparse.often" if least < 1 else "sparse.always", share=readable.percent(least), **known
    )
    false = readable.short(selection.expected_false)
    return [say("sparse.bound", often=words, false=false, **known)]


def reason(item: SelectedInput, say: Catalogue = EN) -> str:
    """Why an input is kept, in a word."""
    return readable.MISSING if item.reason is None else say(f"sparse.reason.{item.reason}")


def rise(item: SelectedInput) -> str:
    """`+0.021 ± 0.004`: the rise of the loss without what an input alone tells."""
    if not item.se:
        return readable.MISSING
    places = readable.decimals([item.se])
    return f"{readable.fixed(item.rise, places, sign=True)} ± {readable.fixed(item.se, places)}"
