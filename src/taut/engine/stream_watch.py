"""Between two blocks of rows: callbacks are told, the study is saved, Ctrl-C is heeded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from taut.engine.checkpoint import Checkpoint
from taut.engine.packing import packed
from taut.engine.stream_journal import Journal
from taut.engine.stream_lanes import Stack

SECONDS_OF_SILENCE = 1.0
"""Callbacks are told when so many seconds have passed, at the next block."""


@dataclass
class Position:
    """How far a study is, between two blocks.

    Attributes:
        epoch: Epochs done.
        blocks: Blocks done of the present pass.
        sums: [slots] data loss times rows over these blocks; empty before the first.
        rows: [folds] rows of each fold's lanes in these blocks; empty before the first.
        train: [lanes] training losses of the epoch once it is measured; empty before.
    """

    epoch: int
    blocks: int
    sums: np.ndarray
    rows: np.ndarray
    train: np.ndarray

    @classmethod
    def of_epoch(cls, epoch: int) -> Position:
        """At its begin."""
        return cls(epoch, 0, np.empty(0), np.empty(0, np.int64), np.empty(0))

    def measuring(self, train: np.ndarray) -> Position:
        """At the begin of the second pass, after the training losses."""
        return Position(self.epoch, 0, np.empty(0), np.empty(0, np.int64), train)


class Watch:
    """Looks after a study between two blocks.

    Args:
        journal: Tells the callbacks.
        stack: The lanes on the devices.
        checkpoint: Where to save the study.
        passes: Passes over the rows in an epoch.
        blocks: Blocks in a pass; None where it is not known yet.
    """

    def __init__(
        self,
        journal: Journal,
        stack: Stack,
        checkpoint: Checkpoint | None,
        passes: int,
        blocks: int | None,
    ):
        self._journal, self._stack, self._checkpoint = journal, stack, checkpoint
        self._passes, self.blocks = passes, blocks
        self.interrupted: Sequence[int] = ()

    def wanted(self) -> bool:
        """Whether there is something to do; for it the devices are waited for."""
        due = self._checkpoint is not None and self._checkpoint.due()
        return due or bool(self.interrupted) or self._journal.silence() >= SECONDS_OF_SILENCE

    def look(self, position: Position) -> None:
        """Do what there is to do.

        Raises:
            KeyboardInterrupt: After Ctrl-C, once the study is saved.
        """
        if self._journal.silence() >= SECONDS_OF_SILENCE:
            self._journal.tell(share=self.share(position))
        if self.interrupted:
            self.save(position)
            raise KeyboardInterrupt
        if self._checkpoint is not None and self._checkpoint.due():
            self.save(position)

    def share(self, position: Position) -> float:
        """The share of the epoch that is done, in rows read; 0 where it is not known."""
        if self.blocks is None:
            return 0.0
        passes = bool(len(position.train)) + min(position.blocks / self.blocks, 1.0)
        return passes / self._passes

    def load(self) -> Position | None:
        """Put stack and journal where a checkpoint has them; None without one."""
        found = None if self._checkpoint is None else self._checkpoint.read()
        if found is None:
            return None
        about, arrays = found
        self._journal.restore(about["journal"], arrays)
        self._stack.restore(about["stack"], arrays, self._journal.live)
        sums, rows, train = (arrays[f"position {name}"] for name in ("sums", "rows", "train"))
        epoch, blocks = about["position"]
        return Position(epoch, blocks, sums, rows, train)

    def save(self, position: Position) -> None:
        """Write the checkpoint, if there is one to be written."""
        if self._checkpoint is None:
            return
        journal, arrays = self._journal.saved()
        stack, trees = self._stack.saved()
        parts, more = packed(trees)
        for name in ("sums", "rows", "train"):
            more[f"position {name}"] = getattr(position, name)
        at = position.epoch, position.blocks
        about = {"journal": journal, "stack": {**stack, **parts}, "position": at}
        self._checkpoint.write(about, {**arrays, **more})
