"""The learning curve: parts of the rows as lanes, and what is said of more rows."""

from dataclasses import replace

import keras
import numpy as np
import pytest

import taut
from taut.engine import Lane, Record, Split, train_lanes
from taut.errors import InputError
from taut.studies.held_out_luck import ANOTHER_TABLE
from taut.studies.learning import curve_of
from taut.studies.subsets import nested_subsets

SIZES, FOLDS = [20, 40, 80, 160, 320], 4
SHORT = {"sizes": [20, 60, 180], "cv": 2, "epochs": 3, "batch_size": 64, "callbacks": []}
jax_only = pytest.mark.skipif(keras.backend.backend() != "jax", reason="slow elsewhere")


def network(inputs=10, loss="mse", activation=None, outputs=1):
    model = keras.Sequential(
        [
            keras.Input((inputs,)),
            keras.layers.Dense(4, activation="relu"),
            keras.layers.Dense(outputs, activation=activation),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), loss=loss)
    return model


def made(losses, status="stopped", epochs=10):
    """A record of lanes, fold by fold and size by size, whose kept held-out losses these are."""
    count = losses.size
    held_out = np.tile(losses.reshape(-1, 1), (1, epochs))
    held_out[:, 4] -= 1e-9  # the epoch that was kept
    return Record(
        lanes=tuple(Lane((), k, 0) for k in range(count)),
        train_loss=held_out / 2,
        held_out_loss=held_out,
        status=(status,) * count if isinstance(status, str) else tuple(status),
        epochs=np.full(count, epochs),
        best_epoch=np.full(count, 4),
        trainable=(),
        non_trainable=(),
        compiles=0,
        width=1,
    )


def curve(losses, **kwargs):
    return curve_of(made(losses, **kwargs), SIZES * FOLDS, len(SIZES))


@pytest.fixture
def losses():
    draw = np.random.default_rng(0)
    law = 0.3 + 2.0 * np.array(SIZES) ** -0.5
    return law + 0.005 * draw.normal(size=(FOLDS, 5)) + 0.01 * draw.normal(size=(FOLDS, 1))


def test_a_curve_has_a_line_a_training_a_size_and_a_projection(losses):
    found = curve(losses)
    assert len(found.table) == losses.size
    assert found.table["fold"].tolist() == np.repeat(range(FOLDS), 5).tolist()
    assert found.summary["rows"].tolist() == SIZES
    np.testing.assert_allclose(found.summary["held_out_loss"], losses.mean(axis=0))
    np.testing.assert_allclose(found.losses, losses)
    error = losses.std(axis=0, ddof=1) / np.sqrt(FOLDS)
    np.testing.assert_allclose(found.summary["held_out_loss_standard_error"], error, rtol=1e-6)
    frame = found.to_frame()
    assert frame["rows"].tolist() == [*SIZES, 640, 1280]
    assert frame["measured"].tolist() == [True] * 5 + [False] * 2
    assert (frame["low"] < frame["fitted"]).all()


def test_projections_are_predictions(losses):
    found = curve(losses)
    frame = found.predict([640, 1280])
    for line, projection in enumerate((found.at_twice, found.at_four_times)):
        values = [projection.rows, projection.estimate, projection.low, projection.high]
        values += [projection.gain, projection.gain_low, projection.gain_high]
        assert frame.iloc[line].tolist() == values
    assert found.at_twice.gain_low < found.at_twice.gain < found.at_twice.gain_high
    assert found.predict(640, level=0.95)["low"][0] < found.at_twice.low
    assert found.predict(320)["gain"][0] == pytest.approx(0)


@pytest.mark.parametrize(
    ("rows", "level"), [([0], 0.8), ([np.nan], 0.8), ([], 0.8), ([[1, 2]], 0.8), ([100], 1.0)]
)
def test_rows_and_levels_that_cannot_be_are_refused(rows, level, losses):
    with pytest.raises(InputError, match="Received"):
        curve(losses).predict(rows, level)


def test_what_was_still_falling_is_named(losses):
    record = made(losses, status="finished")
    held_out = record.held_out_loss.copy()
    held_out[0::5, -1] -= 0.1  # the smallest size of every fold
    found = curve_of(replace(record, held_out_loss=held_out), SIZES * FOLDS, 5)
    assert found.still_falling == (20,)
    assert "20 rows" in repr(found)
    assert curve(losses).still_falling == ()


def test_trainings_that_diverged_are_left_out_and_told(losses):
    status = np.full(losses.shape, "stopped", object)
    status[0, 0] = "diverged"
    found = curve(losses, status=status.ravel())
    assert found.summary["held_out_loss"][0] == pytest.approx(losses[1:, 0].mean())
    assert "1 of 20 trainings diverged" in repr(found)
    status[1:, 0] = status[:, 1] = "diverged"
    assert len(curve(losses, status=status.ravel()).summary) == 5  # three sizes are a law
    status[:, 2] = "diverged"
    with pytest.raises(InputError, match="all but 2 of 5 sizes"):
        curve(losses, status=status.ravel())


