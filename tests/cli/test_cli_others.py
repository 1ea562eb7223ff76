"""`taut predict`, `taut report`, `taut demo`, and the command as a whole."""

import json
import os
import signal
import subprocess
import sys

import pandas as pd
import pytest


@pytest.fixture
def run(taut, fits, table, here):
    assert taut("fit", table, "--target", "ill").exit_code == 0
    return here / "taut-run"


def test_predict_writes_labels_and_probabilities(taut, run, table, frame, here):
    frame[["code", "ill", "weight", "age"]].to_csv(here / "new.csv", index=False)
    result = taut("predict", run, "new.csv", "--out", "out.csv")
    assert result.exit_code == 0, result.output
    assert "60 rows predicted, written to out.csv" in result.stdout
    answer = pd.read_csv(here / "out.csv")
    assert list(answer.columns) == ["prediction", "probability_no", "probability_yes"]
    assert list(answer["prediction"][:3]) == ["no", "yes", "no"]
    assert (answer[["probability_no", "probability_yes"]].sum(axis=1) == 1).all()


def test_predicted_rows_whose_target_is_known_are_scored(taut, run, frame, here):
    frame.to_csv(here / "new.csv", index=False)
    shown = taut("predict", run, "new.csv", "--out", "out.csv").stdout
    right = (pd.read_csv(here / "out.csv")["prediction"] == frame["ill"].to_numpy()).mean()
    assert "The table has 'ill', so the predictions were scored" in shown
    (line,) = (line for line in shown.splitlines() if line.startswith("accuracy"))
    assert f"{right:.3f}"[:4] in line
    frame.assign(ill="perhaps").to_csv(here / "new.csv", index=False)
    result = taut("predict", run, "new.csv", "--out", "other.csv")
    assert result.exit_code == 0
    assert "The predictions were not scored" in " ".join(result.stderr.split())
    frame.drop(columns="ill").to_csv(here / "new.csv", index=False)
    assert "scored" not in taut("predict", run, "new.csv", "--out", "third.csv").output


def test_predict_gives_back_what_names_the_rows_as_it_is_written(taut, fits, table, frame, here):
    names = [f"{k:03d}" if k % 2 else f"A{k}" for k in range(len(frame))]
    frame.assign(id=names, **{"Unnamed: 0": range(len(frame))}).to_csv(table, index=False)
    taut("fit", table, "--target", "ill")
    later = pd.read_csv(table, dtype=str).iloc[::-2]  # digits alone: numbers, unless it is known
    later.to_csv(here / "new.csv", index=False)
    assert taut("predict", "taut-run", "new.csv", "--out", "out.csv").exit_code == 0
    answer = pd.read_csv(here / "out.csv", dtype=str)
    assert list(answer.columns[:3]) == ["id", "Unnamed: 0", "prediction"]
    assert answer["id"].tolist() == names[::-2]
    later.drop(columns="id").to_csv(here / "new.csv", index=False)
    assert taut("predict", "taut-run", "new.csv", "--out", "out.csv", "--force").exit_code == 0
    assert "id" not in pd.read_csv(here / "out.csv")


def test_what_names_the_rows_stays_where_it_is_called_as_an_answer_is(
    taut, fits, table, frame, here
):
    names = [f"r{k}" for k in range(len(frame))]
    frame.assign(prediction=names).to_csv(table, index=False)
    taut("fit", table, "--target", "ill")
    assert taut("predict", "taut-run", table, "--out", "out.csv").exit_code == 0
    answer = pd.read_csv(here / "out.csv")
    assert answer["prediction_"].tolist() == names
    assert set(answer["prediction"]) == {"no", "yes"}


def test_predict_of_a_quantity_has_one_column(taut, fits, table, here):
    taut("fit", table, "--target", "weight", "--task", "regression")
    assert taut("predict", "taut-run", table, "--out", "out.csv").exit_code == 0
    assert list(pd.read_csv(here / "out.csv").columns) == ["prediction"]


