"""The learning curve of a fit: its sizes are fits, and its law is in the run, report and advice."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes

import taut
from taut.errors import InputError
from taut.report import write_report
from taut.run import Run
from taut.studies.power_law import fit_power_law
from taut.tables import more_rows


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A fit with a learning curve, the trainings behind it, and its saved run."""
    fits = []
    train = more_rows.train

    def watched(rows, splits, settings, **options):
        fits.append((splits, train(rows, splits, settings, **options)))
        return fits[-1][1]

    frame = load_diabetes(as_frame=True).frame.iloc[:200, -5:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(more_rows, "train", watched)
        model = taut.fit_table(
            frame, target="target", strengths=[0.01, 0.1], penalty="l2", folds=2, quick=True,
            learning_curve=True,
        )  # fmt: skip
    return model, fits, model.save(tmp_path_factory.mktemp("run") / "run")


@pytest.mark.slow
def test_sizes_are_fits_on_nested_parts_and_the_last_is_the_fit_itself(fitted):
    model, fits, _ = fitted
    table, path = model.run.learning_curve, model.path
    assert list(table["measured"]) == [True] * 5 + [False] * 2
    for number, (splits, fit) in enumerate(fits):
        assert [len(split.train) for split in splits] == [table["rows"][number]] * 2
        np.testing.assert_allclose(table["held_out_loss"][number], fit.fold_losses(0).mean())
        for fold, split in enumerate(splits):
            larger = fits[number + 1][0] if number + 1 < len(fits) else fit.splits
            assert set(split.train) <= set(larger[fold].train)
            assert not set(split.train) & set(split.held_out)
    best = path[path["strength"] == model.metrics["choice"]["strength"]]
    np.testing.assert_allclose(table["held_out_loss"][4], best["val_loss"].mean(), rtol=1e-5)
    np.testing.assert_allclose(table["train_loss"][4], best["train_loss"].mean(), rtol=1e-5)
    assert table["rows"].tolist()[-2:] == [2 * table["rows"][4], 4 * table["rows"][4]]
    assert table["gain"][4] == 0
    assert table["gain"][5] >= 0


@pytest.mark.slow
def test_it_is_in_the_run_the_report_and_the_advice(fitted):
    model, _, run = fitted
    pd.testing.assert_frame_equal(Run.load(run).learning_curve, model.run.learning_curve)
    (more,) = [a for a in model.diagnosis.tried if a.code == "more_rows"]
    assert more.low <= more.gain <= more.high
    assert not any("learning-curve" in words for words in model.diagnosis.left_out)
    for lang, words in (("en", "Would more rows help?"), ("zh", "更多的行会有帮助吗？")):
        page = write_report(run, lang=lang).read_text(encoding="utf-8")
        assert words in page
        assert "learning_curve.parquet" in page


def test_more_rows_are_promised_only_where_half_of_them_clearly_do_worse():
    rows = np.array([50.0, 100, 200, 400])
    law = fit_power_law(rows, np.tile(0.2 + 2 / np.sqrt(rows), (4, 1)))
    fold_of = np.repeat(np.arange(4), 100)
    noise = np.random.default_rng(0).normal(size=400)

    def advised(fall):
        nothing = {"table": pd.DataFrame(), "weights": None, "groups": None}
        return more_rows.MoreRows(law=law, fall=fall, fold_of=fold_of, **nothing).advice(0.95)

    assert advised(1 + noise).clear
    unclear = advised(noise)
    assert unclear.low > 0
    assert not unclear.clear
    assert "not clear that all rows have less loss than a half" in unclear.doubt


def test_too_few_rows_are_told_before_any_training(monkeypatch):
    monkeypatch.setattr("taut.tables.plans.train", lambda *_, **__: pytest.fail("it trained"))
    frame = load_diabetes(as_frame=True).frame.iloc[:50, -5:]
    with pytest.raises(
        InputError,
        match=r"at least 40 training rows.* leave `learning_curve` \(--learning-curve\) out",
    ):
        taut.fit_table(frame, target="target", folds=3, learning_curve=True)
