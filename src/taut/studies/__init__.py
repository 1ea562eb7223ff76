"""Studies: a plan of lanes, and a summary of their records."""

from taut.studies.choice import Choice, choose
from taut.studies.folds import fold_values, folds
from taut.studies.path import PathResult, regularization_path

__all__ = ["Choice", "PathResult", "choose", "fold_values", "folds", "regularization_path"]
