"""Keras's regularizers, under Keras's names and with Keras's factors, and taut's penalties.

`l1(a)` is a·Σ|w|, `l2(a)` is a·Σw² and `l1_l2(l1=a, l2=b)` their sum: they are Keras's own, so
that a program minimises here what it minimised there. `taut.L2(a)` and `taut.layers.l2(a)` are
half of that, (a/2)·Σw². Models of `taut.models` treat both by exact proximal steps.

Example:
    >>> import numpy as np
    >>> import taut
    >>> from taut import regularizers
    >>> w = np.array([[3.0, 4.0]], "float32")
    >>> float(regularizers.l2(0.1)(w)), float(taut.L2(0.1)(w))
    (2.5, 1.25)
"""

from typing import Any

import keras.regularizers as _keras_regularizers

from taut._mirror import names_beside
from taut.penalties import (  # noqa: F401 (they are in `__all__`)
    L2SP,
    MCP,
    SCAD,
    ElasticNet,
    GroupLasso,
    Hierarchical,
    NonNegative,
    NormBall,
    NuclearNorm,
    Orthogonality,
    SparseGroupLasso,
    WeightedL1,
)

_OURS = (
    *("L2SP", "MCP", "SCAD", "ElasticNet", "GroupLasso", "Hierarchical", "NonNegative"),
    *("NormBall", "NuclearNorm", "Orthogonality", "SparseGroupLasso", "WeightedL1"),
)
__all__ = names_beside(_keras_regularizers, *_OURS)


def __getattr__(name: str) -> Any:
    return getattr(_keras_regularizers, name)


def __dir__() -> list[str]:
    return __all__
