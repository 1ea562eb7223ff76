"""Networks of several sizes on the same folds."""

import warnings

import keras
import numpy as np
import pytest
from sklearn.model_selection import ShuffleSplit

import taut
from taut.engine import Lane, Record
from taut.errors import EdgeWarning, InputError
from taut.studies.capacity import sizes_of

jax_only = pytest.mark.skipif(keras.backend.backend() != "jax", reason="slow elsewhere")


def build(units, loss="mse"):
    model = keras.Sequential(
        [keras.Input((10,)), keras.layers.Dense(units, activation="relu"), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.02), loss)
    return model


def made(held_out, status="finished"):
    held_out = np.asarray(held_out, float)[:, None]
    count = len(held_out)
    return Record(
        lanes=tuple(Lane((), k, 0) for k in range(count)),
        train_loss=held_out / 2,
        held_out_loss=held_out,
        status=(status,) * count,
        epochs=np.ones(count, int),
        best_epoch=np.zeros(count, int),
        trainable=(),
        non_trainable=(),
        compiles=0,
        width=1,
    )


# Means 5, 2.2, 2 and 3; the least has deviation 1 over 4 folds, so a standard error of 0.577.
LOSSES = [[5, 5, 5, 5], [2.2] * 4, [1, 3, 1, 3], [3, 3, 3, 3]]


def test_the_choices_are_the_least_and_the_smallest_within_a_standard_error():
    order = [2, 0, 3, 1]  # sizes may come in any order
    curve = sizes_of(
        [made(LOSSES[k]) for k in order], [f"size {k}" for k in order], [10**k for k in order], 4
    )
    assert curve.summary["parameters"].tolist() == [1, 10, 100, 1000]
    assert (curve.best, curve.smallest_near, curve.edge) == ("size 2", "size 1", None)
    assert curve.summary["near"].tolist() == [False, True, True, False]
    np.testing.assert_allclose(curve.summary["held_out_loss"], [5, 2.2, 2, 3])
    error = curve.line("size 2")["held_out_loss_standard_error"]
    assert error == pytest.approx(np.sqrt(4 / 3) / 2)
    assert len(curve.table) == 16


@pytest.mark.parametrize(("order", "edge"), [([2, 1, 0], "smallest"), ([0, 1, 2], "largest")])
def test_a_best_at_the_end_of_three_sizes_is_told(order, edge):
    assert sizes_of([made(LOSSES[k]) for k in order], [1, 2, 3], [1, 2, 3], 4).edge == edge
    assert sizes_of([made(LOSSES[k]) for k in order[:2]], [1, 2], [1, 2], 4).edge is None


def test_a_size_that_diverged_is_infinitely_bad():
    records = [made(LOSSES[0]), made(LOSSES[2], "diverged")]
    curve = sizes_of(records, [4, 8], [41, 81], 4)
    assert curve.best == 4
    assert np.isinf(curve.line(8)["held_out_loss"])
    assert "4 of 8 trainings diverged" in repr(curve)
    curve.plot()
    with pytest.raises(InputError, match="every size"):
        sizes_of(records[1:] * 2, [4, 8], [41, 81], 4)
    with pytest.raises(InputError, match="one of"):
        curve.line(5)


@pytest.mark.slow
@jax_only
def test_all_sizes_train_on_the_same_folds(diabetes, tmp_path):
    x, y = diabetes
    splitter = ShuffleSplit(2, test_size=0.3)  # draws others whenever it is asked
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EdgeWarning)
        curve = taut.capacity_curve(build, [1, 3, 2], x, y, cv=splitter, epochs=3, callbacks=[])
    assert curve.summary["size"].tolist() == [1, 2, 3]
    assert curve.summary["parameters"].tolist() == [build(k).count_params() for k in (1, 2, 3)]
    assert curve.sizes == (1, 3, 2)
    assert len(curve.records) == 3
    assert "<table" in curve._repr_html_()
    curve.plot().save(tmp_path / "curve.html", inline=True)


@jax_only
def test_the_folds_are_drawn_once(diabetes, monkeypatch):
    seen = []

    def train(model, x, y, lanes, *, splits, **settings):
        seen.append(splits)
        return made([1.0 + len(seen)] * len(lanes))

    monkeypatch.setattr("taut.studies.folded.train_lanes", train)
    cv = ShuffleSplit(2, test_size=0.3)
    taut.capacity_curve(build, [1, 2], *diabetes, cv=cv, callbacks=[])
    for one, other in zip(*seen, strict=True):
        np.testing.assert_array_equal(one.train, other.train)
        np.testing.assert_array_equal(one.held_out, other.held_out)


BAD = {
    "one size": (build, [4], "two different"),
    "twice the same": (build, [4, 4], "two different"),
    "a number": (build, 4, "two different"),
    "no function": (3, [1, 2], "function"),
    "two losses": (lambda k: build(k, "mse" if k < 2 else "mae"), [1, 2], "one loss"),
    "not compiled": (lambda k: keras.Sequential([keras.Input((10,))]), [1, 2], "compiled"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_is_one_error_before_training(name, diabetes, monkeypatch):
    monkeypatch.setattr("taut.studies.folded.train_lanes", None)
    function, sizes, message = BAD[name]
    with pytest.raises(InputError, match=message):
        taut.capacity_curve(function, sizes, *diabetes, callbacks=[])


def test_a_best_at_the_edge_is_a_warning(diabetes, monkeypatch):
    losses = iter([3.0, 2.0, 1.0])
    monkeypatch.setattr(
        "taut.studies.folded.train_lanes",
        lambda model, x, y, lanes, **settings: made([next(losses)] * len(lanes)),
    )
    with pytest.warns(EdgeWarning, match="larger"):
        taut.capacity_curve(build, [1, 2, 3], *diabetes, cv=2, callbacks=[])
