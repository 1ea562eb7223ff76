"""Laws of the contrast of labels: what flips are, and what is none."""

import numpy as np
import pytest

from taut.diagnosis import NotChecked
from taut.diagnosis.label_contrast import label_contrast


def drawn(rows, seed, *, classes=2, flipped=0.0, noise=1.5, shares=None):
    """Class numbers of a hard problem, and poor probabilities of these."""
    draw = np.random.default_rng(seed)
    y = draw.choice(classes, rows, p=shares)
    scores = np.eye(classes)[y] + noise * draw.normal(size=(rows, classes))
    p = np.exp(3 * scores)  # far too sure
    wrong = draw.random(rows) < flipped
    labels = np.where(wrong, (y + draw.integers(1, classes, rows)) % classes, y)
    return labels, p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 4])
def test_the_share_of_flips_is_found_by_poor_predictions_of_many_rows(classes):
    shares = np.arange(2, classes + 2) / np.arange(2, classes + 2).sum()
    learned = drawn(20_000, 0, classes=classes, flipped=0.2, shares=shares)
    found = label_contrast(learned, drawn(20_000, 1, classes=classes, shares=shares))
    assert found.low < 0.2 < found.high
    assert abs(found.share - 0.2) < 0.03


def test_intervals_hold_as_often_as_they_say_and_no_flips_are_found_where_there_are_none():
    held, alarms = 0, 0
    for seed in range(60):
        new = drawn(300, 1000 + seed)
        found = label_contrast(drawn(400, seed, flipped=0.25), new)
        held += found.low <= 0.25 <= found.high
        alarms += label_contrast(drawn(400, 500 + seed), new).low > 0
    assert held >= 54  # of 60, at 95%
    assert alarms <= 5


def test_other_shares_of_the_classes_are_no_flips():
    many, few = drawn(20_000, 0, shares=[0.9, 0.1]), drawn(20_000, 1)
    for found in (label_contrast(many, few), label_contrast(few, many)):
        assert found.low < 0.01  # by the covariances alone it would be a third
        assert found.high < 0.05
    # While flips beside them are found.
    flipped = drawn(20_000, 2, flipped=0.2, shares=[0.9, 0.1])
    found = label_contrast(flipped, few)
    assert found.low < 0.2 < found.high
    assert found.low > 0.15


def test_the_unit_of_the_predictions_does_not_matter_and_better_labels_are_no_flips():
    learned, new = drawn(200, 0, flipped=0.2), drawn(200, 1)
    found = label_contrast(learned, new)
    again = label_contrast(*((y, 0.1 + 0.3 * p) for y, p in (learned, new)))
    assert (found.share, found.low, found.high) == (again.share, again.low, again.high)
    better = label_contrast(drawn(4000, 0), drawn(4000, 1, flipped=0.3))
    assert (better.share, better.low) == (0, 0)
    assert 0 < better.high < 0.15


def test_rows_of_groups_count_as_groups():
    learned, new = drawn(100, 0, flipped=0.2), drawn(100, 1)
    ten = np.arange(1000) // 10
    many = [tuple(np.repeat(a, 10, axis=0) for a in side) for side in (learned, new)]
    plain, alone = label_contrast(learned, new), label_contrast(*many)
    grouped = label_contrast(*many, groups=(ten, ten))
    assert grouped.high == pytest.approx(plain.high, abs=0.02)
    assert alone.high - alone.low < 0.7 * (grouped.high - grouped.low)


def test_too_few_rows_or_a_class_of_one_side_alone_tell_nothing():
    learned = drawn(100, 0)
    few = label_contrast(learned, tuple(a[:19] for a in learned))
    assert isinstance(few, NotChecked)
    assert "19 rows" in few.reason
    groups = np.arange(100) // 10
    assert "10 groups" in label_contrast(learned, learned, groups=(groups, groups)).reason
    one_class = np.zeros(100, int), learned[1]
    assert isinstance(label_contrast(learned, one_class), NotChecked)
