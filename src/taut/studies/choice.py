"""Choose a strength from held-out losses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Choice:
    """Indices of two choices on a path: the least held-out loss, and one standard error on."""

    least: int
    one_standard_error: int
    mean: np.ndarray
    standard_error: np.ndarray


def choose(losses: np.ndarray, strengths: np.ndarray) -> Choice:
    r"""Choose by held-out loss, [strengths, folds] (averaged over seeds first).

    The least mean held-out loss; and the one-standard-error rule: the largest strength whose
    mean is at most the least mean plus its standard error s/√F, with s the sample standard
    deviation over the F folds at that strength. It is never less regularised than the
    minimum. Training rows are shared between folds, so folds are correlated and this standard
    error is optimistic: read it as a rule of choice, not as a confidence interval. Diverged
    lanes count as infinitely bad.

    Args:
        losses: [strengths, folds] held-out losses; NaN where a lane diverged.
        strengths: [strengths], in any order.

    References:
        Breiman, Friedman, Olshen and Stone, Classification and Regression Trees, 1984.
        Bengio and Grandvalet, No unbiased estimator of the variance of K-fold
        cross-validation, 2004.
    """
    losses = np.where(np.isfinite(losses), losses, np.inf)
    mean = losses.mean(axis=1)
    folds = losses.shape[1]
    error = np.full(len(mean), np.nan)
    finite = np.isfinite(mean)
    if folds > 1:
        error[finite] = losses[finite].std(axis=1, ddof=1) / np.sqrt(folds)
    # Among equals the larger strength: nothing speaks for the more complex model.
    order = np.argsort(-strengths, kind="stable")
    least = int(order[np.argmin(mean[order])])
    bound = mean[least] + (error[least] if np.isfinite(error[least]) else 0.0)
    allowed = [i for i in range(len(mean)) if mean[i] <= bound and strengths[i] >= strengths[least]]
    return Choice(least, max(allowed, key=lambda i: strengths[i]), mean, error)
