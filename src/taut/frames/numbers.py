"""Numbers as people write them: decimal commas, thousands, currencies, percents."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from taut.frames.coordinates import angle
from taut.frames.multipliers import (
    LETTERS,
    loosely_multiplied,
    may_multiply,
    multiplied,
    scaled,
)

# A true minus, a full-width one and a figure dash; the spaces that set thousands apart.
_ALIKE = str.maketrans(
    dict.fromkeys("\u2212\ufe63\uff0d\u2012", "-")
    | dict.fromkeys("\xa0\u2000\u2002\u2003\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " ")
    | {"\u2019": "'", "\uff0c": ",", "\uff0e": ".", "\uff05": "%", "\uffe5": "\xa5"}
    | {"\u066b": ".", "\u066c": "'", "\u066a": "%"}  # Arabic
)
_CURRENCY = (
    r"(?:US|R|A|C|HK|NT)?\$|[€£¥₹₩₽₺₫฿元円]|USD|EUR|GBP|JPY|CNY|RMB|CHF|INR|AUD|CAD|SEK|NOK|DKK|PLN"
    r"|BRL|KRW|SGD|HKD|NZD|MXN|ZAR|Rs\.?|Fr\.|kr\.?|zł|Kč|Ft"
)
# Units of measurement; one letter needs a blank before it, for "12A" may be a seat.
_UNIT = (
    r"°[CF]?|[kcmµμn]?m|(?:[kmµμ]|(?<= ))g|lbs?|oz|ft|in|mi|(?:[mdc]|(?<= ))[lL]"
    r"|(?:m|(?<= ))s|min|hrs?|(?<= )h|(?:[kMG]|(?<= ))Wh?|(?:[kMG])?Hz|[hk]?Pa|bar|mmHg"
    r"|(?:k|(?<= ))V|mA|km/h|mph|m/s|mmol/[lL]|mg/d[lL]|g/[dc]?[lL]|pp[mb]|dB|m[²2³3]"
    r"|[岁年月天日周秒人个次件台万亿千百米克吨升度倍分户套辆]|小时|分钟|公里|千米|厘米|公斤|千克|平方?米"
    r"|(?<= )[^\W\d_]{2,15}\.?"  # any other word after a blank, as in "3 years"
)
_PLURAL = re.compile(r"(?<=[^\W\d_]{2})(?:s|e|en|n)$")
_NUMBER = re.compile(
    rf"(?P<open>\()?\s*(?P<sign>[+-])?\s*(?P<before>%|{_CURRENCY})?\s*(?P<inner>[+-])?"
    rf"(?P<body>[\d.,' ]*\d[.,]?(?:[eE][+-]?\d+)?)\s*(?P<after>%|{_CURRENCY}|{_UNIT})?"
    r"(?P<trailing>-)?\s*(?P<close>\))?"
)
_SIGNED = re.compile(r"([<>~≈≤≥±]=?\s*)?(?P<number>.*\d)\s*[+*†‡]?")
_LONGEST = 80  # characters of a number with its signs; what is longer would be searched in vain
_LOOSE = re.compile(_CURRENCY)  # beside "$5" a bare 5 is as many dollars
_FORM = re.compile(r"1(?P<group>[,.]?)234(?P<decimal>[,.])5(?P<scaled>[Km]?)(?: (?P<unit>.+))?")
# An address of the internet: where each of its parts has three digits they look like thousands.
_ADDRESS = re.compile(r"(?:(?:1\d\d|2[0-4]\d|25[0-5])(?:\.(?!$)|$)){4}")
_SPACED = re.compile(r"\d{1,3}(?:([ '])\d{3})(?:\1\d{3})*(?=[.,]|$)")
# What stands for no number, date or time among others, and may be a level or a class elsewhere.
_NO_VALUE = frozenset(
    """none nil - -- --- – — . .. ... … * n.a. n.d. nd k.a. missing unknown unbekannt (blank) (null)
    (none) 无 無 缺失 空 未知 不明 不详 #div/0! #value! #ref! #num! #name? #null!""".split()  # noqa: SIM905
) | {"not available", "not applicable", "keine angabe", "no data"}
PLAIN, GERMAN = "1234.5", "1.234,5"
FORMS = (PLAIN, "1,234.5", "1234,5", GERMAN)


def no_value(text: str) -> bool:
    """Whether a text among numbers, dates or times says that there is none, such as "-".

    Example:
        >>> no_value("-"), no_value("Unknown"), no_value("0")
        (True, True, False)
    """
    return text.casefold() in _NO_VALUE


class NumberForm(NamedTuple):
    """How a column writes its numbers; as text it is a number so written, such as "1.234,5 €".

    Args:
        decimal: the decimal sign, "." or ",".
        group: the sign between thousands, "" where none was seen. Spaces and apostrophes are
            always read as such, for they can mean nothing else.
        unit: "%", a currency, or a unit of measurement.
        scaled: "K" where K, M, Mio., 万 and the like behind a number multiply it, "m" where m
            and b do too, "" where nothing does.
    """

    decimal: str = "."
    group: str = ""
    unit: str = ""
    scaled: str = ""

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return f"1{self.group}234{self.decimal}5{self.scaled}{unit}"


