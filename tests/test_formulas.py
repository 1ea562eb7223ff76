"""What a spreadsheet would run is text in the CSV files that taut writes."""

import pandas as pd
import pytest

from taut.formulas import guard, unguard, write_csv


@pytest.mark.parametrize(
    "text",
    ["=CMD()", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "'=1", "-a", "＝1"],
)
def test_formulas_become_text_and_come_back(text):
    assert guard(text) == f"'{text}"
    assert unguard(guard(text)) == text


@pytest.mark.parametrize(
    "text", ["-0.5", "+3", "-1e-5", "age", "", "'quoted'", "a=b", "1-2", "'", "-", "+", "'+", "--"]
)
def test_other_text_stays(text):
    assert guard(text) == text
    assert unguard(text) == text


def test_names_and_texts_are_guarded_and_numbers_are_not(tmp_path):
    frame = pd.DataFrame({"=A1": ["=1", "-0.5", None], "n": [-0.5, -1e-9, 2], "a": [-1, 0, 1]})
    write_csv(frame, tmp_path / "t.csv")
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines == ["'=A1,n,a", "'=1,-0.5,-1", "-0.5,-1e-09,0", ",2.0,1"]
    assert list(frame) == ["=A1", "n", "a"]
