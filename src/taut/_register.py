"""Make taut's classes known to Keras, so that `import taut, keras` can load saved models.

Keras finds classes that are not its own among those that have been registered, which importing
them does. `import taut` imports no Keras; so they are imported right after Keras is.
"""

import importlib
import importlib.util
import sys
from importlib.abc import MetaPathFinder
from typing import Any

_HOMES = ("taut.models", "taut.tables.network")


def register() -> None:
    """Import the modules whose classes Keras must know, once Keras is there."""
    if "keras" in sys.modules:
        for name in _HOMES:
            importlib.import_module(name)


def register_after_keras() -> None:
    """The same now, or as soon as Keras is imported."""
    if "keras" in sys.modules:
        register()
    else:
        sys.meta_path.insert(0, _AfterKeras())


class _AfterKeras(MetaPathFinder):
    """Finds nothing itself: it notices that Keras is imported, and leaves."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        del path, target
        if fullname != "keras":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_register(module: Any) -> None:
            execute(module)
            # Penalties that are being imported now cannot be imported by others yet; then
            # `taut.__getattr__` registers.
            if "taut.penalties" not in sys.modules:
                register()

        spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec
