"""Keras 3 networks that generalise: exact penalties, the strength chosen, the evidence."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from taut import _backend, _mirror, _register

_backend.prepare()
_register.register_after_keras()
_mirror.install()

__version__ = "0.3.0"

# Imported when first asked for, so that `import taut` and the command start at once.
_HOME = {
    "ElasticNet": "taut.penalties",
    "FISTA": "taut.optimizers",
    "GroupLasso": "taut.penalties",
    "Hierarchical": "taut.penalties",
    "InputError": "taut.errors",
    "L1": "taut.penalties",
    "L2": "taut.penalties",
    "L2SP": "taut.penalties",
    "MCP": "taut.penalties",
    "Model": "taut.models",
    "NonNegative": "taut.penalties",
    "NormBall": "taut.penalties",
    "NuclearNorm": "taut.penalties",
    "Orthogonality": "taut.penalties",
    "Proximal": "taut.optimizers",
    "SCAD": "taut.penalties",
    "Sequential": "taut.models",
    "SparseGroupLasso": "taut.penalties",
    "TableModel": "taut.tables.table_model",
    "WeightedL1": "taut.penalties",
    "explain": "taut.optimizers",
    "fit_table": "taut.tables.fitting",
    "from_gaussian_prior": "taut.penalties",
    "from_glmnet": "taut.penalties",
    "from_keras": "taut.penalties",
    "from_laplace_prior": "taut.penalties",
    "from_sklearn": "taut.penalties",
    "from_torch": "taut.penalties",
    "regularization_path": "taut.studies",
    "stationarity": "taut.optimizers",
    "train_lanes": "taut.engine",
}
_MODULES = (
    "callbacks",
    "engine",
    "layers",
    "loggers",
    "models",
    "optimizers",
    "penalties",
    "progress",
    "regularizers",
    "report",
    "studies",
    "testing",
)

__all__ = [
    "FISTA",
    "L1",
    "L2",
    "L2SP",
    "MCP",
    "SCAD",
    "ElasticNet",
    "GroupLasso",
    "Hierarchical",
    "Input",
    "InputError",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "NonNegative",
    "NormBall",
    "NuclearNorm",
    "Optimizer",
    "Orthogonality",
    "Proximal",
    "Regularizer",
    "Sequential",
    "SparseGroupLasso",
    "TableModel",
    "Variable",
    "WeightedL1",
    "__version__",
    "activations",
    "applications",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "engine",
    "explain",
    "fit_table",
    "from_gaussian_prior",
    "from_glmnet",
    "from_keras",
    "from_laplace_prior",
    "from_sklearn",
    "from_torch",
    "initializers",
    "layers",
    "loggers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "ops",
    "optimizers",
    "penalties",
    "preprocessing",
    "progress",
    "random",
    "regularization_path",
    "regularizers",
    "report",
    "saving",
    "stationarity",
    "studies",
    "testing",
    "train_lanes",
    "tree",
    "utils",
]

if TYPE_CHECKING:
    from keras import (
        Input,
        Layer,
        Loss,
        Metric,
        Optimizer,
        Regularizer,
        Variable,
        activations,
        applications,
        backend,
        config,
        constraints,
        datasets,
        initializers,
        losses,
        metrics,
        mixed_precision,
        ops,
        preprocessing,
        random,
        saving,
        tree,
        utils,
    )

    from taut import (
        callbacks,
        engine,
        layers,
        loggers,
        models,
        optimizers,
        penalties,
        progress,
        regularizers,
        report,
        studies,
        testing,
    )
    from taut.engine import train_lanes
    from taut.errors import InputError
    from taut.models import Model, Sequential
    from taut.optimizers import FISTA, Proximal, explain, stationarity
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
    )
    from taut.studies import regularization_path
    from taut.tables.fitting import fit_table
    from taut.tables.table_model import TableModel


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        module = import_module(f"taut.{name}")
        _register.register()
        return module
    if name not in _HOME:
        return _mirror.of_keras(name)
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    _register.register()
    return value


def __dir__() -> list[str]:
    return __all__