def test_a_category_that_looks_like_numbers_stays_a_category(taut, run, frame, here):
    seen = {}
    from taut.tables.fitting import TableModel  # type: ignore[import-not-found]

    original = TableModel.predict_proba
    TableModel.predict_proba = lambda self, f: (seen.update(frame=f), original(self, f))[1]
    try:
        frame.assign(code="01").to_csv(here / "new.csv", index=False)
        assert taut("predict", run, "new.csv", "--out", "out.csv").exit_code == 0
    finally:
        TableModel.predict_proba = original
    assert set(seen["frame"]["code"]) == {"01"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent", "patients.csv", "--out", "out.csv"], "absent"),
        ([".", "patients.csv", "--out", "out.csv"], "metrics.json"),
        (["taut-run", "absent.csv", "--out", "out.csv"], "absent.csv"),
        (["taut-run", "other.csv", "--out", "out.csv"], "'age'"),
        (["taut-run", "patients.csv", "--out", "out.txt"], ".csv"),
        (["taut-run", "patients.csv", "--out", "there.csv"], "--force"),
        (["taut-run", "patients.csv", "--out", "no/where.csv"], "no/where.csv"),
        (["taut-run", "patients.csv", "--out", "patients.csv", "--force"], "the file that is read"),
    ],
)
def test_predict_refuses_and_writes_nothing(taut, run, here, listing, arguments, words):
    (here / "there.csv").write_text("precious")
    (here / "other.csv").write_text("height\n1\n")
    before = listing()
    result = taut("predict", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert words in result.stderr
    assert listing() == before


def test_fit_and_predict_take_every_kind_of_table(taut, fits, frame, here):
    frame.to_json(here / "rows.jsonl.gz", orient="records", lines=True)
    frame.to_csv(here / "new.zip", index=False, compression={"method": "zip"})
    frame.to_feather(here / "new.feather")
    assert taut("fit", "rows.jsonl.gz", "--target", "ill").exit_code == 0
    pd.testing.assert_frame_equal(fits.calls[0]["frame"], frame, check_dtype=False)
    for name in ("new.zip", "new.feather", "rows.jsonl.gz"):
        result = taut("predict", "taut-run", name, "--out", "out.csv", "--force")
        assert result.exit_code == 0, result.output
        assert "60 rows predicted" in result.stdout


@pytest.mark.parametrize(
    ("name", "words"),
    [("-", "a pipe. Write it"), ("pipe", "a pipe. Write"), (".", "a folder without")],
)
def test_a_table_is_a_file(taut, here, name, words):
    os.mkfifo(here / "pipe")
    result = taut("fit", name, "--target", "ill")
    assert result.exit_code == 2
    assert words in result.stderr


def test_predict_replaces_a_file_when_forced_and_only_when_whole(taut, run, table, here, listing):
    out = here / "out.csv"
    out.write_text("old")
    before = listing()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "pandas.DataFrame.to_csv", lambda *_, **__: os.kill(os.getpid(), signal.SIGINT)
        )
        result = taut("predict", run, table, "--out", out, "--force")
    assert result.exit_code == 130
    assert "nothing was written" in result.stderr
    assert listing() == before
    assert taut("predict", run, table, "--out", out, "--force").exit_code == 0
    assert out.read_text().startswith("prediction")
    umask = os.umask(0)
    os.umask(umask)
    assert out.stat().st_mode & 0o777 == 0o666 & ~umask


def test_report_is_written_again(taut, run):
    page = run / "report.html"
    first = page.read_text()
    page.unlink()
    result = taut("report", run.name)
    assert result.exit_code == 0
    assert "taut-run/report.html" in result.stdout
    assert page.read_text() == first


def test_the_commands_on_the_page_say_the_run_as_it_was_called(taut, run, here):
    page = (run / "report.html").read_text()
    assert "<code>taut report taut-run</code>" in page
    (here / "my").mkdir()
    run.rename(here / "my" / "run")
    assert taut("report", "my/run").exit_code == 0
    page = (here / "my" / "run" / "report.html").read_text()
    assert "<code>taut report my/run</code>" in page
    assert "<code>taut predict my/run new.csv --out predictions.csv</code>" in page


def test_predict_and_report_write_json_or_nothing(taut, run, table, here):
    out = here / "p.csv"
    answer = json.loads(taut("predict", run, table, "--out", out, "--json").stdout)
    scores = answer.pop("scores")
    assert {"log_loss", "accuracy"} <= {score["metric"] for score in scores}
    assert answer == {"predictions": str(out), "rows": 60, "notes": []}
    assert json.loads(taut("report", run, "--json").stdout) == {"report": str(run / "report.html")}
    assert taut("predict", run, table, "--out", out, "--force", "--quiet").output == ""
    assert taut("report", run, "--quiet").output == ""


