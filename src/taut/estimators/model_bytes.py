"""A Keras model as bytes, for estimators that are copied, pickled or sent to other processes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras


def to_bytes(model: Any) -> bytes:
    """The bytes of the `.keras` archive, with the optimizer and its state."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes()


def from_bytes(content: bytes) -> Any:
    """The model that `to_bytes` wrote. Keras loads no code: custom layers must be registered."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(content)
        return keras.saving.load_model(path)
