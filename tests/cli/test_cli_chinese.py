"""`--lang zh`: what a command shows as its result is in Chinese."""

import re

import keras
import pandas as pd
import pytest

from tests.cli.test_cli_diagnose import diagnosis
from tests.report.test_side_by_side import with_rows

NAMES = r"taut|L1|L2|ROC|AUC|RMSE|R²|J'|scikit-learn|UTF-8|GroupLasso|Proximal|ms|groups="
FILES = r"[\w./-]+\.(csv|json|html|keras)\b|\b[ab]/?(?![\w])"
COMMANDS = r"taut (predict|report|fit) .*|--?[a-z]+( zh)?|`[^`]+`|'[^']+'"


def english(said, *names):
    """Words that are neither Chinese nor names, nor commands to type."""
    for pattern in (
        COMMANDS,
        FILES,
        *(rf"\b{re.escape(name)}\b" for name in sorted(names, key=len, reverse=True)),
        NAMES,
    ):
        said = re.sub(pattern, "", said)
    return re.findall("[A-Za-z]+", said)


@pytest.fixture
def names(frame):
    return [*frame.columns, "yes", "no", "A"]


@pytest.fixture
def say(taut):
    """`say("fit", …)` is what the command says, on both streams."""

    def run(*words, exit_code=0):
        result = taut(*words, "--lang", "zh")
        assert result.exit_code == exit_code, result.output
        return result.output

    return run


def test_a_fit_and_what_follows_are_told_in_chinese(say, fits, table, frame, names, here):
    patients = [f"P{k % 20}" for k in range(len(frame))]
    frame.assign(patient=patients, kind=1, age=frame["age"].where(frame.index > 3)).assign(
        ill=frame["ill"].where(frame.index > 2)
    ).to_csv(table, index=False)
    names += ["patient", "kind"]
    features = []
    for out in ("a", "b"):
        said = say("fit", table, "-t", "ill", "--out", out)
        with_rows(here / out, skill=2.0 if out == "a" else 1.0)
        features = pd.read_csv(here / out / "features.csv")["feature"].tolist()
        assert not english(said, *names, *features)
        assert "说明：略去 60 行中的 3 行" in said
        assert "警告：列 'patient' 像是分组变量" in said
        assert f"taut predict {out} NEW.csv --out predictions.csv --lang zh" in said
    said = say("predict", "a", table, "--out", "p.csv")
    assert not english(said, *names)
    assert "已预测 60 行，写入 p.csv" in said
    said = say("compare", "a", "b", "--html", "page.html")
    assert not english(re.sub(r"(?m)^命令.*(\n .*)*", "", said), *names)
    assert not english(say("report", "a").removeprefix("a/"))


def test_a_diagnosis_is_told_in_chinese(say, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.json").write_text("{}")
    left_out = ("Labels that look wrong: one row", "Trials, and so advice: beyond the budget")
    diagnosis("overfitting", "leak_rows", left_out=left_out[1:]).save("run/diagnosis.json")
    assert not english(say("diagnose", "run"))
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy")
    model.save("m.keras")
    frame = pd.DataFrame({"x": range(40), "ill": ["yes", "no"] * 20})
    frame.loc[3, "ill"] = None
    frame.to_csv("t.csv", index=False)
    said = say("diagnose", "m.keras", "t.csv", "-t", "ill", "--no-trials")
    assert "警告：t.csv：略去 40 行中的 1 行：其目标 'ill' 缺失。" in said
    assert not english(said)
    said = say("compact", "m.keras")
    assert not english(said)
    assert "没有可移除的单元" in said
