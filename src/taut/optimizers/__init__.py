"""Proximal optimizers and what they penalise; the certificate of what they reached.

Every name of `keras.optimizers` is here too. `taut.objective`, which knows optimizers, is imported
when one of its names is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import keras.optimizers as _keras_optimizers

from taut._mirror import names_beside
from taut.optimizers import proximals  # noqa: F401 (it sees to what losses leave out)
from taut.optimizers.proximal import Proximal  # noqa: F401

if TYPE_CHECKING:
    from taut.objective import (  # noqa: F401
        FISTA,
        Explanation,
        Minimum,
        Stationarity,
        explain,
        stationarity,
    )

_OF_OBJECTIVE = ("FISTA", "Explanation", "Minimum", "Stationarity", "explain", "stationarity")
__all__ = names_beside(_keras_optimizers, "Proximal", *_OF_OBJECTIVE)


def __getattr__(name: str) -> Any:
    home = import_module("taut.objective") if name in _OF_OBJECTIVE else _keras_optimizers
    return getattr(home, name)


def __dir__() -> list[str]:
    return __all__
