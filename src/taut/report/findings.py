"""What a run found, in sentences: the same words in the page and in the terminal.

They claim no more than the intervals allow: a difference whose interval holds zero is called
no clear difference, and one on the wrong side is called worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from taut import run
from taut.report import text
from taut.run import Metrics, Predicting

TAUT = "taut"


class Score(NamedTuple):
    """A system's score on the test rows, with its interval, ready to print."""

    system: str
    description: str
    value: float | None
    low: float | None
    high: float | None
    places: int
    withheld: str | None = None

    @property
    def shown(self) -> str:
        return text.fixed(self.value, self.places)

    @property
    def interval(self) -> str:
        return interval(self.low, self.high, self.places)


class Difference(NamedTuple):
    """Taut's score minus another system's, on the same test rows."""

    versus: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    places: int

    @property
    def shown(self) -> str:
        return text.fixed(self.value, self.places, sign=True)

    @property
    def interval(self) -> str:
        return interval(self.low, self.high, self.places, sign=True)

    @property
    def verdict(self) -> str:
        """better, worse or no clear difference, from taut's side."""
        if not (text.is_number(self.low) and text.is_number(self.high)):
            return "no interval"
        assert self.low is not None
        assert self.high is not None
        if self.low <= 0 <= self.high:
            return "no clear difference"
        return "better" if (self.high < 0) == text.metric(self.metric).lower_is_better else "worse"


def interval(low: float | None, high: float | None, places: int, *, sign: bool = False) -> str:
    """`0.051 to 0.121`: words, since a dash beside a minus sign misleads."""
    if not (text.is_number(low) and text.is_number(high)):
        return text.MISSING
    return f"{text.fixed(low, places, sign=sign)} to {text.fixed(high, places, sign=sign)}"


def _half(score: run.Score | run.Difference) -> float | None:
    low, high = score.low, score.high
    return (high - low) / 2 if text.is_number(low) and text.is_number(high) else None  # type: ignore[operator]


def scores(metrics: Metrics, name: str) -> list[Score]:
    """Each system's score by one metric, all with the same number of decimals."""
    systems = [s for s in metrics.tested.systems if name in s.scores]
    places = text.decimals(_half(s.scores[name]) for s in systems)
    return [
        Score(s.name, s.description, score.value, score.low, score.high, places, score.withheld)
        for s in systems
        for score in [s.scores[name]]
    ]


def differences(metrics: Metrics, name: str) -> list[Difference]:
    """Taut against each other system by one metric."""
    rows = [d for d in metrics.tested.differences if d.metric == name]
    places = text.decimals(_half(d) for d in rows)
    return [Difference(d.versus, name, d.value, d.low, d.high, places) for d in rows]


def warnings(metrics: Metrics) -> list[str]:
    """Why the scores may say less than they seem to, the worst first."""
    return [text.clean(sentence) for sentence in metrics.warnings]


def base_rate(metrics: Metrics, name: str) -> str | None:
    """What a score is without looking at any input: `always the commonest class: 0.948`."""
    base = metrics.tested.base
    score = next((s for s in scores(metrics, name) if s.system == base), None)
    if base is None or score is None:
        return None
    words = "always the commonest class" if name == "accuracy" else text.clean(base)
    return f"{words}: {score.shown}"


def headline(metrics: Metrics) -> str:
    """`Log-loss 0.083 on 114 rows that nothing was chosen on (95% interval 0.051 to 0.121; base
    rate: 0.66). Accuracy 0.974 (always the commonest class: 0.632).`"""
    primary = metrics.tested.primary
    if primary is None and metrics.split.test:
        return "The test rows could not be scored."
    if primary is None:
        return "No rows were set aside as a test, so there is no test score."
    mine = next((s for s in scores(metrics, primary) if s.system == TAUT), None)
    rows = text.count(metrics.split.test, "row")
    if mine is None:
        return f"No test score: taut was not scored on the {rows} held out."
    level = f"{100 * metrics.tested.confidence:g}%"
    interval = f"no interval: {text.clean(mine.withheld)}"
    if not mine.withheld:
        interval = f"{level} interval {mine.interval}"
    base = base_rate(metrics, primary)
    context = "; ".join([interval, *([base] if base else [])])
    return (
        f"{_capital(primary)} {mine.shown} on {rows} that nothing was chosen on ({context})."
        f"{_second(metrics)}"
    )


