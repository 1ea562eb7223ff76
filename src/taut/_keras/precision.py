"""Programs, and the precision that they compute in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import keras
import numpy as np
from keras.src.backend.common import dtypes


def jitted(function: Any) -> Any:
    """The function compiled as one program on JAX, where operations alone compile slowly."""
    if keras.backend.backend() != "jax":
        return function
    import jax

    return jax.jit(function)


def double_precision() -> Any:
    """A context in which float64 is what it says; on JAX it is float32 outside of it."""
    if keras.backend.backend() != "jax":
        return nullcontext()
    import jax

    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    from jax import experimental

    return getattr(experimental, "enable_x64")()  # noqa: B009 (its place before JAX 0.8)


@contextmanager
def double_throughout() -> Iterator[None]:
    """`double_precision`, in which no operation of Keras makes float32 of float64 either."""
    to_single = dtypes.BIT64_TO_BIT32_DTYPE
    before = to_single["float64"]
    to_single["float64"] = "float64"
    try:
        with double_precision():
            yield
    finally:
        to_single["float64"] = before


def attend_in_own_precision(layer: Any) -> None:
    """Let a built attention layer compute in the precision of its inputs, in inference.

    JAX's fused attention takes its softmax in single precision, whatever it gets. Keras does not
    call it where there is dropout, which in inference is none.
    """
    name = "_dropout" if hasattr(layer, "_dropout") else "dropout"
    setattr(layer, name, getattr(layer, name) or float(np.finfo("float64").tiny))
