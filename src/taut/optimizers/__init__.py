"""Proximal optimizers, what they penalise, and the certificate of what they reached."""

from taut.optimizers.explain import Explanation, explain
from taut.optimizers.fista import FISTA, Minimum
from taut.optimizers.proximal import Proximal
from taut.optimizers.stationarity import Stationarity, stationarity

__all__ = ["FISTA", "Explanation", "Minimum", "Proximal", "Stationarity", "explain", "stationarity"]
