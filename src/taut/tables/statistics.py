"""What each fold learns from its training rows before training: fills, scales, bins, the prior."""

from __future__ import annotations

from typing import Any

import numpy as np

from taut.tables.encode import fold_statistics
from taut.tables.scales import FAR

LEAST_DEVIATION = 0.25
"""Rare levels are scaled as if their deviation were this, or few rows would weigh too much."""


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
    found = fold_statistics(encoded, rows)
    multiplier = found.multiplier.copy()
    multiplier[numbers:] = np.minimum(multiplier[numbers:], 1 / LEAST_DEVIATION)
    values = {"fill": found.fill, "centre": found.centre, "multiplier": multiplier}
    if not bins:
        return values
    numeric = encoded[rows][:, :numbers]
    numeric = np.where(np.isnan(numeric), found.fill[:numbers], numeric)
    lower, slope = np.zeros((numbers, bins)), np.zeros((numbers, bins))
    for j, column in enumerate(numeric.T):
        edges = _edges(column, bins)
        if edges is not None:
            lower[j, : len(edges) - 1] = edges[:-1]
            slope[j, : len(edges) - 1] = 1 / np.diff(edges)
    level = np.clip((numeric[:, :, None] - lower) * slope, 0, 1).mean(axis=0)
    return {**values, "lower": lower, "slope": slope, "level": level}


def without_bins(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same, with every piece switched off (a piece of slope 0 is 0 for every row)."""
    if "slope" not in values:
        return values
    return {**values, "slope": np.zeros_like(values["slope"])}


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


def at(model: Any, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The values by the path of the `inputs` layer's weights, as a lane takes them."""
    layer = model.get_layer("inputs")
    return {getattr(layer, name).path: value for name, value in values.items()}
