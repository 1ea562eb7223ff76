"""Parquet, Feather and Arrow files, whose columns have types of their own."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd

from taut.frames.arrow_sizes import ARROW, arrow_bytes, parquet_bytes, parquet_texts, text_bytes
from taut.frames.as_frame import from_arrow, refuse_duplicates
from taut.frames.table_file import PARQUET, TableFile, libraries
from taut.frames.unpacking import most_unpacked, refuse_more


def read_arrow(file: TableFile) -> pd.DataFrame:
    """The table of a Parquet, Feather or Arrow file; an index saved with a name is a column again.

    Args:
        file: which it is. An Arrow file may be a stream too.

    Raises:
        InputError: two columns have one name, or it would take far more memory than the file has
            bytes.
    """
    with libraries():
        table = _parquet(file) if file.kind == PARQUET else _messages(file)
        table.validate(full=True)  # what is damaged would be read beyond its end
        frame = from_arrow(table)
    named = [name for name in frame.index.names if name is not None]
    return frame.reset_index(named) if named else frame


def _parquet(file: TableFile) -> Any:
    import pyarrow  # costs as much as pandas itself, and CSV does not need it
    import pyarrow.parquet as parquet

    source: Any = _bytes(file) if file.member or file.packing else file.path
    with parquet.ParquetFile(source) as opened:
        schema, metadata = opened.schema_arrow, opened.metadata
        refuse_duplicates(file, schema.names)
        size = parquet_bytes(metadata)
        refuse_more(file.path, size)
        plain = [f.name for f in schema if not pyarrow.types.is_dictionary(f.type)]
        texts = parquet_texts(metadata, plain)
        # No row has more than all that is stored: where even that is not too much, all is well.
        if not texts or size * metadata.num_rows <= most_unpacked(file.path):
            return opened.read()
    if not isinstance(source, Path):
        source.seek(0)
    with parquet.ParquetFile(source, read_dictionary=texts) as opened:
        table = opened.read()
    refuse_more(file.path, size + sum(text_bytes(table.column(name)) for name in texts))
    return table.cast(schema)


def _messages(file: TableFile) -> Any:
    import pyarrow

    content = pyarrow.py_buffer(_bytes(file).getbuffer())
    if bytes(content[: len(ARROW)]) == ARROW:
        if bytes(content[-len(ARROW) :]) != ARROW:
            raise ValueError("it is cut off")
        with pyarrow.ipc.open_file(content) as opened:
            _check(file, content, opened.schema)
            return opened.read_all()
    with pyarrow.ipc.open_stream(content) as opened:
        _check(file, content, opened.schema)
        return opened.read_all()


def _check(file: TableFile, content: Any, schema: Any) -> None:
    refuse_duplicates(file, schema.names)
    refuse_more(file.path, arrow_bytes(content, len(schema)))


def _bytes(file: TableFile) -> io.BytesIO:
    with file.open() as opened:
        return io.BytesIO(opened.read())
