"""Keras 3 networks that generalise: exact penalties, the strength chosen, the evidence."""

# ruff: noqa: F401, F403
from importlib import import_module
from typing import TYPE_CHECKING, Any

from taut import _backend, _mirror, _register

_backend.prepare()
_register.register_after_keras()
_mirror.install()

__version__ = "0.3.0"

# Imported when first asked for, so that `import taut` and the command start at once.
_NAMES = {
    "taut.conventions": (
        *("from_gaussian_prior", "from_glmnet", "from_laplace_prior"),
        *("from_sklearn", "from_torch"),
    ),
    "taut.engine": ("train_lanes",),
    "taut.errors": ("InputError",),
    "taut.models": ("Model", "Sequential"),
    "taut.objective": ("FISTA", "explain", "stationarity"),
    "taut.optimizers": ("Proximal",),
    "taut.penalties": (
        *("ElasticNet", "GroupLasso", "Hierarchical", "L1", "L2", "L2SP", "MCP", "NonNegative"),
        *("NormBall", "NuclearNorm", "Orthogonality", "SCAD", "SparseGroupLasso", "WeightedL1"),
        "from_keras",
    ),
    "taut.studies": ("regularization_path",),
    "taut.tables.fitting": ("fit_table",),
    "taut.tables.table_model": ("TableModel",),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}
_MODULES = (
    *("callbacks", "engine", "layers", "loggers", "models", "optimizers", "penalties", "progress"),
    *("regularizers", "report", "studies", "testing"),
)

__all__ = sorted(["__version__", *_HOME, *_MODULES, *_mirror.LISTED])

if TYPE_CHECKING:
    from keras import *  # pyright: ignore[reportWildcardImportFromLibrary]

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
    from taut.conventions import *
    from taut.engine import train_lanes
    from taut.errors import InputError
    from taut.models import Model, Sequential
    from taut.objective import *
    from taut.optimizers import Proximal
    from taut.penalties import *
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
