"""What the report, the diagnosis and the terminal say, by language: a file each in `texts/`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import datetime
from functools import cache, cached_property
from importlib import resources
from typing import Any, NamedTuple

from markupsafe import Markup, escape

from taut import readable
from taut.checks import check_one_of

LANGUAGES = ("en", "zh")
_NUMBER = r"[^ ]*\d[^ ]*"
_NUMBERS = ("n", "low", "high")
"""Places of a sentence of a run for numbers, and what these look like."""
_TEXT = re.compile("_text$|_names$")
"""Places for text, and for names, which are names in every language but for "and 3 more"."""


class _Translation(NamedTuple):
    """A sentence in a language, and whether all of it is."""

    words: str
    known: bool


class Catalogue:
    """The texts of one language.

    A text may have placeholders, `{rows}`, and, where a number `n` decides, two forms: for one and
    for more. What a run holds in sentences is in English, as it was fitted; `stored` has them in
    this language.

    Args:
        lang: "en" or "zh".

    Example:
        >>> catalogue("zh").count("row", 114)
        '114 行'
        >>> catalogue("zh").stored("every value is missing")
        '所有值缺失'
    """

    def __init__(self, lang: str):
        file = resources.files("taut").joinpath("texts", f"{lang}.json")
        self.lang = lang
        self._seen: dict[str, _Translation] = {}
        self.texts: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))

    def __call__(self, key: str, **values: Any) -> str:
        """A text, plain."""
        return self._form(key, values).format(**values)

    def html(self, key: str, **values: Any) -> Markup:
        """A text as HTML: values that are no markup are escaped."""
        return Markup(escape(self._form(key, values))).format(**values)

    def _form(self, key: str, values: dict[str, Any]) -> str:
        form = self.texts[key]
        return form if isinstance(form, str) else form[int(values["n"] not in (1, "1"))]

    def has(self, key: str) -> bool:
        return key in self.texts

    def metric(self, name: str) -> str:
        """The words for a score of `metrics.json`; an unknown one keeps its own name."""
        key = f"metric.{name}"
        return self(key) if self.has(key) else name.replace("_", " ")

    @property
    def option(self) -> str:
        """What makes a command speak this language, after its other words: ` --lang zh`."""
        return "" if self.lang == "en" else f" --lang {self.lang}"

    def brackets(self, words: str) -> str:
        """Words in brackets, to follow others; nothing for none."""
        return self("brackets", words=words) if words else ""

    def count(self, noun: str, number: int) -> str:
        """`1 row`, `1 204 rows`."""
        form = self.texts[f"count.{noun}"]
        form = form if isinstance(form, str) else form[int(number != 1)]
        return form.format(n=readable.fixed(number, 0))

    def duration(self, seconds: float | None) -> str:
        """`21 s`, `3 min 20 s`."""
        if seconds is None or not readable.is_number(seconds):
            return readable.MISSING
        if seconds < 10:
            return self("duration.seconds", n=f"{seconds:.1f}")
        minutes, rest = divmod(round(seconds), 60)
        if minutes:
            return self("duration.minutes", minutes=minutes, seconds=rest)
        return self("duration.seconds", n=rest)

    def day(self, timestamp: object) -> str:
        """`2026-11-23T10:00:00+00:00` as `23 November 2026`; anything else is left out."""
        try:
            moment = datetime.fromisoformat(str(timestamp))
        except ValueError:
            return ""
        month = self("months").split()[moment.month - 1]
        return self("date", day=moment.day, month=month, year=moment.year)

    def listed(self, items: Iterable[str]) -> str:
        return self("list.separator").join(items)

    def interval(
        self, low: float | None, high: float | None, places: int, *, sign: bool = False
    ) -> str:
        """`0.051 to 0.121`: words, since a dash beside a minus sign misleads."""
        if not (readable.is_number(low) and readable.is_number(high)):
            return readable.MISSING
        ends = (readable.fixed(end, places, sign=sign) for end in (low, high))
        return self("interval", **dict(zip(("low", "high"), ends, strict=True)))

    def stored(self, sentence: object) -> str:
        """A sentence of a run, cleaned, in this language; what is not known stays as it is."""
        return self._translated(readable.clean(sentence)).words

    def knows(self, sentence: object) -> bool:
        """Whether all of a sentence of a run is in this language (or it is nothing)."""
        return self._translated(readable.clean(sentence)).known

    def _translated(self, sentence: str) -> _Translation:
        if self.lang == "en" or not sentence:
            return _Translation(sentence, True)
        if sentence not in self._seen:
            self._seen[sentence] = self._matched(sentence)
        return self._seen[sentence]

    def _matched(self, sentence: str) -> _Translation:
        # Reasons are put together: each part is a sentence of its own.
        parts = [self._translated(part) for part in _parts(sentence, "; ")]
        if parts and all(part.known for part in parts):
            words = self("clause.separator").join(part.words for part in parts)
            return _Translation(words, True)
        # What could not be measured, and why: before sentences that begin with any words.
        what, *reason = _parts(sentence, ": ", once=True) or [sentence]
        if reason and what in self._whole and (of_both := self._reasoned(what, *reason)).known:
            return of_both
        best = _Translation(sentence, False)
        for pattern, key in self._patterns:
            found = pattern.fullmatch(sentence)
            if found and (filled := self._filled(key, found.groupdict())).known:
                return filled
            if found and best.words == sentence:
                best = filled
        if reason and (of_both := self._reasoned(what, *reason)).known:
            return of_both
        return best

    def _reasoned(self, what: str, reason: str) -> _Translation:
        known, why = self._translated(what), self._translated(reason)
        words = known.words + self("clause.reason") + why.words
        return _Translation(words, known.known and why.known)

    def _filled(self, key: str, values: dict[str, str]) -> _Translation:
        """A text with what stands in its places, which is translated where it is text itself."""
        inner = {name: self._translated(it) for name, it in values.items() if _TEXT.search(name)}
        known = all(it.known for name, it in inner.items() if name.endswith("_text"))
        filled = values | {name: it.words for name, it in inner.items()}
        return _Translation(self(key, **filled), known)

    @cached_property
    def _whole(self) -> set[str]:
        """English sentences of a run that hold nothing else."""
        texts = catalogue("en").texts.items()
        return {text for key, text in texts if key.startswith("stored.") and "{" not in text}

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], str]]:
        """What English sentences look like, those with the most words first."""
        english = catalogue("en").texts
        keys = [key for key in english if key.startswith("stored.")]
        keys.sort(key=lambda key: -len(re.sub(r"\{\w+\}", "", english[key])))
        return [(_pattern(english[key]), key) for key in keys]


def _parts(sentence: str, sign: str, *, once: bool = False) -> list[str]:
    """What stands between the signs; nothing where there is none."""
    return sentence.split(sign, 1 if once else -1) if sign in sentence else []


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    words = [
        f"(?P<{part}>{_NUMBER if part in _NUMBERS else '.+?'})" if number % 2 else re.escape(part)
        for number, part in enumerate(parts)
    ]
    return re.compile("".join(words), re.DOTALL)


def catalogue(lang: str = "en") -> Catalogue:
    """The texts of a language.

    Raises:
        InputError: If it is none that taut speaks.
    """
    check_one_of(LANGUAGES, lang=lang)
    return _read(lang)


@cache
def _read(lang: str) -> Catalogue:
    return Catalogue(lang)


EN = catalogue("en")
