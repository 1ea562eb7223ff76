"""Ctrl-C before a command is at work, and after it: one line, no traceback."""

import os
import signal
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
import typer

from taut_cli.console import attempt

AT_IMPORT = """
import os, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
"""
SCRIPT = ["-c", "import sys\nfrom taut_cli import main\nsys.exit(main())"]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (SCRIPT, "typer"),
        (["-m", "taut_cli"], "typer"),
        (["-m", "taut"], "keras"),
        (["-m", "taut_cli"], "keras"),
    ],
)
def test_an_interrupt_while_libraries_load_is_one_line(tmp_path, call, name):
    (tmp_path / "sitecustomize.py").write_text(AT_IMPORT.format(name=name))
    (tmp_path / "t.csv").write_text("a,y\n1,2\n")
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2] / "src")])
    done = subprocess.run(
        [sys.executable, *call, "fit", "t.csv", "--target", "y"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "interrupted, nothing was written\n"
    assert {p.name for p in tmp_path.iterdir()} == {"sitecustomize.py", "t.csv"}


AFTERWARDS = """
import os, signal, sys
from taut_cli.interrupts import end_at_once, tell_left
end_at_once()
tell_left("taut-run is whole")
print("said before", end="")
os.kill(os.getpid(), signal.SIGINT)
while True:
    pass
"""
IGNORED = """
import os, signal
from taut_cli.interrupts import end_at_once
signal.signal(signal.SIGINT, signal.SIG_IGN)
end_at_once()
os.kill(os.getpid(), signal.SIGINT)
print("goes on", end="")
"""


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (AFTERWARDS, (130, "said before", "interrupted, taut-run is whole\n")),
        (IGNORED, (0, "goes on", "")),
    ],
)
def test_an_interrupt_as_the_process_ends_says_what_is_there(code, expected):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == expected


def test_each_command_says_what_is_left_afterwards(taut, fits, table, here):
    from taut_cli import interrupts

    def left(*arguments):
        taut(*arguments)
        return interrupts._left[0]

    assert left("fit", "absent.csv", "-t", "ill") == "nothing was written"
    assert left("fit", table, "-t", "ill") == "taut-run is whole"
    assert left("predict", "taut-run", table, "-o", "p.csv") == "p.csv is whole"
    assert left("report", "taut-run") == "taut-run/report.html is whole"
    taut("fit", table, "-t", "ill", "--out", "b")
    pair = "compare", "taut-run", "b"
    assert left(*pair, "--html", "c.html") == "c.html is whole"
    assert left(*pair) == "nothing was written"


KEPT = "interrupted, nothing was written; the same command goes on from what was trained\n"


def train(*_, **__):
    """What a study of the job does, for the job."""
    from taut.engine.resumable import current_job

    job = current_job()
    assert job is not None
    saved = job.checkpoint(lambda: {"data": "of the table"})
    assert saved is not None
    saved.path.touch()


def interrupted(*_, **__):
    train()
    os.kill(os.getpid(), signal.SIGINT)


def test_what_was_trained_is_kept_for_the_same_command(taut, fits, table, tmp_path, monkeypatch):
    monkeypatch.setenv("TAUT_CACHE", str(tmp_path / "cache"))
    fits.during = interrupted
    result = taut("fit", table, "-t", "ill")
    assert result.exit_code == 130
    assert result.stderr.endswith(KEPT)
    assert len(list((tmp_path / "cache").rglob("*.npz"))) == 1
    fits.during = train
    assert taut("fit", table, "-t", "ill").exit_code == 0
    assert not list((tmp_path / "cache").rglob("*.npz"))


@pytest.mark.parametrize("minutes", [(), ("--minutes", "5")])
def test_so_are_the_trials_of_a_diagnosis(taut, table, here, tmp_path, monkeypatch, minutes):
    from taut.diagnosis import Diagnosis

    monkeypatch.setenv("TAUT_CACHE", str(tmp_path / "cache"))
    (here / "m.keras").touch()
    call = ["diagnose", "m.keras", table, "-t", "ill", *minutes]
    monkeypatch.setattr("taut_cli.diagnose.of_model", interrupted)
    result = taut(*call)
    assert result.exit_code == 130
    # Within so many minutes other trials may be made.
    assert result.stderr == (KEPT if not minutes else "interrupted, nothing was written\n")
    found = Diagnosis((), (), None, (), (), (), {}, (), (), 0, 1.0, 5)
    monkeypatch.setattr("taut_cli.diagnose.of_model", lambda *_, **__: train() or found)
    assert taut(*call).exit_code == 0
    assert not list((tmp_path / "cache").rglob("*.npz"))


def test_a_reader_that_has_ended_is_no_failing_disk(taut, fits, table, monkeypatch):
    def ended(*_, **__):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("taut_cli.fit.say_json", ended)
    result = taut("fit", table, "-t", "ill", "--json")
    assert (result.exit_code, result.output) == (1, "")


class Ended:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("finalized", [False, True])
def test_an_interrupt_while_garbage_is_collected_is_not_lost_nor_printed(finalized):
    """There Python prints what is raised, with its traceback, and goes on."""

    def interrupted():
        with attempt() as state:
            ended = Ended()
            if finalized:
                ended = type("Other", (), {})()
                weakref.finalize(ended, os.kill, os.getpid(), signal.SIGINT)
            del ended
            assert state.interrupts == [signal.SIGINT]
            state.check()

    with pytest.raises(typer.Exit) as left:
        interrupted()
    assert left.value.exit_code == 130
