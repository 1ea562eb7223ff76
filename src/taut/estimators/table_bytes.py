"""A `TableModel` as bytes: its run directory, zipped."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path

from taut.tables.table_model import TableModel


def to_bytes(model: TableModel) -> bytes:
    """The bytes of a zip file of what `TableModel.save` writes."""
    content = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(content, "w") as archive:
        run = model.save(Path(folder) / "run")
        for path in sorted(run.iterdir()):
            archive.write(path, path.name)
    return content.getvalue()


def from_bytes(content: bytes) -> TableModel:
    """The model that `to_bytes` wrote."""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(folder)
        return TableModel.load(folder)
