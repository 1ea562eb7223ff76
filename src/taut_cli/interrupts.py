"""The way out at a Ctrl-C where no command is at work: while libraries load, and at the end.

It needs nothing that takes time to load, so that it stands before anything that does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from types import FrameType

STOPPING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""The signals by which people, systems and closed terminals end a command."""

_left = ["nothing was written"]


def end_at_once() -> None:
    """From now on Ctrl-C ends the process by one line; for where there is nothing to clean up.

    One that is ignored (a script's background job) or handled already stays so.
    """
    here = threading.current_thread() is threading.main_thread()
    if here and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def tell_left(words: str) -> None:
    """What `end_at_once` says from now on of what is there."""
    _left[0] = words


def in_words(number: int, left: str) -> str:
    """What is said where a command was ended by a signal."""
    return f"{'interrupted' if number == signal.SIGINT else 'terminated'}, {left}"


def _end(number: int, frame: FrameType | None) -> None:
    del frame
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    line = f"{in_words(number, _left[0])}\n"
    with contextlib.suppress(OSError):
        os.write(2, line.encode("utf-8", "backslashreplace"))
    os._exit(128 + number)
