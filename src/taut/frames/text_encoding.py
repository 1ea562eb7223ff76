"""Which characters the bytes of a text file stand for."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from itertools import islice

from taut.errors import InputError
from taut.frames.table_file import TableFile

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PAIRS = re.compile(rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]|[\x80-\xff]")
_MOSTLY = 0.7
"""The share of what is not ASCII that must be common in an encoding."""
_ENOUGH = 20_000
_KOREAN = 12
"""Different syllables of the Korean range: of as many Chinese ones, half lie beyond it."""


def find_encoding(file: TableFile, encoding: str | None) -> tuple[str, list[str]]:
    """The encoding, as Python calls it, and what to tell of it.

    Args:
        file: which it is.
        encoding: its encoding; found unless given.

    Raises:
        InputError: Python knows no such encoding.
    """
    notes: list[str] = []
    if encoding is None:
        encoding = _encoding(file)
        if encoding not in ("utf-8-sig", "utf-16", "utf-32"):
            notes.append(f"The file is not UTF-8; it was read as {encoding} (--encoding decides).")
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise InputError(
            "`encoding` must be one that Python knows, such as utf-8, gb18030, utf-16 or cp1252. "
            f"Received: {encoding!r}."
        ) from None
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding, notes


def _encoding(file: TableFile) -> str:
    """The encoding that the bytes show: a mark at the front, UTF-8, else what they would mean."""
    with file.open() as opened:
        head = opened.read(1 << 16)
        for mark, name in _BOMS:
            if head.startswith(mark):
                return name
        zeros = head[:4096].count(0)
        if zeros > len(head[:4096]) / 4:
            return "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
        decoder = codecs.getincrementaldecoder("utf-8")()
        piece = head
        try:
            while piece:
                decoder.decode(piece)
                piece = opened.read(1 << 20)
            decoder.decode(b"", final=True)
            return "utf-8-sig"
        except UnicodeDecodeError:
            pass
        opened.seek(0)
        content = opened.read(1 << 22)
    return guess(content)


def guess(content: bytes) -> str:
    """The first of the likely encodings that knows all of the bytes; see `_likely`.

    Args:
        content: the text, or its beginning.
    """
    return next(name for name in _likely(content) if _decodes(content, name))


def _decodes(content: bytes, name: str) -> bool:
    try:
        codecs.getincrementaldecoder(name)().decode(content)
    except UnicodeDecodeError:
        return False
    return True


def _likely(content: bytes) -> Iterator[str]:
    """The encodings of text that is not in Unicode: East Asian, Cyrillic or Greek, else Western.

    The bytes beyond ASCII are taken in pairs, and each encoding has a range in which nearly all of
    the characters that are in use lie. Cyrillic and Greek words are whole runs of such bytes, in
    which few letters are capitals.
    """
    found = islice(_PAIRS.finditer(content), _ENOUGH)
    pairs = [(pair[0][0], pair[0][-1]) for pair in found]

    def mostly(test: Callable[[int, int], bool], share: float = _MOSTLY) -> bool:
        return sum(test(a, b) for a, b in pairs) > share * len(pairs)

    if mostly(lambda _, b: b >= 0xA1, 0.95) and mostly(lambda a, _: a in (0xA4, 0xA5), 0.1):
        yield "euc-jp"  # it has kana
    if mostly(lambda a, b: (0xB0 <= a <= 0xD7 or 0xA1 <= a <= 0xA3) and b >= 0xA1):
        yield "cp949" if _korean(pairs) else "gb18030"
    # Behind one sign of Western text, a quotation mark or a capital, stands a letter of ASCII.
    if mostly(lambda a, b: b > 0x7F and a != b, 0.3):
        if mostly(lambda a, _: 0x81 <= a <= 0x97):
            yield "cp932"
        if mostly(lambda a, b: 0xA1 <= a <= 0xC6 and (b <= 0x7E or b >= 0xA1)):
            yield "big5"
    words = [run[0] for run in islice(re.finditer(rb"[\x80-\xff]+", content), _ENOUGH)]
    if sum(len(word) for word in words if len(word) > 2) > _MOSTLY * sum(map(len, words)):
        inside = [byte for word in words for byte in word[1:]]
        capitals = {byte for byte in inside if 0xC0 <= byte <= 0xDF}
        if min(inside) >= 0xB8 and capitals <= {0xDC, 0xDD, 0xDE, 0xDF}:
            yield "cp1253" if capitals else "cp1251"  # these are vowels with accents in Greek
        if sum(byte <= 0xDF for byte in inside) > len(inside) / 2:
            yield "koi8-r"
        if min(inside) >= 0xA8:
            yield "cp1251"
    yield "cp1252"
    yield "latin-1"


def _korean(pairs: list[tuple[int, int]]) -> bool:
    """Whether what may be Chinese keeps to the half of it that is all of Korean."""
    distinct = {pair for pair in pairs if 0xB0 <= pair[0] <= 0xD7}
    return len(distinct) >= _KOREAN and all(a <= 0xC8 for a, _ in distinct)
