"""`taut fit`: what it writes, what it says, and what it refuses."""

import json
import os
import signal

import numpy as np
import pandas as pd
import pytest

from taut.run import Run
from taut.typed_json import json_text

FILES = {"metrics.json", "path.parquet", "features.csv", "report.html"}


def _error(result):
    """The one message on stderr."""
    (line,) = [line for line in result.stderr.splitlines() if line]
    assert line.startswith("Error: ")
    return line


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("spark", "a folder with 1 table: 'part-0.csv'"),
        ("https://example.org/t.csv", "download the file"),
        ("absent.csv", "Check the path"),
    ],
)
def test_what_is_no_file_is_told_with_the_way_out(taut, here, name, says):
    (here / "spark").mkdir()
    (here / "spark" / "part-0.csv").write_text("a,y")
    result = taut("fit", name, "--target", "y")
    assert result.exit_code == 2
    assert says in _error(result)


def test_a_run_is_written_and_told(taut, fits, table, here):
    result = taut("fit", table, "--target", "ill")
    assert result.exit_code == 0, result.output
    assert {path.name for path in (here / "taut-run").iterdir()} > FILES
    assert {path.name for path in here.iterdir()} == {"patients.csv", "taut-run"}
    inputs = "3 inputs: 2 numeric, 1 category."
    for words in (f"patients.csv: 60 rows and 4 columns. {inputs}", "no 40, yes 20."):
        assert words in result.stdout
    for words in ("weight", "category", "log-loss", "0.083", "0.049 to 0.124", "better"):
        assert words in result.stdout
    for words in (
        "The sparsest good models read 8 of 21 inputs.",
        "mean radius",
        "taut-run/report.html",
    ):
        assert words in result.stdout
    assert "\x1b" not in result.output  # plain when this is no terminal


