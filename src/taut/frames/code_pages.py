"""Which code page of one byte a character a text is in: the one in which its letters make sense."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

_PAGES = {
    "cp1252": 0.0,
    **dict.fromkeys(
        ["cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp874"], 1.0
    ),
    **dict.fromkeys(["iso8859-15", "iso8859-2", "koi8-r", "cp866"], 2.5),
    **dict.fromkeys(
        ["mac-roman", "cp850", "cp852", "cp857", "koi8-u", "iso8859-5", "iso8859-6", "iso8859-7"],
        3.5,
    ),
}
"""What each costs beside Western Windows, in nats: how rare it is today."""
# The letters beyond ASCII of each language, the most frequent first.
_LETTERS = """
    üäößé éèêàçôûîïëùâœü óíáñéúü ãçéáóíõêâúàô àèòùéì äöåé øåæéöü äöåšž áíðéóöúæýþ ëéïóèü çóàèéíòúï
    łóąęśżćńź íáéřýžščěůúňťďó áíéčýúšžľôťňďäóĺŕ éáőöíóüúű čšžćđ ăîâşţ ıüşğöçİâî äõüöšž
    āīēšūžļņčķģ ėųšįžąūčę
    αοιετσνηυρπκμλςωγδθάίόέήφχύβξώζψϊ
    оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё оаиенвітрслкдумпязьгбчхйжшюєїцщфґ
    аиоентрсвлдпкмзугчящъбжцйхшюф
    аоиенрсјтукдвлмпзгбцшчжфхћњђџљ аоіенрстўкдвылумпязьгбчхйжшюцэфё
    יולאהרתבמשנדקםפטןחצכגעסזךףץ
    اليرنوتمبةسدعفكقهحجشطصخزذغضظثئءأإآىؤ ايرندوتمبسشهکلگخفقپزعچحجطصغضذژآئ
    اکيروےنہمسلتبدپھگںجچعٹشحقڑزخڈفئء
    านรกอมเลงยวสตทดคปบหแพขะไจชใถธซฟณ่้าิีุู็ั์ำึืๆ
""".split()  # noqa: SIM905
_SIGNS = dict.fromkeys("“”„‘–—…€£°«»§±µ²³½×·®©™¿¡\xa0´º", 0.02) | {"’": 0.1}
_CAPITAL, _FOREIGN, _STRANGE = 0.08, 0.005, 1e-5
_ODD_COST = 3.0
_WORD = re.compile(rb"[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*")
_WORDS, _SHOWN = 20_000, 200
_LATIN = r"A-Za-z\xaa\xba\xc0-\xd6\xd8-\xf6\xf8-\u024f"
# A sign within a word, a closing one before it, a capital behind a small letter, two scripts in one
# word, or letters before consonants where Polish and Romanian have them, but no Western language.
_ODD = re.compile(
    r"(?<=[^\W\d_])[^\w\s'’·\-](?=[^\W\d_])"
    r"|[a-zß-öø-ÿа-яα-ω][À-ÖØ-ÞŁŚŻĆŃŹŘŽŠČĚŮŤĎŇŐŰĂŞŢİĞА-ЯΑ-Ω]"
    rf"|[{_LATIN}](?=[\u0370-\u0eff])|[\u0370-\u0eff](?=[{_LATIN}])"
    r"|(?<!\w)’(?=[^\W\d_])|ñ(?=[b-df-hj-np-tv-z])|ã(?=[b-df-hj-mp-rt-z])"
)


class Page(NamedTuple):
    """A code page, and how well a text fits it.

    Args:
        name: the encoding, as Python calls it.
        cost: by how many nats the text is unlikely in it.
        strange: by how many for each character beyond ASCII, above what its best language has.
        words: words with such characters, as they are in it; of every page the same ones.
    """

    name: str
    cost: float
    strange: float
    words: tuple[str, ...]


def code_pages(content: bytes) -> list[Page]:
    """The code pages that have a character for every byte, the likeliest first; one at least.

    A text costs −Σ log p(character) over the characters beyond ASCII in its distinct words, in the
    language that makes it cheapest: of that the r-th letter has p ∝ 1/(r + 3), a capital 0.08 of
    its letter's, a letter of another language 0.005 of what it has there, a sign such as “ or €
    0.02, and any other 1e-5. What no word has costs 3 more: a sign inside it, a capital behind a
    small letter, letters of two scripts.

    Args:
        content: the text, or its beginning.
    """
    words = list(dict.fromkeys(_WORD.findall(content)))[:_WORDS]
    blob = b" ".join(words)
    found: list[Page] = []
    for name, prior in _PAGES.items():
        try:
            content.decode(name)
            text = blob.decode(name)
        except UnicodeDecodeError:
            continue
        counts = Counter(sign for sign in text if not sign.isascii())
        letters, usual = min((language.cost(counts), language.usual) for language in _languages())
        cost = letters + _ODD_COST * len(_ODD.findall(text))
        strange = cost / max(counts.total(), 1) - usual
        found.append(Page(name, cost + prior, strange, tuple(text.split(" ")[:_SHOWN])))
    return sorted(found, key=lambda page: page.cost)


class _Language:
    """What a character beyond ASCII costs in one language.

    Args:
        own: the share of each of its letters.
        foreign: the share of each letter in any language, summed over these.
    """

    def __init__(self, own: dict[str, float], foreign: Mapping[str, float]) -> None:
        self.usual = -sum(p * math.log(p) for p in own.values())
        share = {c: own.get(c, 0) + _FOREIGN * p for c, p in foreign.items()}
        capitals = {c.upper(): p * _CAPITAL for c, p in share.items() if len(c.upper()) == 1}
        self._costs = {c: -math.log(p) for c, p in (_SIGNS | capitals | share).items()}

    def cost(self, counts: Counter[str]) -> float:
        strange = -math.log(_STRANGE)
        return sum(n * self._costs.get(sign, strange) for sign, n in counts.items())


@cache
def _languages() -> list[_Language]:
    shares: list[dict[str, float]] = []
    foreign: defaultdict[str, float] = defaultdict(float)
    for letters in _LETTERS:
        weights = {letter: 1 / (rank + 3) for rank, letter in enumerate(letters)}
        total = sum(weights.values())
        shares.append({letter: weight / total for letter, weight in weights.items()})
        for letter, share in shares[-1].items():
            foreign[letter] += share
    return [_Language(own, foreign) for own in shares]
