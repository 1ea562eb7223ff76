"""Reading ahead: what comes next is made in a thread while the devices work."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


class ReadAhead(Generic[Item]):
    """Iterates over `make(stop)` in a thread of its own, one item ahead; a context manager.

    An exception there is raised here. The thread has ended when the context is left, in
    whatever way: `stop` is set then, upon which `make` may give up by any exception.
    """

    def __init__(self, make: Callable[[threading.Event], Iterator[Item]]):
        self._make = make
        self._queue: queue.Queue[tuple[str, Any]] = queue.Queue(1)
        self._stop, self._begun = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._read, name="taut-read-ahead", daemon=True)

    def __enter__(self) -> ReadAhead[Item]:
        try:
            self._thread.start()
        except BaseException:  # an interrupt, perhaps after the start
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading, and wait until the thread has ended; again, if an interrupt came here."""
        self._stop.set()
        try:
            self._wait()
        except KeyboardInterrupt:
            self._wait()
            raise
        self._queue = queue.Queue(1)  # what was read is not kept

    def _wait(self) -> None:
        # An interrupt of `start` may leave a thread that begins a moment later, and at once ends.
        if self._begun.wait(1.0):
            self._thread.join()

    def __iter__(self) -> Iterator[Item]:
        while True:
            kind, value = self._queue.get()
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value
            del value

    def _read(self) -> None:
        self._begun.set()
        try:
            if self._stop.is_set():
                return
            for item in self._make(self._stop):
                if not self._offer("item", item):
                    return
                del item
            self._offer("end", None)
        except BaseException as error:
            self._offer("error", error)

    def _offer(self, kind: str, value: Any) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put((kind, value), timeout=0.05)
                return True
            except queue.Full:
                continue
        return False
