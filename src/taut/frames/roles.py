"""Columns that say something about rows instead of being inputs: groups, time, weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from taut.errors import InputError
from taut.frames.values import find_notation, levels, missing, read, shorten

REASONS = {
    "groups": "it names the groups that stay together",
    "time": "it orders the rows, past to future",
    "weights": "it weighs the rows",
}


@dataclass(frozen=True)
class Roles:
    """The columns, by name, that group, order or weigh the rows; None for none.

    Args:
        groups: Rows with the same value stay on one side of every split.
        time: Models train on the past and are tested on the future.
        weights: How much each row counts in training and in scores.
    """

    groups: str | None = None
    time: str | None = None
    weights: str | None = None

    def named(self) -> dict[str, str]:
        """Column to role."""
        pairs = {"groups": self.groups, "time": self.time, "weights": self.weights}
        return {str(column): role for role, column in pairs.items() if column is not None}

    def check(self, *, target: str, features: Sequence[str] | None = None) -> None:
        """Refuse roles that contradict one another or the inputs; before the table is read."""
        if self.groups is not None and self.time is not None:
            raise InputError(
                "`groups` and `time` cannot be combined: with both, a group that lasts from past "
                "to future would have to be dropped from one side. Received: "
                f"groups={self.groups!r}, time={self.time!r}. Give the one by which new rows "
                "will differ."
            )
        columns = [str(c) for c in (self.groups, self.time, self.weights) if c is not None]
        twice = {column for column in columns if columns.count(column) > 1}
        if twice:
            raise InputError(
                "`groups`, `time` and `weights` must be different columns. Received: "
                f"{sorted(twice)[0]!r} twice."
            )
        for column, role in self.named().items():
            if column == target:
                raise InputError(
                    f"`{role}` must name another column than the target. Received: {column!r}."
                )
            # Time may be an input besides, if asked for: a trend is one.
            if role != "time" and features is not None and column in map(str, features):
                raise InputError(
                    f"A column of `{role}` is no input. Received: {column!r} in `features` too."
                )


@dataclass(frozen=True)
class RowFacts:
    """What the columns of `Roles` say of the rows that have a target.

    Attributes:
        groups: [rows] group numbers, or None.
        time: [rows] numbers in the order of time, or None.
        weights: [rows] weights >= 0, or None.
    """

    groups: np.ndarray | None = None
    time: np.ndarray | None = None
    weights: np.ndarray | None = None

    def at(self, rows: np.ndarray) -> RowFacts:
        """The same of some rows."""
        parts = (self.groups, self.time, self.weights)
        return RowFacts(*(None if part is None else part[rows] for part in parts))


def row_facts(
    frame: pd.DataFrame, roles: Roles, *, target: str, forms: Mapping[str, str] | None = None
) -> RowFacts:
    """Read the columns of `roles`, of the rows that have a target.

    Args:
        frame: The table, with what counts as missing left blank.
        roles: The columns.
        target: The column whose missing values leave rows out.
        forms: How numbers and dates of columns are written, as the whole table says.

    Raises:
        InputError: A value is missing or cannot be read, or a weight is negative or infinite.
    """
    frame = frame.set_axis([str(name) for name in frame.columns], axis="columns")
    lacking = [column for column in roles.named() if column not in frame.columns]
    if lacking:
        raise InputError(
            f"The table must have the column of `{roles.named()[lacking[0]]}`. Missing: "
            f"{lacking[0]!r}. Its columns are {', '.join(map(repr, frame.columns[:10]))}."
        )
    frame = frame.loc[~missing(frame.loc[:, target])]
    facts: dict[str, np.ndarray] = {}
    forms = forms or {}
    for column, role in roles.named().items():
        series = frame.loc[:, column]
        absent = int(missing(series).sum())
        if absent:
            raise InputError(
                f"The column of `{role}` must have a value in every row. Received: {column!r} "
                f"without one in {absent} of {len(series)} rows. {_FILL[role]}"
            )
        facts[role] = _READ[role](column, series, forms.get(column, ""))
    return RowFacts(**facts)


_FILL = {
    # Unknown is not equal, and not different either: two such rows may be of one patient.
    "groups": "Fill them in, drop these rows, or give each a value of its own if each is alone.",
    "time": "Fill them in, or drop these rows.",
    "weights": "Fill them in; 0 leaves a row out.",
}


def _groups(column: str, series: pd.Series, form: str) -> np.ndarray:
    del form
    codes, distinct = pd.factorize(levels(series))
    if len(distinct) < 2:
        raise InputError(
            f"`groups` must hold two groups or more. Received: {column!r}, where every row is "
            f"{shorten(distinct[0])}."
        )
    return codes


def _time(column: str, series: pd.Series, form: str) -> np.ndarray:
    kind, written, _ = find_notation(series)
    readable = kind in ("numeric", "date")
    values = read(series, kind, form or written) if readable else np.array([np.nan])
    if not np.isfinite(np.asarray(values, float)).all():
        example = shorten(levels(series.iloc[:1])[0])
        raise InputError(
            f"`time` must hold dates or finite numbers. Received: {column!r}, such as {example}, "
            "not all of which read as such. Write dates as 2026-11-23 or 2026-11-23 14:30."
        )
    return np.asarray(values, float)


def _weights(column: str, series: pd.Series, form: str) -> np.ndarray:
    form = form or find_notation(series, kind="numeric").form
    values = np.asarray(read(series, "numeric", form), float)
    good = np.isfinite(values) & (values >= 0) & (values < 1e30)
    if not good.all():
        example = shorten(levels(series.loc[~good][:1])[0])
        raise InputError(
            f"`weights` must be finite numbers >= 0. Received: {example} in {column!r}. "
            "Correct it, or use 0 to leave a row out."
        )
    if not values.any():
        raise InputError(f"`weights` must not all be 0. Received: {column!r}, all 0.")
    return values


_READ = {"groups": _groups, "time": _time, "weights": _weights}
