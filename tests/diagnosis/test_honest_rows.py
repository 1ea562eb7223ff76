"""What gains are measured on where the data have a fault, and what is promised then."""

from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from scipy import stats

import taut
from taut.diagnosis import Diagnosis, MeasuredGap, Verdict, situations
from taut.diagnosis.advice import gains
from taut.diagnosis.data_faults import DataFaults
from taut.diagnosis.diagnosing import _cut_groups
from taut.diagnosis.diagnosis_result import Advice, Interval
from taut.diagnosis.fold_trainer import FoldTrainer, Plan, Trial
from taut.diagnosis.gains import (
    gain_over_folds,
    interval_over_folds,
    interval_over_networks,
)
from taut.diagnosis.honest_rows import copies_together, honest_rows, without_inputs
from taut.diagnosis.situations import situation
from taut.diagnosis.subject import Rows, Subject
from taut.diagnosis.verdicts import fit_verdicts, gap_findings
from taut.studies.as_compiled import as_compiled


def some_rows(x, y, groups=None):
    return Rows(x, y, None, None, 1.0, None, groups)


def subject_of_rows(count=40, seed=0, **others):
    draw = np.random.default_rng(seed)
    x, new = draw.normal(size=(2, count, 3)).astype("float32")
    train, held_out = some_rows(x, x[:, 0]), some_rows(new, new[:, 0])
    names = ("a", "b", "c")
    return Subject(None, train, held_out, 5, 32, 1.0, names, None, (), 0, **others)


def found(*codes, leaking=()):
    return DataFaults([Verdict(code, "clear", {}) for code in codes], leaking=leaking)


def test_an_input_that_tells_the_target_is_kept_from_trials_unless_it_is_muted():
    subject = subject_of_rows()
    honest = honest_rows(subject, found("leak_column", leaking=(1,)), ())
    table, held_out = honest.subject.train.table, honest.subject.held_out.table
    assert honest.without == ("b",)
    assert "'b'" in honest.notes[0]
    mean = subject.train.table[:, 1].mean()
    assert np.array_equal(table[:, 1], np.full(40, mean))
    assert np.array_equal(held_out[:, 1], np.full(40, mean))
    assert np.array_equal(table[:, [0, 2]], subject.train.table[:, [0, 2]])
    muted = honest_rows(subject, found("leak_column", leaking=(1,)), ("leak_column",))
    assert muted.subject is subject
    assert not muted.without


def test_copies_of_a_row_are_one_group_and_hang_together_by_the_users_groups():
    x = np.arange(12.0).reshape(6, 2)
    x[4] = x[1]
    y = np.zeros(6)
    groups = copies_together(some_rows(x, y))
    assert groups[4] == groups[1]
    assert len(np.unique(groups)) == 5
    assert copies_together(some_rows(x[:4], y[:4])) is None
    other_target = copies_together(some_rows(x, np.array([0, 0, 0, 0, 1.0, 0])))
    assert other_target is None
    users = np.array(["p", "q", "p", "r", "s", "s"])
    whole = copies_together(some_rows(x, y, users))
    # Rows 1 and 4 are copies; 4 and 5 are one patient, and so are 0 and 2.
    assert len({whole[1], whole[4], whole[5]}) == 1
    assert whole[0] == whole[2]
    assert len(np.unique(whole)) == 3


def test_copies_are_kept_together_where_rows_leak_and_near_copies_are_a_doubt():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(200, 4))
    x[100:] = x[:100]
    subject = subject_of_rows()
    copied = Subject(
        None, some_rows(x, x[:, 0]), None, 5, 32, 1.0, ("a", "b", "c", "d"), None, (), 0
    )
    honest = honest_rows(copied, found("leak_rows"), ())
    assert np.array_equal(honest.subject.train.groups[:100], honest.subject.train.groups[100:])
    assert not honest.doubt
    assert honest_rows(subject, found("leak_rows"), ()).subject.train.groups is None
    near = x + 1e-3 * draw.normal(size=x.shape)
    nearly = Subject(None, some_rows(near, x[:, 0]), None, 5, 32, 1.0, (), None, (), 0)
    assert "nearly copies" in honest_rows(nearly, found("leak_rows"), ()).doubt


