"""Variance components of a balanced design: weights × orders within splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from taut._read_only import ReadOnly

DRAWS = 20_000
"""Of sums of squares, for the intervals; from a fixed seed."""
NAMES = ("split", "weights", "order", "both")


@dataclass(frozen=True, eq=False)
class Components(ReadOnly):
    """Variances by what they come from, as drawn from what is known of them.

    Attributes:
        variance: Estimates by name, each >= 0.
        drawn: [draws] by name, >= 0: what the variance may be, given the data.
        degrees: Degrees of freedom by name.
    """

    variance: dict[str, float]
    drawn: dict[str, np.ndarray]
    degrees: dict[str, int]

    def deviation(self, *names: str, level: float = 0.95) -> tuple[float, float, float]:
        """The standard deviation of a sum of components, and its interval."""
        drawn = np.sqrt(np.sum([self.drawn[name] for name in names], axis=0))
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
        return float(np.sqrt(sum(self.variance[name] for name in names))), float(low), float(high)


def variance_components(losses: np.ndarray) -> Components:
    r"""Estimate by the method of moments what makes losses differ.

    Loss s, i, j is of split s, initial weights i and order j, both drawn anew for each split:

        y_sij = μ + S_s + W_si + O_sj + R_sij

    With the mean squares M of the analysis of variance of S splits × I weights × J orders

        E M_R = σ²_R
        E M_W = σ²_R + J·σ²_W
        E M_O = σ²_R + I·σ²_O
        E M_S = σ²_R + J·σ²_W + I·σ²_O + I·J·σ²_S

    which are solved for the variances; what comes out negative is 0. Intervals are generalised
    confidence intervals: each sum of squares is divided by draws of χ² of its degrees of freedom.

    Args:
        losses: [splits, weights, orders], two of each at least.

    References:
        Searle, Casella and McCulloch, Variance components, 1992.
        Weerahandi, Generalized confidence intervals, 1993.

    Example:
        >>> draw = np.random.default_rng(0)
        >>> y = draw.normal(size=(9, 1, 1)) + 0.1 * draw.normal(size=(9, 4, 4))
        >>> found = variance_components(y)
        >>> found.variance["split"] > 10 * found.variance["both"]
        True
    """
    splits, weights, orders = losses.shape
    mean = losses.mean()
    of_split = losses.mean(axis=(1, 2))
    of_weights = losses.mean(axis=2) - of_split[:, None]
    of_order = losses.mean(axis=1) - of_split[:, None]
    rest = losses - of_split[:, None, None] - of_weights[:, :, None] - of_order[:, None, :]
    squares = {
        "split": weights * orders * ((of_split - mean) ** 2).sum(),
        "weights": orders * (of_weights**2).sum(),
        "order": weights * (of_order**2).sum(),
        "both": (rest**2).sum(),
    }
    degrees = {
        "split": splits - 1,
        "weights": splits * (weights - 1),
        "order": splits * (orders - 1),
        "both": splits * (weights - 1) * (orders - 1),
    }
    draw = np.random.default_rng(0)
    chi = {name: draw.chisquare(degrees[name], DRAWS) for name in NAMES}
    estimated = _solved({k: v / degrees[k] for k, v in squares.items()}, weights, orders)
    drawn = _solved({k: v / chi[k] for k, v in squares.items()}, weights, orders)
    return Components({k: float(v) for k, v in estimated.items()}, drawn, degrees)


def _solved(mean_squares: dict, weights: int, orders: int) -> dict:
    """Variances whose expected mean squares these are; none is negative."""
    s, w, o, r = (mean_squares[name] for name in NAMES)
    return {
        "split": np.maximum((s - w - o + r) / (weights * orders), 0.0),
        "weights": np.maximum((w - r) / orders, 0.0),
        "order": np.maximum((o - r) / weights, 0.0),
        "both": r + 0.0 * s,
    }
