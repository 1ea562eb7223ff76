"""Programs that models built alike share, so that a second certificate compiles nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import keras

from taut._keras.precision import jitted

MOST_KEPT = 16
"""Digests whose programs are kept; beyond them the one that was used longest ago goes."""
_KEPT: dict[str, dict[str, Any]] = {}
_LOCK = threading.Lock()


class Program:
    """A compiled function (subject, *arguments), whose subject is read while it is traced alone.

    So a program does not keep its subject alive, and serves any other of which it is known that
    the same would be traced.

    Args:
        function: What to compile.
        compiled: Compiles a function of the arguments.
    """

    def __init__(self, function: Callable[..., Any], compiled: Callable[..., Any] = jitted):
        self._now = threading.local()
        self._run = compiled(lambda *arguments: function(self._now.subject, *arguments))

    def __call__(self, subject: Any, *arguments: Any) -> Any:
        self._now.subject = subject
        try:
            return self._run(*arguments)
        finally:
            del self._now.subject


def kept_program(name: str, digest: str | None, make: Callable[[], Any]) -> Any:
    """The program of that name and digest; where there is none it is made, and kept on JAX.

    Args:
        name: What the program is for.
        digest: Of all that is read of its subject; None where that is not known: it is not kept.
        make: Makes the program. A function of TensorFlow's has the variables of one model in it.
    """
    if digest is None or keras.backend.backend() != "jax":
        return make()
    with _LOCK:  # models may predict in several threads
        programs = _KEPT[digest] = _KEPT.pop(digest, {})
        if len(_KEPT) > MOST_KEPT:
            _KEPT.pop(next(iter(_KEPT)))
        if name not in programs:
            programs[name] = make()
        return programs[name]
