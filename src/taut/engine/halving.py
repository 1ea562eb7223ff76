"""Drop hopeless lanes early: successive halving."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from taut.checks import check_inner_share
from taut.engine.lanes import DIVERGED, DROPPED
from taut.errors import InputError


@dataclass(frozen=True)
class Halving:
    r"""Successive halving: train all a little, the better half twice as long, and so on.

    Lanes are judged by groups (the folds and seeds of one strength, say). When every lane that
    is left has trained for `rungs[k]` epochs, the groups are ranked by their mean held-out loss
    of the best epoch so far. A group ends with status "dropped" if it is not among the share
    `keep` of the best, rounded up, and its lanes are worse than those of the best group by more
    than two standard errors of their mean difference. A group with a diverged lane is infinitely
    bad; a dropped lane keeps what it has learned.

    It is for studies that keep the best epoch of each lane. At a fixed last epoch ranks
    turn: weak penalties are ahead early and overfit late.

    Args:
        groups: A group number for each lane.
        rungs: Epochs at which groups are dropped, rising.
        keep: Share of the groups that a rung keeps.

    References:
        Jamieson and Talwalkar, Non-stochastic best arm identification and hyperparameter
        optimization, 2016.
    """

    groups: Sequence[int]
    rungs: Sequence[int]
    keep: float = field(default=0.5, kw_only=True)

    def check(self, lanes: int, epochs: int) -> None:
        """Raise unless it fits the study."""
        rungs = list(self.rungs)
        if len(self.groups) != lanes:
            raise InputError(
                "`Halving.groups` must give one number a lane. "
                f"Received: {len(self.groups)} numbers for {lanes} lanes."
            )
        if not rungs or rungs != sorted(set(rungs)) or rungs[0] < 1 or rungs[-1] >= epochs:
            raise InputError(
                f"`Halving.rungs` must rise from 1 on and end before the study's {epochs} epochs. "
                f"Received: rungs={rungs}."
            )
        check_inner_share(keep=self.keep)

    def alive(self, status: Sequence[str]) -> np.ndarray:
        """[lanes] whether the group of a lane is still in the race, by the status of each lane."""
        groups, states = np.asarray(self.groups), np.asarray(status)
        out = [
            g
            for g in np.unique(groups)
            if (states[groups == g] == DROPPED).any() or (states[groups == g] == DIVERGED).all()
        ]
        return ~np.isin(groups, out)

    def dropped(self, scores: np.ndarray, alive: np.ndarray) -> list[int]:
        """Numbers of the lanes to drop, given the held-out loss of each lane.

        Args:
            scores: [lanes] held-out losses; not finite where a lane diverged.
            alive: [lanes] from `alive`.
        """
        groups = np.asarray(self.groups)
        left = np.unique(groups[alive])
        scores = np.where(np.isfinite(scores), scores, np.inf)
        group_scores = [scores[groups == g] for g in left]
        order = np.argsort([values.mean() for values in group_scores], kind="stable")
        best = group_scores[order[0]]
        worse = [
            left[k]
            for k in order[math.ceil(self.keep * len(left)) :]
            if group_scores[k].mean() - best.mean() > 2 * _standard_error(group_scores[k], best)
        ]
        return np.flatnonzero(alive & np.isin(groups, worse)).tolist()


def _standard_error(one: np.ndarray, other: np.ndarray) -> float:
    """Of the mean difference; paired where both have the same folds and seeds, in order."""
    if not np.isfinite([*one, *other]).all() or min(len(one), len(other)) < 2:
        return 0.0
    if len(one) == len(other):
        return float(np.std(one - other, ddof=1) / np.sqrt(len(one)))
    return float(np.hypot(*(np.std(a, ddof=1) / np.sqrt(len(a)) for a in (one, other))))


def rungs_for(epochs: int) -> tuple[int, ...]:
    """An eighth, a quarter and half of the epochs, as far as these differ."""
    return tuple(sorted({r for r in (epochs // 8, epochs // 4, epochs // 2) if r >= 1}))
