"""What comes next is made in a thread while the devices work."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")
AHEAD = 2
"""Items that are made before they are asked for."""
_END = object()


@contextmanager
def prefetched(make: Callable[[threading.Event], Iterator[Item]]) -> Iterator[Iterator[Item]]:
    """Iterate over `make(stop)` in a thread of its own, some items ahead.

    An exception there is raised here. The thread has ended when the context is left, in
    whatever way: `stop` is set then, upon which `make` may give up by any exception.
    """
    stop = threading.Event()
    pool = ThreadPoolExecutor(1, thread_name_prefix="taut-prefetch")
    items = make(stop)
    coming: deque[Future[Any]] = deque()

    def in_order() -> Iterator[Item]:
        coming.extend(pool.submit(next, items, _END) for _ in range(AHEAD))
        while (item := coming.popleft().result()) is not _END:
            coming.append(pool.submit(next, items, _END))
            yield item
            del item

    try:
        yield in_order()
    finally:
        stop.set()
        try:
            pool.shutdown(cancel_futures=True)
        except KeyboardInterrupt:  # a second one does not leave the thread behind
            pool.shutdown(cancel_futures=True)
            raise
        coming.clear()  # what was made is not kept