@lru_cache(maxsize=64)
def number_form(form: str) -> NumberForm:
    """The form that a text stands for; "" is the plain one."""
    match = _FORM.fullmatch(form or PLAIN)
    assert match is not None, form
    return NumberForm(match["decimal"], match["group"], match["unit"] or "", match["scaled"])


def parse_number(text: str, form: str = "") -> float:
    """The number that a text holds in a form; NaN if it holds none.

    A column that was never seen with thousands does not read "1,234" as 1234: where the decimal
    sign is a comma it is another number. "1,234.5" and "1,234,567" are clear by themselves.

    Example:
        >>> parse_number("1.234,50 €", "1.234,5 €")
        1234.5
    """
    decimal, group, unit, with_scales = number_form(form)
    if with_scales:
        bare, scale, _ = scaled(text, loose=with_scales == "m")
        return parse_number(bare, str(NumberForm(decimal, group, unit))) * scale
    if not unit:
        number = to_float(text) if decimal == "." or "." not in text else math.nan
        if not math.isnan(number) and "_" not in text:
            return number
    body, marked = _split(text)
    if _alike(marked) != _alike(unit) and not (_LOOSE.fullmatch(unit) and marked == ""):
        zero = marked == "" and _value(body, decimal, group) == 0
        return 0.0 if zero else math.nan
    return _value(body, decimal, group)


def takes_bare_numbers(form: str) -> bool:
    """Whether a number without a unit means the same in this form."""
    unit = number_form(form).unit
    return not unit or _LOOSE.fullmatch(unit) is not None


def find_number_form(
    texts: Sequence[str], *, decimal: str | None = None, forced: bool = False
) -> tuple[str, str] | None:
    """The form in which all the texts are numbers, decided over the whole column.

    Args:
        texts: distinct texts.
        decimal: the decimal sign where the column itself leaves it open, as "1,234" does.
        forced: the column shall be numbers: take the form that reads most of the texts.

    Returns:
        The form, and what was in doubt ("" if nothing was); None if there is no such form.
    """
    rest = [text for text in texts if not no_value(text)]
    if not rest and set(texts) - {"None"} and not forced:
        return None
    texts = rest
    bare = scaled(texts[0], loose=True).text if texts else ""
    if texts and not forced and not _split(bare)[0] and math.isnan(parse_number(bare)):
        return None  # most columns of text end here
    if texts and not forced and all(map(_ADDRESS.fullmatch, texts)):
        return None
    found = _scaled_form(texts, decimal, forced)
    if found:
        return found
    plain = all("_" not in text and not math.isnan(to_float(text)) for text in texts)
    if plain and not (decimal == "," and thousands(texts, ".")):
        return PLAIN, ""
    parts = [_split(text) for text in texts]
    if not forced and not all(body for body, _ in parts):
        return None
    units = sorted({unit for body, unit in parts if body and (unit or not _zero(body))})
    written = {_alike(unit): unit for unit in units}
    if any(map(_LOOSE.fullmatch, written.values())):
        written.pop("", None)
    if len(written) > 1:
        if not forced:
            return None
        written = {}
    unit = next(iter(written.values()), "")  # the plural, if there is one
    bodies = [body for body, _ in parts if body]
    signs = (decimal or "") + ".," if any(re.search("[.,]", body) for body in bodies) else "."
    forms: list[NumberForm] = []
    for sign in dict.fromkeys(signs):
        other = "," if sign == "." else "."
        form = NumberForm(sign, other if any(other in body for body in bodies) else "", unit)
        if all(not math.isnan(_value(body, sign, form.group)) for body in bodies):
            forms.append(form)
    if not forms:
        if not forced:
            return None
        best = max(
            FORMS, key=lambda form: sum(not math.isnan(parse_number(t, form)) for t in texts)
        )
        return best, ""
    doubt = ""
    if len(forms) == 2 and decimal is None and forms[0].group == ",":
        example = next(body for body in bodies if "," in body)
        doubt = f"{example!r} may have a decimal comma or thousands; it was read with thousands"
    return str(forms[0]), doubt


