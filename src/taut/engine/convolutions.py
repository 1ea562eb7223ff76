"""Convolutions on a CPU, which XLA computes slowly in the loops of a compiled program.

XLA hands a convolution to a fast library only outside of loops; inside, the layouts that this needs
are not found, and it is several times slower (jax-ml/jax issue 12868). So there it is a matrix
product over patches, some rows at a time, so that the patches stay in the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import keras

from taut._losses import loss_parts
from taut.engine.batchwise import may_mix_rows

ROWS_AT_A_TIME = 16
_PLAIN = ("Conv1D", "Conv2D", "Conv3D")
_OTHERS = (
    *(f"Conv{n}DTranspose" for n in (1, 2, 3)),
    *(f"{kind}Conv{n}D" for n in (1, 2) for kind in ("Depthwise", "Separable")),
)


def convolves_on_cpu(model: Any) -> bool:
    """Whether the model has convolutions and is trained on a CPU."""
    return jax.default_backend() == "cpu" and bool(_layers(model, (*_PLAIN, *_OTHERS)))


def are_products(model: Any) -> bool:
    """Whether all convolutions of a model can be matrix products over patches."""
    plain = _layers(model, _PLAIN)
    return not _layers(model, _OTHERS) and all(
        layer.groups == 1 and layer.data_format == "channels_last" for layer in plain
    )


def over_patches_of(model: Any, rows: Callable[[], tuple[Any, Any]]) -> dict[str, Any]:
    """What a `Plan` says of a model's convolutions: `products` and `rows_at_a_time`.

    Args:
        model: Compiled and built.
        rows: Gives (inputs, targets) of a row or more; called where there are such convolutions.
    """
    products = convolves_on_cpu(model) and are_products(model)
    return {
        "products": products,
        "rows_at_a_time": rows_at_a_time(model, *rows()) if products else None,
    }


def rows_at_a_time(model: Any, x: Any, y: Any) -> int | None:
    """Rows of a batch whose gradients can be summed, for a model with convolutions.

    None where a batch must be computed as a whole: something looks across its rows, or a loss is
    no mean over them, such as one with a mask.
    """
    parts = loss_parts(model, x, y)
    apart = not may_mix_rows(model) and not any(part.masked or part.own_call for part in parts)
    return ROWS_AT_A_TIME if apart else None


def _layers(model: Any, names: tuple[str, ...]) -> list[Any]:
    kinds = tuple(getattr(keras.layers, name) for name in names)
    return [layer for layer in model._flatten_layers() if isinstance(layer, kinds)]
