"""Numbers and names as people read them, in the page and in the terminal alike."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable

MISSING = "–"

# Characters that reorder the text around them: shown as escapes, as control characters are, so
# that a name cannot rewrite a terminal or pass for another name.
_REORDER = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


_LOWER = {"log_loss", "rmse", "mae"}
_HIGHER = {"accuracy", "roc_auc", "balanced_accuracy", "average_precision", "r2"}


def lower_is_better(metric: str) -> bool:
    """Which way a score of `metrics.json` is better; an unknown one by its name."""
    return metric in _LOWER or (metric not in _HIGHER and metric.endswith(("loss", "error")))


def clean(text: object) -> str:
    r"""A name that comes from data, safe to show: `"a\x1b[31m"` becomes `a\x1b[31m` in print.

    Control characters, lone surrogates and characters that reorder text become visible escapes.
    HTML escaping is another matter, and the template does it.
    """
    return "".join(_visible(character) for character in str(text))


def _visible(character: str) -> str:
    if character in _REORDER or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
        return character.encode("unicode_escape").decode("ascii")
    return character


def shorten(text: object, width: int) -> str:
    """A cleaned name of at most `width` characters, cut in the middle: both ends tell apart."""
    name = clean(text)
    if len(name) <= width:
        return name
    head = (width - 1) * 2 // 3
    return f"{name[:head]}…{name[len(name) - (width - 1 - head) :]}"


def is_number(value: object) -> bool:
    """Whether the value is a finite number (JSON's null and NaN are not)."""
    return isinstance(value, int | float) and math.isfinite(value)


def decimals(half_widths: Iterable[float | None]) -> int:
    """Decimals that show two digits of the narrowest half-width, and no more than that.

    More would be noise: a score of 0.0834127 with an interval of ±0.03 is 0.083.
    """
    widths = [w for w in half_widths if w is not None and math.isfinite(w) and w > 0]
    if not widths:
        return 3
    return min(max(1 - math.floor(math.log10(min(widths))), 0), 4)


def fixed(value: float | None, places: int, *, sign: bool = False) -> str:
    """A number with so many decimals, a true minus sign and thousands set apart."""
    if value is None or not is_number(value):
        return MISSING
    text = f"{value:+,.{places}f}" if sign else f"{value:,.{places}f}"
    if float(text.replace(",", "")) == 0:  # no "−0.00": the digits that are shown have no sign
        text = text.lstrip("+-")
    return text.replace("-", "\u2212").replace(",", "\u2009")


def signed(text: str) -> str:
    """A text whose numbers have a true minus sign, as those of `fixed` and `short` have.

    Example:
        >>> signed("0.03 (-0.02 to 0.08), in 2-3 folds, by --seed")
        '0.03 (−0.02 to 0.08), in 2-3 folds, by --seed'
    """
    return re.sub(r"(?<![\w-])-(?=\d)", "\u2212", text)


def share(value: float | None, places: int) -> str:
    """A share as so many per cent: 12.3%."""
    if value is None or not is_number(value):
        return MISSING
    return fixed(100 * value, places) + "%"


def short(value: float | None) -> str:
    """A strength, in at most three digits: 0.01, 0.000316, 3.16e−6."""
    if value is None or not is_number(value):
        return MISSING
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        text = f"{value:.3g}"
        text = f"{float(text):.0f}" if "e" in text else text
    else:
        mantissa, exponent = f"{value:.2e}".split("e")
        text = f"{float(mantissa):g}e{int(exponent)}"
    return text.replace("-", "\u2212")


def percent(share: float | None) -> str:
    """A share as a percentage; it says 100% or 0% only where that is exact."""
    if share is None or not is_number(share):
        return MISSING
    if 0.995 <= share < 1:
        return "> 99%"
    if 0 < share < 0.005:
        return "< 1%"
    return f"{100 * share:.0f}%"
