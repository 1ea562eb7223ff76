"""Studies: a plan of lanes, and a summary of their records."""

from taut.studies.capacity import CapacityCurve, capacity_curve
from taut.studies.choice import Choice, choose
from taut.studies.epochwise import epoch_curve
from taut.studies.folds import fold_values, folds, forward_folds, group_folds
from taut.studies.half_samples import stability_selection
from taut.studies.label_noise_result import LabelNoise
from taut.studies.learning import learning_curve
from taut.studies.learning_result import LearningCurve, Projection
from taut.studies.memorization_result import Memorization
from taut.studies.model_choice import choose_model
from taut.studies.model_choice_result import ModelChoice
from taut.studies.noisy_labels import label_noise
from taut.studies.path import regularization_path
from taut.studies.permuted_labels import memorization
from taut.studies.result import PathResult
from taut.studies.section_search import section_search
from taut.studies.seed_luck import SeedVariance, seed_variance
from taut.studies.stability_result import StabilitySelection
from taut.studies.strengths import given_strengths
from taut.studies.turning import EpochCurve, Turn
from taut.studies.warm import disagreement

__all__ = [
    "CapacityCurve",
    "Choice",
    "EpochCurve",
    "LabelNoise",
    "LearningCurve",
    "Memorization",
    "ModelChoice",
    "PathResult",
    "Projection",
    "SeedVariance",
    "StabilitySelection",
    "Turn",
    "capacity_curve",
    "choose",
    "choose_model",
    "disagreement",
    "epoch_curve",
    "fold_values",
    "folds",
    "forward_folds",
    "given_strengths",
    "group_folds",
    "label_noise",
    "learning_curve",
    "memorization",
    "regularization_path",
    "section_search",
    "seed_variance",
    "stability_selection",
]
