"""What is drawn on the terminal while a study trains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from importlib.util import find_spec
from typing import Any, TypeVar

import keras
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from taut.catalogue import EN, Catalogue, catalogue
from taut.engine.lanes import Lane
from taut.engine.news import Callback, News, check_callbacks
from taut.wrapping import tell

Study = TypeVar("Study", bound=Callable[..., Any])


def displayed(study: Study) -> Study:
    """A study that shows a `Display` where its `callbacks` are None."""

    @wraps(study)
    def run(*args: Any, callbacks: Sequence[Callback] | None = None, **kwargs: Any) -> Any:
        if callbacks is not None:
            check_callbacks(callbacks)
            return study(*args, callbacks=callbacks, **kwargs)
        with Display() as display:
            return study(*args, callbacks=[display], **kwargs)

    return run  # type: ignore[return-value]


class Display(Callback):
    """Draws on a terminal or in a notebook how far a study is, and nothing elsewhere.

    A notebook needs the package ipywidgets for it; it is silent without, as are files and pipes.

    Two lines, wiped when the study ends: a bar with the time left, and how many lanes have ended
    (of these: were dropped, diverged) with the lane of least held-out loss so far.

    As a context manager it stays over several studies and what lies between them. However the
    work ends, the terminal gets its cursor back.

    Args:
        console: The Rich console to draw on; one on stderr unless given.
        check: Called whenever there is news, on a terminal or not; what it raises ends the study.
        lang: The language of what it says, "en" or "zh".

    Raises:
        InputError: If there are no texts in the language.

    Example:
        >>> result = taut.regularization_path(
        ...     model, x, y, callbacks=[taut.progress.Display()]
        ... )  # doctest: +SKIP
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        check: Callable[[], None] = lambda: None,
        lang: str = "en",
    ) -> None:
        self._check = check
        self._say = catalogue(lang)
        self._screen = _screen(console)
        self._bar = self._screen.add_task(self._say("progress.preparing"), total=None, left="")
        self._inside = self._gone = False

    def __enter__(self) -> Display:
        self._inside = True
        self._draw(self._screen.start)
        return self

    def __exit__(self, *error: Any) -> None:
        self._inside = False
        self._draw(self._screen.stop)

    def on_note(self, note: str) -> None:
        """Something to know before it begins; it stays, also in files."""
        self._check()
        tell(self._screen.console, self._say("page.note") + self._say.stored(note), "yellow")

    def on_start(self, lanes: Sequence[Lane], epochs: int) -> None:
        """Lanes begin; their program is compiled first, of which there is no news."""
        del epochs
        self._check()
        what, left = self._say("progress.training", n=len(lanes)), self._say("progress.compiling")
        self._screen.note = Text()
        self._draw(self._screen.reset, self._bar, total=None, description=what, left=left)
        self._draw(self._screen.start)

    def on_update(self, news: News) -> None:
        """Some epochs are done."""
        self._check()
        self._screen.note = summary(news, self._say)
        left = ""
        if news.seconds_left is not None:
            left = self._say("progress.left", time=clock(news.seconds_left))
        done, total = news.lane_epochs, news.total_lane_epochs
        self._draw(self._screen.update, self._bar, completed=done, total=total, left=left)

    def on_end(self) -> None:
        """These lanes have ended; others may follow."""
        self._screen.note = Text()
        what = self._say("progress.finishing")
        self._draw(self._screen.reset, self._bar, total=None, description=what, left="")
        if not self._inside:
            self._draw(self._screen.stop)

    def _draw(self, step: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """A terminal that is gone must not end a study: nothing is drawn from then on."""
        if self._gone:
            return
        try:
            step(*args, **kwargs)
        except (OSError, ValueError):  # which a closed file raises
            self._gone = True
            self._screen.disable = True


class FitDisplay(keras.callbacks.Callback):
    """Draws where `Display` does how far one `fit` is: a bar, wiped when it ends.

    A context manager, so that the terminal gets its cursor back however the work ends.

    Args:
        what: What is being done, in words.
        console: The Rich console to draw on; one on stderr unless given.

    Example:
        >>> with taut.progress.FitDisplay("training") as display:  # doctest: +SKIP
        ...     model.fit(x, y, epochs=10, verbose=0, callbacks=[display])
    """

    def __init__(self, what: str, *, console: Console | None = None) -> None:
        super().__init__()
        self._screen = _screen(console)
        self._bar = self._screen.add_task(what, total=None, left="")

    def __enter__(self) -> FitDisplay:
        self._screen.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._screen.stop()

    def on_train_begin(self, logs: Any = None) -> None:
        """It is compiled first, of which there is no news."""
        del logs
        self._screen.update(self._bar, left="compiling")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """The epochs that are done, and the loss of the last one."""
        total, loss = (self.params or {}).get("epochs"), (logs or {}).get("loss")
        left = "" if loss is None else f"loss {loss:.4g}"
        self._screen.update(self._bar, completed=epoch + 1, total=total, left=left)


def _screen(console: Console | None) -> _Screen:
    """A bar, where what is drawn can be replaced and wiped; nothing elsewhere."""
    console = Console(stderr=True) if console is None else console
    return _Screen(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[left]}"),
        console=console,
        transient=True,
        disable=not (console.is_terminal or _in_notebook(console)),
    )


def _in_notebook(console: Console) -> bool:
    """Whether what is drawn can be replaced and wiped there."""
    return console.is_jupyter and find_spec("ipywidgets") is not None


def summary(news: News, say: Catalogue = EN) -> Text:
    """How many lanes have ended, and which is the best: one line, cut where it is too long."""
    several = ((news.dropped, "progress.dropped"), (news.diverged, "progress.diverged"))
    apart = say.listed(say(key, n=count) for count, key in several if count)
    parts = [say("progress.ended", n=news.ended, lanes=news.lanes) + say.brackets(apart)]
    if news.best is not None:
        lane, loss = news.best
        least = say("progress.least", loss=f"{loss:.4g}")
        parts.append(say("clause.reason").join([least, *_in_words(lane, say)]))
    words = say("clause.separator").join(parts)
    return Text(words, style="dim", no_wrap=True, overflow="ellipsis")


def _in_words(lane: Lane, say: Catalogue) -> list[str]:
    """Which lane it is; nothing where it has several strengths, which say little in a line."""
    if len(lane.strengths) > 1:
        return []
    strength = "".join(f"{strength:g}" for strength in lane.strengths)
    return [say("progress.lane", strength=strength, fold=lane.split, seed=lane.seed)]


def clock(seconds: float) -> str:
    """A duration as minutes and seconds, with hours where there are some."""
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class _Screen(Progress):
    """A bar with a line below it."""

    note = Text()

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar, and the line once there is one."""
        yield from super().get_renderables()
        if self.note:
            yield self.note
