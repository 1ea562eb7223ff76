"""How many bytes an Arrow or Parquet file takes in memory, by what it says of itself."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

_VALUE = 8
"""Bytes of a value in memory, at least: also of one that the file has once for all rows."""
_DICTIONARY, _RECORDS = 2, 3  # kinds of messages
# The places of the fields in the tables of Arrow's Message.fbs and File.fbs.
_KIND, _HEADER = 1, 2
_ROWS, _BUFFERS, _PACKED = 0, 2, 3
_DATA = 1
_DICTIONARIES, _BATCHES = 2, 3
ARROW = b"ARROW1"
"""What an Arrow file begins and ends with, and a stream does not."""


def parquet_bytes(metadata: Any) -> int:
    """Bytes of a Parquet file in memory, with each different text counted once.

    Args:
        metadata: a `pyarrow.parquet.FileMetaData`. What it says of single columns is not asked
            for: where that is damaged, pyarrow ends the process.
    """
    groups = [metadata.row_group(k) for k in range(metadata.num_row_groups)]
    values = _VALUE * metadata.num_columns
    return sum(max(group.total_byte_size, values * group.num_rows) for group in groups)


def parquet_texts(metadata: Any, names: list[str]) -> list[str]:
    """The columns among `names` that hold texts, perhaps once for all the rows that have one."""
    columns = [metadata.schema.column(k) for k in range(metadata.num_columns)]
    texts = {column.path for column in columns if column.physical_type == "BYTE_ARRAY"}
    return [name for name in names if name in texts]


def text_bytes(column: Any) -> int:
    """Bytes of the texts of a column that has each but once, when every row has its own.

    Args:
        column: a `pyarrow.ChunkedArray` of a dictionary's texts.
    """
    import pyarrow.compute

    lengths = (
        pyarrow.compute.take(pyarrow.compute.binary_length(part.dictionary), part.indices)
        for part in column.chunks
    )
    return sum(pyarrow.compute.sum(part).as_py() or 0 for part in lengths)


def arrow_bytes(content: Any, columns: int) -> int:
    """Bytes of an Arrow file or stream in memory; nothing is unpacked for it.

    A packed buffer begins with the length that it unpacks to. What a value takes is also counted
    for every row: a column of nulls or of runs has no values of its own.

    Args:
        content: a `pyarrow.Buffer` with the file.
        columns: how many the table has.
    """
    size = 0
    for message in _messages(content):
        root = _Table.root(memoryview(message.metadata))
        kind = root.number(_KIND, "B")
        if kind not in (_DICTIONARY, _RECORDS):
            continue
        batch = root.table(_HEADER)
        if kind == _DICTIONARY:
            batch = batch.table(_DATA)
        held = message.body.size
        if batch.place(_PACKED):
            body = memoryview(message.body)
            starts = [start for start, length in batch.structs(_BUFFERS, "<qq") if length]
            # -1 stands for one that is not packed after all.
            held += sum(max(0, *struct.unpack_from("<q", body, start)) for start in starts)
        rows = columns * batch.number(_ROWS, "q") if kind == _RECORDS else 0
        size += max(held, _VALUE * rows)
    return size


def _messages(content: Any) -> Iterator[Any]:
    """The messages of a stream, or those that a file's table of contents at its end names."""
    import pyarrow

    if bytes(content[: len(ARROW)]) != ARROW:
        yield from pyarrow.ipc.MessageReader.open_stream(content)
        return
    end = len(content) - len(ARROW) - 4
    (length,) = struct.unpack_from("<i", content, end)
    footer = _Table.root(memoryview(content)[end - length : end])
    for field in (_DICTIONARIES, _BATCHES):
        for start, before, body in footer.structs(field, "<qi4xq"):
            yield pyarrow.ipc.read_message(content[start : start + before + body])


class _Table(NamedTuple):
    """A table of a FlatBuffer: the bytes of all of it, and where this one begins."""

    data: memoryview
    start: int

    @classmethod
    def root(cls, data: memoryview) -> _Table:
        return cls(data, struct.unpack_from("<I", data, 0)[0])

    def place(self, field: int) -> int:
        """Where a field stands; 0 where the table leaves it out."""
        fields = self.start - struct.unpack_from("<i", self.data, self.start)[0]
        size = struct.unpack_from("<H", self.data, fields)[0]
        if 4 + 2 * field >= size:
            return 0
        offset = struct.unpack_from("<H", self.data, fields + 4 + 2 * field)[0]
        return self.start + offset if offset else 0

    def number(self, field: int, kind: str) -> int:
        place = self.place(field)
        return struct.unpack_from("<" + kind, self.data, place)[0] if place else 0

    def table(self, field: int) -> _Table:
        place = self.place(field)
        return _Table(self.data, place + struct.unpack_from("<I", self.data, place)[0])

    def structs(self, field: int, form: str) -> Iterator[tuple[int, ...]]:
        """A vector of structs."""
        place = self.place(field)
        if place:
            place += struct.unpack_from("<I", self.data, place)[0]
            for k in range(struct.unpack_from("<I", self.data, place)[0]):
                yield struct.unpack_from(form, self.data, place + 4 + struct.calcsize(form) * k)
