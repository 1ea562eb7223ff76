"""Scores of labels, the share of wrong ones, and labels dealt anew: pure functions."""

import numpy as np
import pytest

from taut.studies.noisy_share import flipped_share, wide_share
from taut.studies.permutations import dealt, half_epoch, mean_error
from taut.studies.plausibility import label_margins, mean_log_probabilities, studentised


def draw_labels(rows, *, difficulty, flips, classes=2, seed=0):
    """Log odds of a perfect model, and labels of which some are flipped."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=(rows, classes)) / difficulty
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (shares.cumsum(axis=1) > draw.uniform(size=(rows, 1))).argmax(axis=1)
    wrong = draw.uniform(size=rows) < flips
    labels[wrong] = (labels[wrong] + draw.integers(1, classes, wrong.sum())) % classes
    return np.log(shares), labels


def sure_and_right(logs, labels):
    predicted = logs.argmax(axis=1)
    return label_margins(logs, predicted)[0], predicted, predicted == labels


def test_margins_are_log_odds_against_the_strongest_rival():
    logs = np.log([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    margins, rival = label_margins(logs, np.array([0, 1]))
    np.testing.assert_allclose(margins, np.log([0.7 / 0.2, 0.3 / 0.6]))
    assert rival.tolist() == [1, 2]


def test_of_two_classes_margins_order_rows_as_the_probability_of_the_label_does():
    share = np.random.default_rng(0).uniform(size=50)
    labels = np.random.default_rng(1).integers(2, size=50)
    margins, _ = label_margins(np.log(np.column_stack([1 - share, share])), labels)
    of_label = np.where(labels == 1, share, 1 - share)
    assert np.argsort(margins).tolist() == np.argsort(of_label).tolist()


def test_what_a_repeat_did_not_predict_is_left_out_of_the_mean():
    predicted = np.array([[[0.5, 0.5], [np.nan, np.nan]], [[0.5, 0.5], [0.2, 0.8]]])
    logs = mean_log_probabilities(predicted)
    np.testing.assert_allclose(np.exp(logs), [[0.5, 0.5], [0.2, 0.8]])
    assert np.isnan(mean_log_probabilities(predicted[:1])[1]).all()


def test_flipping_every_label_of_two_classes_turns_the_margins_round():
    logs, labels = draw_labels(40, difficulty=0.5, flips=0.1)
    np.testing.assert_allclose(label_margins(logs, labels)[0], -label_margins(logs, 1 - labels)[0])


@pytest.mark.parametrize("flips", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("classes", [2, 6])
def test_the_share_of_flips_is_found_where_classes_overlap_too(flips, classes):
    logs, labels = draw_labels(4000, difficulty=0.2, flips=flips, classes=classes)
    found = flipped_share(*sure_and_right(logs, labels))
    disagree = np.mean(logs.argmax(axis=1) != labels)
    assert disagree > flips + 0.03  # which the share must not be
    assert found.share == pytest.approx(flips, abs=0.025)
    assert found.low <= flips + 0.003
    assert flips <= found.high + 0.005


def test_a_hard_problem_is_not_called_noisy_for_certain():
    found = flipped_share(*sure_and_right(*draw_labels(2000, difficulty=1.5, flips=0.0)))
    assert found.low < 0.02


def test_rows_of_a_group_tell_less_than_as_many_alone():
    logs, labels = draw_labels(600, difficulty=0.15, flips=0.1)
    alone = flipped_share(*sure_and_right(logs, labels))
    repeated = [np.repeat(a, 5, axis=0) for a in (logs, labels)]
    groups = np.repeat(np.arange(600), 5)
    grouped = flipped_share(*sure_and_right(*repeated), groups=groups)
    naive = flipped_share(*sure_and_right(*repeated))
    assert grouped.high - grouped.low > 1.5 * (naive.high - naive.low)
    assert grouped.high - grouped.low == pytest.approx(alone.high - alone.low, rel=0.5)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25])
def test_the_share_of_wide_residuals(share):
    draw = np.random.default_rng(3)
    z = draw.normal(size=1500)
    wrong = draw.permutation(1500)[: round(1500 * share)]
    z[wrong] = draw.choice([-1, 1], len(wrong)) * draw.uniform(4, 12, len(wrong))
    found = wide_share(z)
    assert found.low - 0.005 <= share <= found.high + 0.005
    assert found.share == pytest.approx(share, abs=0.05)


def test_wrong_numbers_that_come_in_groups_tell_less():
    draw = np.random.default_rng(0)
    groups = np.repeat(np.arange(100), 5)
    z = draw.normal(size=500) + 6.0 * np.isin(groups, np.arange(10))
    alone, grouped = wide_share(z), wide_share(z, groups=groups)
    assert grouped.share == alone.share
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)


def test_wide_share_does_not_depend_on_the_unit():
    z = np.random.default_rng(0).standard_t(3, size=400)
    np.testing.assert_allclose(wide_share(z).share, wide_share(1000 * z).share, atol=2e-3)


def test_residuals_are_in_units_of_what_is_usual_nearby():
    draw = np.random.default_rng(0)
    mean = np.sort(draw.uniform(1, 10, 600))
    y = mean + mean * draw.normal(size=600)
    z, predicted = studentised(y, np.stack([mean, mean]))
    np.testing.assert_allclose(predicted, mean)
    raw = np.abs(y - mean)
    ratio = raw[:100].mean() / raw[-100:].mean()
    assert np.abs(z[:100]).mean() / np.abs(z[-100:]).mean() > 1.5 * ratio


def test_where_networks_disagree_a_residual_says_less():
    draw = np.random.default_rng(0)
    y = draw.normal(size=100)
    predicted = np.zeros((2, 100))
    predicted[:, 0] = [-3, 3]
    y[:2] = 4.0
    z, _ = studentised(y, predicted)
    assert abs(z[0]) < abs(z[1])


def test_dealt_labels_are_a_permutation_and_groups_of_one_size_keep_one_label():
    groups = np.repeat(np.arange(10), 4)
    rows = np.flatnonzero(groups < 8)
    for of in (None, groups):
        source = dealt(rows, np.random.default_rng(0), of)
        assert sorted(source) == rows.tolist()
        assert (source != rows).any()
    got = groups[dealt(rows, np.random.default_rng(0), groups)].reshape(8, 4)
    assert (got == got[:, :1]).all()


def test_half_epoch_is_the_first_with_half_of_the_end():
    assert half_epoch(np.array([-0.2, 0.1, 0.3, 0.4, 0.5]), 4) == 3
    assert half_epoch(np.array([0.1, 0.2, 0.2]), 1) == 1
    assert np.isnan(half_epoch(np.array([-0.2, 0.001]), 1))


def test_the_mean_is_of_what_is_known():
    assert mean_error(np.array([1.0, 3.0, np.nan])) == (2.0, 1.0)
    assert np.isnan(mean_error(np.array([np.nan]))).all()
