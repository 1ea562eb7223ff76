"""What pictures of test rows and epochs show, against scikit-learn and by hand."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, confusion_matrix

from taut.catalogue import EN
from taut.report import curves, write_report
from taut.report.drawing import Axis, Drawing
from taut.run import Run

DRAW = np.random.default_rng(0)


@pytest.fixture
def rare(make_run):
    """A run with a rare class, and its rows: probabilities that are right."""
    run = make_run()
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["test"] |= {"rare": "M", "classes": []}
    (run / "metrics.json").write_text(json.dumps(metrics))
    p = DRAW.beta(0.3, 2.5, size=400)
    actual = (DRAW.uniform(size=400) < p).astype(int)
    rows = pd.DataFrame({"row": np.arange(400), "actual": actual, "predicted": p > 0.5})
    rows["p_positive"], rows["p_predicted"] = p, np.maximum(p, 1 - p)
    rows["p_actual"] = np.where(actual == 1, p, 1 - p)
    rows.astype({"predicted": int}).to_parquet(run / "test_rows.parquet")
    return run


def test_the_confusion_table_is_that_of_scikit_learn(rare):
    run = Run.load(rare)
    shown = curves.confusion(run.metrics, run.test_rows)
    cells = [[int(n) for n, _, _ in row["cells"]] for row in shown["rows"]]
    expected = confusion_matrix(run.test_rows["actual"], run.test_rows["predicted"])
    np.testing.assert_array_equal(cells, expected)
    assert shown["labels"] == ["B", "M"]


def test_precision_and_recall_are_those_of_scikit_learn(rare):
    run = Run.load(rare)
    rows = run.test_rows
    area = average_precision_score(rows["actual"], rows["p_positive"])
    shown = curves.precision_recall(run.metrics, rows, EN)
    assert f"average precision {area:.3f}" in shown["svg"]
    weighted = rows.assign(weight=DRAW.uniform(0.1, 3, len(rows)))
    area = average_precision_score(
        rows["actual"], rows["p_positive"], sample_weight=weighted["weight"]
    )
    assert (
        f"average precision {area:.3f}" in curves.precision_recall(run.metrics, weighted, EN)["svg"]
    )
    assert curves.precision_recall(run.metrics, rows.assign(actual=0), EN) is None


def test_calibration_says_where_probabilities_are_wrong(rare):
    run = Run.load(rare)
    right = curves.calibration(run.metrics, run.test_rows, EN)
    assert sum(int(rows) for *_, rows in right["bins"]) == 400
    means, shares = ([float(row[k]) for row in right["bins"]] for k in (0, 1))
    assert means == sorted(means)
    assert abs(np.mean(means) - np.mean(shares)) < 0.05
    p = run.test_rows["p_positive"] ** 0.2
    wrong = curves.calibration(run.metrics, run.test_rows.assign(p_positive=p), EN)
    outside = int(re.search(r"In (\d+) of 10 groups", wrong["sentence"]).group(1))
    assert outside >= 8
    assert curves.calibration(run.metrics, run.test_rows[:15], EN) is None


def test_a_curve_that_runs_away_does_not_flatten_the_others():
    epoch = np.arange(1, 31)
    best = pd.DataFrame({"setting": "best", "epoch": epoch, "train_loss": 0.3, "val_loss": 0.4})
    away = best.assign(setting="none", val_loss=0.4 * 2.0**epoch)
    both = pd.concat([best, away]).assign(fold=0, seed=0)
    [first, _] = curves.epochs(both, 7, EN)
    ticks = [float(t) for t in re.findall(r'class="tick end"[^>]*>([\d.]+)<', first["svg"])]
    assert max(ticks) <= 3
    assert "kept: 7" in first["svg"]


def test_probabilities_of_what_is_rare_are_drawn_apart(rare):
    run = Run.load(rare)
    rows = run.test_rows.assign(p_positive=run.test_rows["p_positive"] / 20, actual=0)
    svg = curves.calibration(run.metrics, rows, EN)["svg"]
    dots = [float(x) for x in re.findall(r'<circle class="held" cx="([\d.]+)"', svg)]
    assert max(dots) - min(dots) > 60


def test_more_rows_are_told_by_one_law_from_now_to_then():
    rows = {"rows": [50, 100, 200], "measured": [True, True, False]}
    losses = {"train_loss": [0.1, 0.1, np.nan], "held_out_loss": [0.4, 0.2, np.nan]}
    law = {"fitted": [0.4, 0.3, 0.25], "low": 0.2, "high": 0.5, "gain": 0.05}
    ends = {"held_out_loss_standard_error": 0.02, "gain_low": 0.02, "gain_high": 0.08}
    told = curves.learning(pd.DataFrame({**rows, **losses, **law, **ends}), EN)["sentences"]
    assert told[0].endswith(
        "fall by 0.050 (0.020 to 0.080): by the fitted law from 0.300 to 0.250."
    )


@pytest.mark.parametrize(
    "label", ["kept: 7", "one standard error 0.000316", "一个标准误准则 0.0003"]
)
@pytest.mark.parametrize("right", [True, False])
def test_a_label_stays_within_the_picture(label, right):
    drawing = Drawing(Axis(0, 10), Axis(0, 1))
    for at in range(11):
        drawing.label_x(at, label, right=right)
    wide = 6 * sum(2 if ord(sign) > 0x2E80 else 1 for sign in label)
    places = [float(re.search(r'x="([\d.]+)"', str(mark)).group(1)) for mark in drawing.marks]
    starts = [place if right else place - wide for place in places]
    assert min(starts) >= 46
    assert max(starts) + wide <= drawing.width


def test_a_gap_in_a_line_stays_a_gap():
    drawing = Drawing(Axis(0, 3), Axis(0, 1))
    drawing.line([(0, 0.5), (1, np.nan), (2, 0.5), (3, 0.5)], "held")
    assert str(drawing.marks[0]).count("M") == 2


def test_a_line_does_not_run_along_the_edge_where_its_values_are_beyond_it():
    drawing = Drawing(Axis(0, 4), Axis(0, 1))
    drawing.line([(0, 9.0), (1, 3.0), (2, 0.0), (3, 0.5), (4, -0.5)], "held")
    (drawn,) = re.findall(r'd="([^"]*)"', str(drawing.marks[0]))
    points = [tuple(map(float, p.split())) for p in re.findall(r"[ML]([\d. -]+)", drawn)]
    top, bottom = drawing.at_y(1), drawing.at_y(0)
    assert [y for _, y in points] == [top, bottom, drawing.at_y(0.5), bottom]
    expected = [1 + 2 / 3, 2, 3, 3.5]  # where it crosses the edges, and what is between
    assert [x for x, _ in points] == pytest.approx([drawing.at_x(x) for x in expected], abs=0.06)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (1e-4, 1.0, ["10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "10⁰"]),
        (0.02, 0.06, ["0.02", "0.05"]),
        (1e-9, 10.0, ["10⁻⁹", "10⁻⁶", "10⁻³", "10⁰"]),
    ],
)
def test_ticks_of_powers_are_written_in_one_way(low, high, labels):
    assert [label for _, label in Axis(low, high, log=True).ticks()] == labels


def test_the_page_has_them_and_an_older_run_goes_without(rare):
    page = write_report(rare).read_text(encoding="utf-8")
    for words in ("What is taken for what", "Are the probabilities right?", "Precision and recall"):
        assert words in page
    (rare / "test_rows.parquet").unlink()
    page = write_report(rare).read_text(encoding="utf-8")
    assert "Are the probabilities right?" not in page
    assert 'id="test"' in page
