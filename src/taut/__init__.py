"""Keras 3 networks that generalise: exact penalties, the strength chosen, the evidence."""

from taut import _backend

_backend.prepare()

from taut import layers, models  # noqa: E402
from taut.optimizers import Proximal, explain, stationarity  # noqa: E402
from taut.penalties import L1, L2, ElasticNet  # noqa: E402
