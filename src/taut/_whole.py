"""Files and directories that are replaced as a whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path


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
