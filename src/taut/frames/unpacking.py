"""How much a packed file may unpack to: one rule for gzip, bzip2, xz, zip, Excel and Parquet."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from taut.errors import InputError

_RATIO = 200  # tables of people stay below 50, but for those that are nearly all zeros
_SMALL = 1 << 28  # bytes that do no harm, whatever the ratio


def most_unpacked(path: Path) -> int:
    """The most bytes that what is packed in a file may have."""
    return max(_SMALL, _RATIO * path.stat().st_size)


def refuse_more(path: Path, size: int) -> None:
    """Raise if a file's content has, or says that it has, more bytes than it may.

    Args:
        path: the file on the disk.
        size: bytes of what is packed in it.

    Raises:
        InputError: they are more than 200 times those of the file, and more than 256 MiB.
    """
    if size > most_unpacked(path):
        raise InputError(
            f"A packed table may unpack to at most {_RATIO} times its size. Received: "
            f"{str(path)!r}, of {path.stat().st_size} bytes, which unpacks to more than "
            f"{most_unpacked(path)}. If you trust it, save the table as a plain CSV file, and give "
            "that."
        )


class Unpacked(io.BufferedIOBase):
    """What a packed file holds, readable up to the most bytes that it may have.

    Args:
        packed: the open file that unpacks.
        path: the file on the disk.
    """

    def __init__(self, packed: Any, path: Path) -> None:
        super().__init__()
        self._packed, self._path = packed, path
        self._most = most_unpacked(path)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._packed.seekable()

    def tell(self) -> int:
        return self._packed.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        place = self._packed.seek(offset, whence)
        refuse_more(self._path, place)
        return place

    def read(self, size: int | None = -1) -> bytes:
        size = -1 if size is None else size
        left = self._most + 1 - self._packed.tell()
        found = self._packed.read(left if size < 0 else min(size, left))
        refuse_more(self._path, self._packed.tell())
        return found

    def read1(self, size: int = -1) -> bytes:
        return self.read(io.DEFAULT_BUFFER_SIZE if size < 0 else size)
