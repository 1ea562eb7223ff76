"""Which characters the bytes of a text file stand for."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import IO, NamedTuple

from taut.errors import InputError
from taut.frames.code_pages import code_pages
from taut.frames.table_file import TableFile
from taut.frames.values import shorten

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PAIRS = re.compile(rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]|[\x80-\xff]")
_WORD = re.compile(r"[^\W\d_]+")
_MOSTLY = 0.7
"""The share of what is not ASCII that must be common in an encoding."""
_ENOUGH = 20_000
_UTF_8 = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_SAMPLE, _AROUND, _BEHIND = 1 << 22, 1 << 20, 100  # bytes
_STRANGE, _DOUBT, _SHOWN = 0.6, 5.0, 2
"""Nats for a character, above which no code page fits; between two that may be either; words."""
_KOREAN = 12
"""Different syllables of the Korean range: of as many Chinese ones, half lie beyond it."""


class Guess(NamedTuple):
    """What the bytes of a text are most likely to be.

    Args:
        name: the encoding, as Python calls it.
        words: some words with characters beyond ASCII, as they are in it.
        other: another encoding that is nearly as likely, in which the words differ; "" for none.
        other_words: the same words in that.
    """

    name: str
    words: tuple[str, ...] = ()
    other: str = ""
    other_words: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The guess in a sentence, with the option that decides."""
        shown = f", with {_listed(self.words)}" if self.words else ""
        also = f"; in {self.other}, also likely, {_listed(self.other_words)}" if self.other else ""
        return (
            f"The file is not UTF-8; it was read as {self.name}{shown}{also} (--encoding decides)."
        )


def find_encoding(file: TableFile, encoding: str | None) -> tuple[str, list[str]]:
    """The encoding, as Python calls it, and what to tell of it.

    Args:
        file: which it is.
        encoding: its encoding; found unless given.

    Raises:
        InputError: Python knows no such encoding.
    """
    if encoding is None:
        found = _encoding(file)
        return (found, []) if isinstance(found, str) else (found.name, [str(found)])
    try:
        "".encode(encoding)
    except LookupError:
        raise InputError(
            "`encoding` must be one that Python knows, such as utf-8, gb18030, utf-16 or cp1252. "
            f"Received: {encoding!r}."
        ) from None
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding, []


def _listed(words: Sequence[str]) -> str:
    return ", ".join(map(shorten, words))


def _encoding(file: TableFile) -> str | Guess:
    """The encoding that the bytes show: a mark at the front or UTF-8; else a guess."""
    with file.open() as opened:
        head = opened.read(1 << 16)
        for mark, name in _BOMS:
            if head.startswith(mark):
                return name
        if 0 in head:
            ends = head[0::2].count(0), head[1::2].count(0)
            if max(ends) > len(head) / 8 and min(ends) < max(ends) / 20:
                return Guess("utf-16-be" if ends[0] > ends[1] else "utf-16-le")
            line = head.count(b"\n", 0, head.index(0)) + 1
            raise InputError(
                f"A text file holds no zero bytes. Received: {file}, with one in line {line}: it "
                "is of another kind, or damaged. Save the table as CSV, Parquet or .xlsx."
            )
        wrong = _not_utf_8(opened, head)
        if wrong is None:
            return "utf-8-sig"
        opened.seek(max(0, wrong.place - _AROUND))
        content = opened.read(_SAMPLE)
    whole = len(_UTF_8.findall(content))
    if whole and whole >= sum(byte > 0x7F for byte in _UTF_8.sub(b"", content)):
        raise InputError(
            "A text file must be in one encoding from its first line to its last. Received: "
            f"{file}, which is UTF-8, but not in line {wrong.line}, behind "
            f"{shorten(wrong.before)}. Save the whole file in UTF-8 (it may be cut off, or put "
            "together of several), or say with --encoding how to read it."
        )
    return guess(content)


class _Wrong(NamedTuple):
    """Where a file stops to be UTF-8: the byte, the line, and what stands before it."""

    place: int
    line: int
    before: str


