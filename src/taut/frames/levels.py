"""The levels of a category, and the columns that they become."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from taut.frames.columns import MANY_LEVELS
from taut.frames.values import shorten, spelling


@dataclass(frozen=True)
class Levels:
    """The levels that a category had in training: one column each, 1 where a row has it.

    Two levels in all are one column, which is 1 for the second. Beyond 25 levels the rarest share
    the last column. A level unknown in training counts as rare, or, if none is rare, has no column.

    Args:
        kept: the levels with a column of their own, sorted; None, the last, for a missing value.
        rare: those that share one.

    Example:
        >>> Levels.of(pd.Series(["b", "a", None, "a"])).encode(pd.Series(["a", None, "new"]))
        array([[1., 0., 0.],
               [0., 0., 1.],
               [0., 0., 0.]])
    """

    kept: tuple[str | None, ...]
    rare: tuple[str | None, ...] = ()

    @classmethod
    def of(cls, series: pd.Series) -> Levels:
        """Learn them from training rows, of which one at least is needed."""
        counts = series.value_counts(dropna=True).sort_index()
        levels: list[str | None] = [str(level) for level in counts.index]
        number = counts.tolist()
        if series.isna().any():
            levels.append(None)
            number.append(int(series.isna().sum()))
        # With the column that rare ones share there are as many columns as may be.
        few = MANY_LEVELS - 1
        order = np.argsort(number, kind="stable")
        rare = set(order[:-few].tolist()) if len(levels) > few else set()
        return cls(
            tuple(level for k, level in enumerate(levels) if k not in rare),
            tuple(level for k, level in enumerate(levels) if k in rare),
        )

    @property
    def columns(self) -> list[str]:
        """What is said of a row by each column, after the category's name."""
        said = [" is missing" if level is None else f" = {level}" for level in self.kept]
        return said[self._left_out :] + [" = (other)"] * bool(self.rare)

    @property
    def _left_out(self) -> int:
        return int(len(self.kept) == 2 and not self.rare)

    def encode(self, series: pd.Series) -> np.ndarray:
        """Rows as float64 [rows, columns], each with one 1 or none."""
        levels = [*self.kept, *self.rare]
        place = [*range(len(self.kept)), *[len(self.kept)] * len(self.rare)]
        unknown = len(self.kept) if self.rare else -1
        missing = place[levels.index(None)] if None in levels else unknown
        known = [(level, k) for level, k in zip(levels, place, strict=True) if level is not None]
        codes = pd.Index([level for level, _ in known], dtype=object).get_indexer(pd.Index(series))
        column = np.array([*(k for _, k in known), unknown])[codes]
        column = np.where(series.isna(), missing, column)
        return (
            column[:, None] == np.arange(self._left_out, len(self.kept) + bool(self.rare))
        ) * 1.0

    def match(self, series: pd.Series) -> tuple[pd.Series, list[str]]:
        """Read unknown levels as the known one from which they differ in how they are written.

        By case, blanks or the width of letters, or as 3.0 differs from 3.

        Returns:
            The rows, and what is to be told of unknown levels, in sentences.
        """
        known = {level for level in (*self.kept, *self.rare) if level is not None}
        unknown = series.notna() & ~series.isin(known)
        if not unknown.any():
            return series, []
        alike: dict[str, list[str]] = {}
        for level in known:
            alike.setdefault(spelling(level), []).append(level)
        counts = series[unknown].value_counts()
        same = {
            level: alike[spelling(level)][0]
            for level in counts.index
            if len(alike.get(spelling(level), ())) == 1
        }
        sentences = [
            f"Column {series.name!r}: {shorten(level)} was read as {shorten(like)} "
            f"({_rows(int(counts[level]))})."
            for level, like in same.items()
        ]
        new = counts.drop(list(same))
        if len(new):
            shown = ", ".join(map(shorten, new.index[:3])) + (", …" if len(new) > 3 else "")
            sentences.append(
                f"Column {series.name!r}: levels that training did not have in "
                f"{_rows(int(new.sum()))} of {len(series)} ({shown}); they count as its rare "
                "levels, or as none."
            )
        return series.replace(same) if same else series, sentences


def _rows(count: int) -> str:
    return f"{count} row{'s' * (count != 1)}"
