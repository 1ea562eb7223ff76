"""J' = J + αR of a compiled model, and what is read off it: certificates, minima, explanations."""

from taut.objective.explain import Explanation, explain
from taut.objective.fista import FISTA, Minimum
from taut.objective.objective import Objective
from taut.objective.stationarity import Stationarity, stationarity

__all__ = [
    "FISTA",
    "Explanation",
    "Minimum",
    "Objective",
    "Stationarity",
    "explain",
    "stationarity",
]
