"""What was given where a Keras model is wanted."""

from __future__ import annotations

import os
from typing import Any

import keras

from taut.errors import InputError

_HOLDERS = ("model", "network", "model_", "network_")
"""Attributes by which results and estimators have their model."""


def check_keras_model(*, built: bool = False, **argument: Any) -> None:
    """Raise unless one argument is a Keras model; say in few words what it is and where one is.

    Args:
        built: Whether it must be built too.
        **argument: The argument, by its name.

    Example:
        >>> check_keras_model(model="net.keras")
        Traceback (most recent call last):
        taut.errors.InputError: `model` must be a Keras model. Received: the path 'net.keras'. \
Pass what `taut.models.load_model` makes of it.
    """
    ((name, value),) = argument.items()
    rule = f"`{name}` must be a {'built ' if built else ''}Keras model."
    if not isinstance(value, keras.Model):
        raise InputError(f"{rule} Received: {_received(value)}")
    if built and not value.built:
        raise InputError(
            f"{rule} Received: {value.name!r}, which is not built. Add a `keras.Input`, or call it "
            "on data first."
        )


def _received(value: Any) -> str:
    kind = type(value).__name__
    if value is None:
        return "None. Pass the model itself."
    if isinstance(value, (str, os.PathLike)):
        return f"the path {str(value)!r:.80}. Pass what `taut.models.load_model` makes of it."
    if isinstance(value, type):
        return f"the class {value.__name__}. Pass a model of this class."
    if isinstance(value, keras.layers.Layer):
        return f"{value.name!r}, a layer of class {kind}. Pass the model that it is in."
    holder = next((h for h in _HOLDERS if isinstance(_read(value, h), keras.Model)), None)
    if holder is not None:
        return f"a {kind}. Pass its `{holder}`, which is one."
    if isinstance(value, (list, tuple, dict)):
        return f"a {kind} of {len(value)}. Pass one model."
    return f"an object of class {kind}. Pass the model itself."


def _read(value: Any, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except Exception:  # a property of somebody else's
        return None
