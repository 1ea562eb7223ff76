"""Warm starts along a path: lanes that begin where a neighbouring strength ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from taut.checks import check_one_of, check_whole_or_none
from taut.engine import Lane, Record
from taut.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

DIRECTIONS: dict[str | None, tuple[str, ...]] = {
    None: ("cold",),
    "down": ("down",),
    "up": ("up",),
    "both": ("down", "up"),
}
SHARE = 5
"""A warm lane has this share of the epochs of a cold one, unless given."""


def check_warm_start(
    warm_start: str | None, warm_epochs: int | None, epochs: int, axes: Sequence[str]
) -> int:
    """The epochs of a warm lane, those given or a share of the study's.

    Args:
        warm_start: As in `regularization_path`, as are the next two.
        warm_epochs: Likewise.
        epochs: Likewise.
        axes: The names of the strengths that vary.

    Raises:
        InputError: For a direction that there is not, and for epochs that cannot be.
    """
    check_one_of(tuple(DIRECTIONS), warm_start=warm_start)
    if warm_start and len(axes) > 1:
        raise InputError(
            "`warm_start` goes from strength to strength, of which a path then has one. Received: "
            f"strengths of {', '.join(map(repr, axes))}, warm_start={warm_start!r}."
        )
    check_whole_or_none(1, warm_epochs=warm_epochs)
    if warm_epochs is None:
        return -(-epochs // SHARE)
    if warm_epochs > epochs:
        raise InputError(
            f"`warm_epochs` must not exceed the study's {epochs} epochs. "
            f"Received: warm_epochs={warm_epochs}."
        )
    return int(warm_epochs)


def chains(
    cold: Sequence[Lane], candidates: int, warm_start: str | None, epochs: int | None
) -> tuple[list[Lane], list[int], list[str]]:
    """Link the lanes of each fold and seed, in one direction or in both.

    Args:
        cold: The lanes without warm starts: for each fold and seed all candidates, from strong
            to weak.
        candidates: How many candidates there are.
        warm_start: A key of `DIRECTIONS`.
        epochs: Epochs of a warm lane; the first of a chain has all of the study's.

    Returns:
        (lanes, the number in `cold` of each, the direction of each: "cold", "down" or "up").
    """
    lanes: list[Lane] = []
    numbers: list[int] = []
    directions: list[str] = []
    for direction in DIRECTIONS[warm_start]:
        for first in range(0, len(cold), candidates):
            chain = list(range(first, first + candidates))
            if direction == "up":
                chain.reverse()
            for place, number in enumerate(chain):
                lane = cold[number]
                if place and direction != "cold":
                    lane = replace(lane, start=len(lanes) - 1, epochs=epochs)
                lanes.append(lane)
                numbers.append(number)
                directions.append(direction)
    return lanes, numbers, directions


def disagreement(
    warm: Record,
    directions: Sequence[str],
    cold: Record,
    penalised: Sequence[int],
    strengths: Mapping[tuple[float, ...], float] | None = None,
) -> pd.DataFrame:
    """Warm lanes beside cold ones of the same strength, fold and seed.

    Args:
        warm: The record of the warm lanes.
        directions: The direction of each of them.
        cold: The record of the cold lanes.
        penalised: Numbers of the penalised trainable variables.
        strengths: The path's strength at each of the strengths that lanes have; the first of a
            lane's unless given.

    Returns:
        One line a pair: strength, fold, seed, start, the data losses of both (train_loss,
        cold_train_loss, held_out_loss, cold_held_out_loss) and same_zeros, the share of the
        penalised weights that are zero in both or in neither.
    """
    import pandas as pd

    training, held_out = warm.kept_losses()
    cold_training, cold_held_out = cold.kept_losses()
    rows = []
    for c, lane in enumerate(cold.lanes):
        for w, other in enumerate(warm.lanes):
            key = lane.strengths, lane.split, lane.seed
            if (other.strengths, other.split, other.seed) != key:
                continue
            same = [
                (warm.trainable[v][w] == 0).ravel() == (cold.trainable[v][c] == 0).ravel()
                for v in penalised
            ]
            rows.append(
                {
                    "strength": strengths[lane.strengths] if strengths else lane.strengths[0],
                    "fold": lane.split,
                    "seed": lane.seed,
                    "start": directions[w],
                    "train_loss": float(training[w]),
                    "cold_train_loss": float(cold_training[c]),
                    "held_out_loss": float(held_out[w]),
                    "cold_held_out_loss": float(cold_held_out[c]),
                    "same_zeros": float(np.concatenate(same).mean()),
                }
            )
    return pd.DataFrame(rows)
