"""Runs side by side: differences row by row where the rows are the same, else the reason."""

import json

import numpy as np
import pandas as pd
import pytest

from taut.errors import InputError
from taut.report import side_by_side
from taut.report.paired import pair
from taut.run import Run


def with_rows(run, seed=0, *, rows=120, skill=1.0, **more):
    """Gives a run test rows, the same ones with other predictions for another skill."""
    task = json.loads((run / "metrics.json").read_text())["target"]["task"]
    draw = np.random.default_rng(seed)
    if task == "regression":
        actual = draw.normal(size=rows)
        noise = np.random.default_rng(int(10 * skill)).normal(size=rows)
        frame = pd.DataFrame({"actual": actual, "predicted": actual + noise / skill})
    else:
        actual = draw.integers(0, 2, rows)
        noise = np.random.default_rng(int(10 * skill)).normal(size=rows)
        p = 1 / (1 + np.exp(-(skill * (2 * actual - 1) + noise)))
        frame = pd.DataFrame({"actual": actual, "predicted": (p > 0.5).astype(int)})
        frame["p_actual"] = np.where(actual == 1, p, 1 - p)
        frame["p_predicted"], frame["p_positive"] = np.maximum(p, 1 - p), p
    frame.insert(0, "row", np.arange(rows) * 3)
    frame.assign(**more).to_parquet(run / "test_rows.parquet")
    return run


def test_the_difference_is_that_of_the_rows(make_run):
    first, other = (with_rows(make_run(name), skill=s) for name, s in (("a", 2.0), ("b", 1.0)))
    (found,) = side_by_side([first, other]).pairs
    rows = [Run.load(run).test_rows for run in (first, other)]
    loss = [-np.log(r["p_actual"]) for r in rows]
    [log_loss, accuracy] = found.differences
    assert log_loss.value == pytest.approx((loss[1] - loss[0]).mean())
    error = (loss[1] - loss[0]).std() / np.sqrt(len(loss[0]))
    assert log_loss.low == pytest.approx(log_loss.value - 1.96 * error, abs=0.3 * error)
    assert log_loss.high == pytest.approx(log_loss.value + 1.96 * error, abs=0.3 * error)
    assert log_loss.code == "worse"
    right = [(r["actual"] == r["predicted"]).mean() for r in rows]
    assert accuracy.value == pytest.approx(right[1] - right[0])


def test_a_regression_has_its_own_scores(make_run):
    runs = [
        with_rows(make_run(name, task="regression"), skill=s)
        for name, s in (("a", 1.0), ("b", 4.0))
    ]
    (found,) = side_by_side(runs).pairs
    assert [d.metric for d in found.differences] == ["rmse", "r2", "mae"]
    assert {d.code for d in found.differences} == {"better"}
    actual, predicted = (Run.load(runs[1]).test_rows[c] for c in ("actual", "predicted"))
    first = Run.load(runs[0]).test_rows["predicted"]
    of = [
        1 - ((actual - p) ** 2).sum() / ((actual - actual.mean()) ** 2).sum()
        for p in (predicted, first)
    ]
    assert found.differences[1].value == pytest.approx(of[0] - of[1])


def test_the_order_of_the_rows_does_not_matter(make_run):
    first, other = with_rows(make_run("a"), skill=2.0), with_rows(make_run("b"))
    before = side_by_side([first, other]).pairs
    rows = pd.read_parquet(other / "test_rows.parquet")
    rows.sample(frac=1, random_state=0).to_parquet(other / "test_rows.parquet")
    assert side_by_side([first, other]).pairs == before


def test_groups_are_drawn_as_wholes(make_run):
    groups = np.repeat(np.arange(12), 10)
    runs = [with_rows(make_run(n), skill=s, group=groups) for n, s in (("a", 2.0), ("b", 1.0))]
    (found,) = side_by_side(runs).pairs
    assert found.differences[0].low is not None
    runs = [with_rows(r, skill=s, group=groups // 4) for r, s in zip(runs, (2.0, 1.0), strict=True)]
    (found,) = side_by_side(runs).pairs
    assert {d.code for d in found.differences} == {"unknown"}  # three groups say nothing


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m, r: (m["target"].update(name="other"), r)[1], "targets are other and diagnosis"),
        (lambda m, r: (m["target"].update(classes=["B", "X"]), r)[1], "their classes differ"),
        (
            lambda m, r: (m["target"].update(task="regression"), r)[1],
            "tasks differ, regression and",
        ),
        (lambda m, r: None, "b holds no test rows"),
        (
            lambda m, r: r.assign(row=r["row"] + 60),
            "only 100 of 120 and 120 test rows are the same",
        ),
        (lambda m, r: r.assign(actual=1 - r["actual"]), "other values of the target"),
        (lambda m, r: r.assign(weight=2.0), "weighed differently"),
    ],
)
def test_what_cannot_be_compared_says_why(make_run, change, words):
    first, other = with_rows(make_run("a")), with_rows(make_run("b"))
    metrics = json.loads((other / "metrics.json").read_text())
    rows = change(metrics, pd.read_parquet(other / "test_rows.parquet"))
    (other / "metrics.json").write_text(json.dumps(metrics))
    (other / "test_rows.parquet").unlink()
    if rows is not None:
        rows.to_parquet(other / "test_rows.parquet")
    compared = side_by_side([first, other])
    assert compared.pairs[0].differences == ()
    [sentence] = compared.why_not()
    assert words in sentence
    assert sentence.startswith("b is not comparable to a: ")


def test_the_page_is_whole_and_safe(make_run, tmp_path, nasty):
    runs = [
        with_rows(make_run(n, target=nasty[0]), skill=s) for n, s in (("a", 2.0), ("b<i>", 1.0))
    ]
    runs.append(make_run("old", target=nasty[0]))
    for lang, words in (("en", "old holds no test rows"), ("zh", "old 未保存测试行")):
        compared = side_by_side(runs, lang=lang)
        html = compared.save_html(tmp_path / "page.html").read_text(encoding="utf-8")
        assert words in html
        assert "<script" not in html
        assert "b&lt;i&gt;" in html
        assert "<i>" not in html
        assert "http" not in html.split("</style>")[1].replace("http-equiv", "")
    frame = compared.to_frame()
    assert list(frame["run"].unique()) == ["a", "b<i>", "old"]
    assert frame.loc[frame["run"] == "old", "difference"].isna().all()


def test_fewer_than_two_runs_are_refused(make_run):
    with pytest.raises(InputError, match=r"two run directories or more\. Received: 1"):
        side_by_side([make_run()])


def test_runs_of_one_name_are_called_as_they_were_given(make_run):
    runs = [make_run("a/run"), make_run("b/run")]
    assert len(set(side_by_side(runs).names)) == 2


def test_a_run_equals_itself(make_run):
    run = Run.load(with_rows(make_run()))
    found = pair(("a", run), ("b", run))
    assert {(d.value, d.low, d.high, d.code) for d in found.differences} == {(0, 0, 0, "unclear")}
