"""Files and folders that are replaced as a whole, or not at all."""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import IO

from taut.errors import InputError

DAMAGED: tuple[type[Exception], ...] = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    AttributeError,
    OverflowError,
    RuntimeError,  # an archive that says it is encrypted, or packed in some other way
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading an archive may raise where some of its bytes are other ones."""


def replace_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill a file beside `path`, sync it, and rename it to `path`.

    Whatever happens while it writes, `path` holds what it held before or all of the new. What a
    process that was killed left beside it is removed.

    Args:
        path: Where the file goes; its folder must exist.
        write: Called with a file that is open for bytes.
    """
    for stale in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        stale.unlink(missing_ok=True)
    new = path.parent / f".{path.name}.{secrets.token_hex(4)}.tmp"
    try:
        with open(new, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink()
        raise
    with contextlib.suppress(OSError):  # not every system can sync a folder
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextlib.contextmanager
def whole_folder(place: Path, *, ours: Collection[str]) -> Iterator[Path]:
    """A new folder to fill, which then takes the place of `place`: whole, or not at all.

    Its parent is temporary: what is written there does not stay.

    Args:
        place: Where the folder goes; the folders above it are made.
        ours: Names of all that such a folder may hold: what else is in one that is replaced stays.

    Raises:
        InputError: If there is a file where a folder above it would be.
    """
    if place.is_symlink():  # what is linked to is replaced, and not the link
        place = place.resolve()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(
            f"A folder must be in a folder. Received: {str(place)!r}, above which there is a file. "
            "Choose another."
        ) from error
    beside = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        new = beside / place.name
        new.mkdir()
        yield new
        old = beside / "old"
        if put_in_place(new, place, old):
            keep_others(old, place, ours)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def keep_others(old: Path, place: Path, ours: Collection[str]) -> None:
    """Move the files of others from a folder that was replaced into that in its place.

    Args:
        old: The folder that was replaced.
        place: The new one.
        ours: Names of what is not moved; nor is what the new one has.
    """
    for other in old.iterdir():
        if other.name not in ours and not (place / other.name).exists():
            os.rename(other, place / other.name)


def put_in_place(new: Path, place: Path, old: Path) -> bool:
    """Rename `new` to `place`; what is there is renamed to `old`, and back should that fail.

    Args:
        new: A file or directory on the file system of `place`.
        place: Where it goes.
        old: A name that does not exist, on the same file system.

    Returns:
        Whether something was there, and is now `old`.
    """
    replaced = place.exists()
    if replaced:
        os.rename(place, old)
    try:
        os.rename(new, place)
    except OSError:
        if replaced:
            os.rename(old, place)
        raise
    return replaced
