"""The compiled programs of a model, kept as long as it is what it was."""

from __future__ import annotations

import weakref
from typing import Any

from taut._keras.compiled_model import compiled_loss
from taut.engine.checkpoint.identity import program_key

# By the compiled loss, which `model.compile` makes anew: of what its programs were compiled.
_compiled: weakref.WeakKeyDictionary[Any, tuple[str | None, dict[Any, Any]]] = (
    weakref.WeakKeyDictionary()
)


def programs_of(model: Any) -> dict[Any, Any]:
    """The programs of a model as it is now; none where it has changed, or that is not known."""
    key = program_key(model)
    kept = _compiled.get(compiled_loss(model))
    if kept is None or key is None or kept[0] != key:
        kept = _compiled[compiled_loss(model)] = key, {}
    return kept[1]
