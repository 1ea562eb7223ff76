"""The loop of a study: train a little, tell, save, go on."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from taut.engine import hosts
from taut.engine.checkpoint import Checkpoint
from taut.engine.ledger import Ledger
from taut.engine.progress import Callback, LaneEnd, news_of, tell
from taut.engine.slots import Slots

SECONDS_A_CALL = 1.0
"""How long the device works between two looks at progress, interrupts and checkpoints."""


def train(
    slots: Slots,
    ledger: Ledger,
    callbacks: Sequence[Callback],
    checkpoint: Checkpoint | None,
    resumed: dict[str, Any] | None,
    numbers: dict[str, Any],
) -> None:
    """Train every lane of the ledger to its end.

    Lanes enter and leave slots at boundaries of blocks only, and these do not depend on time.
    So a study that is killed and goes on puts the same lanes in the same slots.

    Args:
        slots: The program and its slots.
        ledger: What is known of the lanes; filled here.
        callbacks: Told of it.
        checkpoint: Where to save it.
        resumed: The numbers that the checkpoint held, if it held a study.
        numbers: Numbers to save with it.
    """
    told = Told(ledger, callbacks)
    left = 0
    if resumed is not None and any(i is not None for i in resumed["holds"]):
        slots.place(resumed["holds"])
        left = resumed["left"]

    def save() -> None:
        if checkpoint is not None:
            about = {**numbers, "holds": slots.holds, "left": left}
            checkpoint.save(ledger, slots.states(), about)

    pace = _Pace()
    told.start()
    try:
        with interrupts(wanted=checkpoint is not None) as interrupted:
            while True:
                if left == 0:
                    slots.at_boundary()
                    told.update()
                    left = slots.boundary()
                    if left == 0 and ledger.judge():
                        continue
                    if left == 0:
                        break
                epochs = pace.epochs(left)
                with pace:
                    slots.advance(epochs)
                left -= epochs
                # Where all have ended there is nothing to wait for.
                left = left if slots.boundary() else 0
                told.update()
                if hosts.anyone(bool(interrupted)):
                    save()
                    raise KeyboardInterrupt
                if checkpoint is not None and checkpoint.due():
                    save()
            save()
            if hosts.anyone(bool(interrupted)):
                raise KeyboardInterrupt
    finally:
        slots.wait()
        told.end()


class _Pace:
    """How many epochs take about `SECONDS_A_CALL`; the first calls of a program compile it."""

    def __init__(self) -> None:
        self._calls, self._epochs, self._an_epoch, self._started = 0, 1, 0.0, 0.0

    def epochs(self, most: int) -> int:
        if self._calls == 0:
            self._epochs = 1
        elif self._calls == 1 or self._an_epoch == 0:
            self._epochs = most if self._an_epoch < SECONDS_A_CALL / 10 else 1
        else:
            self._epochs = max(1, min(most, int(SECONDS_A_CALL / self._an_epoch)))
        self._epochs = int(hosts.agreed(min(self._epochs, most)))
        return self._epochs

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self._an_epoch = (time.perf_counter() - self._started) / self._epochs
        self._calls += 1


class Told:
    """Tells callbacks, in the first process only."""

    def __init__(self, ledger: Ledger, callbacks: Sequence[Callback]):
        self._ledger, self._callbacks = ledger, callbacks if hosts.first() else ()
        self._ended: set[int] = set()  # a call that goes on tells of every lane
        self._started = time.monotonic()
        self._begun = ledger.lane_epochs()[0]

    def start(self) -> None:
        for callback in self._callbacks:
            callback.on_start(self._ledger.lanes, self._ledger.epochs)

    def update(self) -> None:
        if not self._callbacks:
            return
        ledger = self._ledger
        done, total = ledger.lane_epochs()
        news = news_of(
            ledger.lanes,
            ledger.status,
            ledger.losses[..., 1],
            done=done,
            begun=self._begun,
            total=total,
            seconds=time.monotonic() - self._started,
        )
        ended = all(ledger.status)
        for i, status in enumerate(ledger.status):
            if status and i not in self._ended:
                self._ended.add(i)
                training, held_out = np.moveaxis(ledger.losses[i, : ledger.ran[i]], -1, 0)
                end = LaneEnd(i, ledger.lanes[i], status, training, held_out)
                for callback in self._callbacks:
                    tell(callback, "on_lane_end", end, ended=ended)
        for callback in self._callbacks:
            tell(callback, "on_update", news, ended=ended)

    def end(self) -> None:
        for callback in self._callbacks:
            tell(callback, "on_end", ended=True)


@contextmanager
def interrupts(*, wanted: bool) -> Iterator[list[int]]:
    """Ctrl-C finishes the epoch, so that it can be saved; a second one does not wait.

    Where it is ignored (`nohup`, a script's background job) or handled outside of Python, it stays
    as it is.
    """
    noted: list[int] = []
    if not wanted or threading.current_thread() is not threading.main_thread():
        yield noted
        return
    before = signal.getsignal(signal.SIGINT)
    if before in (signal.SIG_IGN, None):  # Ctrl-C is meant for others: a script's background job
        yield noted
        return

    def note(number: int, frame: Any) -> None:
        if noted and callable(before):
            before(number, frame)
        noted.append(number)

    signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)
