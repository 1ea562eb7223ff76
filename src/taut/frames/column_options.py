"""What the user says of a table's columns, and which option decides what they leave open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from taut.errors import InputError
from taut.frames.columns import KINDS, Column
from taut.frames.numbers import parse_number
from taut.frames.target import Label
from taut.frames.values import levels


def check_kinds(
    kind: Mapping[str, str] | None, drop: Sequence[str], *, target: str, wanted: Sequence[str]
) -> dict[str, str]:
    """What the user says that columns are; those to drop are ignored."""
    kinds = {str(name): value for name, value in (kind or {}).items()}
    wrong = {name: value for name, value in kinds.items() if value not in KINDS}
    if wrong:
        shown = ", ".join(f"{name}={value}" for name, value in wrong.items())
        raise InputError(f"`kind` must be one of {', '.join(KINDS)}. Received: {shown}.")
    kinds |= {str(name): "ignore" for name in drop}
    if target in kinds:
        raise InputError(
            f"`kind` and `drop` are for input columns. Received: the target {target!r}. "
            "What the target is, `task` says."
        )
    both = [name for name in wanted if kinds.get(name) in ("text", "ignore")]
    if both:
        raise InputError(
            f"A column is either used or left out. Received for both: "
            f"{', '.join(map(repr, both))}. "
            "Take it from `features`, or from `drop` and `kind`."
        )
    return kinds


def distinct_texts(frame: pd.DataFrame, names: Iterable[str]) -> list[list[str]]:
    """The distinct texts of each column that holds text."""
    columns = (frame.loc[:, name] for name in names)
    held = (s for s in columns if s.dtype == object or isinstance(s.dtype, pd.StringDtype))
    distinct = (pd.unique(levels(series)) for series in held)
    return [[text for text in texts if isinstance(text, str)] for texts in distinct]


def only(answers: Iterable[str | None]) -> str | None:
    """The one answer that columns give, None where there is none or they differ."""
    known = {answer for answer in answers if answer is not None}
    return known.pop() if len(known) == 1 else None


def deciding_option(column: Column) -> str:
    """The option that decides what a column leaves open."""
    if column.kind == "numeric" and " was read as " in column.doubt:
        return f"--kind {column.name}=category, if that is wrong"
    if column.kind == "numeric":
        return "--decimal decides"
    if column.form[:3] == "ymd" or "two digits" in column.doubt:
        return f"--kind {column.name}=category or --drop {column.name}, if that is wrong"
    return f"--kind {column.name}=date-dmy or {column.name}=date-mdy decides"


def perhaps_counts(classes: Sequence[Label], form: str) -> bool:
    """Whether classes are whole numbers in a row, four or more; texts are so by their form."""
    if len(classes) < 4 or any(isinstance(label, bool) for label in classes):
        return False
    values = [parse_number(c, form) if isinstance(c, str) else float(c) for c in classes]
    return all(values[0] + k == value for k, value in enumerate(values)) and values[0] % 1 == 0