def _capital(name: str) -> str:
    label = text.metric(name).label
    return label[0].upper() + label[1:]


def _second(metrics: Metrics) -> str:
    """The score that people ask for, beside its base rate."""
    name = next((n for n in ("accuracy", "r2") if n in metrics.tested.metrics), None)
    if name is None or metrics.tested.base is None:
        return ""
    mine = next((s for s in scores(metrics, name) if s.system == TAUT), None)
    base = base_rate(metrics, name)
    if mine is None or base is None:
        return ""
    return f" {_capital(name)} {mine.shown} ({base})."


MOST_CLASSES = 5


def classes(metrics: Metrics) -> list[str]:
    """What an accuracy hides: classes that are never recognised, and how a rare one fares."""
    sentences = []
    for outcome in metrics.tested.classes or ():
        label, rows, right = text.clean(outcome.label), outcome.rows, outcome.recognised
        if rows == 0:
            sentences.append(f"No test row is of class {label}: how it is recognised is not known.")
        elif right == 0 and rows == 1:
            sentences.append(f"The one row of class {label} in the test set was not recognised.")
        elif right == 0:
            sentences.append(
                f"None of the {text.fixed(rows, 0)} rows of class {label} in the test set was "
                "recognised."
            )
        elif outcome.label == metrics.tested.rare:
            spread = interval(outcome.recall.low, outcome.recall.high, 2)
            spread = "" if spread == text.MISSING else f", interval {spread}"
            sentences.append(
                f"Of the {text.count(rows, 'row')} of class {label} in the test set "
                f"{text.fixed(right, 0)} {'was' if right == 1 else 'were'} recognised "
                f"({text.fixed(outcome.recall.value, 2)}{spread}); of the "
                f"{text.count(outcome.named, 'row')} taken for it {text.fixed(right, 0)} "
                f"{'was' if right == 1 else 'were'}."
            )
    more = len(sentences) - MOST_CLASSES
    return sentences[:MOST_CLASSES] + ([f"The same of {more} more classes."] if more > 0 else [])


def withheld(metrics: Metrics) -> list[str]:
    """Why some intervals are not given, each reason once."""
    base = metrics.tested.base
    reasons: dict[str, list[str]] = {}
    for name in metrics.tested.metrics:
        for score in scores(metrics, name):
            if score.withheld and score.system != base:
                names = reasons.setdefault(score.withheld, [])
                label = text.metric(name).label
                whose = label if score.system == TAUT else f"{label} of {text.clean(score.system)}"
                if label not in names:
                    names.append(whose)
    return [
        f"No interval for {', '.join(names)}: {text.clean(reason)}."
        for reason, names in reasons.items()
    ]


def against(difference: Difference, metrics: Metrics) -> str:
    """One sentence on one difference: what the other reached, and whether that is clear."""
    other = next(
        (s for s in scores(metrics, difference.metric) if s.system == difference.versus), None
    )
    reached = f" ({other.shown})" if other else ""
    verdict = difference.verdict
    if verdict in ("better", "worse"):
        ending = f"{verdict} by {_size(difference)}"
    elif verdict == "no clear difference":
        ending = f"no clear difference, {difference.shown} (interval {difference.interval})"
    else:
        ending = f"the difference is {difference.shown}"
    return f"Against {text.clean(difference.versus)}{reached}: {ending}."


def _size(difference: Difference) -> str:
    assert difference.low is not None
    assert difference.high is not None
    low, high = sorted((abs(difference.low), abs(difference.high)))
    value = text.fixed(abs(difference.value or 0.0), difference.places)
    return f"{value} (interval {interval(low, high, difference.places)})"


def choice(metrics: Metrics) -> str:
    """Who predicts, and what the best of them is."""
    chosen = metrics.choice
    what = _setting(chosen)
    models, settings, share = chosen.models, chosen.predicting, chosen.zero_share
    zeros = "" if share is None else f"; {text.percent(share)} of its weights are exactly 0"
    if len(settings) > 1:
        sentence = (
            f"{text.count(models, 'network')} of {len(settings)} settings "
            f"({_penalties(settings)}), chosen by cross-validation, predict by their mean; the "
            f"best: {what}{zeros}."
        )
    else:
        who = "one model predicts" if models == 1 else f"the mean of {models} fold models predicts"
        sentence = f"{what} was chosen by cross-validation{zeros}, and {who}."
    sentence = sentence[0].upper() + sentence[1:]
    return " ".join([sentence, *edge(metrics)])


