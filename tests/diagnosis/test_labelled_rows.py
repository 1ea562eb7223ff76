"""Wrong labels are found, excluded, or said not to be told."""

import keras
import numpy as np
import pytest

import taut
from taut.diagnosis.data_faults import DataFaults
from taut.diagnosis.label_contrast import label_contrast
from taut.diagnosis.labelled_rows import NOTHING_BESIDE, Contrast, Labelled
from taut.diagnosis.prediction_faults import check_predictions
from taut.diagnosis.words import CHECKS


def labelled(rows, seed, *, flipped=0.0, hard=False, doubt=0.0):
    """Labels, and the very probabilities of the classes before flips."""
    draw = np.random.default_rng(seed)
    second = doubt + draw.uniform(0.001, 0.04, rows)
    second = np.where(draw.random(rows) < 0.5, second, 1 - second)
    if hard:
        second = draw.uniform(0.25, 0.75, rows)
    y = (draw.random(rows) < second) ^ (draw.random(rows) < flipped)
    return Labelled(y.astype(int), np.stack([1 - second, second], axis=1))


class _NoGroups:
    groups = None


def checked(learned, new=None):
    """What the checks of predictions say, with the labels of other rows beside or without."""
    faults, contrast = DataFaults(), NOTHING_BESIDE
    if new is not None:
        share = label_contrast(*((rows.labels, rows.shares) for rows in (learned, new)))
        contrast = Contrast(share, learned)
    check_predictions(
        faults,
        _NoGroups,
        None,
        names=(),
        learned=learned,
        new=learned,
        contrast=contrast,
        level=0.95,
        seed=0,
    )
    return faults


def untold(faults):
    return [text for text in faults.left_out if text.startswith(CHECKS["label_noise"])]


def test_of_a_hard_problem_it_is_said_that_wrong_labels_cannot_be_told():
    for flipped in (0.0, 0.2):
        faults = checked(labelled(2000, 0, hard=True, flipped=flipped))
        assert not faults.codes
        (text,) = untold(faults)
        assert "cannot be told" in text


@pytest.mark.parametrize("hard", [False, True])
def test_labels_that_are_worse_than_those_held_out_are_found_however_hard_the_problem(hard):
    learned = labelled(4000, 0, flipped=0.2, hard=hard)
    faults = checked(learned, labelled(4000, 1, hard=hard))
    assert faults.codes == {"label_noise"}
    assert not untold(faults)
    # The rows that are left out of a training are those with the least plausible labels.
    plausible = learned.shares[np.arange(4000), learned.labels]
    others = np.setdiff1d(np.arange(4000), faults.doubtful)
    assert 400 < len(faults.doubtful) < 1200
    assert plausible[faults.doubtful].max() <= plausible[others].min()


def test_flips_on_both_sides_alike_are_found_where_networks_are_sure_alone():
    sure, hard = (
        [labelled(4000, k, flipped=0.05, hard=hard) for k in (0, 1)] for hard in (False, True)
    )
    assert checked(*sure).codes == {"label_noise"}
    assert not checked(*hard).codes
    # As often as the networks themselves expect: the problem is hard, for all that is known.
    expected = labelled(4000, 0, doubt=0.1)
    assert expected.explained > 0.2
    assert not checked(expected).codes
    # Networks that are sure of what they do not know accuse nothing.
    right = labelled(4000, 1, flipped=0.35)
    (text,) = untold(faults := checked(right))
    assert not faults.codes
    assert "cannot be told" in text


def test_right_labels_are_told_from_wrong_ones_without_a_word():
    for hard in (False, True):
        faults = checked(labelled(4000, 0, hard=hard), labelled(4000, 1, hard=hard))
        assert not faults.codes
        assert not untold(faults)
    # Of few rows of a hard problem even a clean side beside them does not tell.
    few = checked(labelled(100, 0, hard=True, flipped=0.2), labelled(100, 1, hard=True))
    assert few.codes or untold(few)


@pytest.mark.slow
def test_diagnose_finds_flipped_labels_of_a_hard_problem_by_the_held_out_ones():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(1600, 4)).astype("float32")
    y = (x[:, 0] + x[:, 1] + 1.5 * draw.normal(size=1600) > 0).astype("float32")
    flipped = np.where(draw.random(1600) < 0.25, 1 - y, y)
    keras.utils.set_random_seed(0)
    for labels, codes in ((flipped, {"label_noise"}), (y, set())):
        model = keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Dense(8, "relu"),
                keras.layers.Dense(1, "sigmoid"),
            ]
        )
        model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
        model.fit(x[:800], labels[:800], epochs=10, verbose=0)
        found = taut.diagnose(
            model, x[:800], labels[:800], validation=(x[800:], y[800:]), callbacks=[]
        )
        assert {"label_noise"} & set(found.codes) == codes
        (share,) = [e for e in found.evidence if "beyond those held out" in e.what]
        assert share.low <= (0.25 if codes else 0.0) <= share.high
