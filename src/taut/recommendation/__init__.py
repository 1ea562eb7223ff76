"""Recommendation: matrix factorisation with L2 once per rating; item models with L2 or L1."""

from taut.recommendation.autoencoders import EASE, SLIM
from taut.recommendation.factor_choice import StrengthChoice
from taut.recommendation.item_model import ItemModel
from taut.recommendation.matrix_factorization import MatrixFactorization
from taut.recommendation.ranking_scores import hold_out, ndcg
from taut.recommendation.rating_model import RatingModel
from taut.recommendation.rating_network import RatingTables, rating_codes

__all__ = [
    "EASE",
    "SLIM",
    "ItemModel",
    "MatrixFactorization",
    "RatingModel",
    "RatingTables",
    "StrengthChoice",
    "hold_out",
    "ndcg",
    "rating_codes",
]