def edge(metrics: Metrics) -> list[str]:
    """A word where the best strength is the last one that was tried."""
    chosen, side = metrics.choice, metrics.choice.edge
    if side is None or (side == "strongest" and chosen.zero_share == 1):
        return []  # beyond a strength that leaves nothing there is nothing
    other = {"weakest": "weaker", "strongest": "stronger"}[side]
    return [
        f"Its strength is the {side} that was tried with {chosen.penalty}: a {other} one may "
        "do better (--strengths)."
    ]


def _setting(chosen: run.Choice) -> str:
    if not chosen.strength:
        return "no penalty"
    what = f"{chosen.penalty} with strength {text.short(chosen.strength)}"
    if chosen.network != "full":
        what += f" (network: {text.clean(chosen.network)})"
    return what


def penalties(settings: Sequence[Predicting]) -> list[str]:
    """The penalties of some settings, each once: `["L1", "no penalty"]`."""
    return list(dict.fromkeys(s.penalty if s.strength else "no penalty" for s in settings))


def _penalties(settings: Sequence[Predicting]) -> str:
    counts = [
        (name, sum(penalties([s]) == [name] for s in settings)) for name in penalties(settings)
    ]
    return ", ".join(f"{count} with {name}" for name, count in counts)


def overfitting(metrics: Metrics) -> str | None:
    """The gap between training and test loss, with the penalty and without."""
    losses = metrics.overfitting
    if not losses:
        return None
    mine = _gap(losses.train_loss, losses.test_loss)
    bare = _gap(losses.unpenalised_train_loss, losses.unpenalised_test_loss)
    if mine is None or bare is None:
        return None
    places = text.decimals([max(abs(mine), abs(bare)) / 2])
    return (
        f"From training to test rows the loss changes by {text.fixed(mine, places, sign=True)} "
        f"with the penalty, and by {text.fixed(bare, places, sign=True)} without it."
    )


def _gap(train: float | None, test: float | None) -> float | None:
    return test - train if text.is_number(train) and text.is_number(test) else None  # type: ignore[operator]


def inputs(metrics: Metrics) -> str:
    """How many of the input columns the sparsest good models read."""
    kept, total = metrics.features.kept, metrics.features.of
    if kept == total:
        whole = "the one input" if total == 1 else f"all {total} inputs"
        return f"Also the sparsest good models read {whole}."
    return f"The sparsest good models read {kept} of {text.count(total, 'input')}."


def sparse(metrics: Metrics) -> list[str]:
    """What the sparse network reads, what that costs, and how sure it is; nothing without one."""
    selection = metrics.selection
    if selection is None:
        return []
    kept, total = len(selection.kept), len(selection.inputs)
    if not kept:
        return [
            "There is no sparse network: no input was shown to tell anything of the target, so "
            "none is selected."
        ]
    sentence = f"The sparse network reads {kept} of {text.count(total, 'input')}"
    price = selection.price
    if price is not None and text.is_number(price.value):
        places = text.decimals([_half(price)])
        less = (price.value or 0.0) < 0
        size = text.fixed(abs(price.value or 0.0), places)
        spread = interval(price.low, price.high, places)
        spread = f" ({spread})" if spread != text.MISSING else ""
        label = text.metric(price.metric).label
        sentence += f"; {label} {size} {'less' if less else 'more'}{spread} than with all of them"
    sentences = [f"{sentence}."]
    if selection.halves:
        least = min(item.frequency or 0.0 for item in selection.inputs if item.kept)
        words = f"Each is among the first {kept} in {text.percent(least)} or more of "
        words += f"{selection.halves} halves of the rows"
        if selection.expected_false is None:
            words += ", too few for a bound on how many are there by chance."
        else:
            words += (
                f"; so at most {text.short(selection.expected_false)} of them are expected to be "
                "there by chance."
            )
        sentences.append(words)
    return sentences


def rise(item: run.SelectedInput) -> str:
    """`+0.021 ± 0.004`: the rise of the loss without what an input alone tells."""
    if not item.se:
        return text.MISSING
    places = text.decimals([item.se])
    return f"{text.fixed(item.rise, places, sign=True)} ± {text.fixed(item.se, places)}"
