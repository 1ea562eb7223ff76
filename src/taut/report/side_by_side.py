"""Several runs side by side: what was fitted, scores, paired differences; as a page too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taut import readable
from taut.catalogue import EN, Catalogue, catalogue
from taut.errors import InputError
from taut.report import findings
from taut.report.paired import DRAWS, Pair, pair
from taut.report.scale import spanning
from taut.report.scored import TAUT, Score, scores
from taut.report.write import fill, put_page
from taut.run import Run

if TYPE_CHECKING:
    import pandas

LEVEL = "95%"


@dataclass(frozen=True)
class SideBySide:
    """Runs beside one another, and each after the first against it.

    Attributes:
        names: What the runs are called.
        runs: They.
        pairs: Of each run after the first.
        say: The words.
    """

    names: tuple[str, ...]
    runs: tuple[Run, ...]
    pairs: tuple[Pair, ...]
    say: Catalogue = EN

    def facts(self) -> list[tuple[str, list[str]]]:
        """What was fitted: a line a fact, with its words by run."""
        say, every = self.say, [run.metrics for run in self.runs]
        return [
            (say("compare.target"), [readable.clean(m.target.name) for m in every]),
            (
                say("compare.rows"),
                [
                    f"{readable.fixed(m.split.train, 0)} / {readable.fixed(m.split.test, 0)}"
                    for m in every
                ],
            ),
            (say("compare.choice"), [findings.setting(m.choice, say) for m in every]),
            (say("compare.networks"), [readable.fixed(m.choice.models, 0) for m in every]),
            (
                say("compare.inputs"),
                [say("tile.of", kept=m.features.kept, total=m.features.of) for m in every],
            ),
            (say("compare.created"), [say.day(m.created) or readable.MISSING for m in every]),
            (say("compare.version"), [m.taut_version or readable.MISSING for m in every]),
            (
                say("compare.command"),
                [readable.clean(m.command or readable.MISSING) for m in every],
            ),
        ]

    def metrics(self) -> list[str]:
        """The scores of any run, in order."""
        return list(dict.fromkeys(n for run in self.runs for n in run.metrics.tested.metrics))

    def scores(self, metric: str) -> list[tuple[str, Score]]:
        """Each run's score by one metric, on its own test rows."""
        found = []
        for name, run in zip(self.names, self.runs, strict=True):
            mine = [s for s in scores(run.metrics, metric, self.say) if s.system == TAUT]
            found += [(name, score) for score in mine]
        places = max((score.places for _, score in found), default=3)
        return [(name, score._replace(places=places)) for name, score in found]

    def to_frame(self) -> pandas.DataFrame:
        """One line a run and metric: value, low, high; and the difference to the first run."""
        import pandas

        gaps = {(p.name, d.metric): d for p in self.pairs for d in p.differences}
        rows = []
        for metric in self.metrics():
            for name, score in self.scores(metric):
                gap = gaps.get((name, metric))
                rows.append(
                    {
                        "run": name,
                        "metric": metric,
                        "value": score.value,
                        "low": score.low,
                        "high": score.high,
                        "difference": gap and gap.value,
                        "difference_low": gap and gap.low,
                        "difference_high": gap and gap.high,
                        "verdict": gap and gap.code,
                    }
                )
        return pandas.DataFrame(rows)

    def why_not(self) -> list[str]:
        """A sentence on each run that is not comparable to the first."""
        first = self.names[0]
        return [
            self.say("compare.not", run=p.name, first=first, reason=p.why_not)
            for p in self.pairs
            if p.why_not is not None
        ]

    def save_html(self, file: str | Path) -> Path:
        """Write one self-contained page, in one step."""
        file = Path(file)
        put_page(file, fill("compare.html.jinja", self._page(), self.say), like=None)
        return file

    def _page(self) -> dict[str, Any]:
        say = self.say
        compared = [p for p in self.pairs if p.why_not is None]
        metrics = list(dict.fromkeys(d.metric for p in compared for d in p.differences))
        return {
            "names": self.names,
            "facts": self.facts(),
            "title": say("compare.page", n=len(self.names)),
            "tests": [self._test(metric) for metric in self.metrics()],
            "why_not": self.why_not(),
            "gaps": [_gaps(metric, compared, say) for metric in metrics],
            "intro": compared
            and say(
                "compare.intro",
                run=self.names[0],
                n=readable.fixed(compared[0].rows, 0),
                level=LEVEL,
                draws=DRAWS,
            ),
        }

    def _test(self, metric: str) -> dict[str, Any]:
        found = self.scores(metric)
        scale = spanning(v for _, s in found for v in (s.value, s.low, s.high))
        lower = readable.lower_is_better(metric)
        return {
            "label": self.say.metric(metric),
            "better": self.say("test.lower" if lower else "test.higher"),
            "ticks": scale.ticks(),
            "rows": [{"name": name, "score": s, **scale.places(s)} for name, s in found],
        }


def _gaps(metric: str, compared: Sequence[Pair], say: Catalogue) -> dict[str, Any]:
    found = [d for p in compared for d in p.differences if d.metric == metric]
    about_zero = spanning((v for d in found for v in (d.value, d.low, d.high)), zero=True)
    lower = readable.lower_is_better(metric)
    return {
        "label": say.metric(metric),
        "side": say("test.lower" if lower else "test.higher"),
        "zero": about_zero.at(0.0),
        "ticks": about_zero.ticks(),
        "rows": [{"name": d.versus, "gap": d, **about_zero.places(d)} for d in found],
    }


def side_by_side(directories: Sequence[str | Path], *, lang: str = "en") -> SideBySide:
    """Runs side by side; the first is the one that the others are compared with.

    Args:
        directories: Two run directories or more.
        lang: The language of its words, "en" or "zh".

    Raises:
        InputError: If there are fewer than two, or one is no run.

    Example:
        >>> from taut.report import side_by_side
        >>> side_by_side(["run", "other"]).save_html("compared.html")  # doctest: +SKIP
        PosixPath('compared.html')
    """
    say = catalogue(lang)
    if len(directories) < 2:
        raise InputError(
            f"A comparison needs two run directories or more. Received: {len(directories)}."
        )
    names = _names([Path(directory) for directory in directories])
    runs = [Run.load(directory) for directory in directories]
    named = list(zip(names, runs, strict=True))
    pairs = tuple(pair(named[0], other, say) for other in named[1:])
    return SideBySide(tuple(names), tuple(runs), pairs, say)


def _names(directories: Sequence[Path]) -> list[str]:
    """The directories' own names, or, where two are called alike, as they were given."""
    short = [readable.clean(directory.resolve().name) for directory in directories]
    if len(set(short)) == len(short):
        return short
    return [readable.clean(directory) for directory in directories]
