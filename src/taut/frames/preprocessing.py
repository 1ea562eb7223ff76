"""What each fold learns from its training rows before training: fills, scales, bins, the prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taut.frames.scales import FAR

LEAST_DEVIATION = 0.25
"""Rare levels are scaled as if their deviation were this, or few rows would weigh too much."""


@dataclass(frozen=True)
class Preprocessing:
    """How one fold's training rows fill and scale the encoded columns.

        z = (where(isnan(x), fill, x) - centre) * multiplier

    Args:
        fill: median of the values that are there [p].
        centre: mean after filling [p], with far values (beyond ±10, see `Scale`) counted as ±10.
        multiplier: 1 / standard deviation of the same [p]; 0 for a column that is constant in
            these rows, so that it cannot matter.
    """

    fill: np.ndarray
    centre: np.ndarray
    multiplier: np.ndarray

    def apply(self, encoded: np.ndarray) -> np.ndarray:
        """The formula above, for rows [n, p]."""
        return (np.where(np.isnan(encoded), self.fill, encoded) - self.centre) * self.multiplier


def fold_preprocessing(encoded: np.ndarray, rows: np.ndarray) -> Preprocessing:
    """What some rows say: scikit-learn's SimpleImputer, then its StandardScaler.

    Far values have a bounded part in the mean and the deviation, or a few of them would press all
    others together.

    Args:
        encoded: what `Encoder.transform` gave [n, p].
        rows: positions (or a mask) of the fold's training rows; no other row has any influence.

    Returns:
        `Preprocessing`, each float64 [p].

    Example:
        >>> scaled = fold_preprocessing(np.array([[1.0], [3.0], [9.0]]), np.array([0, 1]))
        >>> scaled.apply(np.array([[2.0]]))
        array([[0.]])
    """
    from sklearn.impute import SimpleImputer  # half of what `import taut` would take beside Keras
    from sklearn.preprocessing import StandardScaler

    imputer = SimpleImputer(strategy="median", keep_empty_features=True).fit(encoded[rows])
    scaler = StandardScaler().fit(np.clip(imputer.transform(encoded[rows]), -FAR, FAR))
    fill = np.asarray(imputer.statistics_, dtype=np.float64)
    centre, scale = np.asarray(scaler.mean_), np.asarray(scaler.scale_)
    # For a constant column the scaler puts 1 in place of the deviation (near 0).
    varies = scale == np.sqrt(np.asarray(scaler.var_))
    return Preprocessing(fill, centre, np.where(varies, 1 / scale, 0.0))


def input_values(
    encoded: np.ndarray, rows: np.ndarray, *, numbers: int, bins: int
) -> dict[str, np.ndarray]:
    """The weights of a `TableInputs` layer, learned from some rows only.

    Args:
        encoded: Encoded table [n, columns], NaN where a number is missing.
        rows: The fold's training rows.
        numbers: How many of the first columns are numeric.
        bins: Pieces of each numeric column.

    Returns:
        Name of the weight to its value, without the members' axis.
    """
    scaled = fold_preprocessing(encoded, rows)
    multiplier = scaled.multiplier.copy()
    multiplier[numbers:] = np.minimum(multiplier[numbers:], 1 / LEAST_DEVIATION)
    values = {"fill": scaled.fill, "centre": scaled.centre, "multiplier": multiplier}
    if not bins:
        return values
    numeric = encoded[rows][:, :numbers]
    numeric = np.where(np.isnan(numeric), scaled.fill[:numbers], numeric)
    lower, slope = np.zeros((numbers, bins)), np.zeros((numbers, bins))
    for j, column in enumerate(numeric.T):
        edges = _edges(column, bins)
        if edges is not None:
            lower[j, : len(edges) - 1] = edges[:-1]
            slope[j, : len(edges) - 1] = 1 / np.diff(edges)
    level = np.clip((numeric[:, :, None] - lower) * slope, 0, 1).mean(axis=0)
    return {**values, "lower": lower, "slope": slope, "level": level}


def _edges(column: np.ndarray, bins: int) -> np.ndarray | None:
    """Quantiles of a column, or its distinct values if they are few; None for fewer than 3.

    Far values have no part in the quantiles: a piece that reaches out to them would be flat for
    all others in it.
    """
    distinct = np.unique(column)
    if len(distinct) < 3:
        return None
    if len(distinct) > bins + 1:
        near = column[np.abs(column) < FAR]
        near = column if len(near) == 0 else near
        distinct = np.unique(np.quantile(near, np.linspace(0, 1, bins + 1)))
    return distinct if len(distinct) > 2 else None


def prior(y: np.ndarray, outputs: int, weight: np.ndarray | None = None) -> np.ndarray:
    """The output bias to start from: smoothed log class frequencies, or the mean.

    Args:
        y: Class numbers, or values [rows].
        outputs: Classes, or 1.
        weight: What each row counts, [rows]; all alike unless given.
    """
    y = np.asarray(y)
    if weight is not None and not weight.any():
        weight = None
    if outputs == 1:
        return np.array([np.average(y, weights=weight)])
    counts = np.bincount(y.astype(int), weight, minlength=outputs)
    return np.log((counts + 0.5) / (counts.sum() + 0.5 * outputs))
