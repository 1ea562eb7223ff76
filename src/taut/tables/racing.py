"""Whether the settings of a table race, and how many trainings that leaves."""

from __future__ import annotations

from collections.abc import Sequence

from taut.engine import Race, Split
from taut.tables.candidates import Setting

MANY_SETTINGS, ALIKE, ENOUGH = 16, 0.8, 50
"""More settings race from fold to fold, where each fold trains on so large a share, at least, of
the rows that any other does; by so many held-out rows, at least."""


def race_of(settings: Sequence[Setting], splits: Sequence[Split]) -> Race | None:
    """The race of many settings over folds that are as good as each other; None for no race.

    The best of each penalty comes through: inputs are told by an L1, and what no penalty does is
    compared with.
    """
    rows = [len(split.train) for split in splits]
    if len(settings) <= MANY_SETTINGS or min(rows) < ALIKE * max(rows):
        return None
    penalties = [setting.penalty for setting in settings]
    kinds = [penalties.index(penalty) for penalty in penalties]
    return Race(kinds, after=-(-ENOUGH // min(len(split.held_out) for split in splits)))


def trainings(settings: int, folds: int, *, race: bool) -> int:
    """How many lanes so many settings train for each seed, if they may race."""
    if race and settings > MANY_SETTINGS:
        return Race().trainings(settings, folds)
    return settings * folds
