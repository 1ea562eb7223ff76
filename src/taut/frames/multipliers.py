"""Words and letters behind a number that multiply it: 1.2K, 3 Mio., 12万."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

# Letters may be a code or a unit as well (5K, 12M, 2B); words mean nothing else.
_LETTERS = {"K": 1e3, "k": 1e3, "M": 1e6, "G": 1e9, "B": 1e9}
_WORDS = {
    word: scale
    for scale, words in {
        1e3: "thousand tsd tausend тыс 千 kb",
        1e4: "万 萬",
        1e5: "lakh lakhs lac lacs",
        1e6: "mn mio mill million millions millionen millones milioni mln млн 百万 mb",
        1e7: "cr crore crores 千万",
        1e8: "亿 億",
        1e9: "bn mrd mia billion billions milliarden mld млрд 十亿 gb",
        1e12: "万亿 兆 tb",
    }.items()
    for word in words.split()
}
# Of these metres, bytes and tonnes are likelier, but for money, or beside letters that multiply.
_LOOSE = {"m": 1e6, "b": 1e9, "t": 1e12, "T": 1e12}
_BESIDE = {"m", "b"}
LETTERS = frozenset(_LETTERS)
"""The signs that, alone in a column, may be something else."""
_LAKHS = {word for word, scale in _WORDS.items() if scale == 1e5}  # beside them "Cr" is no credit
_BY_LENGTH = "|".join(sorted(_WORDS, key=len, reverse=True))
_SCALED = re.compile(
    rf"(?P<head>.*\d[.,]?)\s*((?P<word>(?i:{_BY_LENGTH}))(?![a-zа-я])\.?"
    r"|(?P<letter>[KkMGBmbtT])(?![^\W\d_]))(?P<tail>.*)"
)
_DECIMALS = re.compile(r"\d[.,]\d")
_LONGEST = 80


class Scaled(NamedTuple):
    """A number without what multiplies it.

    Args:
        text: the number, with its currency.
        scale: what multiplies it; 1 for nothing.
        sign: the word or letter, "" for none.
    """

    text: str
    scale: float
    sign: str


def scaled(text: str, *, loose: bool = False) -> Scaled:
    """A text without its multiplier.

    Args:
        text: such as "1.2K".
        loose: whether m, b and t multiply too.

    Example:
        >>> scaled("€1.2K"), scaled("3,5 Mio. €").scale, scaled("12 kg").sign
        (Scaled(text='€1.2', scale=1000.0, sign='K'), 1000000.0, '')
        >>> scaled("0.5m").sign, scaled("0.5m", loose=True).scale
        ('', 1000000.0)
    """
    match = _SCALED.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None or (not loose and match["letter"] in _LOOSE):
        return Scaled(text, 1.0, "")
    sign = match["letter"] or match["word"].lower()
    return Scaled(match["head"] + match["tail"], (_LETTERS | _LOOSE | _WORDS)[sign], sign)


def loosely_multiplied(parts: Sequence[Scaled], *, currency: bool, forced: bool) -> bool:
    """Whether m, b and t behind numbers multiply them, as in $1.2m, or 0.5m beside 954k.

    Args:
        parts: the distinct texts of the column, by `scaled(text, loose=True)`.
        currency: whether they have one.
        forced: whether the column shall be numbers.
    """
    signs = {part.sign for part in parts} - {""}
    if not signs & _LOOSE.keys():
        return False
    beside = signs <= _BESIDE | _LETTERS.keys() | _WORDS.keys() and not signs <= _LOOSE.keys()
    decimals = any(part.sign and _DECIMALS.search(part.text) for part in parts)
    return currency or (beside and (decimals or forced))


def may_multiply(parts: Sequence[Scaled]) -> bool:
    """Whether anything stands behind the numbers of a column that could multiply them."""
    signs = {part.sign for part in parts} - {""}
    return bool(signs) and not ("cr" in signs and not signs & _LAKHS)


def multiplied(parts: Sequence[Scaled], *, currency: bool) -> bool:
    """Whether what stands behind the numbers of a column multiplies them.

    Words do. Letters may be codes or units, and need more: two scales, decimals, or a currency.

    Args:
        parts: the distinct texts of the column, which may be multiplied.
        currency: whether they have one.
    """
    signs = {part.sign for part in parts} - {""}
    if signs <= _WORDS.keys() - {"mn"} or len({part.scale for part in parts if part.sign}) > 1:
        return True
    return currency or any(part.sign and _DECIMALS.search(part.text) for part in parts)
