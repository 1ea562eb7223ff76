"""Losses by epoch: where the held-out loss turned, and what stopping there gains."""

import keras
import numpy as np
import pytest

import taut
from taut.errors import InputError
from taut.studies.epochwise import epochs_of
from taut.studies.turning import turn_of

EPOCHS = np.arange(1, 41)
jax_only = pytest.mark.skipif(keras.backend.backend() != "jax", reason="slow elsewhere")


def network(rate=0.02):
    model = keras.Sequential(
        [keras.Input((10,)), keras.layers.Dense(4, activation="relu"), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(rate), "mse")
    return model


def curves(rise, noise=0.02, folds=5, seeds=2, seed=0):
    """Least after 10 epochs, and rising from then on."""
    draw = np.random.default_rng(seed)
    mean = 1 + np.where(EPOCHS < 10, (10 - EPOCHS) / 10, rise * (EPOCHS - 10) / 30)
    level = 0.3 * draw.normal(size=(folds, 1, 1))  # what differs between folds does not matter
    return mean + level + noise * draw.normal(size=(folds, seeds, len(EPOCHS)))


def test_a_turn_is_found_with_what_it_gains():
    turn = turn_of(curves(0.5))
    assert abs(turn.epochs - 10) <= 2
    assert turn.low <= turn.epochs <= turn.high
    assert turn.turned
    assert turn.gain_low < turn.gain < turn.gain_high
    assert turn.gain == pytest.approx(0.5, abs=0.04)


def test_a_loss_that_falls_to_the_end_has_not_turned():
    turn = turn_of(curves(-0.5))
    assert not turn.turned
    assert turn.epochs >= 35
    assert turn.gain <= 0.02


def test_a_flat_end_is_called_a_turn_as_seldom_as_the_level_says():
    turned = [turn_of(curves(0.0, noise=0.1, seed=s), level=0.9).turned for s in range(40)]
    # 5% of 40 is 2. The least of a noisy curve, taken as it is, would be below the last each time.
    assert sum(turned) <= 6


def test_the_interval_of_the_gain_is_students_over_folds():
    held_out = curves(0.5, noise=0.0) + 0.1 * np.arange(5)[:, None, None] * (EPOCHS / 40)
    gains = held_out[:, 0, -1] - held_out[:, 0, 9]
    turn = turn_of(held_out, level=0.95)
    half = 2.776 * gains.std(ddof=1) / np.sqrt(5)
    assert turn.epochs == 10
    assert turn.gain == pytest.approx(gains.mean())
    assert turn.gain_high - turn.gain == pytest.approx(half, rel=1e-3)


def test_the_interval_of_the_turn_covers_folds_that_disagree():
    held_out = np.stack([np.abs(EPOCHS - best)[None] / 10.0 for best in (5, 5, 20, 30)])
    turn = turn_of(held_out)
    assert turn.low <= 5
    assert turn.high >= 20


def test_trainings_that_diverged_are_left_out():
    held_out = curves(0.5)
    held_out[0, 0, 3:] = held_out[1] = np.nan
    assert turn_of(held_out).turned


@pytest.fixture(scope="module")
def found(diabetes):
    x, y = diabetes
    return taut.epoch_curve(network(), x, y, cv=3, epochs=25, seeds=2, callbacks=[])


@jax_only
def test_a_curve_has_every_epoch_of_every_training(found):
    assert found.held_out_loss.shape == found.train_loss.shape == (3, 2, 25)
    assert found.table["fold"].tolist() == [0, 0, 1, 1, 2, 2]
    np.testing.assert_array_equal(found.summary["epoch"], range(1, 26))
    by_fold = found.held_out_loss.mean(axis=1)
    np.testing.assert_allclose(found.summary["held_out_loss"], by_fold.mean(axis=0))
    error = by_fold.std(axis=0, ddof=1) / np.sqrt(3)
    np.testing.assert_allclose(found.summary["held_out_loss_standard_error"], error)
    np.testing.assert_allclose(found.table["held_out_loss"], found.held_out_loss[..., -1].ravel())
    assert found.turned_at == (found.turn.epochs if found.turn.turned else None)


@jax_only
def test_it_is_said_and_drawn(found, tmp_path):
    assert repr(found).startswith("EpochCurve: held-out loss")
    assert "<table" in found._repr_html_()
    assert len(found.to_frame()) == 25
    place = tmp_path / "curve.html"
    found.plot().save(place, inline=True)
    assert "vega" in place.read_text(encoding="utf-8")


@jax_only
def test_training_that_diverges_is_told(found):
    status = ("diverged",) * 3 + ("finished",) * 3
    record = type(found.record)(**{**vars(found.record), "status": status})
    again = epochs_of(record, 3, 0.9)
    assert "3 of 6 trainings diverged" in repr(again)
    assert np.isnan(again.held_out_loss[0]).all()
    record = type(record)(**{**vars(record), "status": ("diverged",) * 5 + ("finished",)})
    with pytest.raises(InputError, match="5 of 6"):
        epochs_of(record, 3, 0.9)


BAD = [
    ({"level": 1.0}, "level"),
    ({"seeds": 0}, "seeds"),
    ({"epochs": 0}, "epochs"),
    ({"cv": [(np.arange(9), np.arange(9, 12))]}, "2 folds"),
    ({"cv": 500}, "rows"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_what_cannot_be_is_one_error_before_training(arguments, message, diabetes, monkeypatch):
    monkeypatch.setattr("taut.studies.folded.train_lanes", None)
    with pytest.raises(InputError, match=message):
        taut.epoch_curve(network(), *diabetes, callbacks=[], **arguments)