def test_one_json_object_is_all_that_json_writes(taut, fits, table, here):
    result = taut("fit", table, "--target", "ill", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    answer = json.loads(result.stdout)
    assert answer.keys() == {"run", "report", "metrics", "diagnosis"}
    metrics = Run.load(here / answer["run"]).metrics
    assert answer["metrics"] == json.loads(json_text(metrics))
    assert (here / answer["report"]).is_file()


def test_quiet_writes_nothing_but_what_went_wrong(taut, fits, table, monkeypatch):
    assert taut("fit", table, "--target", "ill", "--quiet").output == ""
    monkeypatch.setattr("taut.report.write_report", _fail)
    result = taut("fit", table, "--target", "ill", "-q", "--force")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "a page that cannot be" in result.stderr
    result = taut("fit", table, "--target", "ill", "--json", "--force")
    assert json.loads(result.stdout)["report"] is None


def test_no_report_of_another_run_stays_where_the_new_one_has_none(
    taut, fits, table, here, monkeypatch
):
    assert "taut-run/report.html" in taut("fit", table, "--target", "ill").stdout
    monkeypatch.setattr("taut.report.write_report", _fail)
    result = taut("fit", table, "--target", "ill", "--force")
    assert not (here / "taut-run" / "report.html").exists()
    assert "taut-run/report.html" not in result.stdout
    assert "taut report taut-run" in result.stdout


def _fail(*_, **__):
    raise ValueError("a page that cannot be")


def test_the_report_calls_the_run_as_the_command_did(taut, fits, table, here):
    assert taut("fit", table, "--target", "ill", "--out", "deep/er/my run").exit_code == 0
    html = (here / "deep" / "er" / "my run" / "report.html").read_text()
    assert "taut predict &#39;deep/er/my run&#39; new.csv" in html


def test_options_reach_the_fit(taut, fits, table):
    options = "--penalty l1 --folds 3 --seeds 2 --strengths 0.1,1e-3,0 --test-size 0.25 "
    options += (
        "--single --sparse --inputs 1 --learning-curve --seed 7 --quick --minutes 2.5 "
        "--task binary --groups code --weights weight"
    )
    assert taut("fit", table, "--target", "ill", *options.split()).exit_code == 0
    (call,) = fits.calls
    frame = call.pop("frame")
    assert list(frame.columns) == ["age", "weight", "code", "ill"]
    assert call == {
        "target": "ill",
        "test": None,
        "task": "binary",
        "penalty": "l1",
        "folds": 3,
        "seeds": 2,
        "strengths": (0.1, 0.001, 0.0),
        "test_size": 0.25,
        "single": True,
        "sparse": True,
        "inputs": 1,
        "diagnosis": True,
        "learning_curve": True,
        "seed": 7,
        "quick": True,
        "budget": 2.5,
        "groups": "code",
        "time": None,
        "weights": "weight",
    }


def test_a_table_of_test_rows_is_read_as_the_table_is(taut, fits, table, here):
    rows = pd.read_csv(table).iloc[:9]
    rows.to_csv(here / "my test.csv", index=False)
    result = taut("fit", table, "-t", "ill", "--groups", "code", "--test", "my test.csv")
    assert (result.exit_code, result.stderr) == (0, "")
    (call,) = fits.calls
    assert call["test"].equals(call["frame"].iloc[:9])
    assert call["test"].dtypes.equals(call["frame"].dtypes)
    assert "--test 'my test.csv'" in Run.load(here / "taut-run").metrics.command
    both = taut(
        "fit", table, "-t", "ill", "--out", "other", "--test", "my test.csv", "--test-size", "0.3"
    )
    assert (both.exit_code, "Leave one out" in both.stderr) == (2, True)
    missing = taut("fit", table, "-t", "ill", "--test", "nowhere.csv", "--out", "other")
    assert missing.exit_code == 2
    assert "nowhere.csv" in missing.stderr
    assert not (here / "other").exists()


def test_another_sheet_of_the_workbook_has_the_rows_to_test_on(taut, fits, table, here):
    frame = pd.read_csv(table)
    with pd.ExcelWriter(here / "book.xlsx") as book:
        frame.to_excel(book, sheet_name="learn", index=False)
        frame.iloc[:9].to_excel(book, sheet_name="try", index=False)
    said = ("fit", here / "book.xlsx", "-t", "ill", "--test-sheet")
    result = taut(*said, "try")
    assert (result.exit_code, result.stderr) == (0, "")
    (call,) = fits.calls
    assert call["test"].equals(call["frame"].iloc[:9])
    assert Run.load(here / "taut-run").metrics.command.endswith("--test-sheet try")
    (here / "other.xlsx").write_bytes((here / "book.xlsx").read_bytes())
    apart = taut(*said, "try", "--test", here / "other.xlsx", "--sheet", "learn", "--force")
    assert apart.exit_code == 0
    assert fits.calls[-1]["test"].equals(call["test"])
    for options, words in (
        (["try", "--sheet", "try"], "another sheet of TABLE than --sheet"),
        (["try", "--test-size", "0.3"], "Leave one out"),
        (["no such"], "'no such'"),
    ):
        wrong = taut(*said, *options, "--out", "other")
        assert wrong.exit_code == 2
        assert words in " ".join(wrong.stderr.split())
    assert not (here / "other").exists()


def test_defaults_are_those_of_the_library(taut, fits, table):
    assert taut("fit", table, "-t", "ill").exit_code == 0
    (call,) = fits.calls
    expected = {"task": None, "penalty": "auto", "folds": 5, "seeds": 1, "strengths": None}
    expected |= {"test_size": 0.2, "single": False, "seed": 0, "quick": False}
    expected |= {
        "sparse": False,
        "inputs": None,
        "diagnosis": True,
        "budget": None,
        "learning_curve": False,
    }
    assert {name: call[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--strengths", "-0.1,0.1"], "-0.1"),
        (["--strengths", "0.1,inf"], "inf"),
        (["--strengths", "nan"], "nan"),
        (["--strengths", "a,b"], "'a,b'"),
        (["--strengths", ""], "''"),
        (["--folds", "1"], "--folds"),
        (["--seeds", "0"], "--seeds"),
        (["--seed", "-1"], "--seed"),
        (["--inputs", "0"], "--inputs"),
        (["--minutes", "0"], "--minutes must be more than 0"),
        (["--inputs", "99"], "`inputs` (--inputs) must be an integer from 1"),
        (["--test-size", "1"], "--test-size"),
        (["--test-size", "nan"], "--test-size"),
        (["--folds", "40"], "40 folds"),
        (["--groups", "codes"], "did you mean 'code'"),
        (["--groups", "ill"], "target"),
        (["--groups", "code", "--time", "age"], "cannot be combined"),
        (["--time", "code"], "dates"),
        (["--weights", "code"], "`weights`"),
        (["--target", "il"], "did you mean 'ill'"),
        (["--out", "patients.csv"], "a file"),
        (["--out", "patients.csv/run"], "is a file"),
    ],
)
def test_bad_options_end_before_any_work(taut, fits, table, listing, options, words):
    before = listing()
    target = [] if "--target" in options else ["--target", "ill"]
    result = taut("fit", table, *target, *options)
    assert result.exit_code == 2
    assert words in _error(result)
    assert not fits.calls
    assert listing() == before


def _edited(frame, **columns):
    return frame.assign(**columns)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda f: f.head(10), "20 rows"),
        (lambda f: f.head(0), "rows"),
        (lambda f: f.assign(ill="no"), "ill"),
        (lambda f: f.assign(ill=np.nan), "ill"),
        (lambda f: f.assign(ill=["yes"] * 3 + ["no"] * 57), "has 3"),
        (lambda f: f.assign(ill=["yes", "No"] + ["no", "yes"] * 29), "'No' and 'no' are different"),
        (lambda f: f.assign(age=[np.inf, *f["age"][1:]]), "'age'"),
        (lambda f: f.set_axis(["age", "age", "code", "ill"], axis=1), "'age'"),
        (lambda f: f[["ill"]].assign(same=1), "same"),
    ],
)
def test_bad_tables_end_before_any_work(taut, fits, table, listing, frame, edit, words):
    edit(frame).to_csv(table, index=False)
    before = listing()
    result = taut("fit", table, "--target", "ill")
    assert result.exit_code == 2
    assert words in _error(result)
    assert not fits.calls
    assert listing() == before


