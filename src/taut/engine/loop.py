"""The loop of a study: train a little, tell, save, go on."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from taut.engine import processes
from taut.engine.checkpoint.archive import Checkpoint
from taut.engine.ledger import Ledger
from taut.engine.news import Callback, LaneEnd, news_of, tell
from taut.engine.state import LaneState

SECONDS_OF_SILENCE = 1.0
"""How long a study works, about, between two looks at progress, interrupts and checkpoints."""


class Trainer(Protocol):
    """Trains the lanes of a ledger.

    Laws: `fill` takes out of their slots the lanes that have ended or wait, and puts others in,
    unless an epoch or a block of epochs has begun that is not done; `advance` trains every lane in
    a slot, at least for an epoch, and tells the ledger; what `states` and `numbers` return between
    two blocks of work is all that is needed to go on from there to the same record.
    """

    @property
    def lanes(self) -> list[int]:
        """The lanes in slots."""
        ...

    def fill(self) -> None:
        """Take lanes out and put others in."""
        ...

    def advance(self, watch: Watch) -> None:
        """Train them; `watch.look` is called between two blocks of work."""
        ...

    def states(self) -> dict[int, LaneState]:
        """The states of the lanes in slots, by number."""
        ...

    def numbers(self) -> dict[str, Any]:
        """What else is needed to go on: as JSON."""
        ...

    def close(self) -> None:
        """Leave nothing in flight, and no thread."""
        ...


class Watch:
    """Looks after a study between two blocks of work: tells, saves, heeds Ctrl-C.

    Args:
        trainer: Of the study.
        ledger: What is known of the lanes.
        callbacks: Told of it, in the first process only.
        checkpoint: Where to save it.
        numbers: Numbers to save with it.
    """

    def __init__(
        self,
        trainer: Trainer,
        ledger: Ledger,
        callbacks: Sequence[Callback],
        checkpoint: Checkpoint | None = None,
        numbers: dict[str, Any] | None = None,
    ):
        self._trainer, self._ledger, self._checkpoint = trainer, ledger, checkpoint
        self._callbacks = callbacks if processes.first() else ()
        self._numbers = numbers or {}
        self._ended: set[int] = set()  # a call that goes on tells of every lane
        self._started = self._last_news = time.monotonic()
        self._begun = 0.0
        self.interrupted: Sequence[int] = ()

    @property
    def saves(self) -> bool:
        return self._checkpoint is not None

    def worth(self) -> bool:
        """Whether the study has taken long enough to be saved."""
        return self._checkpoint is not None and self._checkpoint.worth()

    def wanted(self) -> bool:
        """Whether there is something to do; for it the devices are waited for."""
        due = self._checkpoint is not None and self._checkpoint.due()
        silence = time.monotonic() - self._last_news
        return due or bool(self.interrupted) or silence >= SECONDS_OF_SILENCE

    def look(self, share: float = 0.0) -> None:
        """Do what there is to do, with so much of an epoch done beyond those that lanes ran.

        Raises:
            KeyboardInterrupt: After Ctrl-C, once the study is saved.
        """
        self.tell(share)
        if processes.anyone(bool(self.interrupted)):
            self.save()
            raise KeyboardInterrupt
        if self._checkpoint is not None and self._checkpoint.due():
            self.save()

    def save(self) -> None:
        """Write the checkpoint, if there is one to be written."""
        if self._checkpoint is not None:
            numbers = {**self._numbers, **self._trainer.numbers()}
            self._checkpoint.save(self._ledger, self._trainer.states(), numbers)

    def start(self) -> None:
        """Tell that training begins."""
        self._begun = self._ledger.lane_epochs()[0]
        for callback in self._callbacks:
            callback.on_start(self._ledger.lanes, self._ledger.epochs)

    def tell(self, share: float = 0.0) -> None:
        """Tell how far the study is, and of lanes that have ended since."""
        self._last_news = time.monotonic()
        if not self._callbacks:
            return
        ledger = self._ledger
        done, total = ledger.lane_epochs(share)
        news = news_of(
            ledger.lanes,
            ledger.status,
            ledger.losses[..., 1],
            done=done,
            begun=self._begun,
            total=total,
            seconds=self._last_news - self._started,
            before=0.0 if self._checkpoint is None else self._checkpoint.seconds_before,
        )
        over = all(ledger.status)
        for i, status in enumerate(ledger.status):
            if status and i not in self._ended:
                self._ended.add(i)
                training, held_out = np.moveaxis(ledger.losses[i, : ledger.ran[i]], -1, 0)
                end = LaneEnd(i, ledger.lanes[i], status, training, held_out)
                for callback in self._callbacks:
                    tell(callback, "on_lane_end", end, ended=over)
        for callback in self._callbacks:
            tell(callback, "on_update", news, ended=over)

    def end(self) -> None:
        """Tell that the study has ended, or was interrupted."""
        for callback in self._callbacks:
            tell(callback, "on_end", ended=True)


def train(trainer: Trainer, ledger: Ledger, watch: Watch) -> None:
    """Train every lane of the ledger to its end."""
    watch.start()
    try:
        with interrupts(wanted=watch.saves, worth=watch.worth) as watch.interrupted:
            while True:
                trainer.fill()
                if not trainer.lanes:
                    if ledger.judge():
                        continue
                    break
                trainer.advance(watch)
            watch.tell()
            watch.save()
            if processes.anyone(bool(watch.interrupted)):
                raise KeyboardInterrupt
    finally:
        trainer.close()
        watch.end()


class Pace:
    """How many epochs take about `SECONDS_OF_SILENCE`; first calls of a program compile it."""

    def __init__(self) -> None:
        self._calls, self._epochs, self._an_epoch, self._started = 0, 1, 0.0, 0.0

    def epochs(self, most: int) -> int:
        """How many to run, at most so many."""
        if self._calls == 0:
            self._epochs = 1
        elif self._calls == 1 or self._an_epoch == 0:
            self._epochs = most if self._an_epoch < SECONDS_OF_SILENCE / 10 else 1
        else:
            self._epochs = max(1, min(most, int(SECONDS_OF_SILENCE / self._an_epoch)))
        self._epochs = int(processes.agreed(min(self._epochs, most)))
        return self._epochs

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self._an_epoch = (time.perf_counter() - self._started) / self._epochs
        self._calls += 1


@contextmanager
def interrupts(*, wanted: bool, worth: Callable[[], bool] = lambda: True) -> Iterator[list[int]]:
    """Ctrl-C finishes the epoch, so that it can be saved; a second one does not wait.

    Nor does the first where there is nothing worth to be saved. A request to terminate that Python
    code handles, as the command does, is treated alike. Where a signal is ignored (`nohup`, a
    script's background job) or handled outside of Python, it stays as it is.
    """
    noted: list[int] = []
    if not wanted or threading.current_thread() is not threading.main_thread():
        yield noted
        return
    # Ctrl-C that is ignored is meant for others (a script's background job); a request to terminate
    # that nobody handles ends the process at once.
    present = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before: dict[int, Callable[..., Any]] = {
        number: handler for number, handler in present.items() if callable(handler)
    }

    def note(number: int, frame: Any) -> None:
        if noted or not worth():
            before[number](number, frame)
        noted.append(number)

    for number in before:
        signal.signal(number, note)
    try:
        yield noted
    except KeyboardInterrupt:
        _restore(before)
        if noted:
            before[noted[0]](noted[0], None)  # who handled it before learns which it was
        raise
    finally:
        _restore(before)


def _restore(handlers: dict[Any, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
