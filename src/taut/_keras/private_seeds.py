"""The random numbers that Keras draws without a seed."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras.src.backend.common import global_state
from keras.src.random import seed_generator

_own = threading.local()


class _Draws:
    """Python's `random` for Keras; of a thread inside `private_seeds`, a stream of its own."""

    def randint(self, low: int, high: int) -> int:
        return (getattr(_own, "stream", None) or random).randint(low, high)

    def __getattr__(self, name: str) -> Any:
        return getattr(random, name)


# Keras draws a seed for whatever has none from Python's stream, which all threads share: to seed
# that would change what others draw, and they what is drawn here.
seed_generator.python_random = _Draws()  # type: ignore[attr-defined]


@contextmanager
def private_seeds(seed: int) -> Iterator[None]:
    """In this thread, what Keras draws without a seed comes from a stream of this seed."""
    name = seed_generator.GLOBAL_SEED_GENERATOR
    stream, generator = getattr(_own, "stream", None), global_state.get_global_attribute(name)
    _own.stream = random.Random(seed)
    # Keras takes seeds of 32 bits.
    global_state.set_global_attribute(name, keras.random.SeedGenerator(seed % 2**32))
    try:
        yield
    finally:
        _own.stream = stream
        global_state.set_global_attribute(name, generator)


def is_stream(variable: Any) -> bool:
    """Whether a variable is the state of a stream of random numbers."""
    return variable.name == "seed_generator_state"
