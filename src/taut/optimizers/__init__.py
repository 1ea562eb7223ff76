"""Proximal optimizers, what they penalise, and the certificate of what they reached.

Every name of `keras.optimizers` is here too.
"""

from typing import Any

import keras.optimizers as _keras_optimizers

from taut._mirror import names_beside
from taut.optimizers.explain import Explanation, explain  # noqa: F401
from taut.optimizers.fista import FISTA, Minimum  # noqa: F401
from taut.optimizers.proximal import Proximal  # noqa: F401
from taut.optimizers.stationarity import Stationarity, stationarity  # noqa: F401

_OURS = ("FISTA", "Explanation", "Minimum", "Proximal", "Stationarity", "explain", "stationarity")
__all__ = names_beside(_keras_optimizers, *_OURS)


def __getattr__(name: str) -> Any:
    return getattr(_keras_optimizers, name)


def __dir__() -> list[str]:
    return __all__