def trials_of(gain, elsewhere=None):
    """A change that has `gain` less loss in folds, and `elsewhere` less on other rows."""
    draw = np.random.default_rng(1)
    noise, fold_of = 0.05 * draw.normal(size=60), np.arange(60) % 3

    def trial(less, less_there):
        there = None if elsewhere is None else 1 - less_there + 0.05 * draw.normal(size=(3, 40))
        return Trial("l2", "L2", 1 - less + noise, np.zeros(3), 0.1, (), there)

    tried = {"l2": (trial(gain + noise, elsewhere or 0.0),)}
    as_is = trial(0.0, 0.0)
    return SimpleNamespace(
        as_is=as_is, tried=tried, fold_of=fold_of, folds=3, halves=None, quarter=None
    )


def test_a_gain_is_promised_on_shifted_rows_only_where_it_holds_there_too():
    shifted = subject_of_rows(shifted=True)
    (holds,) = gains(shifted, trials_of(0.5, 0.5), level=0.95)
    (breaks,) = gains(shifted, trials_of(0.5, -0.5), level=0.95)
    (unknown,) = gains(shifted, trials_of(0.5), level=0.95)
    (plain,) = gains(subject_of_rows(), trials_of(0.5), level=0.95)
    assert holds.clear
    assert plain.clear
    assert breaks.low > 0
    assert not breaks.clear
    assert "drawn differently" in breaks.doubt
    assert not unknown.clear


def test_what_is_doubted_is_no_advice_and_is_told_as_such():
    (doubted,) = gains(subject_of_rows(), trials_of(0.5), level=0.95, doubt="folds cut copies")
    assert not doubted.clear
    none = ((), (), None, (), (doubted,), (), {}, (), (), 3, 0.1, 5)
    told = Diagnosis(*none)
    assert "cannot be relied on" in told.text()
    assert "folds cut copies" in told.text()
    assert "folds cut copies" in told.to_frame()["note"].tolist()


def test_more_rows_are_promised_only_where_half_of_them_clearly_do_worse():
    def more(worse, longer=0.0):
        draw, trials = np.random.default_rng(2), trials_of(0.0)
        noise = 0.05 * draw.normal(size=60)
        losses = trials.as_is.losses - longer + noise
        trials.tried = {"longer": (Trial("longer", "more epochs", losses, np.zeros(3), 3),)}
        trials.halves = trials.as_is.losses + worse + 0.05 * draw.normal(size=(2, 60))
        trials.quarter = trials.as_is.losses + 3 * worse + 0.05 * draw.normal(size=60)
        tried = gains(subject_of_rows(60), trials, level=0.95)
        return next(advice for advice in tried if advice.code == "more_rows")

    assert more(0.0).low < 0 < more(0.0).high
    assert "half of them" in more(0.0).doubt
    assert more(0.3).clear
    # More rows are more steps: what more epochs would give is not the rows'.
    assert "more steps" in more(0.3, longer=0.2).doubt


def test_folds_that_cut_groups_are_a_doubt():
    subject = subject_of_rows(6)
    groups = np.array([0, 0, 1, 1, 2, 2])
    grouped = Subject(
        None, some_rows(subject.train.x, subject.train.y, groups), None, 5, 32, 1.0, (), None, (), 0
    )
    whole = SimpleNamespace(fold_of=np.array([0, 0, 1, 1, 1, 1]))
    cut = SimpleNamespace(fold_of=np.array([0, 1, 1, 1, 1, 1]))
    assert not _cut_groups(grouped, whole)
    assert "cut groups" in _cut_groups(grouped, cut)
    assert not _cut_groups(subject, cut)


