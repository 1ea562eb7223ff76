"""Estimators of scikit-learn's interface: penalised networks, tables, and the choice of inputs."""

from taut.estimators.classifier import PenalizedMLPClassifier
from taut.estimators.feature_selector import FeatureSelector
from taut.estimators.regressor import PenalizedMLPRegressor
from taut.estimators.table_tasks import TableClassifier, TableRegressor

__all__ = [
    "FeatureSelector",
    "PenalizedMLPClassifier",
    "PenalizedMLPRegressor",
    "TableClassifier",
    "TableRegressor",
]
