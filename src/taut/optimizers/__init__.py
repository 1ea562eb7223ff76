"""Proximal optimizers, what they penalise, and the certificate of what they reached."""

from taut.optimizers.explain import Explanation, explain
from taut.optimizers.proximal import Proximal
from taut.optimizers.stationarity import Stationarity, stationarity

__all__ = ["Explanation", "Proximal", "Stationarity", "explain", "stationarity"]
