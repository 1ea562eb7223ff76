"""Columns that give the answer away without being about it: saved indices and names of groups.

What is looked at is the table alone, before anything is trained.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd

from taut.frames.columns import Column
from taut.frames.values import levels, read

LEAST_LEVELS, OTHER_LEVELS = 5, 20
"""Of a column named like people or households; of one named like a device, or anything's id."""
UNNAMED_LEVELS, MOST_ROWS_A_LEVEL = 10, 50
"""Of a column that looks like a group by its values: at least so many, of so few rows each."""
ALIKE = 0.8
"""The share of the target's variance that lies between the groups, corrected for chance."""
CONSTANT = 0.95
MOST_CANDIDATES, MOST_COLUMNS, MOST_ROWS = 12, 60, 20_000

_INDEX = re.compile(
    r"(?i)(unnamed: ?\d+(\.\d+)?|index|x|rownames?|row[ _.]?(id|no|num|number)|"
    r"level_0|__index_level_\d+__|)"
)
_UNNAMED = re.compile(r"(?i)(unnamed: ?\d+(\.\d+)?|__index_level_\d+__|level_0|)")
_SUFFIX = re.compile("ids?|no|nr|num|number|code|key|name|index|identifier|uuid|guid|ref|hash")
_IDENTIFYING = re.compile("ids?|uuid|guid|identifier|hash")
_PEOPLE = re.compile(
    "(patient|subject|participant|person|individual|respondent|proband|user|customer|client"
    "|household|family|donor|student|pupil|employee|subj|pat|pid|mrn|ssn|email)s?(id|no|nr|num)?"
    "|(kunden?|patienten|haushalt|mitarbeiter|schüler)(id|nr|nummer)?"
    "|(客户|顾客|用户|会员|患者|病人|学生|员工|受试者|家庭)(id|编号|号|代码)?"
)
_THINGS = re.compile(
    "(animal|worker|player|driver|visitor|buyer|seller|member|borrower|applicant|owner|encounter"
    "|admission|session|account|device|machine|vehicle|specimen|twin|litter|pedigree|sid|uid|phone)"
    "s?(id|no|nr|num)?"
)
_OF_COUNTS = {"num", "number", "n", "no", "nr", "count", "total"}


def set_aside(
    columns: Sequence[Column], frame: pd.DataFrame, rows: int, asked: Collection[str]
) -> tuple[Column, ...]:
    """Leave saved indices and repeated identifiers out of the inputs, unless asked for.

    Args:
        columns: What was understood of each column, in the rows that have a target.
        frame: The whole table, in its own order.
        rows: How many have a target.
        asked: Columns that the user named as inputs.
    """
    after = []
    for column in columns:
        reason = ""
        if column.name not in asked and column.kind not in ("constant", "empty"):
            reason = _reason(column, frame.loc[:, column.name], rows)
        if reason:
            column = dataclasses.replace(column, kind="identifier", used=False, reason=reason)
        after.append(column)
    return tuple(after)


def _reason(column: Column, series: pd.Series, rows: int) -> str:
    if _INDEX.fullmatch(column.name.strip()) and _is_index(column, series):
        return "a saved index: it numbers the rows"
    least = named_like_a_group(column.name)
    if column.kind in ("date", "boolean") or least is None:
        return ""
    rows, distinct = rows - column.missing, column.levels
    if not least <= distinct < rows or not _whole_or_text(column, series):
        return ""
    if column.kind == "numeric" and _counts(column.name):
        return ""
    return f"{REPEATED} ({distinct} values in {rows} rows)"


REPEATED = "it names what the rows are about, more than once"


def _is_index(column: Column, series: pd.Series) -> bool:
    """Whether whole numbers count the rows, from 0 or 1, or (in a column without a name) step
    by step: a table made of several has an index that starts again."""
    values = _floats(column, series)
    if not np.isfinite(values).all() or np.mod(values, 1).any() or len(values) < 2:
        return False
    steps = np.diff(values)
    if (steps == 1).all() and values[0] in (0, 1):
        return True
    unnamed = _UNNAMED.fullmatch(column.name.strip()) is not None
    return unnamed and (len(np.unique(values)) == len(values) or (steps == 1).mean() > 0.5)


