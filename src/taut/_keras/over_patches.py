"""Convolutions and maxima over patches, on JAX."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from keras import ops
from keras.src import backend

_OVER_PATCHES: ContextVar[bool] = ContextVar("_OVER_PATCHES", default=False)


@contextmanager
def over_patches() -> Iterator[None]:
    """On JAX, convolutions and maxima of windows that are traced here are computed over patches.

    A convolution is a matrix product. Those with groups, or with channels first, and windows that
    overlap stay what they are.
    """
    token = _OVER_PATCHES.set(True)
    backend.nn.conv, backend.nn.max_pool = _conv, _max_pool
    try:
        yield
    finally:
        _OVER_PATCHES.reset(token)


def _conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    last = backend.standardize_data_format(data_format) == "channels_last"
    whole = inputs.shape[-1] == kernel.shape[-2]
    if not (_OVER_PATCHES.get() and last and whole and padding in ("valid", "same")):
        return _CONV(inputs, kernel, strides, padding, data_format, dilation_rate)
    inputs, kernel = (ops.convert_to_tensor(a) for a in (inputs, kernel))
    axes = range(inputs.ndim - 2)
    strides, rates = (
        [n] * len(axes) if isinstance(n, int) else list(n) for n in (strides, dilation_rate)
    )
    sizes = list(kernel.shape[: len(axes)])
    read = patches(inputs, sizes, strides, rates, padding)
    return ops.matmul(read, ops.reshape(kernel, (-1, kernel.shape[-1])))


def patches(
    inputs: Any, sizes: list[int], strides: list[int], rates: list[int], padding: str
) -> Any:
    """What a convolution reads at each place, [rows, *places, window × channels].

    Args:
        inputs: [rows, *lengths, channels].
        sizes: Of the window.
        strides: From place to place.
        rates: Of dilation.
        padding: "valid" or "same".
    """
    axes = range(inputs.ndim - 2)
    reach = [(size - 1) * rate + 1 for size, rate in zip(sizes, rates, strict=True)]
    if padding == "same":
        more = []
        for axis in axes:
            length = inputs.shape[1 + axis]
            total = max((-(-length // strides[axis]) - 1) * strides[axis] + reach[axis] - length, 0)
            more.append((total // 2, total - total // 2))
        inputs = ops.pad(inputs, [(0, 0), *more, (0, 0)])
    ends = [
        (inputs.shape[1 + axis] - reach[axis]) // strides[axis] * strides[axis] + 1 for axis in axes
    ]

    def patch(at: tuple[int, ...]) -> Any:
        begins = [k * rate for k, rate in zip(at, rates, strict=True)]
        spans = zip(begins, ends, strides, strict=True)
        return inputs[(slice(None), *(slice(k, k + end, step) for k, end, step in spans))]

    return ops.concatenate([patch(at) for at in np.ndindex(*sizes)], axis=-1)


def _max_pool(
    inputs: Any,
    pool_size: Any,
    strides: Any = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    last = backend.standardize_data_format(data_format) == "channels_last"
    count = inputs.ndim - 2
    sizes, steps = (
        [n] * count if isinstance(n, int) else list(n) for n in (pool_size, strides or pool_size)
    )
    if not (_OVER_PATCHES.get() and last and sizes == steps and padding == "valid"):
        return _MAX_POOL(inputs, pool_size, strides, padding, data_format)
    lengths = [n // size for n, size in zip(inputs.shape[1:-1], sizes, strict=True)]
    whole = [slice(n * size) for n, size in zip(lengths, sizes, strict=True)]
    return _maximum(inputs[(slice(None), *whole)], tuple(sizes))


def _maximum(inputs: Any, sizes: tuple[int, ...]) -> Any:
    """The maximum of each window of these sizes; its gradient goes to the first of equals."""
    import jax
    import jax.numpy as jnp

    count = len(sizes)
    lengths = [n // size for n, size in zip(inputs.shape[1:-1], sizes, strict=True)]
    pairs = [n for pair in zip(lengths, sizes, strict=True) for n in pair]

    def in_windows(inputs: Any) -> Any:
        return inputs.reshape(inputs.shape[0], *pairs, inputs.shape[-1])

    @jax.custom_vjp
    def maximum(inputs: Any) -> Any:
        return in_windows(inputs).max(tuple(range(2, 2 * count + 1, 2)))

    def forward(inputs: Any) -> Any:
        largest = maximum(inputs)
        return largest, (inputs, largest)

    def backward(saved: Any, gradient: Any) -> Any:
        inputs, largest = saved
        windows, taken = in_windows(inputs), jnp.zeros(largest.shape, bool)

        def spread(place: tuple[int, ...]) -> Any:
            nonlocal taken
            if len(place) < count:
                parts = [spread((*place, k)) for k in range(sizes[len(place)])]
                return jnp.stack(parts, len(place) + 2)
            here = [part for k in place for part in (slice(None), k)]
            first = (windows[(slice(None), *here)] == largest) & ~taken
            taken |= first
            return jnp.where(first, gradient, 0)

        return (spread(()).reshape(inputs.shape),)

    maximum.defvjp(forward, backward)
    return maximum(inputs)


_CONV: Any = backend.nn.conv


_MAX_POOL: Any = backend.nn.max_pool
