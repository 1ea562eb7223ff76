"""Streams of random numbers that belong to the whole process."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np

_one_at_a_time = threading.Lock()


@contextmanager
def global_streams(seed: int) -> Iterator[None]:
    """NumPy's, Python's and torch's streams begin at a seed, and go on afterwards where they were.

    They are of all threads, so this is only for what draws from nothing else.
    """
    with _one_at_a_time:
        numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
        np.random.seed(seed % 2**32)  # noqa: NPY002
        random.seed(seed)
        try:
            with own_stream(seed):
                yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002
            random.setstate(python_state)


@contextmanager
def own_stream(seed: int | None) -> Iterator[None]:
    """Seeds what no variable of a model seeds, and gives the old stream back.

    With torch, Keras draws the masks of a dropout layer without a seed from torch's own stream.
    Elsewhere a lane's dropout streams are among its variables.
    """
    if keras.backend.backend() != "torch":
        yield
        return
    import torch

    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(0 if seed is None else seed)
        yield
