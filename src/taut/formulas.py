"""Text in CSV files that a spreadsheet would run as a formula.

A cell that begins with =, +, - or @ (or their full-width kin, a tab, a carriage return) is a
formula to a spreadsheet, and a name or a label that comes from somebody's data may be one. An
apostrophe before it makes it text. Numbers stay as they are, and so do signs alone, such as the
labels + and -, which are none.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_SIGNS = "=+\\-@\t\r＝＋－＠"
_FORMULA = re.compile(rf"'*[{_SIGNS}](?=.*[^\s'{_SIGNS}])", re.DOTALL)


def guard(text: str) -> str:
    """The text with an apostrophe before it where a spreadsheet would run it.

    Example:
        >>> guard("=CMD()"), guard("-0.5"), guard("-"), guard("age")
        ("'=CMD()", '-0.5', '-', 'age')
    """
    return f"'{text}" if _FORMULA.match(text) and not _is_number(text) else text


def unguard(text: str) -> str:
    """The text that `guard` was called on."""
    return text[1:] if text.startswith("'") and guard(text[1:]) == text else text


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Writes a CSV file in UTF-8 whose names and texts no spreadsheet runs."""
    import pandas as pd

    guarded = frame.rename(columns=lambda name: guard(str(name)))
    for k, (_, series) in enumerate(frame.items()):
        if series.dtype == object or isinstance(series.dtype, pd.StringDtype):
            guarded.isetitem(k, series.map(lambda v: guard(v) if isinstance(v, str) else v))
    guarded.to_csv(path, index=False, encoding="utf-8")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
