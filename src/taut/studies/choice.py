"""Every rule of choice by held-out losses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taut._mean_loss import mean_and_error
from taut._read_only import ReadOnly


@dataclass(frozen=True, eq=False)
class Choice(ReadOnly):
    """Indices of two choices on a path: the least held-out loss, and one standard error on.

    Attributes:
        least: Of least mean loss.
        one_standard_error: The largest strength within one standard error of that.
        mean: [strengths] over the folds.
        standard_error: [strengths] of the mean; NaN where a lane diverged, or with one fold.
        near: [strengths] whether the mean is within one standard error of the least, at a strength
            on either side.
    """

    least: int
    one_standard_error: int
    mean: np.ndarray
    standard_error: np.ndarray
    near: np.ndarray


def choose(losses: np.ndarray, strengths: np.ndarray) -> Choice:
    r"""Choose by held-out loss, [strengths, folds] (averaged over seeds first).

    The least mean held-out loss; and the one-standard-error rule: the largest strength whose
    mean is at most the least mean plus its standard error s/√F, with s the sample standard
    deviation over the F folds at that strength. It is never less regularised than the
    minimum. Training rows are shared between folds, so folds are correlated and this standard
    error is optimistic: read it as a rule of choice, not as a confidence interval. Diverged
    lanes count as infinitely bad.

    Where several strengths vary, none may be less than at the minimum; the larger of two candidates
    is that whose strengths stand higher, in sum, among all that there are of each.

    Args:
        losses: [strengths, folds] held-out losses; NaN where a lane diverged.
        strengths: [strengths], in any order; [candidates, strengths] where several vary.

    References:
        Breiman, Friedman, Olshen and Stone, Classification and Regression Trees, 1984.
        Bengio and Grandvalet, No unbiased estimator of the variance of K-fold
        cross-validation, 2004.
    """
    mean, error = over_folds(np.where(np.isfinite(losses), losses, np.inf))
    finite = np.isfinite(mean)
    several = strengths.reshape(len(strengths), -1)
    rank = np.sum([np.unique(column, return_inverse=True)[1] for column in several.T], axis=0)
    # Among equals the larger strength: nothing speaks for the more complex model.
    order = np.argsort(-rank, kind="stable")
    least = int(order[np.argmin(mean[order])])
    bound = mean[least] + (error[least] if np.isfinite(error[least]) else 0.0)
    allowed = np.flatnonzero((mean <= bound) & (several >= several[least]).all(axis=1))
    strongest = int(max(allowed, key=lambda i: (rank[i], -mean[i])))
    return Choice(least, strongest, mean, error, finite & (mean <= bound))


def over_folds(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means over folds, [strengths, folds], and their standard errors s/√F.

    Returns:
        Both [strengths]; the error is NaN where a value is not finite, and with one fold.
    """
    mean, folds = values.mean(axis=1), values.shape[1]
    error = np.full(len(mean), np.nan)
    finite = np.isfinite(mean)
    if folds > 1:
        error[finite] = values[finite].std(axis=1, ddof=1) / np.sqrt(folds)
    return mean, error


def not_clearly_worse(
    row_losses: np.ndarray,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    *,
    at_least: int = 3,
) -> np.ndarray:
    r"""Which candidates may predict: the best, and those that are not clearly worse.

    With dᵢ the difference of a candidate's loss to the best one's in row i, it is kept if
    mean(d) ≤ its standard error, std(d)/√n. The rows are out-of-fold.

    Args:
        row_losses: [candidates, rows]; infinite where one diverged.
        weights: What each row counts, [rows]; all alike unless given.
        groups: [rows] group numbers: the error is then that of groups (see `mean_and_error`).
        at_least: So many are kept in any case.

    Returns:
        Numbers of those that are kept, best first; none that diverged.
    """
    mean, _ = mean_and_error(row_losses, weights)
    order = np.argsort(mean, kind="stable")
    usable = order[np.isfinite(mean[order])]
    difference = row_losses[usable] - row_losses[usable[0]]
    mean, error = mean_and_error(difference, weights, groups)
    near = mean <= error + 1e-12
    near[:at_least] = True
    return usable[near]
