"""Inputs that single precision, in which networks are trained, does not tell apart."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

LOST = 1e-3
"""Share of a column's deviation from which on rounding is told."""


def warn_of_rounding(x: Any, *, depth: int) -> None:
    """Warn of columns that differ by little more than single precision holds of their size.

    A number v is rounded by about |v|·2⁻²⁵: a time of 1.7e9 seconds by 50. What standardises in
    the network comes after that.

    Args:
        x: Inputs as they were given, checked: [rows, inputs] of an array or a data frame; others
            are not looked at.
        depth: How many calls above is who is warned, as `stacklevel` of `warnings.warn`.
    """
    if hasattr(x, "toarray"):
        return
    values = np.asarray(x)
    if values.dtype.kind not in "iuf" or values.itemsize < 8:
        return
    deviation = values.std(axis=0, dtype=float)
    rounded = np.abs(values.mean(axis=0, dtype=float)) * 2.0**-25
    lost = np.flatnonzero((deviation > 0) & (rounded > LOST * deviation))
    if len(lost):
        worst = lost[np.argmax(rounded[lost] / deviation[lost])]
        name = x.columns[worst] if hasattr(x, "columns") else int(worst)
        warnings.warn(
            "Inputs should differ by more than the rounding of single precision, in which networks "
            f"are trained. Received: {len(lost)} columns of which it takes more than {LOST:.1%} of "
            f"the deviation, such as {name!r}, of about {float(values[:, worst].mean()):.6g} ± "
            f"{deviation[worst]:.3g}. Standardise before, as by "
            "`make_pipeline(StandardScaler(), …)`.",
            UserWarning,
            stacklevel=depth,
        )
