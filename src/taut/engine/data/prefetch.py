"""What comes next is made in a thread while the devices work."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
AHEAD = 2
"""Items that are made before they are asked for."""
_END = object()


class Prefetch(Generic[Item]):
    """Iterates over `make(stop)` in a thread of its own, some items ahead; a context manager.

    An exception there is raised here. The thread has ended when the context is left, in
    whatever way: `stop` is set then, upon which `make` may give up by any exception.
    """

    def __init__(self, make: Callable[[threading.Event], Iterator[Item]]):
        self._stop = threading.Event()
        self._items = make(self._stop)
        self._name = f"taut-prefetch-{id(self)}"
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=self._name)
        self._coming: deque[Future[Any]] = deque()

    def __enter__(self) -> Prefetch[Item]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop, and wait until the thread has ended; again, if an interrupt came here."""
        try:
            self._wait()
        except KeyboardInterrupt:
            self._wait()
            raise

    def _wait(self) -> None:
        self._stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        # The pool does not know of a thread whose start was interrupted.
        for thread in threading.enumerate():
            if thread.name.startswith(self._name):
                thread.join()
        self._coming.clear()  # what was made is not kept

    def __iter__(self) -> Iterator[Item]:
        for _ in range(AHEAD):
            self._ask()
        while (item := self._coming.popleft().result()) is not _END:
            self._ask()
            yield item
            del item

    def _ask(self) -> None:
        self._coming.append(self._pool.submit(next, self._items, _END))
