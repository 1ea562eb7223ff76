"""What a run found, in sentences: the same words in the page and in the terminal.

They claim no more than the intervals allow: a difference whose interval holds zero is called
no clear difference, and one on the wrong side is called worse.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from taut.report import text

TAUT = "taut"


class Score(NamedTuple):
    """A system's score on the test rows, with its interval, ready to print."""

    system: str
    description: str
    value: float | None
    low: float | None
    high: float | None
    places: int

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


def _half(score: dict[str, Any]) -> float | None:
    low, high = score.get("low"), score.get("high")
    return (high - low) / 2 if text.is_number(low) and text.is_number(high) else None  # type: ignore[operator]


def scores(metrics: dict[str, Any], name: str) -> list[Score]:
    """Each system's score by one metric, all with the same number of decimals."""
    systems = [s for s in metrics["test"]["systems"] if name in s["scores"]]
    places = text.decimals(_half(s["scores"][name]) for s in systems)
    return [
        Score(
            system=s["name"],
            description=s.get("description", ""),
            value=s["scores"][name].get("value"),
            low=s["scores"][name].get("low"),
            high=s["scores"][name].get("high"),
            places=places,
        )
        for s in systems
    ]


def differences(metrics: dict[str, Any], name: str) -> list[Difference]:
    """Taut against each other system by one metric."""
    rows = [d for d in metrics["test"].get("differences", ()) if d["metric"] == name]
    places = text.decimals(_half(d) for d in rows)
    return [
        Difference(d["versus"], name, d.get("value"), d.get("low"), d.get("high"), places)
        for d in rows
    ]


def headline(metrics: dict[str, Any]) -> str:
    """`Log-loss 0.083 on 114 rows that nothing was chosen on (95% interval 0.051 to 0.121).`"""
    primary = metrics["test"]["primary"]
    if primary is None and metrics["split"]["test"]:
        return "The test rows could not be scored."
    if primary is None:
        return "No rows were set aside as a test, so there is no test score."
    mine = next((s for s in scores(metrics, primary) if s.system == TAUT), None)
    rows = text.count(metrics["split"]["test"], "row")
    if mine is None:
        return f"No test score: taut was not scored on the {rows} held out."
    label = text.metric(primary).label
    label = label[0].upper() + label[1:]
    level = f"{100 * metrics['test'].get('confidence', 0.95):g}%"
    return (
        f"{label} {mine.shown} on {rows} that nothing was chosen on "
        f"({level} interval {mine.interval})."
    )


def against(difference: Difference, metrics: dict[str, Any]) -> str:
    """One sentence on one difference: what the other reached, and whether that is clear."""
    other = next(
        (s for s in scores(metrics, difference.metric) if s.system == difference.versus), None
    )
    reached = f" ({other.shown})" if other else ""
    ending = {
        "better": f"better by {_size(difference)}",
        "worse": f"worse by {_size(difference)}",
        "no clear difference": (
            f"no clear difference, {difference.shown} (interval {difference.interval})"
        ),
        "no interval": f"the difference is {difference.shown}",
    }[difference.verdict]
    return f"Against {text.clean(difference.versus)}{reached}: {ending}."


def _size(difference: Difference) -> str:
    assert difference.low is not None
    assert difference.high is not None
    low, high = sorted((abs(difference.low), abs(difference.high)))
    value = text.fixed(abs(difference.value or 0.0), difference.places)
    return f"{value} (interval {interval(low, high, difference.places)})"


def choice(metrics: dict[str, Any]) -> str:
    """What was chosen, and what predicts."""
    chosen = metrics["choice"]
    if chosen["strength"]:
        what = f"{chosen['penalty']} with strength {text.short(chosen['strength'])}"
        if chosen.get("network", "full") != "full":
            what += f" (network: {text.clean(chosen['network'])})"
    else:
        what = "No penalty"
    models = chosen["models"]
    who = "one model predicts" if models == 1 else f"the mean of {models} fold models predicts"
    zeros = text.percent(chosen.get("zero_share"))
    return (
        f"{what} was chosen by cross-validation; {zeros} of its weights are exactly 0, and {who}."
    )


def overfitting(metrics: dict[str, Any]) -> str | None:
    """The gap between training and test loss, with the penalty and without."""
    losses = metrics.get("overfitting")
    if not losses:
        return None
    mine = _gap(losses.get("train_loss"), losses.get("test_loss"))
    bare = _gap(losses.get("unpenalised_train_loss"), losses.get("unpenalised_test_loss"))
    if mine is None or bare is None:
        return None
    places = text.decimals([max(abs(mine), abs(bare)) / 2])
    return (
        f"From training to test rows the loss changes by {text.fixed(mine, places, sign=True)} "
        f"with the penalty, and by {text.fixed(bare, places, sign=True)} without it."
    )


def _gap(train: float | None, test: float | None) -> float | None:
    return test - train if text.is_number(train) and text.is_number(test) else None  # type: ignore[operator]


def inputs(metrics: dict[str, Any]) -> str:
    """How many of the input columns the sparsest good models read."""
    kept, of = metrics["features"]["kept"], metrics["features"]["of"]
    if kept == of:
        whole = "the one input" if of == 1 else f"all {of} inputs"
        return f"Also the sparsest good models read {whole}."
    return f"The sparsest good models read {kept} of {text.count(of, 'input')}."
