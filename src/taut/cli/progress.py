"""The bar that is drawn while lanes train."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Bar:
    """Draws taut's progress on a terminal, and nothing elsewhere.

    It has the methods of `taut.engine.progress.Progress`. It is a context manager too: however
    the work ends, the terminal gets its cursor back. `check` is called whenever there is news.
    """

    def __init__(self, console: Console, *, check: Callable[[], None] = lambda: None) -> None:
        self._lanes, self._check = 0, check
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("reading and preparing", total=None, note="")

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._bar.stop()

    def on_start(self, total_lanes: int, epochs: int) -> None:
        """A program of so many trainings begins; it compiles first, which reports nothing."""
        self._check()
        self._lanes = total_lanes
        what = f"training {total_lanes} network{'s' * (total_lanes != 1)}"
        self._bar.reset(self._task, total=None, description=what, note="compiling")

    def on_update(
        self, done_lane_epochs: int, total_lane_epochs: int, finished: int, diverged: int
    ) -> None:
        """So many epochs of all the trainings together are done."""
        self._check()
        note = f"{finished} done"
        if diverged:
            note += f", {diverged} diverged"
        self._bar.update(self._task, completed=done_lane_epochs, total=total_lane_epochs, note=note)

    def on_end(self) -> None:
        """This program has ended; another may follow."""
        self._bar.update(self._task, total=None, description="finishing", note="")
