"""Keras 3 networks that generalise: exact penalties, the strength chosen, the evidence.

Keras is imported with it, on the backend that `_backend` picks, and whatever Keras must know to
load a saved model is registered. Names that are not taut's own are Keras's.
"""

# ruff: noqa: E402 (the backend is picked before Keras is imported)
import sys
from typing import TYPE_CHECKING, Any

if sys.argv[:1] == ["-m"]:  # `python -m taut` imports the package before the command
    from taut_cli.interrupts import end_at_once

    end_at_once()

from taut import _backend

_backend.prepare()

import keras

if TYPE_CHECKING:
    from keras import *  # noqa: F403 # pyright: ignore[reportWildcardImportFromLibrary]

from taut import (
    callbacks,
    engine,
    layers,
    loggers,
    models,
    optimizers,
    penalties,
    progress,
    recommendation,
    regularizers,
    report,
    studies,
    testing,
    text,
)
from taut._mirror import alias_modules, is_mirrored
from taut._version import __version__
from taut.compaction import compact
from taut.conventions import (
    from_gaussian_prior,
    from_glmnet,
    from_laplace_prior,
    from_sklearn,
    from_torch,
)
from taut.diagnosis import Diagnosis, diagnose
from taut.engine import train_lanes
from taut.errors import InputError
from taut.models import Model, Sequential
from taut.objective import FISTA, explain, stationarity
from taut.optimizers import Proximal
from taut.penalties import (
    L1,
    L2,
    L2SP,
    MCP,
    SCAD,
    ElasticNet,
    GroupLasso,
    Hierarchical,
    NonNegative,
    NormBall,
    NuclearNorm,
    Orthogonality,
    SparseGroupLasso,
    WeightedL1,
    from_keras,
)
from taut.studies import (
    capacity_curve,
    choose_model,
    epoch_curve,
    label_noise,
    learning_curve,
    memorization,
    regularization_path,
    seed_variance,
    stability_selection,
)
from taut.tables.fitting import fit_table
from taut.tables.table_model import TableModel
from taut.text import TextModel, fit_text, word_path

alias_modules(keras, __name__)

__all__ = [
    "FISTA",
    "L1",
    "L2",
    "L2SP",
    "MCP",
    "SCAD",
    "Diagnosis",
    "ElasticNet",
    "GroupLasso",
    "Hierarchical",
    "InputError",
    "Model",
    "NonNegative",
    "NormBall",
    "NuclearNorm",
    "Orthogonality",
    "Proximal",
    "Sequential",
    "SparseGroupLasso",
    "TableModel",
    "TextModel",
    "WeightedL1",
    "__version__",
    "callbacks",
    "capacity_curve",
    "choose_model",
    "compact",
    "diagnose",
    "engine",
    "epoch_curve",
    "explain",
    "fit_table",
    "fit_text",
    "from_gaussian_prior",
    "from_glmnet",
    "from_keras",
    "from_laplace_prior",
    "from_sklearn",
    "from_torch",
    "label_noise",
    "layers",
    "learning_curve",
    "loggers",
    "memorization",
    "models",
    "optimizers",
    "penalties",
    "progress",
    "recommendation",
    "regularization_path",
    "regularizers",
    "report",
    "seed_variance",
    "stability_selection",
    "stationarity",
    "studies",
    "testing",
    "text",
    "train_lanes",
    "word_path",
]
__all__ += [name for name in dir(keras) if is_mirrored(name) and name not in __all__]


def __getattr__(name: str) -> Any:
    if is_mirrored(name) and hasattr(keras, name):
        return getattr(keras, name)
    raise AttributeError(f"module 'taut' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
