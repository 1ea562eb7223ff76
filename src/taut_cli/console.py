"""Where lines go, and how a command ends when something is wrong."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from taut_cli.errors import UsageError
from taut_cli.interrupts import STOPPING, in_words, tell_left

_PIPED_WIDTH = 100
COLLECTING = "_xla_gc_callback", "__del__"
"""Functions that Python calls as it collects garbage; the first is JAX's."""


def console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """A console that neither guesses colours for numbers nor reads markup into names.

    Args:
        stderr: Whether it writes there.
        quiet: Whether it writes nothing.
    """
    made = Console(stderr=stderr, quiet=quiet, highlight=False, markup=False, emoji=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = _PIPED_WIDTH
    return made


def clean(text: object) -> str:
    """`taut.readable.clean`, for which the library loads only where there is something to do."""
    words = str(text)
    if words.isprintable():
        return words
    from taut.readable import clean

    return clean(words)


def say_error(message: object) -> None:
    """One message on stderr, its control characters made visible, never cut into lines."""
    lines = "\n".join(clean(line) for line in str(message).split("\n"))
    console(stderr=True).print(Text.assemble(("Error: ", "bold red"), lines), soft_wrap=True)


def say_warning(message: object, label: str = "Warning: ") -> None:
    """One message on stderr about what did not end the command, after a word for that."""
    words = Text.assemble((label, "bold yellow"), clean(message))
    console(stderr=True).print(words, soft_wrap=True)


class Attempt:
    """What a command has written so far, and whether it has been interrupted.

    `kept` says whether what was trained is kept for the same command to go on from.
    """

    def __init__(self) -> None:
        self.written: str | None = None
        self.interrupts: list[int] = []
        self.ended = False
        self.kept: Callable[[], bool] = lambda: False

    def check(self) -> None:
        """Interrupts again if an interrupt was lost: a library may swallow it as it is imported."""
        if self.interrupts:
            raise KeyboardInterrupt


def say_json(answer: Mapping[str, Any]) -> None:
    """One JSON object on stdout, for other programs; what is not finite is null."""
    from taut.typed_json import json_text

    typer.echo(json_text(answer))


def load(state: Attempt, *, quiet: bool = False) -> None:
    """Imports the library, and with it Keras, which takes seconds."""
    with console(stderr=True, quiet=quiet).status("taut"):
        import taut  # noqa: F401
    state.check()


@contextmanager
def attempt() -> Iterator[Attempt]:
    """Turns what can go wrong into one clear message and an exit code.

    Bad input exits with 2, a failing disk with 1, Ctrl-C with 130, and a request to terminate with
    143; both leave through the same clean-up. Anything else is a bug and keeps its traceback.
    """
    state = Attempt()
    interrupted = state.interrupts

    def on_signal(number: int, frame: FrameType | None) -> None:
        if state.ended:
            return  # it is on its way out, and says what is left
        interrupted.append(number)
        if _collects(frame):
            return  # raised there, Python would print it and go on; `check` raises soon
        raise KeyboardInterrupt

    with _handlers(dict.fromkeys(STOPPING, on_signal)):
        try:
            yield state
        except KeyboardInterrupt:
            raise _interrupted(state) from None
        except Exception as error:
            # A library may wrap the interrupt of a callback in an error of its own.
            if interrupted:
                raise _interrupted(state) from None
            if isinstance(error, _bad_input()):
                say_error(error)
                raise typer.Exit(2) from None
            if isinstance(error, BrokenPipeError) and error.filename is None:
                _write_nowhere()
                raise typer.Exit(1) from None
            if not isinstance(error, OSError):
                raise
            say_error(f"{error.strerror or error}: {error.filename or 'the disk'}. {_left(state)}.")
            raise typer.Exit(1) from None
        finally:
            state.ended = True
            tell_left(_left(state))


def _collects(frame: FrameType | None) -> bool:
    """Whether it runs in what Python calls as something is collected, as weak references do."""
    while frame is not None:
        if frame.f_code.co_name in COLLECTING or frame.f_globals.get("__name__") == "weakref":
            return True
        frame = frame.f_back
    return False


def _write_nowhere() -> None:
    """What reads stdout has ended (`| head`): the rest of it is lost without a word."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())


def _bad_input() -> tuple[type[Exception], ...]:
    """The command's own error, and the library's as soon as that is there to raise it."""
    library = sys.modules.get("taut.errors")
    return (UsageError, library.InputError) if library else (UsageError,)


def _interrupted(state: Attempt) -> typer.Exit:
    state.ended = True
    number = state.interrupts[0] if state.interrupts else signal.SIGINT
    console(stderr=True).print(in_words(number, _left(state)), soft_wrap=True)
    return typer.Exit(128 + number)


def _left(state: Attempt) -> str:
    if state.written:
        return f"{state.written} is whole"
    more = "; the same command goes on from what was trained" if state.kept() else ""
    return f"nothing was written{more}"


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Puts Ctrl-C and termination off until the block is done: for renames and clean-up."""
    late: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        late.append(number)

    before: dict[int, Any] = {}
    with _handlers(dict.fromkeys(STOPPING, note), before):
        yield
    if late and callable(before.get(late[0])):
        before[late[0]](late[0], None)


@contextmanager
def _handlers(new: dict[int, Any], before: dict[int, Any] | None = None) -> Iterator[None]:
    """Sets signal handlers for a while; only the main thread may, elsewhere it does nothing.

    A signal that is ignored, as by `nohup`, stays so, and one handled outside of Python too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {} if before is None else before
    present = {number: signal.getsignal(number) for number in new}
    before.update(
        {n: handler for n, handler in present.items() if handler not in (signal.SIG_IGN, None)}
    )
    for number in before:
        signal.signal(number, new[number])
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