def test_completion_for_a_shell_is_shown_without_the_library(taut, monkeypatch):
    # Whatever shell the tests were started from, which may be one that typer does not know.
    monkeypatch.setattr("typer.completion._get_shell_name", lambda: "bash", raising=False)
    result = taut("--show-completion", "bash")
    assert result.exit_code == 0
    assert "_TAUT_COMPLETE=complete_bash" in result.stdout


def test_report_refuses_what_is_no_run(taut, here):
    result = taut("report", here)
    assert result.exit_code == 2
    assert "metrics.json" in result.stderr


def test_demo_does_what_fit_does(taut, fits, here):
    result = taut("demo", "--quick")
    assert result.exit_code == 0, result.output
    command = result.stdout.splitlines()[0]
    assert command.startswith("$ taut fit taut-demo/breast_cancer.csv --target diagnosis")
    taut(*command.split()[2:], "--force")
    demo, fit = fits.calls
    pd.testing.assert_frame_equal(demo.pop("frame"), fit.pop("frame"))
    assert dict.fromkeys(("groups", "time", "weights")) | demo == fit
    assert {path.name for path in (here / "taut-demo").iterdir()} == {"breast_cancer.csv", "run"}
    table = pd.read_csv(here / "taut-demo" / "breast_cancer.csv")
    assert table.shape == (569, 41)
    shuffled = [name for name in table if name.endswith(" (shuffled)")]
    assert len(shuffled) == 10
    for name in shuffled:
        real = table[name.removesuffix(" (shuffled)")]
        assert sorted(table[name]) == sorted(real)
        assert abs(table[name].corr(real)) < 0.2
    assert command.endswith("--sparse --quick")
    assert set(table["diagnosis"]) == {"malignant", "benign"}


def test_demo_does_not_overwrite(taut, fits, here, listing):
    assert taut("demo").exit_code == 0
    before = listing()
    result = taut("demo")
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert listing() == before
    assert taut("demo", "--force").exit_code == 0
    (here / "taut-demo" / "breast_cancer.csv").write_text("mine")
    result = taut("demo", "--force")
    assert result.exit_code == 2
    assert "something else" in result.stderr
    assert (here / "taut-demo" / "breast_cancer.csv").read_text() == "mine"


@pytest.mark.parametrize("target", ["new", "old", "old/deeper/still"])
def test_an_interrupted_demo_leaves_nothing(taut, fits, here, listing, target):
    (here / "old").mkdir()
    before = listing()
    fits.during = lambda: os.kill(os.getpid(), signal.SIGINT)
    result = taut("demo", target)
    assert result.exit_code == 130
    assert "nothing was written" in result.stderr
    assert listing() == before


def test_help_names_every_command(taut):
    result = taut("--help")
    assert result.exit_code == 0
    for command in ("fit", "predict", "report", "demo"):
        assert command in result.stdout
        assert taut(command, "--help").exit_code == 0


def test_help_names_every_option_in_full_on_a_narrow_terminal(monkeypatch):
    from typer.main import get_command
    from typer.testing import CliRunner

    from taut_cli.app import app

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 80)  # read as typer is imported
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        shown = CliRunner().invoke(app, [name, "--help"]).stdout
        for option in [flag for p in command.params for flag in (*p.opts, *p.secondary_opts)]:
            assert not option.startswith("-") or f" {option} " in shown, (name, option)