def test_a_small_gap_is_about_right_only_where_something_freer_was_tried():
    gap = MeasuredGap(0.01, 0.0, 0.02, 0.95, 0.5, 0.51, 1.0, 100, "held-out rows")
    codes = {
        freer: [v.code for v in fit_verdicts(1.0, [gap], [gap], (), (), False, freer)]
        for freer in (True, False)
    }
    assert codes == {True: ["about_right"], False: ["not_overfitting"]}
    less = MeasuredGap(-0.0017, -0.01, 0.02, 0.95, 0.5, 0.49, 1.0, 100, "held-out rows")
    assert [f.note for f in gap_findings(None, [less])[1:3]] == [
        "rows learned from",
        "held-out rows, 100 rows",
    ]
    (verdict,) = fit_verdicts(1.0, [less], [less], (), (), False, True)
    assert "its loss changes by −0.0017" in verdict.text(), "and not by nothing"


def test_a_model_surely_worse_than_no_input_has_learned_nothing_whatever_others_like_it_do():
    gap = MeasuredGap(-1.0, -2.0, 0.05, 0.95, 5.0, 4.0, 1.0, 40, "held-out rows")
    others = Interval(0.6, 0.1, 1.1)

    def codes(own):
        found = fit_verdicts(1.0, [gap], [gap], (), [own, others], False, True)
        return [(v.code, v.strength) for v in found]

    assert codes(Interval(-3.0, -4.5, -1.4)) == [("nothing_learned", "clear")]
    assert codes(Interval(-0.1, -0.4, 0.2)) == [("about_right", "clear")]


def test_what_gains_more_than_the_model_has_learned_shows_underfitting():
    """A network that learned a hundredth is not about right where three times that is to be had."""
    small = MeasuredGap(0.0, -0.01, 0.01, 0.95, 2.0, 2.0, 2.0, 100, "held-out rows")
    large = MeasuredGap(0.5, 0.4, 0.6, 0.95, 1.5, 2.0, 2.0, 100, "held-out rows")
    longer = Advice("longer", "3 times the epochs", 0.08, 0.05, 0.11, 0.95, 3)

    def codes(gap, gain, learned):
        learned = [Interval(learned, learned - 0.01, learned + 0.01)]
        tried = [replace(longer, gain=gain)]
        return [v.code for v in fit_verdicts(2.0, [gap], [gap], tried, learned, False, True)]

    assert codes(small, 0.08, 0.02) == ["underfitting"]
    assert codes(small, 0.08, 0.2) == ["about_right"]  # as a twentieth asks
    assert codes(small, 0.04, 0.02) == ["about_right"]  # less than a fortieth
    assert codes(large, 0.08, 0.02) == ["overfitting"]


def test_what_may_gain_much_and_is_not_clear_leaves_underfitting_open():
    gap = MeasuredGap(0.0, -0.01, 0.01, 0.95, 1.0, 1.0, 2.0, 100, "held-out rows")
    tried = [Advice("longer", "3 times the epochs", 0.2, -0.3, 0.7)]
    (found,) = fit_verdicts(2.0, [gap], [gap], tried, [Interval(1.0, 0.9, 1.1)], False, True)
    assert found.code == "not_overfitting"
    assert "3 times the epochs may have 0.2 less loss, which is not clear" in found.text()
    assert "3 times" not in found.text(lang="zh")
    before = Verdict("not_overfitting", "clear", {"gap": "0"})  # as it was saved
    assert "nothing freer was tried" in before.text()


def test_surely_less_than_a_hundredth_is_nothing():
    gap = MeasuredGap(0.0, -0.01, 0.01, 0.95, 2.0, 2.0, 2.0, 100, "held-out rows")

    def codes(low, high):
        learned = [Interval((low + high) / 2, low, high)]
        return [v.code for v in fit_verdicts(2.0, [gap], [gap], (), learned, False, True)]

    assert codes(0.002, 0.019) == ["nothing_learned"]
    assert codes(0.002, 0.021) == ["about_right"]


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_the_interval_of_gains_covers_whatever_the_folds_differ_in(spread):
    draw, covered = np.random.default_rng(0), np.zeros(2)
    fold_of = np.arange(60) % 5
    for _ in range(200):
        of_fold = spread * draw.normal(size=5)
        folds = interval_over_folds(draw.normal(0.2, 1, 60) + of_fold[fold_of], fold_of, level=0.9)
        networks = interval_over_networks(
            draw.normal(0.2, 1, 60) + of_fold[:, None] * np.ones((1, 60)), level=0.9
        )
        covered += [folds.low <= 0.2 <= folds.high, networks.low <= 0.2 <= networks.high]
    assert (covered >= 170).all()


