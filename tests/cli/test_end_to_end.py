"""The real command in a process of its own: files, exit codes, and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes

from tests.conftest import some_slow

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")

FILES = {
    "diagnosis.json",
    "model.keras",
    "preprocessing.json",
    "metrics.json",
    "path.parquet",
    "test_rows.parquet",
    "epochs.parquet",
    "features.csv",
    "report.html",
}
EVIL = "<script>alert(1)</script>"
QUICK = ["--quick", "--folds", "2", "--penalty", "l1", "--strengths", "0.01"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Compiled programs are shared between the processes."""
    cache = tmp_path_factory.mktemp("compiled")
    return {
        **os.environ,
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }


@pytest.fixture(scope="module")
def taut(environment):
    def run(*arguments, cwd):
        return subprocess.run(
            [sys.executable, "-m", "taut_cli", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd,
            env=environment,
            timeout=300,
        )

    return run


def table():
    """Two classes; a column with an ugly name, two to drop, and some targets missing."""
    data = load_breast_cancer(as_frame=True)
    frame = data.frame.iloc[:160, [0, 1, 6, 7, 20]].copy()
    frame[EVIL] = np.where(frame["mean radius"] > 14, "<b>big</b>", "small")
    frame["record_id"] = np.arange(5000, 5000 + 3 * len(frame), 3)
    frame["same"] = "x"
    frame["empty"] = np.nan
    frame["remark"] = [f"patient number {k} came on a sunny day" for k in range(len(frame))]
    frame["diagnosis"] = data.target[:160].map({0: "malignant", 1: "benign"})
    frame.loc[[4, 9], "diagnosis"] = None
    return frame


def listing(place):
    return {
        str(p.relative_to(place)): p.read_bytes() if p.is_file() else None for p in place.rglob("*")
    }


def error(result):
    (line,) = [line for line in result.stderr.splitlines() if line.strip()]
    assert line.startswith("Error: ")
    assert "Traceback" not in result.stderr
    return line


@pytest.fixture(scope="module")
def work(tmp_path_factory, taut):
    """A directory with a table as CSV, and the run that was fitted on it."""
    place = tmp_path_factory.mktemp("work")
    table().to_csv(place / "patients.csv", index=False)
    result = taut("fit", "patients.csv", "--target", "diagnosis", *QUICK, cwd=place)
    assert result.returncode == 0, result.stderr
    place.joinpath("stdout.txt").write_text(result.stdout)
    assert result.stderr == ""
    return place


def test_a_run_holds_its_files_and_nothing_else_is_left(work):
    assert {p.name for p in (work / "taut-run").iterdir()} == FILES
    assert {p.name for p in work.iterdir()} >= {"patients.csv", "taut-run"}
    assert not [p.name for p in work.iterdir() if p.name.startswith(".")]
    metrics = json.loads((work / "taut-run" / "metrics.json").read_text())
    assert metrics["table"] == {"rows": 158, "columns": 11, "rows_dropped": 2}
    assert metrics["target"]["classes"] == ["benign", "malignant"]
    assert len(pd.read_parquet(work / "taut-run" / "path.parquet")) == metrics["split"]["lanes"]


def test_what_is_dropped_is_told(work):
    told = work.joinpath("stdout.txt").read_text()
    words = ["Dropped 2 of 160 rows", "'same'", "'empty'", "'record_id' (identifier)"]
    words += ["'remark' (", "log-loss", "same network, no penalty", "penalised linear"]
    words += ["taut-run/report.html", "Certificate", EVIL]
    for word in words:
        assert word in told, word
    assert "\x1b" not in told


def test_names_from_the_table_are_escaped_in_the_report(work):
    html = (work / "taut-run" / "report.html").read_text()
    assert html.count("<script") == 1  # its own
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "<b>big" not in html
    assert "http-equiv" in html
    assert 'src="http' not in html


@pytest.mark.slow
def test_predict_writes_labels_and_probabilities(work, taut, tmp_path):
    frame = pd.read_csv(work / "patients.csv")
    shuffled = frame[frame.columns[::-1]].drop(columns=["diagnosis", "remark"]).assign(more=1)
    frame.to_csv(tmp_path / "same.csv", index=False)
    shuffled.to_parquet(tmp_path / "new.parquet")
    answers = []
    for name in ("same.csv", "new.parquet"):
        out = f"{name}.csv"
        result = taut("predict", work / "taut-run", name, "--out", out, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        answers.append(pd.read_csv(tmp_path / out))
    answer = answers[1]
    pd.testing.assert_frame_equal(answers[0].drop(columns="remark"), answer)
    names = ["prediction", "probability_benign", "probability_malignant"]
    assert list(answer.columns) == ["record_id", *names]
    assert len(answer) == len(frame)
    np.testing.assert_allclose(answer[names[1:]].sum(axis=1), 1)
    benign = answer["probability_benign"] > 0.5
    assert (answer["prediction"] == np.where(benign, "benign", "malignant")).all()
    known = frame["diagnosis"].notna()
    assert (answer["prediction"] == frame["diagnosis"])[known].mean() > 0.85

    before = listing(tmp_path)
    shuffled.drop(columns="mean radius").to_parquet(tmp_path / "new.parquet")
    result = taut("predict", work / "taut-run", "new.parquet", "--out", "x.csv", cwd=tmp_path)
    assert result.returncode == 2
    assert "'mean radius'" in error(result)
    assert set(listing(tmp_path)) == set(before)


@pytest.mark.slow
def test_report_writes_the_same_page_again(work, taut):
    page = work / "taut-run" / "report.html"
    before = page.read_text()
    page.unlink()
    result = taut("report", "taut-run", cwd=work)
    assert result.returncode == 0, result.stderr
    assert page.read_text() == before


def test_an_existing_run_is_replaced_only_with_force(work, taut):
    before = listing(work / "taut-run")
    fit = ["fit", "patients.csv", "--target", "diagnosis", *QUICK, "--seed", "3"]
    result = taut(*fit, cwd=work)
    assert result.returncode == 2
    assert "--force" in error(result)
    assert listing(work / "taut-run") == before


@pytest.mark.slow
def test_a_quantity_in_parquet_and_a_huge_one(taut, tmp_path):
    frame = load_diabetes(as_frame=True).frame.iloc[:120, [2, 3, 8, 10]]
    # Huge but finite numbers are numbers.
    frame = frame.assign(target=frame["target"] * 1e30, bmi=frame["bmi"] * 1e30)
    frame.to_parquet(tmp_path / "t.parquet")
    result = taut("fit", "t.parquet", "-t", "target", "--out", "a/b", *QUICK, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert {p.name for p in (tmp_path / "a" / "b").iterdir()} == FILES
    metrics = json.loads((tmp_path / "a" / "b" / "metrics.json").read_text())
    r2 = {s["name"]: s["scores"]["r2"]["value"] for s in metrics["test"]["systems"]}
    assert r2["taut"] > r2[metrics["test"]["base"]] + 0.05
    result = taut("predict", "a/b", "t.parquet", "--out", "p.csv", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    answer = pd.read_csv(tmp_path / "p.csv")
    assert list(answer.columns) == ["prediction"]
    assert np.corrcoef(answer["prediction"], frame["target"])[0, 1] > 0.5


@pytest.mark.slow
def test_the_demo_does_what_fit_does(taut, tmp_path):
    result = taut("demo", "--quick", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert {p.name for p in (tmp_path / "taut-demo" / "run").iterdir()} == FILES | {"sparse"}
    command = result.stdout.splitlines()[0]
    assert command.startswith("$ taut fit taut-demo/breast_cancer.csv --target diagnosis")
    assert len(pd.read_csv(tmp_path / "taut-demo" / "breast_cancer.csv")) == 569


def _csv(frame, place):
    frame.to_csv(place / "t.csv", index=False)


def _plain(rows=60):
    draw = np.random.default_rng(0)
    return pd.DataFrame({"a": draw.normal(size=rows), "y": ["no", "yes"] * (rows // 2)})


BAD = {
    "missing file": (lambda f: None, [], "no file"),
    "no such target": (lambda f: f, ["-t", "Y "], "did you mean 'y'"),
    "empty table": (lambda f: f.head(0), [], "rows"),
    "one class": (lambda f: f.assign(y="no"), [], "'no'"),
    "a rare class": (lambda f: f.assign(y=["yes"] * 3 + ["no"] * 57), [], "'yes' has 3"),
    "infinity": (lambda f: f.assign(a=[np.inf, *f["a"][1:]]), [], "'a'"),
    "no target at all": (lambda f: f.assign(y=np.nan), [], "'y'"),
    "one name twice": (lambda f: f.assign(b=1).set_axis(["a", "y", "a"], axis=1), [], "'a'"),
    "ten rows": (lambda f: f.head(10), [], "20 rows"),
    "nothing to learn from": (lambda f: f.assign(a="same"), [], "'a': every value is 'same'"),
    "negative strength": (lambda f: f, ["--strengths", "-1"], "-1"),
    "no number": (lambda f: f, ["--strengths", "nan,0.1"], "nan"),
}


# Each is a process that imports Keras; what is bad is tested without one in test_cli_fit.
@pytest.mark.parametrize("name", some_slow(BAD, list(BAD)[:3]))
def test_bad_input_is_one_message_and_nothing_written(name, taut, tmp_path):
    edit, options, words = BAD[name]
    frame = edit(_plain())
    if frame is not None:
        _csv(frame, tmp_path)
    before = listing(tmp_path)
    target = [] if "-t" in options else ["-t", "y"]
    result = taut("fit", "t.csv", *target, *options, cwd=tmp_path)
    assert result.returncode == 2
    assert words in error(result)
    assert result.stdout == ""
    assert listing(tmp_path) == before


@pytest.mark.parametrize("force", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_an_interrupt_while_training_leaves_nothing(work, environment, tmp_path, force):
    (tmp_path / "t.csv").write_bytes((work / "patients.csv").read_bytes())
    options = ["--seeds", "5", *["--force"] * force]
    if force:
        (tmp_path / "taut-run").mkdir()
        (tmp_path / "taut-run" / "metrics.json").write_text("{}")
    before = listing(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "taut_cli", "fit", "t.csv", "-t", "diagnosis", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**environment, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    if not force:
        for line in process.stdout:  # what was understood is shown before anything is trained
            if "remark" in line and "Note" in line:
                break
    time.sleep(1.5 if force else 8)  # while libraries load, and while lanes train
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    # Before it, Python may report an interrupt that fell into a callback of a library.
    # After ten seconds of training it says that this is kept.
    assert stderr.splitlines()[-1].startswith("interrupted, nothing was written")
    assert listing(tmp_path) == before
