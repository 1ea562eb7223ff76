"""Whether predicted probabilities are those of the outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from taut._read_only import ReadOnly
from taut.diagnosis.array_inputs import (
    NotChecked,
    group_numbers,
    numbers,
    same_rows,
    sampled,
)
from taut.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

ALARM = 0.01
"""What calibrated probabilities would show with this probability is no evidence against them."""
MATERIAL = 0.03
"""Probabilities that recalibration moves by less, on average, may be certainly wrong: it does not
matter for a decision."""
DRAWS, BINS, LEAST_ROWS, LEAST_GROUPS = 400, 10, 20, 20
MOST_VALUES = 20_000  # rows times classes
LEAST_PROBABILITY = 1e-6
"""Probabilities of 0 and 1 have no logarithm: they are taken for this one."""


@dataclass(frozen=True, eq=False)
class Calibration(ReadOnly):
    """How predicted probabilities go with the outcomes.

    Attributes:
        miscalibrated: Whether they clearly do not, and by enough to matter.
        p_value: The probability of such outcomes if the probabilities are right.
        slope: b of the logits that fit the outcomes best, a + b·logit(p); below 1 where the model
            is too sure of itself.
        slope_low: Lower end of its 95% interval.
        slope_high: Upper end of it.
        shift: By how much the frequency of each class exceeds its mean probability, [classes].
        moved: By how much recalibration moves a probability, on average.
        error: The expected calibration error over `bins`; it is above zero by chance alone.
        error_by_chance: What it would be on average if the probabilities were right.
        bins: [bins, 3] mean probability, frequency and rows, of ten groups of rows alike in
            probability; of several classes that of the most probable one, and how often it holds.
        rows: How many rows there are.
    """

    miscalibrated: bool
    p_value: float
    slope: float
    slope_low: float
    slope_high: float
    shift: np.ndarray
    moved: float
    error: float
    error_by_chance: float
    bins: np.ndarray
    rows: int

    def to_frame(self) -> pd.DataFrame:
        """One line a bin: mean probability, frequency of the outcome, rows."""
        import pandas as pd

        frame = pd.DataFrame(self.bins, columns=["probability", "frequency", "rows"])
        return frame.astype({"rows": int})

    def __repr__(self) -> str:
        verdict = "miscalibrated" if self.miscalibrated else "no clear and material error"
        return (
            f"Calibration: slope {self.slope:.2f} ({self.slope_low:.2f} to {self.slope_high:.2f}), "
            f"p = {self.p_value:.2g}: {verdict}"
        )


def calibration_test(
    probabilities: Any, outcomes: Any, *, groups: Any = None, seed: int = 0
) -> Calibration | NotChecked:
    r"""Whether predicted probabilities are right, by what recalibration would gain.

    With z_k = log p_k of each class the recalibrated probabilities are softmax(a_k + b·z_k); of
    two classes that is a + b·logit(p). The score test of a = 0 and b = 1 is

        T = uᵀ V⁻¹ u,    u = Σ_rows (1[y = k] − p_k, Σ_k z_k·(1[y = k] − p_k))

    with the covariance V that right probabilities give. Its probability is found by 400 draws of
    outcomes from the probabilities themselves, which is exact for twenty rows too. With groups, V
    is that of the groups' sums, and T is compared with the law of Hotelling.

    Args:
        probabilities: [rows] of the second of two classes, or [rows, classes], which sum to 1.
        outcomes: [rows] the number of each row's class, from 0.
        groups: [rows] groups, whose rows depend on one another.
        seed: Draws the outcomes, and the rows, where there are more than 10,000
            (of two classes).

    Returns:
        What was found; `NotChecked` under 20 rows or groups, or where all rows are of one class.

    Raises:
        InputError: If these are no probabilities, or the outcomes no classes of theirs.

    Example:
        >>> import numpy as np
        >>> from taut.diagnosis import calibration_test
        >>> draw = np.random.default_rng(0)
        >>> p = draw.random(500)
        >>> y = draw.random(500) < p
        >>> calibration_test(p, y).miscalibrated
        False
        >>> too_sure = 1 / (1 + ((1 - p) / p) ** 3)
        >>> calibration_test(too_sure, y).miscalibrated
        True

    References:
        Cox, Two further applications of a model for binary regression, 1958.
        Spiegelhalter, Probabilistic prediction in patient management and clinical trials, 1986.
    """
    p, y = _given(probabilities, outcomes)
    units = group_numbers("groups", groups, len(p))
    count = len(p) if units is None else len(np.unique(units))
    if count < (LEAST_ROWS if units is None else LEAST_GROUPS):
        what = "rows" if units is None else "groups"
        return NotChecked(f"{count} {what} tell too little of probabilities: 20 are needed.")
    if len(np.unique(y)) < 2:
        return NotChecked(
            "All rows are of one class, so nothing tells how probable the others are."
        )
    draw = np.random.default_rng(seed)
    rows = sampled(len(p), max(MOST_VALUES // p.shape[1], 1_000), seed)
    p, y, units = p[rows], y[rows], None if units is None else units[rows]
    logs = np.log(p)
    used = (p * (1 - p)).sum(axis=0) > 1e-3  # classes whose probability is not zero throughout
    if units is None:
        drawn = (p.cumsum(axis=1)[None] < draw.random((DRAWS, len(p), 1))).sum(axis=2)
        drawn = np.minimum(drawn, p.shape[1] - 1)
        scores = _scores(p, logs, np.concatenate([y[None], drawn]), used)
        size = _quadratic(scores, _covariance(p, logs, used))
        p_value = float((1 + (size[1:] >= size[0] - 1e-9).sum()) / (1 + DRAWS))
        chance = float(np.mean([_error(_bins(p, one)) for one in drawn[:20]]))
    else:
        p_value, chance = _by_groups(p, logs, y, used, units), float("nan")
    recalibrated, slope, deviation = _recalibrated(p, logs, y, units)
    moved = float(np.abs(recalibrated - p).sum(axis=1).mean() / 2)
    bins = _bins(p, y)
    frequency = np.bincount(y, minlength=p.shape[1]) / len(y)
    return Calibration(
        miscalibrated=bool(p_value <= ALARM and moved >= MATERIAL),
        p_value=p_value,
        slope=slope,
        slope_low=slope - 1.96 * deviation,
        slope_high=slope + 1.96 * deviation,
        shift=frequency - p.mean(axis=0),
        moved=moved,
        error=_error(bins),
        error_by_chance=chance,
        bins=bins,
        rows=len(probabilities),
    )


def _given(probabilities: Any, outcomes: Any) -> tuple[np.ndarray, np.ndarray]:
    """[rows, classes] probabilities within bounds, and [rows] class numbers."""
    p, y = numbers("probabilities", probabilities), numbers("outcomes", outcomes)
    if p.ndim == 2 and p.shape[1] == 1:
        p = p[:, 0]
    if p.ndim == 1:
        p = np.stack([1 - p, p], axis=1)
    if p.ndim != 2 or (p < -1e-6).any() or (abs(p.sum(axis=1) - 1) > 1e-3).any():
        raise InputError(
            "`probabilities` must be [rows] between 0 and 1, or [rows, classes] that sum to 1. "
            f"Received: shape {np.shape(probabilities)}, from {np.min(probabilities):.3g} to "
            f"{np.max(probabilities):.3g}. Logits become probabilities by a sigmoid or softmax."
        )
    y = y.reshape(-1) if y.ndim == 2 and y.shape[1] == 1 else y
    if y.ndim != 1 or (y != np.rint(y)).any() or y.min() < 0 or y.max() >= p.shape[1]:
        raise InputError(
            f"`outcomes` must be numbers of classes from 0 to {p.shape[1] - 1}, [rows]. Received: "
            f"shape {y.shape}, from {y.min():g} to {y.max():g}."
        )
    same_rows(probabilities=p, outcomes=y)
    p = np.clip(p, LEAST_PROBABILITY, 1)
    return p / p.sum(axis=1, keepdims=True), y.astype(int)


def _row_scores(p: np.ndarray, logs: np.ndarray, y: np.ndarray, used: np.ndarray) -> np.ndarray:
    """[rows, classes + 1] the gradient of the log-likelihood at a = 0 and b = 1."""
    rows = np.arange(len(p))
    apart = -p.copy()
    apart[rows, y] += 1
    slope = logs[rows, y] - (p * logs).sum(axis=1)
    return np.concatenate([apart[:, used], slope[:, None]], axis=1)


def _scores(p: np.ndarray, logs: np.ndarray, ys: np.ndarray, used: np.ndarray) -> np.ndarray:
    """[draws, classes + 1] sums over rows, for several draws of the outcomes."""
    classes = p.shape[1]
    counts = np.stack([(ys == k).sum(axis=1) for k in range(classes)], axis=1)
    slope = logs[np.arange(len(p)), ys].sum(axis=1) - (p * logs).sum()
    return np.concatenate([(counts - p.sum(axis=0))[:, used], slope[:, None]], axis=1)


def _covariance(p: np.ndarray, logs: np.ndarray, used: np.ndarray) -> np.ndarray:
    features = np.concatenate(
        [
            np.broadcast_to(np.eye(p.shape[1])[:, used], (len(p), p.shape[1], used.sum())),
            logs[:, :, None],
        ],
        axis=2,
    )
    centred = features - np.einsum("nk,nkf->nf", p, features)[:, None]
    return np.einsum("nk,nkf,nkg->fg", p, centred, centred)


def _quadratic(scores: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    # Probabilities sum to 1, so the covariance has no full rank.
    inverse = np.linalg.pinv(covariance, rcond=1e-8, hermitian=True)
    return np.einsum("df,fg,dg->d", scores, inverse, scores)


def _by_groups(
    p: np.ndarray, logs: np.ndarray, y: np.ndarray, used: np.ndarray, units: np.ndarray
) -> float:
    from scipy import stats

    each = _row_scores(p, logs, y, used)
    codes = np.unique(units, return_inverse=True)[1]
    sums = np.stack([np.bincount(codes, column) for column in each.T], axis=1)
    total, count = sums.sum(axis=0), len(sums)
    centred = sums - total / count
    covariance = centred.T @ centred * count / (count - 1)
    rank = int(np.linalg.matrix_rank(covariance, hermitian=True, tol=1e-8 * np.trace(covariance)))
    if not 0 < rank < count - 1:
        return 1.0
    size = _quadratic(total[None], covariance)[0]
    return float(stats.f.sf(size * (count - rank) / (rank * (count - 1)), rank, count - rank))


def _recalibrated(
    p: np.ndarray, logs: np.ndarray, y: np.ndarray, units: np.ndarray | None
) -> tuple[np.ndarray, float, float]:
    """Probabilities after recalibration, the slope, and its standard deviation.

    Newton's method on the likelihood with half a pseudo-row of the probabilities themselves, so
    that few rows, or outcomes that the probabilities separate, have a finite answer.
    """
    rows, classes = p.shape
    identity = np.broadcast_to(np.eye(classes)[:, 1:], (rows, classes, classes - 1))
    features = np.concatenate([identity, logs[:, :, None]], axis=2)
    target = np.zeros_like(p)
    target[np.arange(rows), y] = 1
    prior = 0.5 / rows
    target = (target + prior * p) / (1 + prior)
    theta = np.r_[np.zeros(classes - 1), 1.0]
    fitted, information = p, np.eye(classes)
    for _ in range(50):
        scores = features @ theta
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        fitted = scores / scores.sum(axis=1, keepdims=True)
        gradient = np.einsum("nk,nkf->f", target - fitted, features)
        centred = features - np.einsum("nk,nkf->nf", fitted, features)[:, None]
        information = np.einsum("nk,nkf,nkg->fg", fitted, centred, centred)
        information += 1e-6 * np.eye(classes)
        step = np.linalg.solve(information, gradient)
        theta = theta + step * min(1.0, 2 / max(np.abs(step).max(), 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    inverse = np.linalg.inv(information)
    if units is not None:
        each = np.einsum("nk,nkf->nf", target - fitted, features)
        codes = np.unique(units, return_inverse=True)[1]
        sums = np.stack([np.bincount(codes, column) for column in each.T], axis=1)
        inverse = inverse @ (sums.T @ sums) @ inverse
    return fitted, float(theta[-1]), float(np.sqrt(max(inverse[-1, -1], 0.0)))


def _bins(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    """[bins, 3] mean probability, frequency and rows, in groups of equal size."""
    if p.shape[1] == 2:
        probability, happened = p[:, 1], y == 1
    else:
        probability, happened = p.max(axis=1), p.argmax(axis=1) == y
    order = np.argsort(probability, kind="stable")
    parts = np.array_split(order, min(BINS, len(order) // 2))
    return np.array([[probability[o].mean(), happened[o].mean(), len(o)] for o in parts])


def _error(bins: np.ndarray) -> float:
    return float(np.average(np.abs(bins[:, 0] - bins[:, 1]), weights=bins[:, 2]))