def test_a_gain_is_as_sure_as_its_folds_and_no_surer_than_a_tenth_of_it():
    draw, fold_of = np.random.default_rng(0), np.arange(200) % 5
    noise = draw.normal(size=200)
    noise -= noise.mean()
    for gain in (0.0, 0.5, -20.0):
        of_folds = interval_over_folds(gain + noise, fold_of)
        found = gain_over_folds(gain + noise, fold_of)
        wide, half = ((i.high - i.low) / 2 for i in (found, of_folds))
        assert half - 1e-9 <= wide <= half + 0.3 * abs(gain) + 1e-9
        assert wide >= 0.195 * abs(gain)
    twice = gain_over_folds(2 * (gain + noise), fold_of)
    assert twice.high - twice.low == pytest.approx(4 * wide)


def test_folds_that_differ_most_are_known_by_their_number_alone():
    of_fold = np.array([-1.0, 0.0, 1.0])
    fold_of = np.arange(3000) % 3
    interval = interval_over_folds(of_fold[fold_of], fold_of)
    widest = stats.t.ppf(0.975, 2) * np.sqrt(1 / 3 * (1 + 3 / 2))
    assert interval.high == pytest.approx(widest, rel=0.01)


@pytest.mark.parametrize("of_fold", [1, 2])
def test_each_training_has_a_seed_of_its_own(of_fold):
    x = np.random.default_rng(0).normal(size=(30, 3)).astype("float32")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    study = as_compiled(model, x, x[:, 0], cv=3)
    subject = Subject(model, some_rows(x, x[:, 0]), None, 5, 32, 1.0, (), None, (), 7)
    trainer = FoldTrainer(study, subject, Plan(None), of_fold)
    seeds = [lane.seed for lane in trainer.lanes(())]
    parts = [lane.seed for lane in trainer.part_lanes((), 5)]
    assert len(set(seeds)) == len(seeds) == 3 * of_fold
    assert len(set(parts)) == len(parts)
    assert parts[::3] == seeds  # the first half of a fold starts as the fold does


def test_inputs_left_out_are_the_same_in_rows_held_out():
    subject = subject_of_rows()
    less = without_inputs(subject, [0, 2])
    assert np.ptp(less.train.table[:, [0, 2]], axis=0).tolist() == [0, 0]
    assert np.array_equal(less.train.table[0, [0, 2]], less.held_out.table[0, [0, 2]])
    assert np.array_equal(less.held_out.table[:, 1], subject.held_out.table[:, 1])


def test_further_rows_of_a_situation_have_its_fault_and_other_models_its_shape(monkeypatch):
    noisy = next(made for made in map(situation, range(60)) if made.fault == "label_noise")
    leaky = next(made for made in map(situation, range(60)) if made.fault == "leak_column")
    x, y = leaky.more(500, 0)
    assert abs(np.corrcoef(x[:, -1], y)[0, 1]) > 0.9
    fresh_x, fresh_y = leaky.fresh(500, 0)
    assert abs(np.corrcoef(fresh_x[:, -1], fresh_y)[0, 1]) < 0.9
    flipped = noisy.more(500, 0)[1]
    monkeypatch.setattr(situations, "_flipped", lambda y, draw: y)
    assert (noisy.more(500, 0)[1] != flipped).sum() == situations.FLIPPED * 500
    dropped = noisy.build(dropout=0.3, penalty=taut.L1(0.1))
    kinds = [type(layer).__name__ for layer in dropped.layers]
    assert kinds == ["Dense", "Dropout", "Dense", "Dropout", "Dense"]
    assert dropped.count_params() == noisy.build().count_params()
    dropped.optimizer.build(dropped.trainable_variables)
    assert dropped.optimizer.compiled_strengths == [0.1]
