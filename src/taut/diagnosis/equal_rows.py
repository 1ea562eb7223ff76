"""Rows that agree in all columns, and how many of them chance explains."""

from __future__ import annotations

import numpy as np

from taut.diagnosis.array_inputs import middle_and_spread

DIGITS = 6
"""Values that agree to so many digits, in units of their column's spread, are equal: what writing
float32 to a text and reading it leaves."""
TELLING = 0.05
"""A column tells rows apart if fewer of the other held-out values than this are training values."""
TWICE = 2.0
"""Equal rows must be so many times as frequent as between training rows: held-out rows that are
drawn from the denser part of the table meet equal rows a little more often."""
DIMENSIONS = 3.0
"""Fewer dimensions, and rounded values meet by chance: columns that are functions of one another
(a value and its square) recur together."""
MISSING = 6148914691236517205
"""The code of a missing value, which no other has."""


def rounded(train: np.ndarray, held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns in units of their spread as whole numbers; NaN is a number of its own."""
    middle, spread = middle_and_spread(train)

    def codes(x: np.ndarray) -> np.ndarray:
        scaled = np.clip(np.rint((x - middle) * (10**DIGITS / spread)), -(2.0**62), 2.0**62)
        whole = np.nan_to_num(scaled, nan=0.0).astype(np.int64)
        whole[np.isnan(scaled)] = MISSING
        return whole

    return codes(train), codes(held_out)


def _keys(codes: np.ndarray) -> np.ndarray:
    """Each row as one whole number: its product with random ones, modulo 2⁶⁴."""
    draw = np.random.default_rng(codes.shape[1])
    return codes @ draw.integers(-(2**63), 2**63 - 1, codes.shape[1])


def partner(codes: np.ndarray, codes_held_out: np.ndarray) -> np.ndarray:
    """The first training row that equals each held-out row; −1 where there is none."""
    distinct, first = np.unique(_keys(codes), return_index=True)
    keys = _keys(codes_held_out)
    place = np.minimum(np.searchsorted(distinct, keys), len(distinct) - 1)
    return np.where(distinct[place] == keys, first[place], -1)


def by_chance(
    codes: np.ndarray, codes_held_out: np.ndarray, equal: np.ndarray, dimension: float
) -> tuple[float, float]:
    """The probability of so many equal rows, and how many are expected.

    Where columns tell rows apart it is enough that they do not explain it, whatever equal rows
    there are within the training set: these may be copies from before the split.
    """
    from scipy import stats

    found, rows = int(equal.sum()), len(equal)
    if not found:
        return 1.0, 0.0
    _, place, counts = np.unique(_keys(codes), return_inverse=True, return_counts=True)
    copies = int((counts[place] > 1).sum())
    within = copies / len(codes)
    p_within = 1.0
    if found / rows > TWICE * within:
        table = [[found, rows - found], [copies, len(codes) - copies]]
        p_within = float(stats.fisher_exact(table, alternative="greater")[1])
    if dimension < DIMENSIONS:
        return p_within, within * rows
    others = codes_held_out[~equal]
    recurring = np.array(
        [(np.isin(others[:, j], codes[:, j]).sum() + 1) for j in range(codes.shape[1])]
    ) / (len(others) + 2)
    telling = np.sort(recurring[recurring < TELLING])[:2]
    if len(others) < rows / 2:  # too few to tell columns by: values recur within the training set
        shares = [len(np.unique(c)) / len(np.unique(_keys(codes))) for c in codes.T]
        telling = np.array([TELLING / 2] * min(2, sum(share > 0.9 for share in shares)))
    if not len(telling):
        return p_within, within * rows
    # Columns depend on each other, so the second counts by its root.
    rate = telling[0] * (np.sqrt(telling[1]) if len(telling) > 1 else 1.0)
    p_telling = float(stats.binom.sf(found - 1, rows, rate))
    return min(1.0, 2 * min(p_within, p_telling)), rows * min(rate, within + 1 / len(codes))
