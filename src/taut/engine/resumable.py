"""Studies of a long job that go on where the same job was interrupted, each known by what it is.

A job such as `taut fit` makes several studies one after another, none of which has a file of its
own. Within `resumable`, each is saved under a digest of all that makes it, of the libraries that
train it too. So the same job finds them again, and another one finds nothing: no file can be taken
for that of another study.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from taut._backend import cache_folder
from taut._version import __version__
from taut.engine.news import Callback
from taut.errors import InputError, UnsupportedError

if TYPE_CHECKING:
    from taut.engine.checkpoint.archive import Checkpoint
    from taut.engine.initial import InitialValues
    from taut.engine.ledger import Ledger

SECONDS = 60.0
"""From one time that a study is saved to the next."""

LEAST_SECONDS = 10.0
"""A study that takes less is trained again: that is as quick as to save it."""
MOST_BYTES = 1 << 30
"""What a job may take on the disk, about: a study that is beyond it is not saved."""
DAYS, JOBS_BYTES = 7.0, 4 << 30
"""So long interrupted jobs wait, and as many of them, the latest, as take no more than this."""


class Resumable:
    """Where the studies of a job are saved.

    Args:
        folder: The folder; None where nothing can be saved.
    """

    def __init__(self, folder: Path | None):
        self._folder = folder
        self._files: list[Path] = []
        self._told = False
        self.seconds_before: float = 0.0
        """What the studies took, of those that go on, before the job was interrupted."""

    def checkpoint(self, identity: Callable[[], Mapping[str, str]]) -> Checkpoint | None:
        """Where a study is saved, by digests of what makes it; None where that cannot be."""
        from taut.engine.checkpoint.archive import Checkpoint

        if self._folder is None:
            return None
        try:
            study = identity()
            libraries = [__version__, keras.__version__, metadata.version("jax")]
            whole = json.dumps([libraries, sorted(study.items())])
            file = self._folder / f"{hashlib.sha256(whole.encode()).hexdigest()[:40]}.npz"
            left = MOST_BYTES - sum(f.stat().st_size for f in self._files if f.is_file())
            saved = Checkpoint(
                file, SECONDS, study, least_seconds=LEAST_SECONDS, most_bytes=max(left, 0)
            )
        except (InputError, UnsupportedError, OSError):  # it goes without
            return None
        self._files.append(file)
        return saved

    def gone_on(
        self,
        saved: Checkpoint,
        ledger: Callable[[], Ledger],
        initial: InitialValues,
        *,
        callbacks: Sequence[Callback],
    ) -> tuple[Ledger, dict[str, Any] | None]:
        """The ledger of a study as far as it was, and the numbers beside it; None if damaged.

        Args:
            saved: Its file, which is there.
            ledger: Makes one of a study that has not begun.
            initial: Of the study.
            callbacks: Told, once a job.
        """
        filled = ledger()
        try:
            numbers = saved.load(filled, initial.state(filled, 0))
        except InputError:  # what it held is trained again
            with contextlib.suppress(OSError):
                saved.path.unlink()
            return ledger(), None
        if numbers is not None:
            self.seconds_before += saved.seconds_before
        if numbers is not None and not self._told:
            self._told = True
            done, total = filled.lane_epochs()
            share = "it" if done >= total else f"{100 * done / total:.0f}% of it"
            for callback in callbacks:
                callback.on_note(
                    f"Going on where the same training was interrupted: {share} was done."
                )
        return filled, numbers

    def left(self) -> bool:
        """Whether anything is saved of the job."""
        return any(file.is_file() for file in self._files)

    def forget(self) -> None:
        """Remove what was saved of the job, which is done."""
        for file in self._files:
            with contextlib.suppress(OSError):
                file.unlink()


_current: ContextVar[Resumable | None] = ContextVar("resumable", default=None)


def job_clock() -> float:
    """Seconds from some moment on, by which what a job took before it was interrupted counts too.

    Of work within `resumable`, the difference between its end and its begin is what all calls took.
    """
    job = current_job()
    return time.perf_counter() + (0.0 if job is None else job.seconds_before)


def current_job() -> Resumable | None:
    """The job that studies are a part of."""
    return _current.get()


@contextmanager
def resumable(folder: Path | None = None) -> Iterator[Resumable]:
    """Within it, studies of JAX that have no checkpoint of their own are saved and go on.

    Args:
        folder: Where to; unless given, in the folder of compiled programs, which `TAUT_CACHE`
            names. Where there is none, nothing is saved.

    Example:
        >>> from pathlib import Path
        >>> with resumable(Path("jobs")) as job:  # doctest: +SKIP
        ...     model = taut.fit_table(frame, target="y")
        >>> job.forget()  # doctest: +SKIP
    """
    if folder is None:
        cache = cache_folder()
        folder = None if cache is None else cache / "interrupted"
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _remove_old(folder)
        except OSError:
            folder = None
    job = Resumable(folder)
    token = _current.set(job)
    try:
        yield job
    finally:
        _current.reset(token)


def _remove_old(folder: Path) -> None:
    files = [(file.stat(), file) for file in folder.iterdir()]
    total = 0
    for stat, file in sorted(files, key=lambda each: each[0].st_mtime, reverse=True):
        total += stat.st_size
        if total > JOBS_BYTES or time.time() - stat.st_mtime > DAYS * 86400:
            with contextlib.suppress(OSError):
                file.unlink()
