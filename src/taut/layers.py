"""Keras's layers, with the tutorials' `layers.l1(0.01)` and `layers.l2(0.01)`.

Every name of `keras.layers` is here; the lower-case names make taut penalties.
"""

from typing import Any

import keras.layers as _keras_layers

from taut.penalties import L1, L2, ElasticNet

l1 = L1
l2 = L2
elastic_net = ElasticNet


def __getattr__(name: str) -> Any:
    return getattr(_keras_layers, name)


def __dir__() -> list[str]:
    return sorted({*dir(_keras_layers), "l1", "l2", "elastic_net"})
