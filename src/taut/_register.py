"""Make taut's classes known to Keras, so that `import taut, keras` can load saved models.

Keras finds classes that are not its own among those that have been registered, which importing
them does. It imports no module by the name that a saved model has for it, other than its own
packages', and asks no entry point. `import taut` imports no Keras; so they are imported right
after Keras is, of which only a finder is told.
"""

import importlib
import sys
from importlib.abc import MetaPathFinder
from typing import Any

_HOMES = ("taut.models", "taut.tables.network")


def register() -> None:
    """Import the modules whose classes Keras must know, if Keras is there.

    Not while modules of taut are being imported, which others cannot import yet: whatever is
    imported next calls this again.
    """
    keras = sys.modules.get("keras")
    if keras is None or _initializing(keras):
        return  # asked at each of the thousands of imports that Keras does
    ours = [module for name, module in list(sys.modules.items()) if name.startswith("taut.")]
    if not any(map(_initializing, ours)):
        sys.meta_path[:] = [f for f in sys.meta_path if not isinstance(f, _AfterKeras)]
        for name in _HOMES:
            importlib.import_module(name)


def _initializing(module: Any) -> bool:
    return getattr(module.__spec__, "_initializing", False)


def register_after_keras() -> None:
    """The same now, or as soon as Keras has been imported."""
    sys.meta_path.insert(0, _AfterKeras())
    register()


class _AfterKeras(MetaPathFinder):
    """Finds nothing itself: it notices that Keras has been imported, registers, and leaves."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        del path, target
        if fullname != "keras":
            if not fullname.startswith("taut"):  # else it would be imported twice
                register()
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        spec = next(filter(None, (f.find_spec(fullname, None) for f in others)), None)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_register(module: Any) -> None:
            execute(module)
            spec._initializing = False  # type: ignore[attr-defined]
            register()

        spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec
