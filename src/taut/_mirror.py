"""Keras's names under taut's: `from taut.losses import Huber` is `from keras.losses import Huber`.

So a program that was written for Keras needs its imports changed and nothing else. Where taut has
a module of its own (`taut.layers`), that one falls back on Keras's.

The finder is there for `import taut.datasets.mnist` and the like, which must be the very modules
that Keras has. A file of ours for each of Keras's modules could stand for that module itself, but
Python would load what lies inside, from Keras's folder, a second time under another name.
"""

import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from taut._register import register

_NOT_MIRRORED = ("src", "version")  # internals, and the version of another package
LISTED = (
    *("Input", "Layer", "Loss", "Metric", "Optimizer", "Regularizer", "Variable", "activations"),
    *("applications", "backend", "config", "constraints", "datasets", "initializers", "losses"),
    *("metrics", "mixed_precision", "ops", "preprocessing", "random", "saving", "tree", "utils"),
)
"""Names of Keras's that `dir(taut)` lists beside taut's own."""
_NAMES = frozenset(
    [
        *LISTED,
        *("callbacks", "distillation", "distribution", "dtype_policies", "export", "layers"),
        *("legacy", "models", "optimizers", "quantizers", "regularizers", "visualization"),
        *("wrappers", "DTypePolicy", "FloatDTypePolicy", "Function", "Initializer", "InputSpec"),
        *("KerasTensor", "Model", "Operation", "Quantizer", "RematScope", "Sequential"),
        *("StatelessScope", "SymbolicScope", "device", "name_scope", "remat"),
    ]
)
"""Names for which Keras is imported. Others are looked up only where it is there already: some
packages ask every module for any name."""


def install() -> None:
    """Make `import taut.losses` find `keras.losses`; Keras itself is imported then, not now."""
    # Before all other finders: in the folder of `taut.datasets`, which is Keras's own, they
    # would load `mnist` a second time.
    sys.meta_path.insert(0, _Mirror())


def of_keras(name: str) -> Any:
    """Keras's module, class or function of that name.

    Raises:
        AttributeError: If there is none.
    """
    wanted = name in _NAMES or ("keras" in sys.modules and not name.startswith("_"))
    if wanted and name not in _NOT_MIRRORED:
        keras = import_module("keras")
        if isinstance(getattr(keras, name, None), ModuleType):
            return import_module(f"taut.{name}")
        if hasattr(keras, name):
            return getattr(keras, name)
    raise AttributeError(f"module 'taut' has no attribute {name!r}")


def names_beside(theirs: ModuleType, *ours: str) -> list[str]:
    """The public names of a module of ours that falls back on one of Keras's."""
    return sorted({*(name for name in dir(theirs) if not name.startswith("_")), *ours})


class _Mirror(MetaPathFinder):
    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        del target
        package, _, name = fullname.partition(".")
        first = name.partition(".")[0]
        if package != "taut" or not first or first.startswith("_") or first in _NOT_MIRRORED:
            return None
        parts = sys.modules["taut"].__path__
        if PathFinder.find_spec(f"taut.{first}", parts) and (
            first == name or PathFinder.find_spec(fullname, path)
        ):
            return None  # taut's own
        try:
            spec = find_spec(f"keras.{name}")
        except ModuleNotFoundError:
            return None
        return spec and ModuleSpec(fullname, _Loader())


class _Loader(Loader):
    def create_module(self, spec: ModuleSpec) -> None:
        del spec

    def exec_module(self, module: ModuleType) -> None:
        # What stands in `sys.modules` at the end is what the import returns.
        name = module.__name__
        sys.modules[name] = import_module("keras" + name.removeprefix("taut"))
        register()
