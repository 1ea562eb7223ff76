"""Words in scripts that Python's own idea of a letter takes apart."""

import re
import unicodedata

import pytest

from taut.text import words_of
from taut.text.words_of_texts import _UNSPACED, _pattern


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("हिन्दी में समाचार", ["हिन्दी", "में", "समाचार"]),
        ("தமிழ் செய்தி", ["தமிழ்", "செய்தி"]),
        ("العَرَبِيَّة جميلة", ["العَرَبِيَّة", "جميلة"]),
        ("İstanbul ve e\u0301tude", ["i\u0307stanbul", "ve", "étude"]),
        ("ข่าวกีฬา goal", ["ข่", "า", "ว", "กี", "ฬ", "า", "goal"]),
        ("人々・二〇年", ["人", "々", "二", "〇", "年"]),
        ("love it ❤️👍🏽 🇨🇳🇺🇸", ["love", "it", "❤", "👍", "🇨🇳", "🇺🇸"]),
        (
            "inter\u00adnational \ufeffword\u2060s zero\u200bwidth",
            ["international", "words", "zero", "width"],
        ),
        ("ශ්\u200dරී ලංකාව", ["ශ්රී", "ලංකාව"]),
        ("می\u200cخواهم \u200fשלום\u200e", ["میخواهم", "שלום"]),
        ("👨\u200d👩\u200d👧", ["👨", "👩", "👧"]),
        ("⏰⌛▶️ 🆘 🀄 ● → ©", ["⏰", "⌛", "▶", "🆘", "🀄"]),
        ("snake_case __ x_y", ["snake", "case"]),
        ("한국어 책을", ["한국어", "책을"]),
        ("물, 집 a 간다 1", ["물", "집", "간다"]),  # one syllable is a word, one letter none
        ("\ud800 alone \x00", ["alone"]),
    ],
)
def test_words_stay_whole(text, words):
    assert words_of(text) == words


def test_no_mark_divides_a_word():
    """Each vowel sign and accent of the first plane that is none of a script without spaces."""
    for mark in map(chr, range(0x300, 0xFE00)):
        if unicodedata.category(mark) in ("Mn", "Mc") and not re.match(f"[{_UNSPACED}]", mark):
            assert _pattern().findall(f"क{mark}ख") == [f"क{mark}ख"]