def test_version(taut):
    result = taut("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("taut ")


def test_a_missing_target_is_asked_for(taut, table):
    result = taut("fit", table)
    assert result.exit_code == 2
    assert "--target" in result.stderr


AT_ONCE = {
    "--version": 0,
    "--help": 0,
    "fit --help": 0,
    "predict --help": 0,
    "fit t.csv": 2,
    "fit absent.csv -t y": 2,
    "fit t.csv -t y --folds 1": 2,
    "fit t.csv -t y --strengths a": 2,
    "fit t.csv -t y --kind y": 2,
    "fit t.csv -t y --out t.csv": 2,
    "predict . t.csv -o out.csv": 2,
    "predict run absent.csv -o out.csv": 2,
    "predict run t.csv -o out.txt": 2,
    "report .": 2,
    "demo t.csv": 2,
}


def test_what_needs_no_library_is_said_without_it(here):
    (here / "t.csv").write_text("y\n1\n")
    (here / "run").mkdir()
    (here / "run" / "metrics.json").write_text("{}")
    code = f"""
import sys
from typer.testing import CliRunner
from taut_cli.app import app
for arguments in {list(AT_ONCE)!r}:
    result = CliRunner().invoke(app, arguments.split())
    assert result.exception is None or isinstance(result.exception, SystemExit), arguments
    loaded = {{"taut", "keras", "pandas", "numpy"}} & set(sys.modules)
    print(arguments, result.exit_code, sorted(loaded), sep=": ")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    said = done.stdout.splitlines()
    assert said == [f"{call}: {code}: []" for call, code in AT_ONCE.items()], done.stderr


@pytest.mark.parametrize("module", ["taut", "taut_cli"])
def test_the_command_is_a_module_too(module):
    done = subprocess.run(
        [sys.executable, "-m", module, "--version"], capture_output=True, text=True
    )
    assert done.stdout.startswith("taut "), done.stderr


def test_an_odd_name_is_made_visible_though_nothing_is_loaded_yet(taut, here):
    result = taut("fit", "a\x1b\u202e.csv", "-t", "y", "--out", "x\x07/y")
    assert result.exit_code == 2
    assert "\x1b" not in result.stderr
    (here / "b\x07").write_text("")
    result = taut("fit", "a.csv", "-t", "y", "--out", "b\x07")
    assert r"Received: b\x07, a file" in result.stderr


def test_predict_reads_a_file_as_the_training_table(taut, fits, here, frame):
    written = frame.assign(weight=[f"{w:.1f}".replace(".", ",") for w in frame["weight"]])
    written.to_csv(here / "t.csv", index=False, sep=";")
    assert taut("fit", "t.csv", "-t", "ill", "--na", "-999").exit_code == 0
    seen = {}
    from taut.tables.fitting import TableModel  # type: ignore[import-not-found]

    original = TableModel.predict_proba
    TableModel.predict_proba = lambda self, f: (seen.update(frame=f), original(self, f))[1]
    try:
        written.head(3).assign(age=-999, weight="1.234,5").to_csv(
            here / "new.csv", index=False, sep="\t", encoding="utf-16"
        )
        result = taut("predict", "taut-run", "new.csv", "--out", "out.csv")
        assert result.exit_code == 0, result.output
        schema = TableModel.load_schema(here / "taut-run")
    finally:
        TableModel.predict_proba = original
    features, _ = schema.prepare(seen["frame"], require_target=False)
    assert features["age"].isna().all()
    assert set(features["weight"]) == {1234.5}
    written.assign(weight=frame["weight"]).to_csv(here / "new.csv", index=False)
    result = taut("predict", "taut-run", "new.csv", "--out", "out.csv", "--force")
    assert result.exit_code == 2
    assert "written like 1234,5" in result.stderr


def test_predict_tells_what_the_model_warns_of(taut, run, table, here):
    import warnings

    from taut.tables.fitting import TableModel  # type: ignore[import-not-found]

    original = TableModel._codes

    def codes(self, frame):
        warnings.warn("Column 'code': 'a' was read as 'A'.", UserWarning, stacklevel=1)
        return original(self, frame)

    TableModel._codes = codes
    try:
        result = taut("predict", run, table, "--out", "out.csv")
    finally:
        TableModel._codes = original
    assert result.exit_code == 0
    assert result.stderr == "Note: Column 'code': 'a' was read as 'A'.\n"


def test_labels_that_are_formulas_are_text_in_the_csv(taut, fits, table, frame, here):
    frame.assign(ill=["=CMD()", "-1x", "-0.5"] * 20).to_csv(table, index=False)
    assert taut("fit", table, "-t", "ill").exit_code == 0
    assert taut("predict", "taut-run", table, "--out", "out.csv").exit_code == 0
    answer = pd.read_csv(here / "out.csv", dtype=str)
    assert set(answer["prediction"]) == {"'=CMD()", "'-1x", "-0.5"}
    assert "probability_=CMD()" in answer


def test_a_table_is_refused_before_the_network_is_loaded(taut, run, here):
    from taut.tables.fitting import TableModel  # type: ignore[import-not-found]

    (here / "other.csv").write_text("height\n1\n")
    original = TableModel.load
    TableModel.load = classmethod(lambda cls, directory: pytest.fail("loaded"))
    try:
        result = taut("predict", run, "other.csv", "--out", "out.csv")
    finally:
        TableModel.load = original
    assert result.exit_code == 2
    assert "'age'" in result.stderr
