"""Writes whole or not at all: what is there is only replaced after the new one is whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from taut_cli.console import uninterrupted
from taut_cli.errors import UsageError


def check_directory(out: Path, *, force: bool) -> Path:
    """Refuses, before any work, a directory that must not be written; returns it resolved.

    With `force` only a run of taut is replaced, or an empty directory: not any directory whose
    name was given by mistake.
    """
    place = out.resolve()
    if place.exists() and not place.is_dir():
        raise UsageError(f"--out must name a directory. Received: {out}, a file. Choose another.")
    if place.exists() and not force:
        raise UsageError(
            f"--out must not exist yet. Received: {out}, which does. "
            "Choose another, or replace it with --force."
        )
    if place.is_dir() and any(place.iterdir()) and not (place / "metrics.json").is_file():
        raise UsageError(
            f"--force replaces a run of taut only. Received: --out {out}, which has no "
            "metrics.json. Choose another directory."
        )
    if place.exists() and Path.cwd().is_relative_to(place):
        raise UsageError(
            f"--force cannot replace the directory you are in. Received: --out {out}. "
            "Change to another directory first."
        )
    _check_writable(_standing(place), out)
    return place


def write_directory(
    place: Path, write: Callable[[Path], None], *, force: bool, done: Callable[[], None]
) -> None:
    """Lets `write` make a directory beside `place`, then renames it to `place`.

    Files in a replaced run that the new one does not have, a user's own, stay.

    Args:
        place: The directory to be, as `check_directory` returned it.
        write: Makes the directory that it is given, which does not exist yet.
        force: Whether a run that is there is replaced.
        done: Called as soon as `place` is whole.
    """
    with uninterrupted():
        # Beside the first directory that exists: the rename stays on one file system.
        stage = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=_standing(place.parent)))
    try:
        write(stage / "new")
        with uninterrupted():
            _swap(stage, place, force=force)
            done()
    finally:
        with uninterrupted():
            shutil.rmtree(stage, ignore_errors=True)


def write_elsewhere(place: Path, write: Callable[[Path], None]) -> Path | None:
    """Lets `write` make its directory in the system's temporary one, where `place` failed.

    Returns:
        The directory; None where that fails too, and then nothing is left of it.
    """
    kept, stage = None, None
    try:
        with contextlib.suppress(Exception):
            with uninterrupted():
                stage = Path(tempfile.mkdtemp(prefix=f"{place.name}-"))
            write(stage / place.name)
            kept = stage / place.name
    finally:
        if stage is not None and kept is None:
            with uninterrupted():
                shutil.rmtree(stage, ignore_errors=True)
    return kept


def _swap(stage: Path, place: Path, *, force: bool) -> None:
    from taut.files import keep_others, put_in_place
    from taut.run import OF_A_RUN

    new, old = stage / "new", stage / "old"
    if not force and place.exists():
        raise UsageError(f"--out must not exist. {place} has been made while taut worked.")
    made = _make_parents(place)
    try:
        replaced = put_in_place(new, place, old)
    except OSError:
        for parent in made:
            parent.rmdir()
        raise
    if replaced:
        keep_others(old, place, OF_A_RUN)


def _make_parents(place: Path) -> list[Path]:
    """Makes the missing parents of a path; returns them, innermost first."""
    missing = [parent for parent in place.parents if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir()
    return missing


def check_file(
    out: Path,
    *,
    force: bool,
    source: Path | None = None,
    suffix: str = ".csv",
    option: str = "--out",
) -> None:
    """Refuses, before any work, a file that must not be written."""
    if out.suffix.lower() != suffix:
        raise UsageError(f"{option} must end in {suffix}. Received: {out}.")
    if out.is_dir():
        raise UsageError(f"{option} must name a file. Received: {out}, a directory.")
    if source is not None and out.exists() and source.exists() and out.samefile(source):
        raise UsageError(f"--out must not be the file that is read. Received: {out} for both.")
    if out.exists() and not force:
        raise UsageError(
            f"{option} must not exist yet. Received: {out}, which does. "
            "Choose another, or replace it with --force."
        )
    if not out.resolve().parent.is_dir():
        raise UsageError(f"{option} must lie in a directory that exists. Received: {out}.")
    _check_writable(out.resolve().parent, out)


def check_table(table: Path) -> None:
    """Refuses, before any work, a table that is not there, or is no file."""
    if table.is_dir() or ":/" in table.as_posix():
        return  # a folder, or an address: what reads it says more
    if (table.exists() and not table.is_file()) or str(table) == "-":
        raise UsageError(
            f"A table must be a file: it is read more than once. Received: {table}, a pipe. "
            "Write it to a file first."
        )
    if not table.is_file():
        raise UsageError(f"There is no file {str(table)!r}. Check the path.")


def write_file(
    out: Path, write: Callable[[Path], None], *, done: Callable[[], None] = lambda: None
) -> None:
    """Lets `write` fill a temporary file beside `out`, then renames it to `out`."""
    with uninterrupted():
        handle, name = tempfile.mkstemp(prefix=f".{out.name}-", dir=out.resolve().parent)
        os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with uninterrupted():
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)
            os.replace(temporary, out.resolve())
            done()
    finally:
        with uninterrupted():
            temporary.unlink(missing_ok=True)


def _standing(place: Path) -> Path:
    """The path itself or its first parent that exists."""
    return next(path for path in (place, *place.parents) if path.exists())


def _check_writable(where: Path, out: Path) -> None:
    # A directory that exists and is to be replaced is renamed: its parent must be writable.
    where = where.parent if where == out.resolve() else where
    if not where.is_dir():
        raise UsageError(f"--out must lie in a directory. Received: {out}, but {where} is a file.")
    if not os.access(where, os.W_OK | os.X_OK):
        raise UsageError(f"--out must be writable. Received: {out}; {where} is not.")
