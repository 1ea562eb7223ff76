"""What `diagnose` returns: frozen numbers, sentences and tables of them, and a picture."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from taut import readable
from taut._read_only import ReadOnly
from taut.catalogue import catalogue
from taut.checks import check_new_file, path_given
from taut.diagnosis.words import CODES, NOT_TRIED
from taut.errors import InputError
from taut.files import replace_file
from taut.text_table import text_table
from taut.typed_json import json_text, plain, typed

if TYPE_CHECKING:
    import pandas as pd

KIND, FORMAT = "taut diagnosis", 1


@dataclass(frozen=True)
class Interval:
    """An estimate and its interval.

    Attributes:
        estimate: The number.
        low, high: The ends of its interval.
        level: The share of such intervals that hold the true number.
    """

    estimate: float
    low: float
    high: float
    level: float = 0.95

    def __str__(self) -> str:
        return f"{self.estimate:.3g} ({self.low:.3g} to {self.high:.3g})"


@dataclass(frozen=True)
class Advice:
    """One change, and what it gains.

    Attributes:
        code: What kind of change it is: "l2", "l1", "stop", "longer", "smaller", "larger",
            "dropout", "unpenalised", "drop_inputs", "clean_rows" or "more_rows".
        what: The change in words.
        gain: How much less data loss it has on rows that no training saw.
        low, high: Its interval.
        level: Of the interval.
        setting: The number that is changed: a strength, epochs, a factor; None without.
        train_loss: The training loss with the change.
        left_out: Numbers of the inputs, or of the rows to learn from, that it goes without.
        doubt: Why the gain cannot be promised whatever its interval says; empty for nothing.
    """

    code: str
    what: str
    gain: float
    low: float
    high: float
    level: float = 0.95
    setting: float | None = None
    train_loss: float | None = None
    left_out: tuple[int, ...] = ()
    doubt: str = ""

    @property
    def clear(self) -> bool:
        """Whether its interval is above 0, and nothing stands against it."""
        return self.low > 0 and not self.doubt

    @property
    def interval(self) -> Interval:
        return Interval(self.gain, self.low, self.high, self.level)

    def __str__(self) -> str:
        return f"{self.what}: {self.gain:.3g} less ({self.low:.3g} to {self.high:.3g})"


@dataclass(frozen=True)
class Verdict(ReadOnly):
    """One thing that the evidence says.

    Attributes:
        code: Such as "overfitting", by which it can be muted.
        strength: "clear" or "likely"; empty where there is too little evidence.
        numbers: What its sentence names.
        evidence: How each number was obtained, a sentence each.
    """

    code: str
    strength: str
    numbers: dict[str, str]
    evidence: tuple[str, ...] = ()

    def text(self, *, lang: str = "en") -> str:
        """The verdict in one sentence, in English ("en") or Chinese ("zh")."""
        say = catalogue(lang)
        # A verdict that was saved before it said why had this reason.
        numbers = {"why": NOT_TRIED, **self.numbers}
        words = {name: readable.signed(it) for name, it in numbers.items()}
        return say(
            f"conclusion.{self.code}", **{name: say.stored(it) for name, it in words.items()}
        )

    def strength_text(self, *, lang: str = "en") -> str:
        """Its strength in that language; empty where there is none."""
        return catalogue(lang)(f"verdict_strength.{self.strength}") if self.strength else ""

    def __str__(self) -> str:
        strength = f" ({self.strength})" if self.strength else ""
        return f"{self.code}{strength}: {self.text()}"


@dataclass(frozen=True)
class MeasuredGap:
    """The generalisation gap: how much more the data loss is on new rows.

    Attributes:
        estimate: Held-out loss minus training loss.
        low, high: Its interval.
        level: Of the interval.
        train_loss: The data loss of the rows learned from.
        held_out_loss: That of rows not seen.
        base_loss: That of looking at no input; None where it is not known.
        rows: How many rows were held out.
        source: "held-out rows", of the model itself; or "folds", of networks trained like it.
    """

    estimate: float
    low: float
    high: float
    level: float
    train_loss: float
    held_out_loss: float
    base_loss: float | None
    rows: int
    source: str


@dataclass(frozen=True)
class Finding:
    """One line of the evidence.

    Attributes:
        what: What was measured.
        value: The number; None where it could not be.
        low, high: Its interval, where it has one.
        note: How it was obtained, or why not.
    """

    what: str
    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True, repr=False)
class Diagnosis(ReadOnly):
    """What `taut.diagnose` found.

    Attributes:
        verdicts: What the evidence says, the most important first; several may hold at once.
        muted: Verdicts that `ignore` took out.
        gap: The generalisation gap with its interval; None where it is not known.
        advice: What clearly helps, the largest gain first; empty where nothing that was tried does.
        tried: All that was tried, with what it gained.
        evidence: The numbers behind the verdicts.
        curve: Training and held-out loss by epoch, the means over folds.
        left_out: What could not be measured or tried, and why.
        notes: What was assumed.
        lanes: How many trainings there were.
        seconds: How long it took.
        epochs: Of a training.
        without_inputs: Names of inputs that tell the target, which no trial has seen.
    """

    verdicts: tuple[Verdict, ...]
    muted: tuple[Verdict, ...]
    gap: MeasuredGap | None
    advice: tuple[Advice, ...]
    tried: tuple[Advice, ...]
    evidence: tuple[Finding, ...]
    curve: dict[str, tuple[float, ...]]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]
    lanes: int
    seconds: float
    epochs: int
    without_inputs: tuple[str, ...] = ()
    format: dict[str, Any] = field(default_factory=lambda: {"kind": KIND, "number": FORMAT})

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the verdicts."""
        return tuple(verdict.code for verdict in self.verdicts)

    def without(self, codes: Collection[str]) -> Self:
        """The same with further verdicts muted."""
        return replace(
            self,
            verdicts=tuple(v for v in self.verdicts if v.code not in codes),
            muted=(*self.muted, *(v for v in self.verdicts if v.code in codes)),
        )

    def plain(self) -> dict[str, Any]:
        """All of it as dicts, lists, text and numbers, as JSON has them."""
        return plain(self)

    def to_frame(self) -> pd.DataFrame:
        """One line a number: of the evidence, and of all that was tried.

        Returns:
            kind ("verdict", "evidence" or "tried"), what, value, low, high, note.
        """
        import pandas as pd

        lines = [{"kind": "verdict", "what": v.code, "note": str(v)} for v in self.verdicts]
        lines += [
            {
                "kind": "evidence",
                "what": f.what,
                "value": f.value,
                "low": f.low,
                "high": f.high,
                "note": f.note,
            }
            for f in self.evidence
        ]
        lines += [
            {
                "kind": "tried",
                "what": a.what,
                "value": a.gain,
                "low": a.low,
                "high": a.high,
                "note": a.doubt,
            }
            for a in self.tried
        ]
        columns = ["kind", "what", "value", "low", "high", "note"]
        frame = pd.DataFrame(lines, columns=columns)
        return frame.astype({"value": float, "low": float, "high": float}).fillna({"note": ""})

    def plot(self) -> Any:
        """What each change gains, with its interval, as an Altair chart.

        Raises:
            InputError: If nothing was tried, or Altair is not installed.
        """
        from taut.diagnosis.gains_chart import gains_chart

        return gains_chart(self)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write it to a file as JSON.

        Raises:
            InputError: If the file exists or cannot be written. Nothing is lost.
        """
        place = check_new_file(path, overwrite=overwrite)
        text = json_text(self, indent=2)
        try:
            replace_file(place, lambda file: file.write(text.encode()))
        except OSError as error:
            raise InputError(
                f"`path` must be a file that can be written. Received: {str(place)!r}: "
                f"{error.strerror or error}."
            ) from error
        return place

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: If there is no such file, or it holds something else.
        """
        import json

        try:
            value = json.loads(path_given(path=path).read_text("utf-8"))
            if value["format"]["kind"] != KIND or value["format"]["number"] > FORMAT:
                raise ValueError("another kind or a later format")
            return typed(cls, value)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"`path` must be a file that `Diagnosis.save` wrote. Received: {str(path)!r} "
                f"({type(error).__name__}: {error})."
            ) from error

    def text(self, *, lang: str = "en", whole: bool = True) -> str:
        """The verdicts, the advice and what was left out, as text.

        Args:
            lang: "en" or "zh".
            whole: Whether to say what was left out and assumed.

        Raises:
            InputError: If there are no texts in the language.
        """
        say = catalogue(lang)
        lines = [
            v.text(lang=lang) + say.brackets(v.strength_text(lang=lang)) for v in self.verdicts
        ] or [say("diagnosed.only_muted" if self.muted else "diagnosed.no_verdict")]
        if self.advice:
            header = [say("diagnosis.change"), say("diagnosis.gain"), say("test.interval")]
            rows = [
                (
                    say.stored(a.what),
                    readable.short(a.gain),
                    say("interval", low=readable.short(a.low), high=readable.short(a.high)),
                )
                for a in self.advice
            ]
            lines += ["", say("diagnosed.helps"), text_table(rows, header=header)]
        elif self.tried:
            lines += ["", say("diagnosed.nothing_helped")]
        doubtful = [a for a in self.tried if a.low > 0 and a.doubt]
        if doubtful:
            lines += ["", say("diagnosed.doubted")]
            lines += [
                f"- {readable.signed(say.stored(f'{a.what}: {a.interval}: {a.doubt}'))}"
                for a in doubtful
            ]
        if self.left_out and whole:
            lines += ["", say("diagnosis.left_out") + say("clause.reason").strip()]
            lines += [f"- {say.stored(text)}" for text in self.left_out]
        if self.notes and whole:
            lines += ["", *map(say.stored, self.notes)]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        from html import escape

        verdicts = (
            "".join(
                f"<li><b>{escape(v.code)}</b> {escape(v.strength)}: {escape(v.text())}</li>"
                for v in self.verdicts
            )
            or f"<li>{escape(self.text(whole=False).splitlines()[0])}</li>"
        )
        table = self.to_frame().query("kind == 'tried'")[["what", "value", "low", "high"]]
        tried = table.to_html(index=False, border=0, float_format="%.3g") if len(table) else ""
        return f"<ul>{verdicts}</ul>{tried}"


def in_importance(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """Faults of the data first, since they make all other numbers doubtful."""
    order = {code: place for place, code in enumerate(CODES)}
    return tuple(sorted(verdicts, key=lambda v: order[v.code]))
