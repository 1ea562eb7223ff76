"""What a study tells of its progress, and how to stay quiet."""

from typing import Protocol


class Progress(Protocol):
    """Called in the main thread while lanes train; a Rich bar or a logger implements it."""

    def on_start(self, total_lanes: int, epochs: int) -> None: ...

    def on_update(
        self, done_lane_epochs: int, total_lane_epochs: int, finished: int, diverged: int
    ) -> None: ...

    def on_end(self) -> None: ...


class Quiet:
    """Says nothing."""

    def on_start(self, total_lanes: int, epochs: int) -> None:
        del total_lanes, epochs

    def on_update(
        self, done_lane_epochs: int, total_lane_epochs: int, finished: int, diverged: int
    ) -> None:
        del done_lane_epochs, total_lane_epochs, finished, diverged

    def on_end(self) -> None:
        pass
