"""Which lengths a network can be exported to ONNX with."""

from __future__ import annotations

from typing import Any

import keras

from taut.errors import UnsupportedError


def check_onnx_lengths(model: Any, input_signature: Any) -> None:
    """Raise where ONNX would hold a network that reads one step of a sequence.

    Torch writes down what is computed of one example. Keras's recurrent layers loop over its steps,
    and an axis of no known length has one step in that example: of longer sequences the network
    that is written fails, or reads the first step alone.

    Args:
        model: A built Keras model.
        input_signature: As `model.export` takes it; None for the model's own inputs.

    Raises:
        UnsupportedError: On torch, for recurrent layers and an input of steps of unknown number.
    """
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.RNN)]
    if keras.backend.backend() != "torch" or not layers:
        return
    given = getattr(model, "inputs", None) if input_signature is None else input_signature
    unknown = [
        spec
        for spec in keras.tree.flatten(given)
        if any(size is None for size in tuple(getattr(spec, "shape", None) or ())[1:])
    ]
    if unknown:
        names = ", ".join(repr(getattr(spec, "name", None) or "an input") for spec in unknown)
        shapes = ", ".join(str(tuple(spec.shape)) for spec in unknown)
        raise UnsupportedError(
            "Torch exports a recurrent layer to ONNX for one number of steps. Received: "
            f"{type(layers[0]).__name__} and inputs of any number, {names} of the shapes {shapes}. "
            "Give `input_signature` with that number, such as `keras.InputSpec(shape=(None, 64), "
            'dtype="int32", name="words")` for each, and fill up what the network is given to it.'
        )
