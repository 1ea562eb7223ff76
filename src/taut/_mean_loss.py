"""The mean loss of rows: its standard error, and an interval that holds for skewed losses."""

from __future__ import annotations

import numpy as np

PRIOR_ROWS = 40
"""The spread of the training rows' losses counts as much as so many held-out rows: measured, it
mends the intervals of 20 and 50 rows and is forgotten at 2,000."""
SCALE_ROWS = 20, 60
"""The relative spread of the training rows weighs a/(n + b): a quarter at 20 rows. It alone knows
the tail of a model that is overfitted, whose training losses are small throughout."""
PRIOR_FREEDOM = 20
"""Degrees of freedom that the training rows add: the spread is better known than from n rows."""
LEAST_TRAINING = 20
"""Fewer training rows tell too little of a tail."""


def mean_and_error(
    values: np.ndarray, weights: np.ndarray | None = None, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    r"""Weighted means over rows and their standard errors.

        m = Σ w·v / Σ w,    error² = Σ_g (Σ_{i in g} w_i·(v_i − m))² / (Σ w)²

    Without groups each row is one: for equal weights the error is std(v)/√n.

    Args:
        values: [..., rows].
        weights: [rows], >= 0 and not all 0; equal unless given.
        groups: [rows] group numbers; the groups, not the rows, are taken to be independent.

    Returns:
        Means [...] and errors [...].
    """
    w = np.ones(values.shape[-1]) if weights is None else weights
    with np.errstate(invalid="ignore"):  # infinite where a lane diverged
        mean = (values * w).sum(axis=-1) / w.sum()
        apart = w * (values - mean[..., None])
    if groups is not None:
        order = np.argsort(groups, kind="stable")
        starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
        apart = np.add.reduceat(apart[..., order], starts, axis=-1)
    return mean, np.sqrt((apart**2).sum(axis=-1)) / w.sum()


def mean_loss_interval(
    held_out: np.ndarray,
    train: np.ndarray,
    level: float,
    *,
    weights: np.ndarray | None = None,
    train_weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> tuple[float, float]:
    r"""Both ends of the interval of the expected loss of one trained model on fresh rows.

    It is all μ with

        (m − μ)² ≤ q²·e²·(1 + c·(μ − m)/e),    c = e/max(m, t)

    as `taut.diagnosis.generalization_gap` explains.

    Args:
        held_out: [rows] the losses of two held-out rows or more.
        train: [rows] the losses of the rows that the model was trained on.
        level: Confidence of the interval.
        weights: [rows] what each held-out row counts; all alike unless given.
        train_weights: [rows] the same of training rows.
        groups: [rows] the group number of each held-out row; groups take the place of rows.
    """
    from scipy import stats

    weights = np.ones(len(held_out)) if weights is None else weights
    train_weights = np.ones(len(train)) if train_weights is None else train_weights
    units = weights if groups is None else np.bincount(groups, weights)
    count = float(units.sum() ** 2 / (units**2).sum())  # units of equal weight that are worth this
    correction = np.sqrt(count / max(count - 1, 1e-9))
    mean, error = (float(v) for v in mean_and_error(held_out, weights, groups))
    error *= correction
    if np.isin(held_out, (0, 1)).all() and np.isin(train, (0, 1)).all():
        return _share_interval(mean, error, count, weights, groups is not None, level)
    freedom, skew = count - 1, 0.0
    usable = np.count_nonzero(train_weights) >= LEAST_TRAINING
    t = float(np.average(train, weights=train_weights))
    positive = min(train.min(), held_out.min()) >= 0
    if usable:
        spread = float(np.sqrt(np.average((train - t) ** 2, weights=train_weights)))
        of_train = spread * float(np.sqrt((weights**2).sum()) / weights.sum())
        share = PRIOR_ROWS / (count + PRIOR_ROWS)
        error = float(np.sqrt((1 - share) * error**2 + share * max(error, of_train) ** 2))
        if positive and t > 0:
            share = SCALE_ROWS[0] / (count + SCALE_ROWS[1])
            error = max(error, (1 - share) * error + share * of_train * mean / t)
        # Of dependent rows it knows the spread of rows only, and adds no certainty.
        freedom += PRIOR_FREEDOM if groups is None else 0
    if positive and max(mean, t) > 0:
        skew = error / max(mean, t)
    q = float(stats.t.ppf(0.5 + level / 2, freedom))
    middle, half = q * q * skew / 2, q * np.sqrt((q * skew / 2) ** 2 + 1)
    low, high = mean + error * (middle - half), mean + error * (middle + half)
    return float(max(low, 0.0) if positive else low), float(high)


def _share_interval(
    share: float,
    error: float,
    count: float,
    weights: np.ndarray,
    grouped: bool,
    level: float,
) -> tuple[float, float]:
    """Wilson's interval of a share, with as many rows as its standard error is worth."""
    from scipy import stats

    if grouped:
        most = float(weights.sum() ** 2 / (weights**2).sum())
        worth = share * (1 - share) / error**2 if error > 0 else count
        z = float(stats.t.ppf(0.5 + level / 2, count - 1))
        count = min(most, max(worth, count / 2)) if error > 0 else count
    else:
        z = float(stats.norm.ppf(0.5 + level / 2))
    return wilson(share, count, z)


def wilson(share: float, count: float, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's interval of a share of so many rows, with z a quantile of the normal distribution.

    Example:
        >>> low, high = wilson(0, 10)
        >>> round(low, 3), round(high, 3)
        (0.0, 0.278)
    """
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return max(float(middle - half), 0.0), min(float(middle + half), 1.0)
