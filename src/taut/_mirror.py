"""Keras's names under taut's: `from taut.losses import Huber` is `from keras.losses import Huber`.

So a program that was written for Keras needs its imports changed and nothing else. Where taut has
a module of its own (`taut.layers`), that one falls back on Keras's.
"""

import sys
from types import ModuleType

_NOT_MIRRORED = ("src", "version")  # internals, and the version of another package


def alias_modules(theirs: ModuleType, package: str) -> None:
    """Make `import taut.datasets.mnist` the import of `keras.datasets.mnist`, the same module.

    All modules of Keras's interface are there once Keras is, and Python returns what stands in
    `sys.modules` under the name. Modules of ours stay, if they have been imported before.

    Args:
        theirs: Keras.
        package: The name that goes before theirs.
    """
    for name, module in list(sys.modules.items()):
        first, _, rest = name.partition(".")
        parts = rest.split(".")
        if first == theirs.__name__ and is_mirrored(parts[0]) and all(map(_is_public, parts)):
            sys.modules.setdefault(f"{package}.{rest}", module)


def is_mirrored(name: str) -> bool:
    """Whether a name of Keras is one of taut too."""
    return _is_public(name) and name not in _NOT_MIRRORED


def names_beside(theirs: ModuleType, *ours: str) -> list[str]:
    """The public names of a module of ours that falls back on one of Keras's."""
    return sorted({*filter(is_mirrored, dir(theirs)), *ours})


def _is_public(name: str) -> bool:
    return bool(name) and not name.startswith("_")
