"""Trees of arrays as what a NumPy archive and JSON can hold, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

Tree = Any


def packed(groups: Mapping[str, Sequence[Tree]]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Lists of like trees by name, as JSON and arrays; trees of a list are stacked leaf by leaf."""
    parts: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for name, trees in groups.items():
        if not trees:
            continue
        leaves, structure = zip(*(jax.tree.flatten(tree) for tree in trees), strict=True)
        parts[f"{name} tree"] = _skeleton(jax.tree.unflatten(structure[0], range(len(leaves[0]))))
        stacked = [_stacked(some) for some in zip(*leaves, strict=True)]
        parts[f"{name} types"] = [a.dtype.name for a in stacked]
        for k, a in enumerate(stacked):
            # Types that NumPy does not know, such as bfloat16, travel as bytes.
            arrays[f"{name}/{k}"] = a if a.dtype.kind in "biuf" else a.view(np.uint8)
    return parts, arrays


def unpacked(
    name: str, count: int, parts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> list[Tree]:
    """The list of `count` trees that was packed under a name."""
    if not count:
        return []
    leaves = [
        a if a.dtype.name == kind else a.view(np.dtype(kind))
        for k, kind in enumerate(parts[f"{name} types"])
        for a in [arrays[f"{name}/{k}"]]
    ]
    return [_filled(parts[f"{name} tree"], [leaf[n] for leaf in leaves]) for n in range(count)]


def _stacked(some: Sequence[Any]) -> np.ndarray:
    # One tree, which may be of all lanes and large, is not copied.
    return np.asarray(some[0])[None] if len(some) == 1 else np.stack(some)


def _skeleton(tree: Tree) -> Any:
    """A tree of leaf numbers as JSON, with tuples told from lists."""
    if isinstance(tree, dict):
        return {k: _skeleton(v) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [isinstance(tree, tuple), *map(_skeleton, tree)]
    return tree


def _filled(skeleton: Any, leaves: list[Any]) -> Tree:
    if isinstance(skeleton, dict):
        return {k: _filled(v, leaves) for k, v in skeleton.items()}
    if isinstance(skeleton, list):
        some = [_filled(v, leaves) for v in skeleton[1:]]
        return tuple(some) if skeleton[0] else some
    return leaves[skeleton]
