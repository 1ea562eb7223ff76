"""Digests of what is computed with a model, the same for a model that is built alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taut.describing.digest import digest_of
from taut.describing.parts import labels


def model_digest(model: Any, tree: Any, *, known: Mapping[int, str] | None = None) -> str:
    """A digest of a tree in which layers and variables of a model stand for their places in it.

    Args:
        model: The model.
        tree: What to describe.
        known: What stands for further objects, by their id.

    Raises:
        Undescribed: If something in it cannot be described.
    """
    return digest_of(tree, names=_names(model), known={**labels(model), **(known or {})})


def _names(model: Any) -> dict[str, str]:
    # Keras counts names up within a process: "dense_3" is only the fourth that was made.
    layers = list(model._flatten_layers())
    operations = [operation for layer in layers for operation in getattr(layer, "operations", ())]
    return {layer.name: f"layer {k}" for k, layer in enumerate([*operations, *layers])}
