"""What is fitted as bytes, for estimators that are copied, pickled or sent to other processes."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import keras

from taut.studies import PathResult
from taut.tables.table_model import TableModel


def to_bytes(saved: Any) -> bytes:
    """The bytes of a zip file of what a Keras model, a path or a `TableModel` saves of itself.

    A Keras model is kept with its optimizer and the state of that.
    """
    content = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(content, "w") as archive:
        name = next(name for name, (kind, _) in _KINDS.items() if isinstance(saved, kind))
        place = Path(folder) / name
        saved.save(place)
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            archive.write(path, path.relative_to(folder))
    return content.getvalue()


def from_bytes(content: bytes) -> Any:
    """What `to_bytes` wrote. No code is loaded: custom layers must be registered with Keras."""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(folder)
        (place,) = Path(folder).iterdir()
        return _KINDS[place.name][1](place)


_KINDS: dict[str, tuple[Any, Any]] = {
    "table": (TableModel, TableModel.load),
    "path": (PathResult, PathResult.load),
    "model.keras": (keras.Model, keras.saving.load_model),
}
