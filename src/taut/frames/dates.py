"""Dates and times of day as people write them, and the inputs that they give."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np

from taut.frames.date_texts import ORDERS, DateText, no_date, read_offset, read_text

PARTS = ("month", "weekday", "hour")


def parse_date(text: str, form: str = "") -> float:
    """Days since 1970-01-01, by the clock of the form's zone; NaN if the text is no such date.

    Args:
        text: a date, with or without a time.
        form: the order, "ymd", "dmy" or "mdy", and, after a blank, a zone, such as
            "dmy Europe/Paris". Without a zone the clock is read as it is written. "" stands for
            "ymd UTC".

    Example:
        >>> parse_date("02.01.1970 12:00", "dmy")
        1.5
    """
    order, _, zone = (form or "ymd UTC").partition(" ")
    written = read_text(text, compact=order == "ymd")
    if written is None or order not in written.days:
        return math.nan
    return _in_zone(written.days[order] + written.clock, written.offset, zone)


def find_date_form(
    texts: Sequence[str], *, order: str | None = None, forced: bool = False
) -> tuple[str, str] | None:
    """The form in which all the texts are dates, decided over the whole column.

    Args:
        texts: distinct texts.
        order: the order where the column itself leaves it open, as "01/02/2020" does.
        forced: the column shall be dates: take the order that reads most of the texts.

    Returns:
        The form, and what was in doubt ("" if nothing was); None if there is no such form.
    """
    read: list[DateText] = []
    texts = [text for text in texts if not no_date(text)]
    for text in texts:
        written = read_text(text, compact=forced)
        if written is not None:
            read.append(written)
        elif not forced:
            return None
    if not read:
        return ("ymd", "") if forced else None
    counts = {o: sum(o in entry.days for entry in read) for o in ORDERS}
    fits = [o for o in ORDERS if counts[o] == len(read)]
    if not fits and not forced:
        return None
    fits = fits or [max(ORDERS, key=lambda o: counts[o])]
    doubt, chosen = "", fits[0]
    if len(fits) == 2:  # day and month may be either
        example = texts[0]
        chosen = order if order in fits else "mdy" if "/" in example else "dmy"
        names = {"dmy": "day/month/year", "mdy": "month/day/year"}
        if order not in fits and any(entry.days["dmy"] != entry.days["mdy"] for entry in read):
            doubt = f"{example!r} may begin with the day or the month; it was read as "
            doubt += names[chosen]
    if any(entry.short for entry in read) and not doubt:
        doubt = "years of two digits were read as 1970 to 2069"
    zone = _zone_of({entry.offset for entry in read})
    return f"{chosen} {zone}".rstrip(), doubt


def date_order(texts: Sequence[str]) -> str | None:
    """The order of day and month that a column of dates shows beyond doubt, or None."""
    texts = [text for text in texts if not no_date(text)]
    form = find_date_form(texts)
    if form is None or form[0].startswith("ymd") or form[1].endswith("year"):
        return None
    order = form[0].split()[0]
    other = {"dmy": "mdy", "mdy": "dmy"}[order]
    return order if any(math.isnan(parse_date(text, other)) for text in texts) else None


def varying_parts(days: np.ndarray) -> tuple[str, ...]:
    """Which of month, weekday and hour take two values or more in a column of dates.

    Args:
        days: days since 1970-01-01 [rows], NaN where missing.
    """
    present = np.unique(days[~np.isnan(days)])
    return tuple(part for part in PARTS if _varies(date_part(present, part), part))


def _varies(values: np.ndarray, part: str) -> bool:
    return len(np.unique(np.floor(values) if part == "month" else values)) > 1


def date_part(days: np.ndarray, part: str) -> np.ndarray:
    """One part of dates [rows]: what returns every year, week or day.

    Args:
        days: days since 1970-01-01, NaN where missing.
        part: "month", 1 to 12 and the share of the month that is over; "weekday", 0 for Monday
            to 6; or "hour", 0 to 24 with its fraction.
    """
    present = ~np.isnan(days)
    whole = np.floor(days[present])
    if part == "hour":
        # A microsecond is 1e-11 days: the fraction of a day in 1e4 days is right to 1e-7 hours.
        value = np.round((days[present] - whole) * 24, 6)
    elif part == "weekday":
        value = (whole + 3) % 7  # 1970-01-01 was a Thursday
    else:
        day = whole.astype(np.int64).astype("datetime64[D]")
        month = day.astype("datetime64[M]")
        value = month.astype(np.int64) % 12 + 1 + (day - month.astype(day.dtype)).astype(int) / 31
    values = np.full(len(days), np.nan)
    values[present] = value
    return values


def _zone_of(offsets: Iterable[timedelta | None]) -> str:
    """The zone on whose clock dates with these offsets are read.

    One offset is its own zone. Two that are an hour apart are one place in summer and winter,
    whose clock is the one that is written. Others have only UTC in common.
    """
    known = sorted(offset for offset in offsets if offset is not None)
    if not known or (len(known) == 2 and known[1] - known[0] == timedelta(hours=1)):
        return ""
    if len(known) > 1 or not known[0]:
        return "UTC"
    return zone_name(timezone(known[0]))


def zone_name(zone: object) -> str:
    """A zone as `parse_date` takes it: "Europe/Paris", "+02:00"; UTC for one without a name."""
    name = str(zone)
    if re.fullmatch(r"(UTC)?[+-]\d\d:\d\d", name):
        return name.removeprefix("UTC")
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return "UTC"
    return name


def _in_zone(days: float, offset: timedelta | None, zone: str) -> float:
    """Days on the clock of a zone, of days on the clock that was written."""
    if offset is None or not zone:
        return days
    moment = days - offset / timedelta(days=1)
    if zone == "UTC":
        return moment
    if zone[0] in "+-":
        shift = read_offset(zone)
    else:
        instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=round(moment * 86400))
        shift = instant.astimezone(ZoneInfo(zone)).utcoffset()
    return moment + (shift or timedelta(0)) / timedelta(days=1)