def named_like_a_group(name: str) -> int | None:
    """How many values make a column with such a name a group; None for no such name.

    Example:
        >>> [named_like_a_group(n) for n in ("PatientID", "store id", "driver_age", "患者编号")]
        [5, 20, None, 5]
    """
    words = _words(name)
    rest = [word for word in words if not _SUFFIX.fullmatch(word)]
    if rest and _PEOPLE.fullmatch(rest[-1]):
        return LEAST_LEVELS
    if rest and _THINGS.fullmatch(rest[-1]):
        return OTHER_LEVELS
    if words and _IDENTIFYING.fullmatch(words[-1]):
        return OTHER_LEVELS
    return None


def _words(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [word for word in re.split(r"[\W_\d]+", spaced.lower()) if word]


def _counts(name: str) -> bool:
    """Whether numbers under a name count what it names, as `visitors` and `num_accounts` do."""
    words = _words(name)
    last = words[-1]
    plural = last.endswith("s") and not _SUFFIX.fullmatch(last)
    return plural or (len(words) > 1 and words[0] in _OF_COUNTS)


def _floats(column: Column, series: pd.Series) -> np.ndarray:
    """The values as numbers, as the column writes them; NaN for what is none."""
    if column.kind == "numeric":
        return read(series, "numeric", column.form)
    if pd.api.types.is_complex_dtype(series.dtype):
        return np.full(len(series), np.nan)
    if series.dtype == object:
        series = pd.Series(levels(series))
    return pd.to_numeric(series, errors="coerce").to_numpy(float, na_value=np.nan)


def _whole_or_text(column: Column, series: pd.Series) -> bool:
    numbers = _floats(column, series)
    there = numbers[np.isfinite(numbers)]
    return len(there) < 0.5 * len(series) or not np.mod(there, 1).any()


def group_warnings(columns: Sequence[Column], frame: pd.DataFrame, y: np.ndarray) -> list[str]:
    """Sentences on columns that look like groups: by name, or by what their values do.

    Named ones have been set aside. Of the others, a category, a text or a column of whole numbers
    looks like a group if it has many values of a few rows each, and either the target hardly
    differs within one, in another way than a quantity would bring about, or several other columns
    are constant within one.

    Args:
        columns: What was understood of each column.
        frame: The rows that have a target.
        y: Their class numbers or values.
    """
    named = [c for c in columns if _reason(c, frame.loc[:, c.name], len(y)).startswith(REPEATED)]
    groups = [(c, "") for c in named]
    rows = np.arange(len(y))
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_ROWS, replace=False))
    candidates = [c for c in columns if c not in named and _could_group(c, len(y), frame)]
    candidates = candidates[:MOST_CANDIDATES]
    if candidates:
        part, target = frame.iloc[rows], np.asarray(y, float)[rows]
        classes = y.dtype.kind in "iu"
        kinds = ("numeric", "boolean", "category", "date")
        used = [c for c in columns if c.used and c.kind in kinds][:MOST_COLUMNS]
        others = {c.name: _numbers(c, part.loc[:, c.name]) for c in used}
        for column in candidates:
            series = part.loc[:, column.name]
            codes, _ = pd.factorize(levels(series))
            quantity = _numbers(column, series) if column.kind == "numeric" else None
            why = _looks_like_a_group(codes, target, classes, quantity, column.name, others)
            if why:
                groups.append((column, why))
    return [_warning(column, why, len(y)) for column, why in groups]


def _warning(column: Column, why: str, rows: int) -> str:
    about = why or f"its {column.levels} values occur again and again in {rows} rows"
    out = "" if column.used else " It is not used as an input."
    return (
        f"Column {column.name!r} looks like a group: {about}. Where rows of one group lie on "
        f"both sides of a split, the scores say nothing about new groups.{out} "
        f"Use --groups {shlex.quote(column.name)} (groups={column.name!r})."
    )