@pytest.mark.parametrize("name", ["absent.csv", "notes.txt", "."])
def test_what_is_no_table_is_refused(taut, fits, here, listing, name):
    (here / "notes.txt").write_text("no table")
    before = listing()
    result = taut("fit", name, "--target", "ill")
    assert result.exit_code == 2
    assert _error(result)
    assert listing() == before


def test_an_existing_directory_is_never_overwritten_unasked(taut, fits, table, here, listing):
    (here / "taut-run").mkdir()
    before = listing()
    result = taut("fit", table, "--target", "ill")
    assert result.exit_code == 2
    assert "--force" in _error(result)
    assert not fits.calls
    assert listing() == before


def test_force_replaces_a_run_and_keeps_what_the_user_put_there(taut, fits, table, here):
    assert taut("fit", table, "--target", "ill").exit_code == 0
    run = here / "taut-run"
    (run / "metrics.json").write_text("{}")
    (run / "mine.txt").write_text("mine")
    (run / "preprocessing.skops").write_text("of the fit before, by an earlier release")
    assert taut("fit", table, "--target", "ill", "--force").exit_code == 0
    assert (run / "metrics.json").stat().st_size > 100
    assert not (run / "preprocessing.skops").exists()
    assert (run / "mine.txt").read_text() == "mine"
    assert {path.name for path in here.iterdir()} == {"patients.csv", "taut-run"}


def test_force_replaces_no_directory_but_a_run(taut, fits, table, here, listing):
    (here / "photographs").mkdir()
    (here / "photographs" / "holiday.jpg").write_bytes(b"...")
    before = listing()
    result = taut("fit", table, "--target", "ill", "--out", "photographs", "--force")
    assert result.exit_code == 2
    assert "metrics.json" in _error(result)
    assert listing() == before


def test_force_does_not_replace_the_directory_it_stands_in(taut, fits, table, here, monkeypatch):
    assert taut("fit", table, "--target", "ill").exit_code == 0
    monkeypatch.chdir(here / "taut-run")
    result = taut("fit", table, "--target", "ill", "--out", ".", "--force")
    assert result.exit_code == 2
    assert "directory you are in" in _error(result)


def _interrupt(*_):
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):  # the handler runs between two bytecodes
        pass


def _wrapped(*_):
    try:
        _interrupt()
    except KeyboardInterrupt as error:
        raise RuntimeError("a callback failed") from error


def _disk_full(*_):
    raise OSError(28, "No space left on device", "model.keras")


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("place", ["during", "during_save"])
@pytest.mark.parametrize(
    ("fail", "code", "words"),
    [
        (_interrupt, 130, "interrupted, nothing was written"),
        (_wrapped, 130, "interrupted, nothing was written"),
        (_disk_full, 1, "No space left on device"),
    ],
)
def test_a_fit_that_does_not_end_leaves_nothing(
    taut, fits, table, here, listing, force, place, fail, code, words
):
    out = ["--out", "deep/run"]
    if force:
        assert taut("fit", table, "--target", "ill", *out).exit_code == 0
    before = listing()
    if place == "during":
        fits.during = fail
    else:
        fits.model.during_save = staticmethod(fail)
    result = taut("fit", table, "--target", "ill", *out, *["--force"] * force)
    assert result.exit_code == code
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert listing() == before