def _not_utf_8(opened: IO[bytes], piece: bytes) -> _Wrong | None:
    """The first byte that is not UTF-8, of a file whose beginning was read."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    place, line, behind = 0, 1, b""
    while True:
        try:
            decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            start = error.start - (len(error.object) - len(piece))  # a character of two pieces
            before = (behind + piece)[: len(behind) + start]
            text = before[before.rfind(b"\n") + 1 :].decode(errors="replace")[-20:]
            return _Wrong(place + start, line + piece[: max(0, start)].count(b"\n"), text)
        if not piece:
            return None
        place, line = place + len(piece), line + piece.count(b"\n")
        behind = piece[-_BEHIND:]
        piece = opened.read(1 << 20)


def guess(content: bytes) -> Guess:
    """The likeliest of the encodings that know all of the bytes: East Asian, or of one byte each.

    Args:
        content: the text, or its beginning.
    """
    pages = code_pages(content)
    # Cyrillic and Arabic may look like Chinese, but they make sense as what they are.
    if pages[0].strange > _STRANGE:
        for names in _east_asian(content):
            read = [(name, words) for name in names if (words := _words(content, name))]
            if read:
                other, words = read[1] if len(read) > 1 else ("", ())
                return Guess(*read[0], other, words)
    best = pages[0]
    differs = [page for page in pages[1:] if page.words != best.words]
    if not differs or differs[0].cost - best.cost > _DOUBT:
        return Guess(best.name, best.words[:_SHOWN])
    pairs = [
        (own, other)
        for own, other in zip(best.words, differs[0].words, strict=True)
        if own != other
    ]
    words, others = zip(*pairs[:_SHOWN], strict=True)
    return Guess(best.name, words, differs[0].name, others)


def _words(content: bytes, name: str) -> tuple[str, ...]:
    """Some words beyond ASCII, in an encoding; () if it does not know all of the bytes."""
    try:
        text = codecs.getincrementaldecoder(name)().decode(content)
    except UnicodeDecodeError:
        return ()
    words = dict.fromkeys(word for word in _WORD.findall(text) if not word.isascii())
    return tuple(words)[:_SHOWN] or (text[:1],)


def _east_asian(content: bytes) -> Iterator[tuple[str, ...]]:
    """The encodings of two bytes that the text may be in; together those that are alike likely.

    The bytes beyond ASCII are taken in pairs, and each encoding has a range in which nearly all of
    the characters that are in use lie.
    """
    found = islice(_PAIRS.finditer(content), _ENOUGH)
    pairs = [(pair[0][0], pair[0][-1]) for pair in found]

    def mostly(test: Callable[[int, int], bool], share: float = _MOSTLY) -> bool:
        return sum(test(a, b) for a, b in pairs) > share * len(pairs)

    if mostly(lambda _, b: b >= 0xA1, 0.95) and mostly(lambda a, _: a in (0xA4, 0xA5), 0.1):
        yield ("euc-jp",)  # it has kana
    if mostly(lambda a, b: (0xB0 <= a <= 0xD7 or 0xA1 <= a <= 0xA3) and b >= 0xA1):
        distinct = {pair for pair in pairs if 0xB0 <= pair[0] <= 0xD7}
        korean = all(a <= 0xC8 for a, _ in distinct)  # the half of what is Chinese
        if korean and len(distinct) >= _KOREAN:
            yield ("cp949",)
        else:
            yield ("gb18030", "cp949") if korean else ("gb18030",)
    # Behind one sign of Western text, a quotation mark or a capital, stands a letter of ASCII.
    if mostly(lambda a, b: b > 0x7F and a != b, 0.3):
        if mostly(lambda a, _: 0x81 <= a <= 0x97):
            yield ("cp932",)
        if mostly(lambda a, b: 0xA1 <= a <= 0xC6 and (b <= 0x7E or b >= 0xA1)):
            yield ("big5",)
