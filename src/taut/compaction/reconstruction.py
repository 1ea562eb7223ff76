"""What is left of each layer, fitted to what the layer made before units were switched off."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from taut._keras.model_calls import arrivals
from taut._keras.model_graphs import input_structure
from taut._keras.over_patches import patches
from taut.compaction.equality import fixed_batch
from taut.compaction.traced import trace

CONVOLUTIONS = layers.Conv1D, layers.Conv2D, layers.Conv3D
RIDGE = 1e-3
ROWS, ENOUGH = 2048, 20_000
"""At most so many rows, and so many places of what layers make, or 20 for each weight of a unit."""
PART = 2**24
"""Numbers of patches at a time."""
OPEN = 64
"""The steps of a row that are reckoned with where a model leaves them open."""


def reconstruct(model: Any, copy: Any, flat: list[np.ndarray], seed: int) -> None:
    r"""Fit the weights of a copy in which units are off, layer by layer, to the model.

    With z = Wᵀp + b what a dense layer or a convolution made of p (the part of its input that a
    unit reads at one place), before the activation, p̃ what it reads now, and ε = 0.001 of the mean
    of p̃², a layer's weights become those that minimise, over places in some rows,

        mean ‖z − W̃ᵀp̃ − b̃‖² + ε·‖W̃ − W‖²

    The layers in front have been fitted by then. What batch normalisations have stored moves as
    the moments of what they read do. Units that are off stay off. No targets are needed.

    Other layers with weights, layers that are called several times, and those whose inputs are
    not finite, keep their weights.

    Args:
        model: The model as it is.
        copy: One with the same layers, some of whose units are off; it is changed.
        flat: Rows, one array an input.
        seed: Of the rows and places.

    References:
        He, Zhang and Sun, Channel pruning for accelerating very deep neural networks, 2017.
    """
    pairs = dict(zip(map(id, copy._flatten_layers()), model._flatten_layers(), strict=True))
    traced, draw = trace(copy), np.random.default_rng(seed)
    order = draw.permutation(len(flat[0]))[:ROWS]
    rows = [a[order] for a in flat]
    for call in traced.calls:
        layer = call.operation
        if len(traced.calls_of(layer)) > 1 or id(layer) not in pairs:
            continue
        both = (model, pairs[id(layer)]), (copy, layer)
        if type(layer) is layers.BatchNormalization:
            _move_moments(both, rows)
        elif _is_linear(layer):
            _fit(both, rows, prod(n or OPEN for n in call.makes[0].shape[1:-1]), draw)


def _is_linear(layer: Any) -> bool:
    if type(layer) is layers.Dense:
        plain = True
    elif type(layer) in CONVOLUTIONS:
        plain = layer.groups == 1 and layer.padding in ("valid", "same")
        plain = plain and layer.data_format == "channels_last"
    else:
        return False
    named = {variable.name for variable in layer.weights}
    return plain and named <= {"kernel", "bias"}


Both = tuple[tuple[Any, Any], tuple[Any, Any]]


def _fit(both: Both, rows: list[np.ndarray], places: int, draw: np.random.Generator) -> None:
    before, layer = both[0][1], both[1][1]
    kernel, whole = _numbers(layer.kernel), _numbers(before.kernel)
    alive = kernel.reshape(-1, kernel.shape[-1]).any(axis=0)
    size, biased = prod(kernel.shape[:-1]), layer.use_bias
    wanted = max(ENOUGH, 20 * size)
    rows = [a[: max(128, 8 * wanted // places)] for a in rows]
    share = min(1.0, wanted / (places * len(rows[0])))
    squares, products = np.zeros((size + biased,) * 2), np.zeros((size + biased, alive.sum()))
    weights = [w.reshape(size, -1)[:, alive] for w in (whole, kernel)]
    for values in _arriving(both, rows, max(1, PART // (places * size))):
        read = [_patches(layer, value).reshape(-1, size) for value in values]
        some = draw.random(len(read[0])) < share
        was, now = (a[some].astype(float) for a in read)
        missing = was @ weights[0] - now @ weights[1]
        if biased:
            missing += (_numbers(before.bias) - _numbers(layer.bias))[alive]
            now = np.concatenate([now, np.ones((len(now), 1))], axis=1)
        squares += now.T @ now
        products += now.T @ missing
    if not (np.isfinite(squares).all() and np.isfinite(products).all() and products.any()):
        return
    ridge = RIDGE * np.trace(squares) / np.count_nonzero(squares.diagonal())
    change = np.linalg.solve(squares + ridge * np.eye(len(squares)), products)
    kernel.reshape(size, -1)[:, alive] += change[:size]
    layer.kernel.assign(kernel)
    if biased:
        bias = _numbers(layer.bias)
        bias[alive] += change[size]
        layer.bias.assign(bias)


def _move_moments(both: Both, rows: list[np.ndarray]) -> None:
    layer, sums = both[1][1], []
    for values in _arriving(both, rows, 256):
        if layer.axis not in (-1, values[0].ndim - 1):
            return
        parts = [v.astype(float).reshape(-1, v.shape[-1]) for v in values]
        sums.append([[len(v) * np.ones(v.shape[1]), v.sum(0), (v**2).sum(0)] for v in parts])
    number, first, second = np.sum(sums, axis=0).transpose(1, 0, 2)
    means = first / number
    spread = np.maximum(second / number - means**2, 0)
    if not np.isfinite(spread).all():
        return
    wider = np.divide(spread[1], spread[0], out=np.ones(len(spread[0])), where=spread[0] > 0)
    layer.moving_mean.assign(_numbers(layer.moving_mean) + means[1] - means[0])
    layer.moving_variance.assign(_numbers(layer.moving_variance) * wider)


def _arriving(both: Both, rows: list[np.ndarray], batch: int) -> Iterator[list[np.ndarray]]:
    """What reaches one layer in each of the two models, some rows at a time."""
    states = [
        ([v.value for v in m.trainable_variables], [v.value for v in m.non_trainable_variables])
        for m, _ in both
    ]
    batch = fixed_batch(both[0][0]) or min(batch, 256, len(rows[0]))
    # What is left over would be compiled anew for its size.
    for start in range(0, max(1, len(rows[0]) - batch + 1), batch):
        part = [np.resize(a[start : start + batch], (batch, *a.shape[1:])) for a in rows]
        made = []
        for (model, layer), state in zip(both, states, strict=True):
            tensors = [
                ops.convert_to_tensor(a, t.dtype) for a, t in zip(part, model.inputs, strict=True)
            ]
            x = keras.tree.pack_sequence_as(input_structure(model), tensors)
            (found,) = arrivals(model, [layer], x, state, {id(layer): 1})
            made.append(_numbers(found.value))
        yield made


def _patches(layer: Any, value: np.ndarray) -> np.ndarray:
    if isinstance(layer, layers.Dense):
        return value
    sizes, rates = list(layer.kernel_size), list(layer.dilation_rate)
    return _numbers(
        patches(ops.convert_to_tensor(value), sizes, list(layer.strides), rates, layer.padding)
    )


def _numbers(tensor: Any) -> np.ndarray:
    return np.array(ops.convert_to_numpy(ops.stop_gradient(tensor)))