@pytest.mark.parametrize("made", [False, True])
def test_a_run_that_cannot_be_written_where_it_should_is_written_elsewhere(
    taut, fits, table, here, tmp_path, monkeypatch, made
):
    monkeypatch.setattr("taut_cli.output.tempfile.tempdir", str(tmp_path))
    places = []

    def once(directory):
        places.append(directory)
        if len(places) == 1 and made:
            (here / "run").mkdir()
        elif len(places) == 1:
            _disk_full()

    fits.model.during_save = staticmethod(once)
    result = taut("fit", table, "--target", "ill", "--out", "run")
    assert result.exit_code == 1
    reason = "--out must not exist" if made else "No space left on device"
    assert f"The run could not be written to run: {reason}" in result.stderr
    (elsewhere,) = tmp_path.glob("run-*/run")
    assert f"It was written to {elsewhere}." in _error(result)
    assert {path.name for path in elsewhere.iterdir()} > FILES
    assert f"taut predict {elsewhere} NEW.csv" in result.stdout


@pytest.fixture
def handling():
    """Sets what a signal does, and takes it back: `nohup`, say, has a hang-up ignored."""
    before = {}

    def handle(number, handler):
        before.setdefault(number, signal.signal(number, handler))

    yield handle
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("place", ["during", "during_save"])
def test_a_request_to_terminate_cleans_up_too(taut, fits, table, listing, handling, number, place):
    handling(number, signal.SIG_DFL)
    before = listing()

    def stop(*_):
        try:
            os.kill(os.getpid(), number)
            for _ in range(1000):
                pass
        except KeyboardInterrupt as error:
            raise RuntimeError("a callback failed") from error

    if place == "during":
        fits.during = stop
    else:
        fits.model.during_save = staticmethod(stop)
    result = taut("fit", table, "--target", "ill")
    assert result.exit_code == 128 + number
    assert result.stderr == "terminated, nothing was written\n"
    assert listing() == before


def test_a_hang_up_that_is_ignored_stops_nothing(taut, fits, table, handling):
    handling(signal.SIGHUP, signal.SIG_IGN)
    fits.during = lambda *_: os.kill(os.getpid(), signal.SIGHUP)
    assert taut("fit", table, "--target", "ill").exit_code == 0


def test_an_interrupt_on_the_way_out_changes_nothing(taut, fits, table, monkeypatch):
    fits.during = _interrupt
    said = []

    def again(number, left):
        _interrupt()
        said.append(left)
        return f"ended by {number}, {left}"

    monkeypatch.setattr("taut_cli.console.in_words", again)
    result = taut("fit", table, "--target", "ill")
    assert result.exit_code == 130
    assert result.stderr == "ended by 2, nothing was written\n"
    assert said == ["nothing was written"]


def test_an_interrupt_while_renaming_waits_for_the_whole_run(taut, fits, table, here, monkeypatch):
    assert taut("fit", table, "--target", "ill").exit_code == 0
    rename = os.rename

    def interrupted(old, new):
        _interrupt()
        rename(old, new)

    monkeypatch.setattr("taut_cli.output.os.rename", interrupted)
    result = taut("fit", table, "--target", "ill", "--force")
    assert result.exit_code == 130
    assert "taut-run is whole" in result.stderr
    assert {path.name for path in (here / "taut-run").iterdir()} > FILES
    assert {path.name for path in here.iterdir()} == {"patients.csv", "taut-run"}


def test_a_rename_that_fails_brings_the_old_run_back(taut, fits, table, listing, monkeypatch):
    assert taut("fit", table, "--target", "ill").exit_code == 0
    before = listing()
    rename = os.rename

    def fail(old, new):
        if str(old).endswith("new"):
            raise OSError(5, "Input/output error", str(new))
        rename(old, new)

    monkeypatch.setattr("taut_cli.output.os.rename", fail)
    result = taut("fit", table, "--target", "ill", "--force")
    assert result.exit_code == 1
    assert "Input/output error" in _error(result)
    assert listing() == before


def test_signals_are_as_before_afterwards(taut, fits, table):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    taut("fit", table, "--target", "ill")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_name_cannot_write_to_the_terminal(taut, fits, table, frame):
    evil = "\x1b]0;owned\x07[bold]x[/bold]"
    frame.assign(**{evil: frame["age"] * 2 + 1, "<script>": frame["weight"]}).to_csv(
        table, index=False
    )
    result = taut("fit", table, "--target", "ill")
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.output
    assert "\x07" not in result.output
    assert r"\x1b]0;owned" in result.stdout
    assert "[bold]x" in result.stdout