def _scaled_form(texts: Sequence[str], decimal: str | None, forced: bool) -> tuple[str, str] | None:
    """The form of numbers with multipliers, None where these are none or may be something else."""
    parts = [scaled(text, loose=True) for text in texts]
    bare = list(dict.fromkeys(part.text for part in parts))
    currency = any(_LOOSE.fullmatch(_split(text)[1]) for text in bare)
    loose = loosely_multiplied(parts, currency=currency, forced=forced)
    if not loose:
        parts = [scaled(text) for text in texts]
        bare = list(dict.fromkeys(part.text for part in parts))
    if not may_multiply(parts):
        return None
    if not forced and not multiplied(parts, currency=currency):
        return None
    found = find_number_form(bare, decimal=decimal, forced=forced)
    if found is None:
        return None
    form = str(number_form(found[0])._replace(scaled="m" if loose else "K"))
    doubt = found[1]
    signs = {part.sign for part in parts} - {""}
    if not currency and not doubt and (loose or (len(signs) == 1 and signs <= LETTERS)):
        # Of those that a looser reading adds, where it is one.
        marked = [t for t in texts if scaled(t, loose=loose).sign != (scaled(t).sign * loose)]
        values = {text: parse_number(text, form) for text in marked}
        example, value = max(values.items(), key=lambda item: item[1] != 0)
        doubt = f"{example!r} was read as {value:,.10g}"
    return form, doubt


def decimal_sign(texts: Sequence[str]) -> str | None:
    """The decimal sign that a column of numbers shows beyond doubt, or None."""
    bodies = [_split(scaled(text).text)[0] for text in texts if not no_value(text)]
    if not all(bodies) or not any("," in body or "." in body for body in bodies):
        return None
    fits = [
        sign
        for sign, group in (".,", ",.")
        if all(not math.isnan(_value(body, sign, group)) for body in bodies)
    ]
    return fits[0] if len(fits) == 1 else None


def thousands(texts: Sequence[str], group: str) -> bool:
    """Whether every text that holds the sign reads with thousands set apart by it."""
    held = [body for body, _ in map(_split, texts) if group in body]
    decimal = "," if group == "." else "."
    return bool(held) and all(not math.isnan(_value(body, decimal, group)) for body in held)


def is_code(texts: Sequence[str]) -> bool:
    """Whether all texts are digits alone, and one begins with a zero as no quantity does.

    Example:
        >>> is_code(["02139", "10001"]), is_code(["0", "10"])
        (True, False)
    """
    digits = all(text.isascii() and text.isdigit() for text in map(str.strip, texts))
    return digits and any(len(text) > 1 and text[0] == "0" for text in map(str.strip, texts))


def signed_number(text: str) -> bool:
    """Whether a text is a number but for a sign that this module does not read, as "<5" and "8+".

    What such a number is, only its writer knows.
    """
    match = _SIGNED.fullmatch(scaled(text.strip()).text) if len(text) <= _LONGEST else None
    return match is not None and is_number(match["number"])


def is_number(text: str) -> bool:
    """Whether a text is a number in any form."""
    bare = scaled(text).text
    return no_value(text) or any(not math.isnan(parse_number(bare, form)) for form in _any(bare))


def _any(text: str) -> list[str]:
    unit = _split(text)[1]
    return [f"{form} {unit}".rstrip() for form in FORMS]


def _split(text: str) -> tuple[str, str]:
    """A signed number without its unit, and the unit; ("", "") if the text is no number."""
    text = text.translate(_ALIKE).strip()
    match = _NUMBER.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return angle(text)
    if (match["open"] is None) != (match["close"] is None):
        return "", ""
    signs = [match["sign"], match["inner"], match["trailing"], match["open"]]
    if sum(sign is not None for sign in signs) > 1 or (match["before"] and match["after"]):
        return "", ""
    body = match["body"]
    if match["trailing"] and not re.search(r"[.,]\d+$", body):  # "2-" is a mark at school
        return "", ""
    minus = "-" in (match["sign"], match["inner"], match["trailing"]) or match["open"]
    return ("-" if minus else "") + body.strip(), match["before"] or match["after"] or ""


@lru_cache(maxsize=64)
def _alike(unit: str) -> str:
    """A unit without what its plural adds: "1 year" and "2 years" are of one."""
    return _PLURAL.sub("", unit)


def _value(body: str, decimal: str, group: str) -> float:
    if not body:
        return math.nan
    sign, body = (-1, body[1:]) if body[0] == "-" else (1, body)
    spaced = _SPACED.match(body)
    if spaced:
        body = spaced[0].replace(spaced[1], "") + body[spaced.end() :]
    whole, point, rest = body.partition(decimal)
    other = "," if decimal == "." else "."
    if other in whole:
        if spaced:
            return math.nan
        clear = point != "" or whole.count(other) > 1
        pattern = r"[1-9]\d{0,2}(,\d{2,3})*,\d{3}" if other == "," else r"[1-9]\d{0,2}(\.\d{3})+"
        if not (group == other or clear) or not re.fullmatch(pattern, whole):
            return math.nan
        whole = whole.replace(other, "")
    plain = f"{whole}.{rest}" if point else whole
    if re.fullmatch(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", plain) is None:
        return math.nan
    return sign * float(plain)


def _zero(body: str) -> bool:
    return all(int(sign) == 0 for sign in body if sign.isdecimal())


def to_float(text: str) -> float:
    """What Python reads as a number; NaN otherwise."""
    try:
        return float(text)
    except ValueError:
        return math.nan
