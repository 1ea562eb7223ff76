"""`taut diagnose`: what it refuses before any work, its exit codes, and what it writes."""

import json
from xml.etree import ElementTree

import keras
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from taut.diagnosis import Diagnosis, Verdict
from taut.diagnosis.junit import OF_GAP, junit_xml
from taut.diagnosis.words import CODES
from taut_cli.app import app


def diagnosis(*codes, left_out=()):
    numbers = dict.fromkeys(("gap", "share", "names", "count", "rows", "exact"), "7")
    verdicts = tuple(Verdict(code, "clear", numbers, ("Measured <so>.",)) for code in codes)
    return Diagnosis(verdicts, (), None, (), (), (), {}, left_out, (), 0, 1.0, 5)


@pytest.fixture
def taut(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    return lambda *words: runner.invoke(app, list(map(str, words)))


@pytest.fixture
def run(tmp_path):
    """A run directory with a diagnosis of two faults."""
    place = tmp_path / "run"
    place.mkdir()
    (place / "metrics.json").write_text("{}")
    diagnosis("overfitting", "leak_rows").save(place / "diagnosis.json")
    return place


@pytest.mark.parametrize(
    ("words", "exit_code"),
    [
        ((), 0),
        (("--fail-on", "underfitting"), 0),
        (("--fail-on", "overfitting"), 1),
        (("--fail-on", "leakage"), 1),
        (("--fail-on", "leakage", "--ignore", "leak_rows"), 0),
    ],
)
def test_only_what_was_named_fails(taut, run, words, exit_code):
    result = taut("diagnose", run, *words)
    assert result.exit_code == exit_code
    assert "overfits" in result.stdout


def test_it_speaks_chinese(taut, run):
    assert "过拟合" in taut("diagnose", run, "--lang", "zh").stdout


def test_for_other_programs_there_is_json(taut, run):
    answer = json.loads(taut("diagnose", run, "--json", "--fail-on", "leakage").stdout)
    assert [v["code"] for v in answer["verdicts"]] == ["overfitting", "leak_rows"]
    assert answer["failed"] == ["leak_rows"]


def test_junit_has_a_case_a_verdict(taut, run):
    assert taut("diagnose", run, "--junit", "d.xml", "--fail-on", "leakage").exit_code == 1
    suite = ElementTree.parse("d.xml").getroot()
    assert int(suite.get("tests")) == len(list(suite)) == len(CODES)
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == ["leak_rows"]


def test_what_is_not_known_is_skipped_and_not_passed():
    left_out = ("Labels that look wrong: it failed", "The gap: no rows were held out")
    found = diagnosis("leak_rows", left_out=left_out)
    suite = ElementTree.fromstring(junit_xml(found, ("leak_rows",), name="m\ud800\ufffe"))
    why = {case.get("name"): case.find("skipped") for case in suite}
    skipped = {name: said.get("message") for name, said in why.items() if said is not None}
    no_gap = dict.fromkeys(OF_GAP, "no rows were held out")
    assert skipped == {"label_noise": "it failed", **no_gap}
    assert int(suite.get("skipped")) == 5


def test_control_characters_do_not_break_the_xml():
    verdict = Verdict("leak_column", "clear", {"names": "a\x07<b>"})
    found = diagnosis()
    text = junit_xml(
        Diagnosis((verdict,), *(getattr(found, n) for n in list(vars(found))[1:-1])), (), name="m"
    )
    assert r"a\x07<b>" in "".join(ElementTree.fromstring(text).itertext())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere",), "directory that taut fit wrote"),
        (("m.keras",), "no file"),
        (("run", "--fail-on", "nonsense"), "codes"),
        (("run", "--out", "d.csv"), ".json"),
        (("run", "--minutes", "0"), "--minutes"),
        (("run", "t.csv"), "own table"),
        (("run", "--epochs", "0"), "--epochs"),
    ],
)
def test_bad_input_is_one_message(taut, run, words, message):
    result = taut("diagnose", *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not list(run.parent.glob("d.*"))


def test_a_run_without_a_diagnosis_is_told(taut, run):
    (run / "diagnosis.json").unlink()
    result = taut("diagnose", run)
    assert result.exit_code == 2
    assert "--no-diagnosis" in result.stderr


def test_a_saved_model_on_its_table(taut, tmp_path):
    draw = np.random.default_rng(0)
    x = draw.normal(size=(40, 2)).astype("float32")
    frame = pd.DataFrame(x, columns=["a", "b"]).assign(ill=np.where(x[:, 0] > 0, "yes", "no"))
    frame.to_csv("t.csv", index=False)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy")
    model.save("m.keras")
    words = ("diagnose", "m.keras", "t.csv", "-t", "ill", "--no-trials", "--json")
    answer = json.loads(taut(*words).stdout)
    assert "leak_column" in [v["code"] for v in answer["verdicts"]]
    assert any("Trials" in text or "folds" in text for text in answer["left_out"])
    frame.to_csv("t.csv", index=False, sep=";", decimal=",")
    other = json.loads(taut(*words).stdout)
    assert other | {"seconds": 0} == answer | {"seconds": 0}, "numbers are read as a fit reads them"
    frame.loc[3, "ill"] = None
    frame.to_csv("t.csv", index=False)
    dropped = taut(*words)
    assert json.loads(dropped.stdout)["verdicts"]
    assert "t.csv: Dropped 1 of 40 rows" in dropped.stderr
    frame.assign(ill=None).to_csv("t.csv", index=False)
    assert "Received: none in t.csv" in taut(*words).stderr
    wrong = taut(*words, "--features", "a,c")
    assert wrong.exit_code == 2
    assert "'c'" in wrong.stderr
