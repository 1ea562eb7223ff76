import numpy as np
import pytest

from taut.engine import Split
from taut.tables import plans
from taut.tables.candidates import (
    LEAST_EPOCHS,
    MANY_ROWS,
    UNPENALISED,
    Schedule,
    Setting,
    bins_for,
    settings,
)
from taut.tables.network import network, size
from taut.tables.plans import (
    CHOOSING,
    FINALISTS,
    LAST,
    WHOLE,
    Limits,
    finalists,
    notes_of,
    plan_for,
)
from taut.tables.trained import Rows

SIZES = [(200, 30), (2000, 10), (2344, 75), (4000, 30), (20_000, 20), (200_000, 20), (10**6, 20)]


def planned(rows, numbers, *, quick=False, folds=5, seeds=1, minutes=None):
    bins = bins_for(numbers)
    weights = size(numbers, 1, numbers=numbers, bins=bins)
    candidates = settings("auto", None, bins=bins > 0, quick=quick, rows=rows)
    limits = Limits.of(minutes, quick=quick, cores=2)
    planned = plan_for(
        rows, weights, candidates, folds=folds, seeds=seeds, quick=quick, limits=limits
    )
    return planned, candidates


def test_the_size_is_that_of_the_network():
    for numbers, bins, outputs in ((3, 16, 1), (5, 0, 4)):
        model = network(8, outputs, numbers=numbers, bins=bins, classes=None)
        kernels = sum(np.prod(v.shape) for v in model.trainable_variables if v.name == "kernel")
        assert size(8, outputs, numbers=numbers, bins=bins) == kernels


@pytest.mark.parametrize(("rows", "numbers"), SIZES)
@pytest.mark.parametrize("quick", [False, True])
def test_small_tables_are_trained_whole_and_large_ones_within_the_budget(rows, numbers, quick):
    found, candidates = planned(rows, numbers, quick=quick)
    share = 1 / 3 if quick else 1
    if found.whole <= WHOLE * share:
        assert (found.rows, found.epochs, found.seconds) == (None, None, found.whole)
        return
    assert 1000 <= found.rows <= rows // 2
    assert found.folds == 3
    assert set(found.tried) == set(candidates) - {UNPENALISED}
    assert found.seconds <= (CHOOSING + LAST) * share or found.epochs == LEAST_EPOCHS
    assert found.epochs is None or found.epochs >= LEAST_EPOCHS
    assert planned(rows, numbers, quick=quick)[0] == found


@pytest.mark.parametrize(("rows", "numbers"), SIZES[:-1])
def test_a_budget_is_kept_or_the_least_that_can_be_is_trained_and_that_is_said(rows, numbers):
    before = None
    for minutes in (0.05, 1, 5, 60, 1e4):
        found, candidates = planned(rows, numbers, minutes=minutes)
        told = " ".join(notes_of(found, rows, len(candidates)))
        assert "on one core" in told
        if found.seconds > found.limits.whole:
            assert f"the {minutes:g} min of the budget" in told
            assert found.epochs == LEAST_EPOCHS or len(found.tried) < len(candidates)
        else:
            assert "of the budget" not in told
        assert before is None or found.seconds >= before.seconds
        assert before is None or (found.epochs or 200) >= (before.epochs or 200)
        before = found
    assert before.rows is None
    assert before.seconds == before.whole  # in a week everything is trained


def test_the_cost_is_at_most_linear_in_the_rows_and_in_the_columns():
    for numbers in (20, 100):
        by_rows = [planned(rows, numbers)[0].seconds for rows in (10**5, 10**6, 10**7)]
        assert by_rows[1] < 10.5 * by_rows[0]
        assert by_rows[2] < 10.5 * by_rows[1]
    by_columns = [planned(10**5, numbers)[0].seconds for numbers in (200, 2000)]
    assert by_columns[1] < 11 * by_columns[0]


def test_of_wide_tables_fewer_settings_and_folds_are_tried():
    found, candidates = planned(1500, 4000)
    assert 4 < len(found.tried) < len(candidates)
    assert found.folds == 2
    assert found.rows == 1500


def test_few_settings_are_all_trained_on_all_rows():
    given = settings("l2", [0.1, 0.01], bins=True)
    usual = Limits()
    found = plan_for(10**6, 10**5, given, folds=5, seeds=1, quick=False, limits=usual)
    assert found.rows is None
    assert found.epochs == LEAST_EPOCHS


