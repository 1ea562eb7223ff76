"""Parquet, Feather and Arrow files, whose columns have types of their own."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd

from taut.frames.as_frame import from_arrow, refuse_duplicates
from taut.frames.table_file import PARQUET, TableFile, libraries
from taut.frames.unpacking import refuse_more


def read_arrow(file: TableFile) -> pd.DataFrame:
    """The table of a Parquet, Feather or Arrow file; an index saved with a name is a column again.

    Args:
        file: which it is. An Arrow file may be a stream too.

    Raises:
        InputError: two columns have one name.
    """
    import pyarrow.parquet  # costs as much as pandas itself, and CSV does not need it

    with libraries():
        if file.kind == PARQUET:
            source: Any = _bytes(file) if file.member or file.packing else file.path
            with pyarrow.parquet.ParquetFile(source) as opened:
                refuse_duplicates(file, opened.schema_arrow.names)
                parts = map(opened.metadata.row_group, range(opened.metadata.num_row_groups))
                refuse_more(file.path, sum(part.total_byte_size for part in parts))
                table = opened.read()
        else:
            source = _bytes(file)
            begins = source.getbuffer()[:6]
            opener = pyarrow.ipc.open_file if begins == b"ARROW1" else pyarrow.ipc.open_stream
            table = opener(source).read_all()
            refuse_duplicates(file, table.schema.names)
        table.validate(full=True)  # what is damaged would be read beyond its end
        frame = from_arrow(table)
    named = [name for name in frame.index.names if name is not None]
    return frame.reset_index(named) if named else frame


def _bytes(file: TableFile) -> io.BytesIO:
    with file.open() as opened:
        return io.BytesIO(opened.read())
