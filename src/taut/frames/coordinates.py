"""Latitudes and longitudes as people write them, in degrees."""

from __future__ import annotations

import re

_NUMBER = r"\d{1,2}(?:[.,]\d+)?"
_ANGLE = re.compile(
    r"(?P<first>[NSEW])?\s*(?P<degrees>\d{1,3}(?P<decimals>[.,]\d+)?)\s*(?P<sign>[°º])?\s*"
    rf"(?:(?P<minutes>{_NUMBER})\s*['′’]\s*(?:(?P<seconds>{_NUMBER})\s*(?:[\"″”]|''|′′|’’)\s*)?)?"
    r"(?P<last>[NSEW])?"
)
_UNITS = {"N": "°N", "S": "°N", "E": "°E", "W": "°E"}
_LEAST_DECIMALS = 3  # without a sign for degrees: 12N may be a seat, and 1.5N a force
_LONGEST = 30


def angle(text: str) -> tuple[str, str]:
    """Degrees as a number, south and west negative, and "°N" or "°E"; ("", "") for none.

    Example:
        >>> angle("33.8688° S"), angle("40°26'46\\"N"), angle("12N")
        (('-33.8688', '°N'), ('40.446111111', '°N'), ('', ''))
    """
    match = _ANGLE.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None or (match["first"] is None) == (match["last"] is None):
        return "", ""
    clear = match["sign"] or len(match["decimals"] or "") > _LEAST_DECIMALS
    parts = match["minutes"] is not None
    if not clear or (parts and (match["decimals"] or not match["sign"])):
        return "", ""
    pole = match["first"] or match["last"]
    body = match["degrees"]
    minutes, seconds = (_float(match[part]) for part in ("minutes", "seconds"))
    value = _float(body) + minutes / 60 + seconds / 3600
    if max(minutes, seconds) >= 60 or value > (90 if _UNITS[pole] == "°N" else 180):
        return "", ""
    body = f"{value:.9f}" if parts else body
    return ("-" if pole in "SW" else "") + body, _UNITS[pole]


def _float(text: str | None) -> float:
    return float((text or "0").replace(",", "."))
