"""Users who come later: their rows from their ratings, everything else as it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from taut.recommendation.factor_solver import Factors, Side, Strengths


def fold_user(
    item: np.ndarray,
    target: np.ndarray,
    session: np.ndarray,
    factors: Factors,
    strengths: Strengths,
    centre: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""The row of one user that is best for their ratings, by one linear system.

    With θ = (b, p), z = (1, q) and s the offsets of the user's days, the minimum of

        Σ_ratings [ (r − b_i − θ·z − s)² + Σ_f p_f²·V_if ] + α·|θ − A'x|² + σ·|s|²

    which is what `fit` minimises with everything else as it is.

    Args:
        item: [ratings] codes.
        target: [ratings] in standard deviations, both means subtracted.
        session: [ratings] 0, 1, … of the user's days; empty without times.
        factors: What is fitted.
        strengths: Of the penalty.
        centre: A'x, [1 + rank].

    Returns:
        θ, its variances, and s.
    """
    z = factors.item.rows[item]
    left = target - z[:, 0]
    z = np.hstack([np.ones((len(z), 1)), z[:, 1:]])
    d, days = z.shape[1], int(session.max()) + 1 if len(session) else 0
    known = np.diag(np.r_[0.0, factors.item.variance[item, 1:].sum(axis=0)])
    gram = z.T @ z + known + strengths.rows * np.eye(d)
    on_day = np.zeros((len(z), days))
    on_day[np.arange(len(session)), session] = 1.0
    cross = z.T @ on_day
    system = np.block(
        [[gram, cross], [cross.T, on_day.T @ on_day + strengths.sessions * np.eye(days)]]
    )
    right = np.r_[z.T @ left + strengths.rows * centre, on_day.T @ left]
    solution = np.linalg.solve(system, right)
    return solution[:d], strengths.noise / np.diag(gram), solution[d:]


def with_rows(side: Side, places: np.ndarray, size: int, new: Side) -> Side:
    """A side of `size` rows: those of `side` at `places`, and at the others those of `new`.

    Args:
        side: What there is.
        places: [rows of side] where each goes; −1 for those that are left out.
        size: Rows in all.
        new: As many rows as places are left.
    """
    from scipy.sparse import csr_array, vstack

    kept = np.flatnonzero(places >= 0)
    free = np.setdiff1d(np.arange(size), places[kept])
    order = np.argsort(np.r_[places[kept], free], kind="stable")
    return replace(
        side,
        rows=np.vstack([side.rows[kept], new.rows])[order],
        variance=np.vstack([side.variance[kept], new.variance])[order],
        design=csr_array(csr_array(vstack([side.design[kept], new.design]))[order]),
    )
