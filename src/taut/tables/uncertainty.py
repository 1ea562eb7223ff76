"""Means over rows that may weigh differently and may not be independent."""

from __future__ import annotations

import numpy as np


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
