"""How many more labels are wrong among the rows to learn from than among those held out."""

from __future__ import annotations

import numpy as np

from taut.diagnosis.array_inputs import NotChecked
from taut.studies.noisy_share import Share

LEAST = 20
"""Fewer rows (or groups) on a side tell nothing."""
FLIPS = np.linspace(0, 0.995, 200)
"""The grid of c, what flips take from a covariance."""


def label_contrast(
    learned: tuple[np.ndarray, np.ndarray],
    held_out: tuple[np.ndarray, np.ndarray],
    *,
    groups: tuple[np.ndarray | None, np.ndarray | None] = (None, None),
    level: float = 0.95,
) -> Share | NotChecked:
    r"""The share of flipped labels of one set, beyond that of another, by the same predictions.

    From one set of labels flips cannot be told from a hard problem: both bound how probable a label
    ever is. Two sets of rows that are drawn alike are equally hard, and what predictions know of
    both is the same; so where they agree less with the labels of one, its labels are worse. Flips
    of a share η, to any other of K classes alike, leave of each class

        cov(1[label = k], p_k) = (1 − c)·cov(1[class = k], p_k),    c = η·K/(K − 1)

    whatever p is: it need not be calibrated, nor good. The covariance without flips is that of the
    other set, π_k·(1 − π_k)·(mean of p_k in class k, less that elsewhere), with π_k the shares of
    the classes before the flips, (π̃_k − c/K)/(1 − c): so other shares of the classes on the two
    sides are not taken for flips. The interval is every η that the sum over classes does not
    contradict, by Student's distribution (of Fieller's kind).

    Args:
        learned: [rows] class numbers, and [rows, classes] probabilities by networks that have not
            learned from these rows.
        held_out: The same of rows that are drawn alike, by the same networks.
        groups: [rows] groups of each set, whose rows depend on one another, or None.
        level: Of the interval.

    Returns:
        The share; `NotChecked` with under 20 rows or groups on a side, or no class on both.

    References:
        Menon, van Rooyen, Ong and Williamson, Learning from corrupted binary labels via
        class-probability estimation, 2015.
        Fieller, Some problems in interval estimation, 1954.
    """
    from scipy import stats

    (y, p), (new_y, new_p) = learned, held_out
    units = [
        np.arange(len(labels)) if of is None else np.unique(of, return_inverse=True)[1]
        for labels, of in zip((y, new_y), groups, strict=True)
    ]
    count = min(int(of.max()) + 1 if len(of) else 0 for of in units)
    if count < LEAST:
        what = "rows" if all(of is None for of in groups) else "groups"
        return NotChecked(f"{count} {what} on a side tell too little: {LEAST} are needed")
    classes = p.shape[1]
    there = [k for k in range(classes) if all(1 < (a == k).sum() < len(a) - 1 for a in (y, new_y))]
    if not there:
        return NotChecked("no class has two rows on both sides, with others beside it")
    agreement, apart = np.zeros(len(y)), []
    of_apart = np.zeros((len(there), len(new_y)))
    for number, k in enumerate(there):
        agreement += ((y == k) - np.mean(y == k)) * (p[:, k] - p[:, k].mean())
        inside, of_class = new_y == k, new_p[:, k]
        one, rest = of_class[inside].mean(), of_class[~inside].mean()
        apart.append(one - rest)
        of_apart[number] = np.where(
            inside, (of_class - one) / inside.mean(), (rest - of_class) / (~inside).mean()
        )
    shares = np.array([np.mean(y == k) for k in there])
    before = np.clip((shares - FLIPS[:, None] / classes) / (1 - FLIPS[:, None]), 0, 1)
    weights = (1 - FLIPS[:, None]) * before * (1 - before)
    without = weights @ np.array(apart)
    # More agreement than with the other set is by chance: no share is below zero.
    off = min(agreement.mean(), without[0]) - without
    of_new = ((weights @ _covariance(of_apart, units[1])) * weights).sum(axis=1)
    error = np.sqrt(_covariance(agreement[None] - agreement.mean(), units[0])[0, 0] + of_new)
    held = np.flatnonzero(np.abs(off) <= float(stats.t.ppf((1 + level) / 2, count - 1)) * error)
    flips = FLIPS * (classes - 1) / classes
    best = int(np.abs(off).argmin())
    return Share(float(flips[best]), float(flips[held[0]]), float(flips[held[-1]]))


def _covariance(values: np.ndarray, units: np.ndarray) -> np.ndarray:
    """[k, k] of the means of k values whose means are 0, from sums over independent units."""
    sums = np.array([np.bincount(units, each) for each in values])
    return sums @ sums.T / values.shape[1] ** 2 * sums.shape[1] / (sums.shape[1] - 1)
