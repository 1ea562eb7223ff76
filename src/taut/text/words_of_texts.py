"""From a text to its words, in any script."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache

from taut.errors import InputError

Tokenize = Callable[[str], Iterable[str]]

# Chinese and Japanese, Thai and Lao, Burmese, Khmer.
_UNSPACED = (
    "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
)
_SYLLABLES = "\uac00-\ud7a3"
"""Of Korean, composed."""
_SYMBOLS = (
    "\u231a\u231b\u23e9-\u23fa\u25b6\u25c0\u25fb-\u25fe\u2600-\u27bf\u2b05-\u2b55"
    "\U0001f004\U0001f0cf\U0001f170-\U0001f19a\U0001f300-\U0001f3fa\U0001f400-\U0001faff"
)
_FLAGS = "\U0001f1e6-\U0001f1ff"
_UNSEEN = re.compile("[\u00ad\u061c\u200c-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
"""They join, hyphenate or turn letters, and divide no words; U+200B does."""
_MARKS = {"Mn", "Mc"}
_LAST_MARK = 0x10000
"""Beyond it are only selectors of a letter's shape."""


def words_of(text: str) -> list[str]:
    """The words of a text in order: lower-case runs of two or more letters and digits.

    A single letter is none, but a syllable of Korean that stands alone is.

    Accents and vowel signs belong to their letter, and signs that nobody sees, such as soft hyphens
    and joiners, are left out. Chinese, Japanese, Thai, Lao, Burmese and Khmer
    have no spaces between words: each of their letters is a word of its own, and so is each emoji.
    For words of these, pass a tokenizer to `Vocabulary.learn`.

    Raises:
        InputError: For what is no text.

    Example:
        >>> words_of("Ad sales boost 2nd-quarter profit! 体育新闻 👍")
        ['ad', 'sales', 'boost', '2nd', 'quarter', 'profit', '体', '育', '新', '闻', '👍']
    """
    if not isinstance(text, str):
        raise InputError(
            f"`text` must be str. Received: text={text!r:.60}. Write '' for a text that is empty."
        )
    seen = _UNSEEN.sub("", text)
    return _pattern().findall(unicodedata.normalize("NFKC", seen).lower())


@cache
def _pattern() -> re.Pattern[str]:
    # Python's \w has no marks, without which Hindi, Thai and others fall apart.
    marks = "".join(c for c in map(chr, range(_LAST_MARK)) if unicodedata.category(c) in _MARKS)
    marks = re.sub("[\ufe00-\ufe0f]", "", marks)  # whether a symbol is shown as an emoji
    outside = re.sub(f"[{_UNSPACED}]", "", marks)
    letter = rf"[^\W_{_UNSPACED}]"
    return re.compile(
        f"(?:{letter}{{2,}}|{letter}(?=[{outside}])|[{_SYLLABLES}])(?:[{outside}]+{letter}*)*"
        rf"|(?![\W_])[{_UNSPACED}][{marks}]*"
        f"|[{_FLAGS}]{{2}}|[{_SYMBOLS}]"
    )
