"""Which code a version describes, so that it need not be looked into."""

from __future__ import annotations

import functools
import importlib.metadata
import sys
from pathlib import Path

_KNOWN = ("jax", "jaxlib", "keras", "numpy", "taut", "tensorflow", "torch")
"""Packages that their version describes, wherever they are installed."""


class Undescribed(Exception):
    """What a thing computes is not known; the message says which thing."""


@functools.cache
def library(module: str | None) -> str | None:
    """The installed package that a module is of, with its version; None for the user's code."""
    top = (module or "__main__").partition(".")[0]
    if top in sys.stdlib_module_names:
        return f"python {sys.version_info.major}.{sys.version_info.minor}"
    package = sys.modules.get(top)
    parts = Path(getattr(package, "__file__", None) or "").parts
    if top not in _KNOWN and not {"site-packages", "dist-packages"} & set(parts):
        return None
    version = getattr(package, "__version__", None)
    if version is None:
        try:
            version = importlib.metadata.version(top)
        except importlib.metadata.PackageNotFoundError:
            return None
    return f"{top} {version}"
