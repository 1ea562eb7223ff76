"""Compiled models that no fit uses at the moment: the next fit alike compiles nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

MOST_KINDS, MOST_ALIKE = 16, 4
_LOCK = threading.Lock()
_IDLE: dict[Hashable, list[Any]] = {}


@contextmanager
def borrowed(key: Hashable | None, make: Callable[[], Any]) -> Iterator[Any]:
    """A compiled model that nobody else uses meanwhile; studies of it leave it as it was.

    Args:
        key: Models of one key are built and compiled alike. None keeps none.
        make: Makes a model where none is idle.
    """
    if key is None or keras.backend.backend() != "jax":
        yield make()
        return
    with _LOCK:
        idle = _IDLE.get(key)
        model = idle.pop() if idle else None
    model = make() if model is None else model
    yield model  # one that a failed fit used is not kept
    with _LOCK:
        idle = _IDLE[key] = _IDLE.pop(key, [])
        if len(idle) < MOST_ALIKE:
            idle.append(model)
        if len(_IDLE) > MOST_KINDS:
            _IDLE.pop(next(iter(_IDLE)))
