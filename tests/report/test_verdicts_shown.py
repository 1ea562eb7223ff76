"""A run's diagnosis on its page: the verdicts first, what helps, and names as text."""

import dataclasses

import pytest

from taut.diagnosis.diagnosis_result import Advice, Diagnosis, Finding, Verdict
from taut.errors import InputError
from taut.report import write_report

EVIL = "<script>alert(1)</script>"
HELPFUL = Advice("l2", "L2 at strength 0.1", 0.05, 0.02, 0.08)
USELESS = Advice("dropout", "dropout 0.5", -0.01, -0.04, 0.02)
FOUND = Diagnosis(
    verdicts=(
        Verdict("leak_column", "clear", {"names": EVIL}),
        Verdict("overfitting", "likely", {"gap": "0.1", "share": "15%"}),
    ),
    muted=(),
    gap=None,
    advice=(HELPFUL,),
    tried=(USELESS, HELPFUL),
    evidence=(Finding("gap", 0.1, 0.05, 0.2, EVIL), Finding("slope", None)),
    curve={},
    left_out=(f"The column {EVIL}.",),
    notes=(),
    lanes=40,
    seconds=1.0,
    epochs=10,
)


@pytest.fixture
def page(make_run):
    """`page(diagnosis, lang)` is the page of a run with it."""
    run = make_run()

    def write(diagnosis=FOUND, lang="en"):
        diagnosis.save(run / "diagnosis.json", overwrite=True)
        return write_report(run, lang=lang).read_text(encoding="utf-8")

    write.run = run
    return write


def test_the_verdicts_come_before_the_scores(page):
    html = page()
    assert html.index("The model overfits") < html.index("Log-loss 0.083 on 114 rows")
    assert html.index("alone explains nearly all") < html.index("The model overfits")
    assert html.count("<script") == 1  # the page's own


def test_changes_are_told_with_their_gain_the_best_first(page):
    html = page()
    assert "What helps, measured on rows that no training saw:" in html
    assert html.index("L2 at strength 0.1") < html.index("dropout 0.5")
    assert "+0.020 to +0.080" in html
    assert '<tr class="mine"><th scope="row">L2 at strength 0.1' in html
    assert '<tr><th scope="row">dropout 0.5' in html
    doubted = dataclasses.replace(HELPFUL, doubt="folds: 0.1 (-0.1 to 0.3)")
    shown = page(dataclasses.replace(FOUND, advice=(), tried=(doubted,)))
    assert '<span class="verdict">folds: 0.1 (\u22120.1 to 0.3)</span>' in shown
    nothing = dataclasses.replace(FOUND, advice=(), tried=(USELESS,))
    assert "Nothing that was tried is clearly better" in page(nothing)


def test_it_speaks_chinese(page):
    html = page(lang="zh")
    for words in ("模型过拟合", "很可能", "有效的改进", "怎样改进"):
        assert words in html


def test_a_page_without_a_diagnosis_has_no_such_section(make_run):
    html = write_report(make_run()).read_text(encoding="utf-8")
    assert 'id="diagnosis"' not in html
    assert "diagnosis.json" not in html


def test_a_damaged_diagnosis_is_named(page):
    (page.run / "diagnosis.json").write_text("{}")
    with pytest.raises(InputError, match=r"diagnosis\.json"):
        write_report(page.run)
