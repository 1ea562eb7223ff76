"""What makes a study the same study, so that a checkpoint of another is not continued."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from types import CodeType
from typing import Any

import numpy as np

from taut._keras_compat import compile_arguments

Tree = Any
_NOT_MEANT = ("name", "shared_object_id")
"""Entries of configurations that say nothing: "adam_1" is Adam."""


def study_of(
    model: Any,
    data: Tree,
    lanes: Any,
    splits: Any,
    settings: Mapping[str, Any],
    *,
    devices: int,
) -> dict[str, str]:
    """Digests of what makes a study, by the words that an error uses for them."""
    every = list(model._flatten_layers())
    # Keras counts names up within a process: "dense_3" is only the fourth that was made.
    names = {layer.name: f"layer {k}" for k, layer in enumerate(every)}
    layers = [[type(layer).__name__, _described(layer)] for layer in every]  # and how it is wired
    weights = [[list(v.shape), str(v.dtype), bool(v.trainable)] for v in model.variables]
    optimizer = model.optimizer.get_config()
    loss = {k: v for k, v in compile_arguments(model).items() if k.startswith("loss")}
    # Lanes without a seed start from the model's own weights; the others from fresh ones, but
    # for layers that train nothing.
    unseeded = any(lane.seed is None for lane in lanes)
    fixed = [layer for layer in every if unseeded or not layer.trainable_weights]
    own = [np.asarray(v.value) for layer in fixed for v in layer.weights]
    described = [
        [lane.strengths, lane.split, lane.seed, lane.target, lane.start, lane.epochs]
        for lane in lanes
    ]
    values = [
        [sorted(lane.values), [lane.values[k] for k in sorted(lane.values)]] for lane in lanes
    ]
    return {
        "model": _digest(names, [layers, weights, own]),
        "optimizer or penalty": _digest(names, optimizer),
        "loss": _digest(names, loss),
        "data": _digest(names, data),
        "lanes": _digest(names, [described, values]),
        "splits": _digest(names, [[s.train, s.held_out] for s in splits]),
        "settings": _digest(names, dict(settings)),
        "number of devices": str(devices),
    }


def _described(layer: Any) -> Any:
    try:
        return layer.get_config()
    except NotImplementedError:
        return None


def _digest(names: Mapping[str, str], tree: Any) -> str:
    """A checksum of nested lists, mappings, arrays, numbers and anything with a name."""
    crc = 0

    def add(item: Any) -> None:
        nonlocal crc
        if isinstance(item, Mapping):
            for key in sorted(item, key=str):
                if key in _NOT_MEANT and isinstance(item[key], (str, int)):
                    continue
                add(str(key))  # may be a path
                add(item[key])
        elif isinstance(item, (list, tuple)):
            crc = zlib.crc32(b"[%d" % len(item), crc)
            for one in item:
                add(one)
        elif hasattr(item, "dtype") and hasattr(item, "shape"):
            array = np.ascontiguousarray(item)
            crc = zlib.crc32(f"{array.dtype}{array.shape}".encode(), crc)
            crc = zlib.crc32(array.reshape(-1).view(np.uint8).data, crc)
        elif isinstance(item, str):
            path = "/".join(names.get(part, part) for part in item.split("/"))
            crc = zlib.crc32(f"str:{path}".encode(), crc)
        elif isinstance(item, (int, float, bool, type(None))):
            crc = zlib.crc32(f"{type(item).__name__}:{item!r}".encode(), crc)
        elif hasattr(item, "get_config"):
            add([type(item).__name__, item.get_config()])
        elif hasattr(item, "__code__"):  # by what it does, for its address differs in every process
            closed = [cell.cell_contents for cell in item.__closure__ or ()]
            add([item.__qualname__, item.__code__, list(item.__defaults__ or ()), closed])
        elif isinstance(item, CodeType):
            crc = zlib.crc32(item.co_code, crc)
            add([list(item.co_consts), list(item.co_names)])
        else:
            add(getattr(item, "__qualname__", type(item).__name__))

    add(tree)
    return f"{crc:08x}"
