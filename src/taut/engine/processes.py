"""One study on several processes (`jax.distributed`): what they must agree on.

Every process runs the same code over one mesh of all devices. Each sees the shards on its own
devices only, so whatever decides what is done next is gathered here first.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding

from taut.errors import InputError


def first() -> bool:
    """Whether this process is the one that writes files and tells of progress."""
    return jax.process_index() == 0


def put(tree: Any, mesh: Any, spec: Any) -> Any:
    """Place host arrays, the same in every process, on the devices."""
    sharding = NamedSharding(mesh, spec)
    if jax.process_count() == 1:
        return jax.device_put(tree, sharding)

    def make(array: Any) -> Any:
        array = np.asarray(array)
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    return jax.tree.map(make, tree)


def to_host(tree: Any) -> Any:
    """The whole of sharded arrays, as NumPy arrays, in every process."""
    if jax.process_count() == 1:
        return jax.tree.map(np.asarray, tree)
    return jax.tree.map(np.asarray, multihost_utils.process_allgather(tree, tiled=True))


@contextmanager
def together() -> Iterator[None]:
    """What raises `InputError` in one process raises it in all, so that none waits for another."""
    problem: InputError | None = None
    try:
        yield
    except InputError as error:
        problem = error
    if anyone(problem is not None):
        raise problem or InputError("Another process of this study has raised an `InputError`.")


def check_same(items: Sequence[Any]) -> None:
    """Raise unless the items are the same in every process.

    Raises:
        InputError: If data, settings or what the checkpoint holds differ.
    """
    if jax.process_count() == 1:
        return
    crc = np.uint32(zlib.crc32(repr(list(items)).encode()))
    if len(np.unique(multihost_utils.process_allgather(crc))) > 1:
        raise InputError(
            "Every process must make the same call, and see the same checkpoint. Received: other "
            "data, settings or saved epochs in one of them. Load the same data everywhere, and put "
            "the checkpoint on a disk that all processes share."
        )


def agreed(value: float) -> float:
    """The number that the first process has."""
    if jax.process_count() == 1:
        return value
    return float(multihost_utils.broadcast_one_to_all(np.float64(value)))


def anyone(flag: bool) -> bool:
    """Whether the flag is set in any process."""
    if jax.process_count() == 1:
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.array(flag))))