def test_of_many_columns_those_with_something_to_say_are_shown(taut, fits, table, frame):
    random = np.random.default_rng(0)
    probes = pd.DataFrame(random.normal(size=(60, 300)), columns=[f"p{k}" for k in range(300)])
    pd.concat([frame, probes.assign(p299="same")], axis=1).to_csv(table, index=False)
    result = taut("fit", table, "--target", "ill")
    assert "p299" in result.stdout
    assert "p298" not in result.stdout
    assert "… and 263 more: 263 numeric" in result.stdout


def test_regression_is_told_without_classes(taut, fits, table):
    result = taut("fit", table, "--target", "weight", "--task", "regression")
    assert result.exit_code == 0, result.output
    assert "The target is weight, read as a number to predict" in result.stdout
    assert "RMSE" in result.stdout


def test_warnings_are_the_first_lines(taut, fits, table, frame, here):
    frame.assign(patient=[f"p{k % 20}" for k in range(60)]).to_csv(table, index=False)
    result = taut("fit", table, "--target", "ill")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Warning: Column 'patient' looks like a group")
    assert result.stdout.count("looks like a group") == 1
    assert "--groups patient" in result.stdout
    quiet = taut("fit", table, "--target", "ill", "--quiet", "--force")
    assert quiet.stdout == ""
    assert quiet.stderr.count("looks like a group") == 1
    grouped = taut("fit", table, "--target", "ill", "--groups", "patient", "--force")
    assert "warning" not in grouped.stdout
    assert fits.calls[-1]["groups"] == "patient"


def test_a_report_that_fails_does_not_lose_the_training(taut, fits, table, here, monkeypatch):
    monkeypatch.setattr("taut.report.write_report", _fail)
    result = taut("fit", table, "--target", "ill")
    assert result.exit_code == 0, result.output
    assert "a page that cannot be" in result.stderr
    assert (here / "taut-run" / "metrics.json").is_file()


def test_options_of_columns_and_files_reach_the_fit(taut, fits, here, frame):
    names = {"age": "a, ge", "weight": "w=t"}
    edited = frame.rename(columns=names).assign(day=[f"0{1 + k % 9}/01/2020" for k in range(60)])
    edited.loc[::7, "a, ge"] = -999
    edited.to_csv(here / "t.csv", index=False, sep="|", encoding="utf-16")
    options = ["--features", "a, ge,day", "--features", "a, ge", "--features", "day,w=t"]
    options += ["--drop", "code", "--kind", "w=t=numeric", "--kind", "day=date-dmy"]
    options += ["--decimal", ",", "--na", "-999", "--na", "none", "--encoding", "utf-16"]
    options += ["--sep", "pipe"]
    result = taut("fit", "t.csv", "--target", "ill", *options)
    assert result.exit_code == 2  # the first is two names, and neither is there
    assert "'a'" in result.stderr
    result = taut("fit", "t.csv", "--target", "ill", *options[2:])
    assert result.exit_code == 0, result.output
    (call,) = fits.calls
    assert call["features"] == ["a, ge", "day", "w=t"]
    assert call["drop"] == ["code"]
    assert call["kind"] == {"w=t": "numeric", "day": "date-dmy"}
    assert (call["decimal"], call["na"]) == (",", ["-999", "none"])
    assert call["frame"]["a, ge"].isna().sum() == 9
    assert "day/month/year" in result.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--kind", "age"], "COL=KIND"),
        (["--kind", "age=number"], "age=number"),
        (["--kind", "aeg=numeric"], "did you mean 'age'"),
        (["--drop", "aeg"], "did you mean 'age'"),
        (["--features", "aeg"], "did you mean 'age'"),
        (["--decimal", "x"], "decimal='x'"),
        (["--encoding", "x"], "'x'"),
        (["--sep", "xx"], "'xx'"),
        (["--test-size", "0.01"], "test size of 0.04 or more"),
    ],
)
def test_bad_options_of_the_reader_end_before_any_work(taut, fits, table, listing, options, words):
    before = listing()
    result = taut("fit", table, "--target", "ill", *options)
    assert result.exit_code == 2
    assert words in _error(result)
    assert not fits.calls
    assert listing() == before
