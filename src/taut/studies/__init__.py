"""Studies: a plan of lanes, and a summary of their records."""

from taut.studies.capacity import CapacityCurve, capacity_curve
from taut.studies.choice import Choice, choose
from taut.studies.epochwise import epoch_curve
from taut.studies.folds import fold_values, folds, forward_folds, group_folds
from taut.studies.learning import learning_curve
from taut.studies.learning_result import LearningCurve, Projection
from taut.studies.path import regularization_path
from taut.studies.result import PathResult
from taut.studies.seed_luck import SeedVariance, seed_variance
from taut.studies.strengths import given_strengths
from taut.studies.turning import EpochCurve, Turn
from taut.studies.warm import disagreement

__all__ = [
    "CapacityCurve",
    "Choice",
    "EpochCurve",
    "LearningCurve",
    "PathResult",
    "Projection",
    "SeedVariance",
    "Turn",
    "capacity_curve",
    "choose",
    "disagreement",
    "epoch_curve",
    "fold_values",
    "folds",
    "forward_folds",
    "given_strengths",
    "group_folds",
    "learning_curve",
    "regularization_path",
    "seed_variance",
]
