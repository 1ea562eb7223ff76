"""Sentences on a terminal: cut into lines between words, and Chinese between any two signs."""

from __future__ import annotations

import re

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

_HAN = "\u2e80-\u9fff\uff00-\uff60"
_OPENING, _CLOSING = "（《“‘", "，。、；：？！）》”’…"
_PIECE = re.compile(
    rf"(?P<space>\s*)(?P<piece>[{_OPENING}]*(?:[{_HAN}]|[^\s{_HAN}{_OPENING}{_CLOSING}]+)?[{_CLOSING}]*)"
)


def tell(out: Console, sentence: str | Text, style: str = "") -> None:
    """Prints a sentence: in lines on a terminal, and as one line, which can be searched, elsewhere.

    Args:
        out: Where.
        sentence: Without markup.
        style: Of all of it.
    """
    words = Text(sentence) if isinstance(sentence, str) else sentence
    if out.is_terminal:
        indent = 2 if words.plain.startswith("- ") else 0
        words = Text("\n" + " " * indent).join(wrapped(words, out.width - indent))
    out.print(words, style=style or None, soft_wrap=not out.is_terminal)


def wrapped(words: Text, width: int) -> list[Text]:
    """Lines of at most `width` cells, but for words that are longer than that.

    Example:
        >>> [line.plain for line in wrapped(Text("模型过拟合（明确）。see k"), 10)]
        ['模型过拟合', '（明确）。', 'see k']
    """
    cuts, used = [], 0
    for found in _PIECE.finditer(words.plain):
        space, piece = cell_len(found["space"]), cell_len(found["piece"])
        if used and piece and used + space + piece > width:
            cuts.append(found.start("piece"))
            used = piece
        else:
            used += space + piece
    lines = list(words.divide(cuts))
    for line in lines:
        line.rstrip()
    return lines
