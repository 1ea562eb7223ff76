"""What a weight of a row means to studies: losses are Σ w·l / Σ w, whatever the weights' unit."""

import keras
import numpy as np
import pytest

import taut
from taut.diagnosis.fold_trainer import FoldTrainer, Plan
from taut.diagnosis.given_subject import subject_of
from taut.diagnosis.trial_requests import requests_for, with_strengths
from taut.engine import ArraySource, Lane, Split, train_lanes
from taut.engine.data.row_folds import RowFolds
from taut.errors import InputError
from taut.studies.training_settings import Settings
from tests.conftest import one_layer

jax_only = pytest.mark.skipif(keras.backend.backend() != "jax", reason="streams, time")
DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(40, 3)).astype("float32")
Y = (X.sum(1) + DRAW.normal(size=40)).astype("float32")
fold_of = np.arange(40) % 4
TIMES = np.where(fold_of == 0, 5, 1) + np.arange(40) % 3
"""The rows of one fold count more than those of others."""
AGAIN = np.repeat(np.arange(40), TIMES)


def network(rate=0.0):
    model = one_layer(3, "mse", keras.optimizers.SGD(rate))
    model.set_weights([np.array([[1.0], [0.0], [2.0]], "float32"), np.ones(1, "float32")])
    return model


def pairs(of_fold):
    return [(np.flatnonzero(of_fold != k), np.flatnonzero(of_fold == k)) for k in range(4)]


def path(x, y, of_fold, **options):
    settings = {"cv": pairs(of_fold), "epochs": 1, "start": "present", "strengths": [0.1]}
    return taut.regularization_path(network(), x, y, **(settings | options))


@jax_only
def test_a_row_of_weight_two_counts_as_two_rows_in_the_losses_of_folds():
    weighted = path(X, Y, fold_of, sample_weight=TIMES)
    repeated = path(X[AGAIN], Y[AGAIN], fold_of[AGAIN])
    for loss in ("train_loss", "held_out_loss"):
        np.testing.assert_allclose(weighted.table[loss], repeated.table[loss], rtol=1e-5)
    np.testing.assert_allclose(weighted.summary, repeated.summary, rtol=1e-5)


def test_lanes_on_every_backend_and_in_streams_have_the_losses_of_repeated_rows():
    lanes = [Lane((), fold, None) for fold in range(4)]
    splits = [Split(*pair) for pair in pairs(fold_of)]
    found = train_lanes(network(), X, Y, lanes, splits=splits, epochs=1, sample_weight=TIMES)
    again = [Split(*pair) for pair in pairs(fold_of[AGAIN])]
    alike = train_lanes(network(), X[AGAIN], Y[AGAIN], lanes, splits=again, epochs=1)
    np.testing.assert_allclose(found.train_loss, alike.train_loss, rtol=1e-5)
    np.testing.assert_allclose(found.held_out_loss, alike.held_out_loss, rtol=1e-5)
    if keras.backend.backend() != "jax":
        return
    source, divided = ArraySource(X, Y, TIMES.astype("float32")), RowFolds(4, 0)
    of_row = np.concatenate([divided(piece) for piece in source.pieces(0, 40)])
    by_hash = [Split(np.flatnonzero(of_row != k), np.flatnonzero(of_row == k)) for k in range(4)]
    read = train_lanes(network(), source, lanes=lanes, folds=4, epochs=1)
    whole = train_lanes(network(), X, Y, lanes, splits=by_hash, epochs=1, sample_weight=TIMES)
    np.testing.assert_allclose(read.train_loss, whole.train_loss, rtol=1e-5)
    np.testing.assert_allclose(read.held_out_loss, whole.held_out_loss, rtol=1e-5)


@jax_only
def test_the_unit_of_weights_changes_no_loss_no_rank_and_no_choice():
    """A loss that is 4 times as large, at strengths 4 times as large and a quarter of the rate, is
    the same training. So the strengths that are found for it are 4 times as large."""
    found = []
    for unit in (1.0, 4.0):
        result = taut.regularization_path(
            network(0.1 / unit), X, Y, strengths=3, cv=4, epochs=5, sample_weight=unit * TIMES
        )
        chosen = result.best_strength / unit, result.one_se_strength / unit
        summary = result.summary.assign(strength=result.summary["strength"] / unit)
        found.append((chosen, summary, result.table["held_out_loss"]))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


@jax_only
def test_trials_of_a_diagnosis_choose_and_are_measured_by_the_weights_of_rows():
    options = {"validation": None, "groups": None, "class_weight": None, "names": None}
    options |= {"epochs": 2, "batch_size": 64, "seed": 0}
    subject = subject_of(network(), X, Y, sample_weight=TIMES, **options)
    arguments = {"cv": pairs(fold_of), "seed": 0, "groups": None, "sample_weight": TIMES}
    study, axes = with_strengths(subject, arguments, plan := Plan(None))
    trainer = FoldTrainer(study, subject, plan)
    lanes = [Lane(axes.at(0, 0), fold, present=True) for fold in trainer.folds]
    record = trainer.train(lanes, Settings.checked(epochs=2, batch_size=64), "as is")
    trial = trainer.trial("as_is", "as it is", record, range(4))
    means = [np.average(trial.losses[fold_of == k], weights=TIMES[fold_of == k]) for k in range(4)]
    _, curve = trainer.curves(record, range(4))
    np.testing.assert_allclose(curve, np.mean(means), rtol=1e-5)
    others = [fold_of != k for k in range(4)]
    units = []
    for unit in (1, 4):
        weighed = subject_of(network(), X, Y, sample_weight=unit * TIMES, **options)
        units.append([r.setting / unit for r in requests_for(weighed, axes, True) if r.epochs == 1])
    np.testing.assert_allclose(*units, rtol=0.5)  # they are rounded to one digit
    of_train = [np.average(trial.losses[rows], weights=TIMES[rows]) for rows in others]
    np.testing.assert_allclose(trial.train_losses, of_train, rtol=1e-5)


@pytest.mark.parametrize("side", ["train on", "hold out"])
def test_a_fold_without_any_weight_is_refused(side):
    there = fold_of == 0 if side == "train on" else fold_of != 0
    with pytest.raises(InputError, match=f"Every split must {side} rows of a weight above 0"):
        path(X, Y, fold_of, sample_weight=there.astype(float))
