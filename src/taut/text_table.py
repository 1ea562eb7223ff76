"""Cells in columns as plain text, for results that print themselves."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDE = 100_000  # characters: a line of a result is not cut, whatever it is printed on


def text_table(rows: Iterable[Sequence[str]], *, header: Sequence[str] = ()) -> str:
    """Rows of cells under each other, columns two spaces apart; wide characters count as two.

    Args:
        rows: [rows][columns], texts.
        header: [columns], above a rule; none unless given.

    Example:
        >>> print(text_table([["first/kernel", "12"], ["b", "3"]], header=["name", "size"]))
        name          size
        ──────────────────
        first/kernel  12
        b             3
    """
    table = Table(
        box=box.SIMPLE_HEAD if header else None,
        show_header=bool(header),
        show_edge=False,
        pad_edge=False,
        padding=(0, 1 if header else 2, 0, 0),
    )
    for name in header:
        table.add_column(Text(name))
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console(file=io.StringIO(), width=_WIDE, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def html_of(sentences: Iterable[str], frame: Any, *, float_format: str = "%.4g") -> str:
    """A result in a notebook: a paragraph of sentences, a line each, and a table."""
    lines = "<br>".join(map(escape, sentences))
    return f"<p>{lines}</p>{frame.to_html(index=False, border=0, float_format=float_format)}"
