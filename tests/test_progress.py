"""What is drawn while a study trains."""

import inspect
import io
import re

import pytest
from rich.console import Console

from taut.engine import Callback, Lane, News
from taut.progress import Display, FitDisplay, clock, summary

SHOW, HIDE = "\x1b[?25h", "\x1b[?25l"
LANES = [Lane((0.25,), 1, 3), Lane((0.01,), 0, 0)]


def terminal(width=120, **options):
    return Console(file=io.StringIO(), force_terminal=True, width=width, **options)


def drawn(console):
    """All that was ever on the screen, without colours and movements of the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue())


def news(**changes):
    known = {
        "lanes": 150,
        "ended": 51,
        "dropped": 0,
        "diverged": 0,
        "lane_epochs": 4100,
        "total_lane_epochs": 10000,
        "best": None,
        "seconds": 3.0,
        "seconds_left": 3675.0,
    }
    return News(**known | changes)


def refresh(display):
    display._screen.refresh()


def test_it_shows_what_is_known():
    console = terminal()
    display = Display(console)
    display.on_start(LANES, 100)
    refresh(display)
    assert "training 2 networks" in drawn(console)
    assert "compiling" in drawn(console)
    display.on_update(news(dropped=4, diverged=2, best=(LANES[0], 0.123456)))
    refresh(display)
    text = drawn(console)
    assert "41%" in text
    assert "1:01:15 left" in text
    assert "51 of 150 ended (4 dropped, 2 diverged)" in text
    assert "least held-out loss 0.1235: strength=0.25, fold=1, seed=3" in text
    display.on_end()


def test_one_network_is_one():
    console = terminal()
    display = Display(console)
    display.on_start(LANES[:1], 100)
    refresh(display)
    display.on_end()
    assert "training 1 network " in drawn(console)


def test_nothing_is_said_of_what_is_not():
    assert summary(news()).plain == "51 of 150 ended"
    assert summary(news(diverged=1)).plain == "51 of 150 ended (1 diverged)"
    several = news(best=(Lane((0.1, 0.0, 0.3)), 0.5))
    assert summary(several).plain == "51 of 150 ended; least held-out loss 0.5"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0:00"), (-1, "0:00"), (59.6, "1:00"), (600, "10:00"), (3600, "1:00:00")],
)
def test_durations(seconds, shown):
    assert clock(seconds) == shown


def test_a_narrow_terminal_has_two_lines():
    console = terminal(width=50)
    display = Display(console)
    display.on_start(LANES, 100)
    display.on_update(news(dropped=44, diverged=22, best=(LANES[0], 0.123456)))
    lines = console.render_lines(display._screen.get_renderable())
    display.on_end()
    assert len(lines) == 2
    assert "…" in "".join(segment.text for segment in lines[1])


@pytest.mark.parametrize("console", [Console(file=io.StringIO()), None], ids=["file", "default"])
def test_it_is_quiet_where_there_is_no_terminal(console, capfd):
    with Display(console) as display:
        display.on_start(LANES, 100)
        display.on_update(news(best=(LANES[0], 0.1)))
        display.on_end()
    if console is not None:
        assert console.file.getvalue() == ""
    assert capfd.readouterr() == ("", "")


def test_a_study_alone_leaves_the_terminal_as_it_was():
    console = terminal()
    display = Display(console)
    assert console.file.getvalue() == ""
    for _ in range(2):  # pilot lanes, and the study
        display.on_start(LANES, 100)
        display.on_update(news())
        assert console.file.getvalue().rfind(HIDE) > console.file.getvalue().rfind(SHOW)
        display.on_end()
        assert console.file.getvalue().rfind(SHOW) > console.file.getvalue().rfind(HIDE)
    last = console.file.getvalue().rpartition("finishing")[2]
    assert "\x1b[2K" in last  # the lines are wiped


def test_inside_a_block_it_stays_between_studies():
    console = terminal()
    with Display(console) as display:
        refresh(display)
        assert "reading and preparing" in drawn(console)
        display.on_start(LANES, 100)
        display.on_end()
        refresh(display)
        assert "finishing" in drawn(console)
        assert SHOW not in console.file.getvalue()
        display.on_start(LANES, 100)
        display.on_end()
    assert console.file.getvalue().count(HIDE) == 1
    assert console.file.getvalue().rfind(SHOW) > console.file.getvalue().rfind(HIDE)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_exception_gives_the_cursor_back(error):
    console = terminal()

    def study():
        with Display(console) as display:
            display.on_start(LANES, 100)
            raise error

    with pytest.raises(error):
        study()
    text = console.file.getvalue()
    assert text.rfind(SHOW) > text.rfind(HIDE) >= 0


@pytest.mark.parametrize("terminals", [True, False])
@pytest.mark.parametrize("when", ["on_start", "on_update"])
def test_a_check_can_end_a_study(when, terminals):
    def check():
        raise KeyboardInterrupt

    display = Display(Console(file=io.StringIO(), force_terminal=terminals), check=check)
    with pytest.raises(KeyboardInterrupt):
        getattr(display, when)(*{"on_start": (LANES, 1), "on_update": (news(),)}[when])


def test_markup_in_names_is_text():
    console = terminal()
    Display(console).on_note("[bold]x[/bold] [/nothing] :smile: \x1b[31m")
    assert "Note: [bold]x[/bold] [/nothing] :smile: \\x1b[31m" in drawn(console)


def test_it_speaks_chinese():
    console = terminal()
    with Display(console, lang="zh") as display:
        refresh(display)
        display.on_note("Training takes about 2 min on one core.")
        display.on_start(LANES, 100)
        refresh(display)
        display.on_update(news(dropped=4, diverged=2, best=(LANES[0], 0.123456)))
        refresh(display)
        display.on_end()
        refresh(display)
    text = drawn(console)
    assert "51 个" in text
    assert "剩余 1:01:15" in text
    assert "约需 2 分钟" in text
    assert not re.search("[A-Za-z]", text)


def test_it_is_a_callback():
    assert isinstance(Display(terminal()), Callback)
    for name, method in inspect.getmembers(Callback, inspect.isfunction):
        own = inspect.signature(getattr(Display, name)).parameters
        assert list(own) == list(inspect.signature(method).parameters)


@pytest.mark.parametrize("there", [True, False])
def test_a_notebook_is_drawn_in_where_it_can_be_wiped(there, monkeypatch):
    monkeypatch.setattr("taut.progress.find_spec", lambda name: name if there else None)
    notebook = Console(file=io.StringIO(), force_jupyter=True)
    assert Display(notebook)._screen.disable is not there
    assert Display(Console(file=io.StringIO()))._screen.disable


def test_one_fit_shows_its_epochs_and_wipes_them():
    console = terminal()
    with FitDisplay("training", console=console) as display:
        display.set_params({"epochs": 4})
        display.on_train_begin()
        display.on_epoch_end(2, {"loss": 0.125})
        display._screen.refresh()
    shown = drawn(console)
    assert "training" in shown
    assert "75%" in shown
    assert "loss 0.125" in shown
    assert console.file.getvalue().count(HIDE) == console.file.getvalue().count(SHOW) == 1
