"""What a study tells of its progress, and to whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from taut._read_only import ReadOnly
from taut.engine.aftermath import afterwards
from taut.engine.lanes import DIVERGED, DROPPED, Lane
from taut.errors import InputError


@dataclass(frozen=True)
class News:
    """How far a study is.

    Attributes:
        lanes: Lanes of the study.
        ended: Lanes that have ended, in whatever way.
        dropped: Of these, the ones that were dropped as hopeless.
        diverged: Of these, the ones whose loss is not finite.
        lane_epochs: Epochs of all lanes together that are done, or that ended lanes saved.
        total_lane_epochs: Epochs of all lanes together.
        best: The lane of least held-out loss so far and that loss; None before there is one.
        seconds: Since this call began, and what the calls took from whose checkpoint it goes on.
        seconds_left: Expected until its end; None before there is a guess.
    """

    lanes: int
    ended: int
    dropped: int
    diverged: int
    lane_epochs: int
    total_lane_epochs: int
    best: tuple[Lane, float] | None
    seconds: float
    seconds_left: float | None


def news_of(
    lanes: Sequence[Lane],
    status: Sequence[str],
    held_out: np.ndarray,
    *,
    done: float,
    begun: float,
    total: int,
    seconds: float,
    before: float = 0.0,
) -> News:
    """How far a study is.

    Args:
        lanes: The lanes.
        status: By lane; "" until it has ended.
        held_out: [lanes, epochs] held-out losses; NaN where there is none yet.
        done: Epochs of all lanes together that are done, or that ended lanes saved.
        begun: What `done` was when this call began.
        total: Epochs of all lanes together.
        seconds: Since this call began.
        before: What the calls took from whose checkpoint it goes on.
    """
    fresh = done - begun
    return News(
        lanes=len(lanes),
        ended=sum(map(bool, status)),
        dropped=status.count(DROPPED),
        diverged=status.count(DIVERGED),
        lane_epochs=int(done),
        total_lane_epochs=total,
        best=_best(lanes, status, held_out),
        seconds=before + seconds,
        seconds_left=seconds * (total - done) / fresh if fresh > 0 else None,
    )


def _best(
    lanes: Sequence[Lane], status: Sequence[str], held_out: np.ndarray
) -> tuple[Lane, float] | None:
    least = np.where(np.isfinite(held_out), held_out, np.inf).min(axis=1)
    least[[state == DIVERGED for state in status]] = np.inf
    i = int(np.argmin(least))
    return (lanes[i], float(least[i])) if np.isfinite(least[i]) else None


@dataclass(frozen=True, eq=False)
class LaneEnd(ReadOnly):
    """How one lane ended.

    Attributes:
        number: Its place among the study's lanes.
        lane: The lane.
        status: As in `Record.status`.
        train_loss: [epochs run] mean data loss of each epoch.
        held_out_loss: [epochs run] mean held-out data loss; NaN without held-out rows.
    """

    number: int
    lane: Lane
    status: str
    train_loss: np.ndarray
    held_out_loss: np.ndarray


class Callback:
    """Told of a study as it trains: a bar, a logger. Override what is wanted.

    Every method is called in the main thread, between blocks of epochs. A study may train more
    than once (pilot lanes first), and then starts and ends more than once.
    """

    def on_note(self, note: str) -> None:
        """Something to know before it begins: how long it takes, what is left out."""

    def on_start(self, lanes: Sequence[Lane], epochs: int) -> None:
        """Lanes begin to train, `epochs` epochs each; compilation comes first."""

    def on_update(self, news: News) -> None:
        """Some epochs are done."""

    def on_lane_end(self, end: LaneEnd) -> None:
        """A lane has ended."""

    def on_end(self) -> None:
        """All lanes have ended, or the study was interrupted."""


def check_callbacks(callbacks: Any) -> None:
    """Raise for callbacks that no study can tell of its progress, Keras's for example."""
    listed = isinstance(callbacks, (list, tuple))
    for callback in callbacks if listed else [callbacks]:
        if not listed or not isinstance(callback, Callback):
            raise InputError(
                "`callbacks` of a study must be a list of `taut.engine.Callback`s: one training "
                f"among many calls no Keras callback. Received: {type(callback).__name__}. To "
                "stop early give `patience`; the best epoch is then kept."
            )


def tell(callback: Callback, method: str, *args: Any, ended: bool) -> None:
    """Call a method of a callback; once all lanes have ended, a failure is only told.

    Before, what a callback raises ends the study.
    """
    call = getattr(callback, method)
    if not ended:
        call(*args)
        return
    afterwards(f"`{method}` of {type(callback).__name__}", lambda: call(*args), None)