def test_it_is_said_and_drawn(losses, tmp_path):
    found = curve(losses)
    assert repr(found).startswith("LearningCurve: held-out loss")
    assert "twice the rows, 640" in repr(found)
    assert "<table" in found._repr_html_()
    place = tmp_path / "curve.html"
    found.plot().save(place, inline=True)
    assert "vega" in place.read_text(encoding="utf-8")


@pytest.mark.slow
@jax_only
def test_a_part_is_trained_as_if_it_were_all_there_is(diabetes):
    x, y = diabetes
    model = network()
    found = taut.learning_curve(model, x, y, **SHORT)
    assert found.table["rows"].tolist() == [20, 60, 180] * 2
    splits = []
    for number, fold in enumerate(taut.studies.folds(y, 2, classes=False)):
        parts = nested_subsets(fold.train, [20, 60, 180], seed=[0, number])
        splits += [Split(rows, fold.held_out) for rows in parts]
    for k in (1, 5):  # alone, on the same rows
        alone = [Split(np.arange(1), splits[k].held_out)] * k + [splits[k]]
        record = train_lanes(model, x, y, [Lane((), k, 0)], splits=alone, epochs=3, batch_size=64)
        line = found.table.iloc[k]
        expected = [line["train_loss"], line["held_out_loss"]]
        np.testing.assert_allclose(np.ravel(record.kept_losses()), expected, rtol=1e-4)


@pytest.mark.slow
@jax_only
def test_the_error_of_the_held_out_rows_is_that_of_their_losses(breast_cancer):
    x, y = breast_cancer
    model = network(30, "binary_crossentropy", "sigmoid")
    found = taut.learning_curve(model, x, y, **SHORT | {"sizes": [30, 90, 284], "seeds": 2})
    losses = np.zeros(len(y))
    for fold, lane in ((0, 4), (0, 5), (1, 10), (1, 11)):
        held_out = taut.studies.folds(y, 2, classes=True)[fold].held_out
        found.record.give_weights(lane, model)
        share = np.clip(model.predict(x[held_out], verbose=0)[:, 0], 1e-7, 1 - 1e-7)
        right = np.where(y[held_out] == 1, share, 1 - share)
        losses[held_out] -= np.log(right) / 2
    assert found.law.luck.degrees == len(y) - 1
    error = ANOTHER_TABLE * losses.std(ddof=1) / np.sqrt(len(y))
    assert found.law.luck.error == pytest.approx(error, rel=1e-3)


@pytest.mark.slow
@jax_only
def test_groups_are_whole_and_seeds_and_labels_are_counted(diabetes):
    x, y = diabetes
    groups = np.arange(len(y)) // 7
    labels = np.where(y > 0, "high", "low")
    model = network(10, "sparse_categorical_crossentropy", "softmax", 2)
    found = taut.learning_curve(model, x, labels, **SHORT, groups=groups, seeds=2)
    assert len(found.table) == 3 * 2 * 2
    wanted = np.tile(np.repeat([20, 60, 180], 2), 2)
    assert ((found.table["rows"] >= wanted) & (found.table["rows"] < wanted + 7)).all()
    assert (found.table["rows"] > wanted).any()
    assert found.law.luck.degrees == len(set(groups)) - 1


BAD = {
    "ten rows": ({}, 10, "at least 40"),
    "more than there are": ({"sizes": [10, 20, 400]}, None, "exceed"),
    "two sizes": ({"sizes": [10, 20]}, None, "sizes"),
    "a size of one": ({"sizes": [1, 20, 30]}, None, "sizes"),
    "no seeds": ({"seeds": 0}, None, "seeds"),
    "one fold": ({"cv": [(np.arange(200), np.arange(200, 250))]}, None, "2 folds"),
    "start": ({"start": "warm"}, None, "start"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_is_one_error_before_training(name, diabetes, monkeypatch):
    monkeypatch.setattr("taut.studies.folded.train_lanes", None)
    arguments, rows, message = BAD[name]
    x, y = (a[:rows] for a in diabetes)
    with pytest.raises(InputError, match=message):
        taut.learning_curve(network(), x, y, callbacks=[], **arguments)


@pytest.mark.parametrize("what", ["x", "y", "classes"])
def test_rows_that_cannot_be_are_one_error_before_training(what, diabetes, monkeypatch):
    monkeypatch.setattr("taut.studies.folded.train_lanes", None)
    x, y = (a.copy() for a in diabetes)
    model, message = network(), "finite"
    if what == "classes":
        model, y = network(10, "binary_crossentropy", "sigmoid"), np.ones(len(y))
        message = "two classes"
    else:
        {"x": x, "y": y}[what][3] = np.nan
    with pytest.raises(InputError, match=message):
        taut.learning_curve(model, x, y, callbacks=[])


@pytest.mark.slow
def test_it_works_on_every_backend(diabetes):
    found = taut.learning_curve(network(), *diabetes, **SHORT | {"epochs": 15}, patience=3)
    assert found.summary["held_out_loss"].is_monotonic_decreasing
    assert found.at_twice.low < found.at_twice.estimate < found.at_twice.high
