"""`taut compare`, and the languages of the report."""

import json

import pytest

from tests.report.test_side_by_side import with_rows


@pytest.fixture
def runs(taut, fits, table, here):
    for name, skill in (("a", 2.0), ("b", 1.0)):
        assert taut("fit", table, "--target", "ill", "--out", name).exit_code == 0
        with_rows(here / name, skill=skill)
    return here


def test_runs_are_shown_side_by_side(taut, runs):
    result = taut("compare", "a", "b")
    assert result.exit_code == 0, result.output
    worse = [line.split()[0] for line in result.stdout.splitlines() if "worse" in line]
    assert set(worse) == {"b"}
    assert "best setting" in result.stdout


def test_the_comparison_is_a_page_too(taut, runs, listing):
    before = set(listing())
    result = taut("compare", "a", "b", "--html", "page.html", "--lang", "zh")
    assert result.exit_code == 0, result.output
    assert set(listing()) - before == {"page.html"}
    assert "运行对比" in (runs / "page.html").read_text(encoding="utf-8")
    assert "对数损失" in result.stdout
    again = taut("compare", "a", "b", "--html", "page.html")
    assert (again.exit_code, "--force" in again.stderr) == (2, True)
    assert taut("compare", "a", "b", "--html", "page.html", "--force", "-q").stdout == ""


def test_other_programs_get_numbers(taut, runs):
    answer = json.loads(taut("compare", "a", "b", "--json").stdout)
    assert answer["runs"] == ["a", "b"]
    [loss] = [s for s in answer["scores"] if (s["run"], s["metric"]) == ("b", "log_loss")]
    assert loss["difference_low"] < loss["difference"] < loss["difference_high"]
    assert loss["verdict"] == "worse"
    (runs / "b" / "test_rows.parquet").unlink()
    answer = json.loads(taut("compare", "a", "b", "--json").stdout)
    assert "holds no test rows" in answer["not_comparable"]["b"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a"], "twice or more"),
        (["a", "absent"], "absent"),
        (["a", "b", "--html", "page.txt"], "--html must end in .html"),
        (["a", "b", "--html", "no/page.html"], "--html must lie in a directory"),
        (["a", "b", "--lang", "fr"], "--lang"),
    ],
)
def test_bad_input_is_one_message(taut, runs, arguments, words):
    result = taut("compare", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_the_report_speaks_chinese_where_asked(taut, fits, table, here):
    assert taut("fit", table, "--target", "ill", "--lang", "zh").exit_code == 0
    page = here / "taut-run" / "report.html"
    assert '<html lang="zh-CN">' in page.read_text(encoding="utf-8")
    assert taut("report", "taut-run").exit_code == 0
    assert '<html lang="en">' in page.read_text(encoding="utf-8")
    assert taut("report", "taut-run", "--lang", "zh").exit_code == 0
    assert "泛化差距" in page.read_text(encoding="utf-8")
