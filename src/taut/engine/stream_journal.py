"""What became of each lane of a streamed study, by epoch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from taut.engine.lanes import DIVERGED, FINISHED, STOPPED, Lane, Record
from taut.engine.progress import Callback, LaneEnd, news_of, tell

_ARRAYS = ("losses", "run", "best_epoch", "best_loss")


class Journal:
    """The losses and the ends of lanes, by epoch; tells the callbacks."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        epochs: int,
        patience: int | None,
        keep_best: bool,
        callbacks: Sequence[Callback],
    ):
        self._lanes, self._epochs = lanes, epochs
        self._lengths = [lane.epochs or epochs for lane in lanes]
        self._patience, self._keep_best, self._callbacks = patience, keep_best, callbacks
        self._losses = np.full((2, len(lanes), epochs), np.nan, np.float32)
        self._status = [""] * len(lanes)
        self._run = np.zeros(len(lanes), np.int64)
        self._best_epoch = np.zeros(len(lanes), np.int64)
        self._best_loss = np.full(len(lanes), np.inf)
        self._started, self._begun, self._told = 0.0, 0.0, 0.0

    @property
    def live(self) -> np.ndarray:
        return np.array([not status for status in self._status])

    def start(self, share: float) -> None:
        """Training begins, or goes on where so much of an epoch is done."""
        self._started = self._told = time.perf_counter()
        self._begun = self._done(share)
        for callback in self._callbacks:
            callback.on_start(self._lanes, self._epochs)

    def stop(self) -> None:
        for callback in self._callbacks:
            tell(callback, "on_end", ended=True)

    def judge(self, train: np.ndarray, held_out: np.ndarray | None) -> np.ndarray:
        """After an epoch, by its [lanes] losses: which lanes are best yet, and which have ended.

        Returns:
            [lanes] of bool, the lanes whose present weights are to be kept.
        """
        live, epoch = self.live, int(self._run.max())
        finite = np.isfinite(train) & (held_out is None or np.isfinite(held_out))
        self._losses[0, live, epoch] = train[live]
        if held_out is not None:
            self._losses[1, live, epoch] = held_out[live]
        by = held_out if self._keep_best and held_out is not None else np.full(len(train), -epoch)
        with np.errstate(invalid="ignore"):
            better = live & finite & (by < self._best_loss)
        self._best_loss[better], self._best_epoch[better] = by[better], epoch
        self._run[live] += 1
        for i in np.flatnonzero(live):
            if not finite[i]:
                self._status[i] = DIVERGED
            elif epoch + 1 == self._lengths[i]:
                self._status[i] = FINISHED
            elif self._patience is not None and epoch - self._best_epoch[i] >= self._patience:
                self._status[i] = STOPPED
        self.tell([int(i) for i in np.flatnonzero(live) if self._status[i]])
        return better

    def silence(self) -> float:
        """Seconds since callbacks were told last."""
        return time.perf_counter() - self._told

    def tell(self, ended: Sequence[int] = (), share: float = 0.0) -> None:
        """Tell the callbacks of lanes that ended now, and that so much of an epoch is done."""
        news = news_of(
            self._lanes,
            self._status,
            self._losses[1],
            done=self._done(share),
            begun=self._begun,
            total=sum(self._lengths),
            seconds=time.perf_counter() - self._started,
        )
        over = all(self._status)
        for callback in self._callbacks:
            for i in ended:
                losses = self._losses[:, i, : self._run[i]].copy()
                end = LaneEnd(i, self._lanes[i], self._status[i], *losses)
                tell(callback, "on_lane_end", end, ended=over)
            tell(callback, "on_update", news, ended=over)
        self._told = time.perf_counter()

    def _done(self, share: float) -> float:
        """Epochs of all lanes together, those that ended lanes saved included."""
        ran = zip(self._lengths, self._run, self._status, strict=True)
        return sum(length if status else int(run) + share for length, run, status in ran)

    def saved(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What a checkpoint holds of it: as JSON, and arrays."""
        arrays = {name: getattr(self, f"_{name}") for name in _ARRAYS}
        return {"status": self._status}, arrays

    def restore(self, parts: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Be as it was when `saved` was called."""
        self._status = parts["status"]
        for name in _ARRAYS:
            setattr(self, f"_{name}", arrays[name])

    def record(self, kept: Any, compiles: int, width: int) -> Record:
        trainable, non_trainable = kept
        return Record(
            lanes=tuple(self._lanes),
            train_loss=self._losses[0],
            held_out_loss=self._losses[1],
            status=tuple(self._status),
            epochs=self._run,
            best_epoch=self._best_epoch,
            trainable=tuple(trainable),
            non_trainable=tuple(non_trainable),
            compiles=compiles,
            width=width,
        )
