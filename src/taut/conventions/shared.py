"""What the conversions of several packages share."""

from __future__ import annotations

from typing import Any

from taut.checks import check_at_least, check_share, is_whole
from taut.errors import InputError
from taut.penalties import Penalty, l1_and_l2


def check_rows(rows: Any, why: str) -> int:
    """Return `rows` as an int, or raise: `why` says what depends on it."""
    if not is_whole(rows, 1):
        raise InputError(
            f"`rows`, the number of rows that the loss is averaged over, must be an integer >= 1, "
            f"since {why}. Received: rows={rows!r}. Give `rows=len(x)`."
        )
    return int(rows)


def elastic(strength: Any, ratio: Any, *, factor: float = 1.0, name: str = "alpha") -> Penalty:
    """`factor` times strength·(ratio·Σ|w| + (1−ratio)/2·Σw²), which most packages share."""
    check_at_least(0, **{name: strength})
    check_share(l1_ratio=ratio)
    strength, ratio = float(strength), float(ratio)
    return l1_and_l2(factor * strength * ratio, factor * strength * (1 - ratio) / 2)


def class_from(package: str, thing: Any) -> str:
    """The name of the first of the classes of `thing` that `package` defines, or ""."""
    for kind in type(thing).__mro__:
        if kind.__module__.partition(".")[0] == package:
            return kind.__name__
    return ""
