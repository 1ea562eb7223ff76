"""The two factors that a penalty of another package comes down to, and the penalty here."""

from __future__ import annotations

from typing import Any, NamedTuple

from taut.checks import check_at_least, check_share, is_whole
from taut.errors import InputError
from taut.penalties.base import Penalty
from taut.penalties.separable import L1, L2, ElasticNet


class Terms(NamedTuple):
    """The factors of Σ|w| and of Σw² beside the mean of the loss."""

    l1: float
    l2: float

    def penalty(self) -> Penalty:
        """L1, L2 or the elastic net, whichever is l1·Σ|w| + l2·Σw²; `L2(0)` where both are 0."""
        if self.l1 and self.l2:
            total = self.l1 + 2 * self.l2
            return ElasticNet(total, l1_ratio=self.l1 / total)
        return L1(self.l1) if self.l1 else L2(2 * self.l2)


def check_rows(rows: Any, why: str) -> int:
    """Return `rows` as an int, or raise: `why` says what depends on it."""
    if not is_whole(rows, 1):
        raise InputError(
            f"`rows`, the number of rows that the loss is averaged over, must be an integer >= 1, "
            f"since {why}. Received: rows={rows!r}. Give `rows=len(x)`."
        )
    return int(rows)


def elastic(strength: Any, ratio: Any, *, factor: float = 1.0, name: str = "alpha") -> Terms:
    """`factor` times strength·(ratio·Σ|w| + (1−ratio)/2·Σw²), which most packages share."""
    check_at_least(0, **{name: strength})
    check_share(l1_ratio=ratio)
    strength, ratio = float(strength), float(ratio)
    return Terms(factor * strength * ratio, factor * strength * (1 - ratio) / 2)


def class_from(package: str, thing: Any) -> str:
    """The name of the first of the classes of `thing` that `package` defines, or ""."""
    for kind in type(thing).__mro__:
        if kind.__module__.partition(".")[0] == package:
            return kind.__name__
    return ""
