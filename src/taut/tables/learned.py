"""Whether anything was learned beyond the base rate."""

from __future__ import annotations

import numpy as np

from taut._mean_loss import mean_and_error
from taut.run_metrics import Learned
from taut.tables.trained import Trained, row_loss

SURE = 1.96


def learned(trained: Trained, predicted: np.ndarray, groups: np.ndarray | None = None) -> Learned:
    """The out-of-fold loss against that of looking at no input: the base rate of each fold.

    Args:
        trained: The trained lanes.
        predicted: Out-of-fold [rows, outputs] predictions of those that predict.
        groups: [rows] group numbers: the error is then that of groups.

    Returns:
        `loss`, `base_loss`, `gain` (their difference, above zero where something was learned),
        its standard error `se`, and `anything`: whether the gain exceeds 1.96 of them, and what
        estimating the base rate itself costs (2/rows of it for each free share or mean), which
        nearly the same in every row has nearly no standard error. No `carriers`.
    """
    outputs, held = predicted.shape[-1], trained.held
    pair = (predicted, trained.base_rate(outputs))
    losses = np.stack([row_loss(p[held], trained.rows.y[held]) for p in pair])
    losses = np.stack([*losses, losses[1] - losses[0]])
    groups = None if groups is None else groups[held]
    means, errors = mean_and_error(losses, trained.held_weight, groups)
    loss, base_loss, gain = map(float, means)
    error = float(errors[2])
    estimated = 2 * max(outputs - 1, 1) / len(held) * base_loss
    return Learned(loss, base_loss, gain, error, bool(gain > max(SURE * error, estimated)))
