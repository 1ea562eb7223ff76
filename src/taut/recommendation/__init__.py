"""Recommendation: matrix factorisation with L2, and item models with L2 or L1."""

from taut.recommendation.factor_choice import StrengthChoice
from taut.recommendation.matrix_factorization import MatrixFactorization
from taut.recommendation.rating_model import RatingModel

__all__ = ["MatrixFactorization", "RatingModel", "StrengthChoice"]