def test_no_penalty_and_weak_ones_are_candidates_where_rows_are_many():
    few, many = (settings("l1", None, bins=True, rows=n) for n in (MANY_ROWS - 1, MANY_ROWS))
    assert UNPENALISED not in few
    assert set(many) - set(few) == {UNPENALISED, Setting("L1", 1e-4)}
    assert UNPENALISED not in settings("l1", [0.1], bins=True, rows=MANY_ROWS)


def test_finalists_have_an_l1_and_what_more_rows_ask_for():
    best = [Setting("L2", 0.1), Setting("L2", 0.3), Setting("L1", 0.2), Setting("L1", 0.1)]
    assert finalists(best, 0.25, given=False) == (*best[:2], Setting("L2", 0.025), best[2])
    first = [best[2], best[0], best[1]]
    assert finalists(first, 0.25, given=False) == (*first[:2], Setting("L1", 0.1))
    assert finalists(best, 0.25, given=True) == tuple(best[:3])
    assert finalists(best[:2], 1.0, given=False) == tuple(best[:2])
    assert len(finalists(best, 0.25, given=False)) < FINALISTS


def test_a_schedule_with_fewer_epochs_still_has_its_updates():
    for rows in (500, 5000, 10**5, 10**6):
        usual = Schedule.of(rows)
        assert Schedule.of(rows, most=usual.epochs) == usual
        few = Schedule.of(rows, most=3)
        assert few.epochs == 3
        assert few.batch_size <= 2 * usual.batch_size
        if rows >= 2 * 10**5:
            assert -(-rows // few.batch_size) * 3 >= 1500


def test_what_is_left_out_is_told_and_nothing_of_small_tables():
    found, candidates = planned(200, 30)
    assert notes_of(found, 200, len(candidates)) == []
    found, candidates = planned(200_000, 20)
    told = " ".join(notes_of(found, 200_000, len(candidates)))
    for words in ("on one core", f"{found.rows} of 200000 rows", "3 folds", f"{found.epochs} epo"):
        assert words in told


@pytest.mark.parametrize("given", [False, True])
def test_a_share_chooses_and_all_rows_train(monkeypatch, given):
    """Of every class rows are drawn, folds stay folds, and the last call has all rows."""
    calls = []

    class Found:
        def fold_losses(self, setting):
            return np.array([1.0, 3.0]) - setting

    def train(rows, splits, settings, **options):
        calls.append((rows.encoded, rows.y, splits, settings, options))
        return Found()

    monkeypatch.setattr(plans, "train", train)
    rows = 4000
    y = (np.arange(rows) % 50 == 0).astype(int) + (np.arange(rows) % 500 == 0)
    x = np.arange(rows, dtype=float)[:, None]
    parts = np.array_split(np.random.default_rng(0).permutation(rows), 5)
    splits = [Split(np.setdiff1d(np.arange(rows), part), part) for part in parts]
    tried = (Setting("L1", 0.1), Setting("L1", 0.2), Setting("L2", 0.1), Setting("L2", 0.2))
    found = plans.Plan(1.0, 2.0, Limits(), epochs=7, rows=1000, folds=2, tried=tried)
    options = {"seed": 0, "seeds": 2, "given": given, "compared": True}
    data = Rows(encoded=x, y=y, outputs=3, numbers=1)
    plans.train_within(found, data, splits, tried, **options)

    (few, few_y, few_splits, settings, first), (every, _, all_splits, last_settings, last) = calls
    assert settings == tried
    drawn = few[:, 0].astype(int)
    np.testing.assert_array_equal(few_y, y[drawn])
    assert (np.diff(drawn) > 0).all()
    assert 1000 <= len(drawn) < 1100
    assert list(np.bincount(few_y)) == [980, 50, 8]
    assert len(few_splits) == 2
    for mine, whole in zip(few_splits, splits, strict=False):
        assert set(drawn[mine.held_out]) == set(drawn) & set(whole.held_out)
        assert set(drawn[mine.train]) == set(drawn) & set(whole.train)
    assert (first["seeds"], first["most_epochs"]) == (1, None)
    assert every is x
    assert all_splits is splits
    assert (last["seeds"], last["most_epochs"]) == (2, 7)
    best = (tried[3], tried[2])
    third = tried[1] if given else Setting("L2", pytest.approx(0.2 * len(drawn) / rows))
    assert last_settings[:3] == (*best, third)
    assert last_settings[3:] == ((UNPENALISED,) if given else (tried[1], UNPENALISED))
