"""One date, time of day or duration as people write it."""

from __future__ import annotations

import math
import re
from datetime import date, timedelta
from typing import NamedTuple

from taut.frames.numbers import no_value

ORDERS = ("ymd", "dmy", "mdy")
_CLOCK = (
    r"(?P<hours>\d{1,3}):(?P<minutes>\d{2})(?::(?P<seconds>\d{2}(?:[.,]\d+)?))?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?"
)
_TAIL = re.compile(rf"[T ,:]\s*{_CLOCK}\s*(?P<zone>Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?")
_YEAR = r"(?P<y>(?:18|19|20|21)\d{2})"
_NAME = r"(?P<name>[^\W\d_]{3,10})"
_DAYS = [
    re.compile(pattern)
    for pattern in (
        r"(?P<y>\d{4})(?P<s>[-/.])(?P<m>\d{1,2})(?P=s)(?P<d>\d{1,2})(?!\d)",
        rf"{_YEAR}[-/](?P<m>\d{{2}})(?![-/\d])",
        rf"{_YEAR} ?[Mm](?P<m>\d{{1,2}})(?!\d)",
        r"(?P<y>\d{4})年(?P<m>\d{1,2})月(?:(?P<d>\d{1,2})日)?",
        r"(?P<a>\d{1,2})(?P<s>[-/.])(?P<b>\d{1,2})(?P=s)(?P<y>\d{4}|\d{2})(?!\d)",
        rf"(?P<d>\d{{1,2}})(?:st|nd|rd|th|er)?[-/. ]+{_NAME}[-/., ]+(?P<y>\d{{4}}|\d{{2}})(?!\d)",
        r"(?P<d>\d{1,2})(?P<name>[A-Za-z]{3})(?P<y>\d{4})(?!\d)",
        rf"{_NAME}\.? +(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,? +(?P<y>\d{{4}})(?!\d)",
        rf"{_NAME}[-/. ]+(?P<y>\d{{4}})(?!\d)",
        rf"{_YEAR}[-/. ]+{_NAME}(?:[-/. ]+(?P<d>\d{{1,2}}))?(?!\d)",
        rf"(?P<m>\d{{1,2}})[-/]{_YEAR}(?![-/\d])",
        r"(?P<name>[A-Za-z]{3})[-'’](?P<y>\d{2})(?!\d)",
        rf"{_YEAR}[- ]?[Qq](?P<quarter>[1-4])",
        rf"[Qq](?P<quarter>[1-4])[-/ ]{_YEAR}(?!\d)",
        rf"{_YEAR}[- ]?[Ww](?P<week>\d{{2}})(?:-(?P<d>[1-7]))?(?!\d)",
    )
]
_COMPACT = re.compile(r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})")
_WEEKDAY = re.compile(
    r"(?i)(?:mon|tue|tues|wed|wednes|thu|thur|thurs|fri|sat|satur|sun)(?:day)?[.,]*\s+"
    r"|(?:mo|di|mi|do|fr|sa|so)[.,]+\s+|(?:montag|dienstag|mittwoch|donnerstag|freitag|samstag"
    r"|sonntag),?\s+"
)
# "Jan 31 10:30:00 CET 2024": what C and Unix write.
_YEAR_LAST = re.compile(r"(\w+ +\d{1,2}) (\d\d:\d\d:\d\d)( (?:UTC|GMT))? (\d{4})")
_LONG = re.compile(
    r"(?i)(?:(?P<days>\d+)\s*(?:d|days?|tage?),?\s*)?(?:(?P<hours>\d+)\s*(?:h|hrs?|hours?|std)\.?\s*)?"
    r"(?:(?P<minutes>\d+)\s*(?:m|mins?|minutes?)\.?\s*)?(?:(?P<seconds>\d+)\s*(?:s|secs?|seconds?))?"
)
_ISO = re.compile(
    r"P(?:(?P<days>\d+)D)?T?(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?"
)
_DAYS_AND_CLOCK = re.compile(rf"(?:(?P<days>-?\d+) days?,? *)?(?P<sign>[-+])?{_CLOCK}")
_NO_DAY = re.compile(r"0|0+([-/.])0+\1?0*([ T]00:00(:00)?)?")
_EPOCH = date(1970, 1, 1).toordinal()
_MONTHS = {
    name: month
    for month, names in enumerate(
        (
            "jan january januar jänner januari janvier janv enero ene gennaio gen janeiro",
            "feb february februar februari février fevrier févr fév febrero febbraio fevereiro fev",
            "mar march märz maerz mär mrz maart mrt mars marzo março",
            "apr april avril avr abril abr aprile",
            "may mai mei mayo maggio mag maio",
            "jun june juni juin junio giugno giu junho",
            "jul july juli juillet juil julio luglio lug julho",
            "aug august augustus août aout agosto ago",
            "sep sept september septembre septiembre settembre set setembro",
            "oct october oktober okt octobre octubre ottobre ott outubro out",
            "nov november novembre noviembre novembro",
            "dec december dezember dez décembre decembre déc diciembre dic dicembre dezembro",
        ),
        start=1,
    )
    for name in names.split()
}
"""English, German, Dutch, French, Spanish, Italian and Portuguese."""


