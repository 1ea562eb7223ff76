"""The one table in a zip archive."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from taut.errors import InputError
from taut.frames.unpacking import refuse_more

_BESIDE = re.compile(r"(^|/)(__MACOSX/|\.|(readme|licen[cs]e|changelog)[^/]*$)", re.IGNORECASE)


def only_table(path: Path, is_table: Callable[[str], bool]) -> str:
    """The full name of the one table in an archive.

    What an archiver adds (`__MACOSX`, names that begin with a dot), a readme and a licence are not
    taken for tables.

    Args:
        path: the archive.
        is_table: whether a file of this name is a table.

    Raises:
        InputError: no table is in it, or several; it has a password; or it says that it unpacks to
            much more than a table would.
        zipfile.BadZipFile: it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        files = [entry for entry in archive.infolist() if not entry.is_dir()]
    if {"[Content_Types].xml", "mimetype"} & {entry.filename for entry in files}:
        raise InputError(
            f"Of office documents, .xlsx and .xlsm are read. Received: {str(path)!r}, which is "
            "another. Save the table as .xlsx or CSV."
        )
    real = [entry for entry in files if not _BESIDE.search(entry.filename)]
    tables = [entry for entry in real if is_table(entry.filename)]
    if len(real) == 1 and not Path(real[0].filename).suffix:  # as pandas calls it in "new.zip"
        tables = real
    if len(tables) != 1:
        shown = [repr(entry.filename) for entry in tables or files]
        named = ", ".join(shown[:10]) + (f" and {len(shown) - 10} more" if shown[10:] else "")
        held = (
            f"{len(tables)}: {named}" if tables else (f"none, but {named}" if files else "nothing")
        )
        raise InputError(
            f"A zip archive must hold exactly one table. Received: {str(path)!r}, which holds "
            f"{held}. Unpack it, and give the file that is the table."
        )
    (entry,) = tables
    if entry.flag_bits & 1:
        raise InputError(
            f"A zip archive is read without a password. Received: {str(path)!r}, where "
            f"{entry.filename!r} has one. Unpack it, and give the table."
        )
    refuse_more(path, entry.file_size)
    return entry.filename


@contextmanager
def open_member(path: Path, member: str) -> Iterator[IO[bytes]]:
    """A file in an archive, unpacked as it is read, up to the size that the archive says."""
    with zipfile.ZipFile(path) as archive, archive.open(member) as file:
        yield file
