"""Programs that are kept with their model, so that a second certificate compiles nothing."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

_KEPT: weakref.WeakKeyDictionary[Any, dict[str, tuple[str, Any]]] = weakref.WeakKeyDictionary()
"""By model and name, the digest of what the last program computes, and the program."""


def kept_program(model: Any, name: str, digest: str | None, make: Callable[[], Any]) -> Any:
    """The program of that name and digest; where the model has none it is made, and kept.

    Args:
        model: The model; `make` must not refer to it but weakly, else it would live for ever.
        name: What the program is for; of each name the last one is kept.
        digest: Of all that is compiled into it; None where that is not known: it is not kept.
        make: Makes the program.
    """
    if digest is None:
        return make()
    programs = _KEPT.setdefault(model, {})
    if name not in programs or programs[name][0] != digest:
        programs[name] = digest, make()
    return programs[name][1]