class DateText(NamedTuple):
    """One text: days since 1970-01-01 by order, the time of day in days, the zone's offset."""

    days: dict[str, int]
    clock: float
    offset: timedelta | None
    short: bool


def no_date(text: str) -> bool:
    """Whether a text among dates says that there is none, such as "-" or "0000-00-00"."""
    return no_value(text) or _NO_DAY.fullmatch(text) is not None


def read_text(text: str, *, compact: bool = False) -> DateText | None:
    """What a text says as a date, in every order in which it is one; None for no date.

    Args:
        text: such as "2024-01-31", "31.1.2024 10:30", "Jan 31, 2024", "Q1 2024" or "2024-W05".
        compact: whether "20240131" is a date.
    """
    weekday = _WEEKDAY.match(text)
    text = text[weekday.end() :] if weekday else text
    last = _YEAR_LAST.fullmatch(text)
    text = last.expand(r"\1 \4 \2\3") if last else text
    match = next((m for m in (p.match(text) for p in _DAYS) if m), None)
    if match is None and compact:
        match = _COMPACT.fullmatch(text)
    if match is None:
        return None
    clock, offset = 0.0, None
    if match.end() < len(text):
        tail = _TAIL.fullmatch(text, match.end())
        if tail is None:
            return None
        clock, offset = _clock(tail), read_offset(tail["zone"])
        if not clock < 1:
            return None
    days, short = _days_of(match.groupdict())
    known = {order: day for order, day in days.items() if day is not None}
    return DateText(known, clock, offset, short) if known else None


def parse_time(text: str) -> float:
    """Hours since midnight, or a duration in hours; NaN for none.

    Example:
        >>> [parse_time(t) for t in ("08:30", "1 day 01:30:00", "1h 15m", "PT1H15M")]
        [8.5, 25.5, 1.25, 1.25]
    """
    match = _DAYS_AND_CLOCK.fullmatch(text)
    if match is not None:
        sign = -1 if match["sign"] == "-" else 1
        return round((int(match["days"] or 0) + sign * _clock(match)) * 24, 9)
    # "5m" alone may be metres, and "3d" a film; "PT5M" is nothing else.
    iso = _ISO.fullmatch(text)
    match = iso or _LONG.fullmatch(text)
    if match is None or sum(part is not None for part in match.groups()) < (1 if iso else 2):
        return math.nan
    size = [float(match[part] or 0) for part in ("days", "hours", "minutes", "seconds")]
    return round(size[0] * 24 + size[1] + size[2] / 60 + size[3] / 3600, 9)


def read_offset(zone: str | None) -> timedelta | None:
    """The offset from UTC that a text such as "+02:00" or "Z" stands for."""
    if zone is None:
        return None
    if zone[0] not in "+-":
        return timedelta(0)
    digits = zone[1:].replace(":", "").ljust(4, "0")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -size if zone[0] == "-" else size


def _days_of(part: dict[str, str | None]) -> tuple[dict[str, int | None], bool]:
    """The days by order, and whether the year has two digits."""
    written = part["y"] or ""
    short = len(written) == 2
    year = int(written) + ((1900 if int(written) >= 70 else 2000) if short else 0)
    if part.get("a"):
        a, b = int(part["a"] or 0), int(part["b"] or 0)
        return {"dmy": _day(year, b, a), "mdy": _day(year, a, b)}, short
    day = int(part.get("d") or 1)
    if part.get("week"):
        return dict.fromkeys(ORDERS, _week(year, int(part["week"] or 0), day)), short
    if part.get("quarter"):
        month = 3 * int(part["quarter"] or 0) - 2
    elif part.get("name"):
        month = _MONTHS.get((part["name"] or "").lower(), 0)
    else:
        month = int(part["m"] or 0)
    return dict.fromkeys(ORDERS, _day(year, month, day)), short


def _day(year: int, month: int, day: int) -> int | None:
    try:
        return date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        return None


def _week(year: int, week: int, day: int) -> int | None:
    try:
        return date.fromisocalendar(year, week, day).toordinal() - _EPOCH
    except ValueError:
        return None


def _clock(match: re.Match[str]) -> float:
    """The time in days; NaN if there is no such time."""
    hours, minutes = int(match["hours"]), int(match["minutes"])
    seconds = float((match["seconds"] or "0").replace(",", "."))
    if match["half"]:
        if not 1 <= hours <= 12:
            return math.nan
        hours = hours % 12 + 12 * (match["half"][0] in "Pp")
    if minutes > 59 or seconds >= 60:
        return math.nan
    return (hours * 3600 + minutes * 60 + seconds) / 86400
