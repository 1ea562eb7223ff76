"""The grid of strengths, chosen from the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from taut.engine import Lane, Record
from taut.errors import InputError

CHANGE = 0.01
"""Share of the range of losses, from no penalty to nothing left, that counts as no change."""

Train = Callable[[list[Lane]], Record]


def given_strengths(strengths: Any, *, or_number: bool = False) -> np.ndarray:
    """Check strengths that a user lists: finite numbers >= 0, at least one; sorted, unique.

    Args:
        strengths: The list.
        or_number: Whether a number of them could have been given instead.
    """
    try:
        values = np.unique(np.asarray(list(strengths), float))
    except (TypeError, ValueError):
        values = np.array([np.nan])
    if len(values) == 0 or not np.isfinite(values).all() or (values < 0).any():
        raise InputError(
            f"`strengths` must be {'a number of strengths or ' * or_number}a list of finite "
            f"numbers >= 0. Received: strengths={strengths!r}."
        )
    return values[::-1]


def find_range(
    train: Train,
    lane: Callable[[float], Lane],
    count: int,
    *,
    unit: float,
    penalised: Sequence[int],
    sparse: bool,
) -> tuple[float, float]:
    r"""Find the strength above which nothing is left and the one below which nothing changes.

    A network has no closed formula for either: at w = 0 every hidden gradient vanishes, so
    zero is stationary at any strength, and what matters is where training ends. So `count`
    lanes, one of them without penalty and the others over ten decades of strength around the
    size of the gradient, are trained on the first fold by the same program as the study. With
    ℓ₀ the training loss without penalty, ℓ_∞ that at the largest strength, and 1% of
    ℓ_∞ − ℓ₀ as tolerance:

    * top: the least strength from which on the training loss is ℓ_∞ and, for a penalty that
      makes zeros, every penalised weight is exactly zero;
    * bottom: the largest strength up to which neither the training nor the held-out loss
      differs from that without penalty.

    Args:
        train: Trains lanes.
        lane: Makes the pilot lane of a strength.
        count: Lanes to spend; at least 12 are.
        unit: The largest entry of the data loss's gradient at the initial weights.
        penalised: Numbers of the penalised trainable variables.
        sparse: Whether the penalty makes exact zeros.

    Returns:
        (top, bottom), with top > bottom.

    Raises:
        InputError: If every pilot lane diverged.
    """
    grid = unit * np.geomspace(1e2, 1e-8, max(count, 12) - 1)
    record = train([lane(float(s)) for s in [*grid, 0.0]])
    training, held_out = record.kept_losses()
    usable = np.isfinite(training[:-1])
    if not usable.any():
        raise InputError(
            "Training must not diverge at every strength. Received: a loss that is not finite "
            f"in all of {len(grid)} trial trainings. Lower the learning rate, or check the "
            "inputs and the loss."
        )
    nothing = training[:-1][usable][0]
    free, free_held_out = training[-1], held_out[-1]
    tolerance = CHANGE * abs(nothing - free)
    gone = ~usable | (np.abs(training[:-1] - nothing) <= tolerance)
    if sparse:
        for variable in penalised:
            weights = record.trainable[variable][:-1]
            gone &= (weights == 0).reshape(len(grid), -1).all(axis=1)
    # Without penalty the lane may itself diverge: then only strengths that train are of use.
    same = usable & (np.abs(training[:-1] - free) <= tolerance)
    same &= np.abs(held_out[:-1] - free_held_out) <= tolerance
    top = max(_leading(gone) - 1, 0)
    bottom = len(grid) - max(_leading(same[::-1]), 1)
    # One notch up: other folds may need a little more than the first.
    top = max(top - 1, 0)
    return float(grid[top]), float(grid[max(bottom, top + 1)])


def _leading(flags: np.ndarray) -> int:
    """How many flags are set before the first that is not."""
    return int(np.argmin(flags)) if not flags.all() else len(flags)