def _could_group(column: Column, rows: int, frame: pd.DataFrame) -> bool:
    if column.kind not in ("category", "text", "numeric"):
        return False
    present = rows - column.missing
    each = present / max(column.levels, 1)
    if not (column.levels >= UNNAMED_LEVELS and 1.5 <= each <= MOST_ROWS_A_LEVEL):
        return False
    return column.kind != "numeric" or _whole_or_text(column, frame.loc[:, column.name])


def _numbers(column: Column, series: pd.Series) -> np.ndarray:
    numbers = _floats(column, series)
    if np.isfinite(numbers).mean() > 0.5:
        return numbers
    return pd.factorize(levels(series))[0].astype(float)


def _looks_like_a_group(
    codes: np.ndarray,
    target: np.ndarray,
    classes: bool,
    quantity: np.ndarray | None,
    name: str,
    others: dict[str, np.ndarray],
) -> str:
    """Why, in words, or nothing."""
    there = codes >= 0
    codes = codes[there]
    indicators = [target == k for k in np.unique(target)] if classes else [target]
    indicators = [np.asarray(i, float)[there] for i in indicators]
    if _between(codes, indicators) >= ALIKE:
        smooth = quantity is not None and _smooth(codes, indicators, quantity[there])
        if not smooth:
            return "the target hardly differs among rows of one value"
    draw = np.random.default_rng(0)
    constant = []
    for other, values in others.items():
        values = values[there]
        if other == name or len(np.unique(values)) < 3:
            continue
        if _constant(codes, values) < CONSTANT:
            continue
        by_chance = _constant(codes, draw.permutation(values))
        # A coarser grouping of the same values says nothing of rows: a country's continent.
        if by_chance < 0.5 and len(np.unique(values)) > 0.5 * len(np.unique(codes)):
            constant.append(other)
    if len(constant) >= 2:
        return f"{', '.join(map(repr, constant[:3]))} hardly differ among rows of one value"
    return ""


def _between(codes: np.ndarray, indicators: list[np.ndarray]) -> float:
    """The intraclass correlation ICC(1) of the target, summed over its indicators."""
    sizes = np.bincount(codes)
    sizes = sizes[sizes > 0]
    rows, groups = len(codes), len(sizes)
    if groups < 2 or rows <= groups:
        return 0.0
    each = (rows - (sizes**2).sum() / rows) / (groups - 1)
    between = within = 0.0
    for values in indicators:
        mean = _means(codes, values)
        within += float(((values - mean[codes]) ** 2).sum())
        between += float(((mean[codes] - values.mean()) ** 2).sum())
    between, within = between / (groups - 1), within / (rows - groups)
    total = between + (each - 1) * within
    return (between - within) / total if total > 0 else 0.0


def _means(codes: np.ndarray, values: np.ndarray) -> np.ndarray:
    counts = np.bincount(codes)
    return np.bincount(codes, values) / np.maximum(counts, 1)


def _smooth(codes: np.ndarray, indicators: list[np.ndarray], quantity: np.ndarray) -> bool:
    """Whether neighbouring values have neighbouring targets, as those of a quantity have.

    Von Neumann's ratio: half the mean squared difference of neighbours over the variance.
    """
    order = np.argsort(_means(codes, np.nan_to_num(quantity)), kind="stable")
    steps = variance = 0.0
    for values in indicators:
        mean = _means(codes, values)[order]
        steps += float((np.diff(mean) ** 2).mean()) / 2
        variance += float(mean.var())
    return steps < 0.6 * variance


def _constant(codes: np.ndarray, values: Any) -> float:
    """The share of groups of two rows or more in which a column has one value."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    values = np.nan_to_num(np.asarray(values, float)[order], nan=-1e300)
    same = np.minimum.reduceat(values, starts) == np.maximum.reduceat(values, starts)
    several = np.diff(starts, append=len(codes)) > 1
    return float(same[several].mean()) if several.any() else 0.0
