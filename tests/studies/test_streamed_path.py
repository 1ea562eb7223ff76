"""The path of rows that need not fit into memory, and statistics inside its folds."""

import os

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import taut
from taut import layers
from taut.engine import ArraySource, Callback, ParquetRows, Split
from taut.engine.data.hashing import fold_of, row_hash
from taut.engine.data.row_folds import RowFolds
from taut.errors import InputError
from taut.studies import fold_values, streamed
from taut.studies.streamed_folds import streamed_fold_values, training_batches

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")

MEMORY = 1 << 20
SHORT = {"strengths": [0.3, 0.01], "cv": 2, "epochs": 6, "batch_size": 64, "memory": MEMORY}


def network(*extra, loss="mse"):
    dense = keras.layers.Dense
    model = keras.Sequential([keras.Input((10,)), *extra, dense(8, "tanh"), dense(1)])
    model.compile(keras.optimizers.Adam(0.02), loss=loss)
    return model


def folds_of(x, y, cv=2, seed=0):
    """What is trained on and held out, from the definition."""
    fold = fold_of(row_hash(x, y), cv, seed)
    return [Split(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(cv)]


def column(kind, rows):
    draw = np.random.default_rng(7)
    some = draw.normal(size=rows)
    gaps = np.where(draw.random(rows) < 0.3, np.nan, some)
    return {
        "far from zero": 1e6 + some,
        "two values": draw.integers(0, 2, rows),
        "constant": np.full(rows, 5.0),
        "gaps": gaps,
        "empty": np.full(rows, np.nan),
        "skewed": -np.exp(3 * some),
        "extreme": draw.choice([-1e-30, 0.0, -0.0, 1e15], rows),
    }[kind]


KINDS = ("far from zero", "two values", "constant", "gaps", "empty", "skewed", "extreme")


@pytest.mark.parametrize("folds", [1, 2, 5])
@pytest.mark.parametrize("rows", [40, 501])
def test_statistics_of_pieces_are_those_of_the_rows_in_memory(folds, rows):
    x = np.stack([column(kind, rows) for kind in KINDS], axis=1).astype("float32")
    x, y = np.concatenate([x, x[:9]]), np.arange(rows + 9) % 50
    model = keras.Sequential([keras.Input((len(KINDS),)), layers.Standardize()])
    found = streamed_fold_values(model, ArraySource(x, y), folds, seed=3, rows=17)
    splits = folds_of(x, y, folds, 3) if folds > 1 else [Split(np.arange(len(x)))]
    expected = fold_values(model, x, splits)
    assert len(found) == len(expected) == folds
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.keys() == theirs.keys()
        for name, values in theirs.items():
            if name.endswith("fill"):
                np.testing.assert_array_equal(ours[name], values, err_msg=name)
            np.testing.assert_allclose(ours[name], values, rtol=1e-10, atol=1e-13, err_msg=name)


def test_medians_inside_folds_may_be_far_apart():
    """Each fold's middle numbers are sought on their own."""
    x = np.repeat([[0.0], [1e6]], [51, 50], axis=0).astype("float32")
    y = np.arange(len(x))
    model = keras.Sequential([keras.Input((1,)), layers.Standardize()])
    found = streamed_fold_values(model, ArraySource(x, y), 9)
    expected = fold_values(model, x, folds_of(x, y, 9))
    medians = [next(v[0] for k, v in one.items() if k.endswith("fill")) for one in expected]
    assert {0.0, 1e6} <= set(medians)
    for ours, theirs in zip(found, expected, strict=True):
        for name, values in theirs.items():
            np.testing.assert_allclose(ours[name], values, rtol=1e-10)


def test_layers_that_cannot_learn_in_pieces_are_named(diabetes):
    class Own(layers.Standardize):
        fold_sums = property()

    model = keras.Sequential([keras.Input((10,)), Own(name="own")])
    with pytest.raises(InputError, match=r"needs a method `fold_sums`\. Received: own"):
        streamed_fold_values(model, ArraySource(*diabetes), 2)


def test_the_path_is_what_training_on_its_folds_gives(diabetes):
    """Statistics, certificate and held-out losses of the result, from the rows themselves."""
    x, y = 5 + 3 * diabetes[0], diabetes[1]
    layer = layers.Standardize()
    result = taut.regularization_path(network(layer), x, y, **SHORT, seeds=2)
    assert (layer.centre.numpy() == 0).all()
    assert list(result.table["start"]) == ["cold"] * 8
    assert sorted(set(result.table["fold"])) == [0, 1]
    assert sorted(set(result.table["seed"])) == [0, 1]
    splits = folds_of(x, y)
    for strength in result.strengths:
        table = result.table[result.table["strength"] == strength]
        for trained, fold, loss in zip(
            result.models(strength), table["fold"], table["held_out_loss"], strict=True
        ):
            train, held_out = splits[fold].train, splits[fold].held_out
            np.testing.assert_allclose(trained.layers[0].centre, x[train].mean(0), rtol=1e-5)
            predicted = trained.predict(x[held_out], verbose=0).ravel()
            assert loss == pytest.approx(((predicted - y[held_out]) ** 2).mean(), rel=1e-4)
    best, train = result.models()[0], splits[0].train
    expected = taut.stationarity(best, x[train], y[train])
    # The scale is the root mean square over some rows.
    assert result.certificate.scale == pytest.approx(expected.scale, rel=0.5)
    share = expected.scale / result.certificate.scale
    for name, residual in expected.residuals.items():
        assert result.certificate.residuals[name] == pytest.approx(residual * share, rel=1e-3)


def test_parquet_and_arrays_give_the_same_path(diabetes, tmp_path):
    x, y = diabetes
    table = pa.table({f"x{j}": x[:, j] for j in range(10)} | {"y": y})
    pq.write_table(table, tmp_path / "all.parquet", row_group_size=442)
    rows = ParquetRows(tmp_path, target="y")
    one = {**SHORT, "epochs": 2, "batch_size": 442}  # the order of rows is not the same
    model = network()
    of_files = taut.regularization_path(model, rows, **one)
    of_arrays = taut.regularization_path(model, x, y, **one)
    for name in ("train_loss", "held_out_loss"):
        np.testing.assert_allclose(of_files.table[name], of_arrays.table[name], rtol=1e-4)


@pytest.mark.slow
def test_a_range_is_found_and_the_study_goes_on_where_it_was(diabetes, tmp_path, monkeypatch):
    monkeypatch.setattr("taut.engine.loop.SECONDS_OF_SILENCE", 0.0)

    class Crash(Callback):
        studies, looks = 0, 0

        def on_start(self, lanes, epochs):
            self.studies += 1

        def on_update(self, news):
            self.looks += self.studies == 2
            if self.looks == 5:
                raise RuntimeError("crash")

    model = network()

    def path(**more):
        return taut.regularization_path(
            model, *diabetes, **SHORT | {"strengths": 3, "epochs": 12}, **more
        )

    expected, run = path(patience=4), tmp_path / "run"
    top = expected.table[expected.table["strength"] == expected.strengths[0]]
    assert expected.table["nonzero"].max() > top["nonzero"].mean()
    assert list(expected.strengths) == sorted(expected.strengths, reverse=True)
    with pytest.raises(RuntimeError, match="crash"):
        path(patience=4, checkpoint=run, checkpoint_seconds=0, callbacks=[Crash()])
    assert sorted(os.listdir(run)) == ["lanes.npz", "range.npz"]
    again = path(patience=4, checkpoint=run, checkpoint_seconds=0)
    assert again.table.equals(expected.table)
    assert again.certificate == expected.certificate


@pytest.mark.slow
def test_the_range_is_found_on_rows_from_everywhere(diabetes, monkeypatch):
    monkeypatch.setattr(streamed, "PILOT_ROWS", 100)
    monkeypatch.setattr(streamed, "PILOT_EPOCHS", 9)
    seen = []

    def watched(model, x, y, lanes, **settings):
        seen.append((x, settings["epochs"]))
        return taut.engine.train_lanes(model, x, y, lanes, **settings)

    monkeypatch.setattr(streamed, "train_lanes", watched)
    order = np.argsort(diabetes[0][:, 0])
    x, y = (a[order] for a in diabetes)
    taut.regularization_path(network(), x, y, **SHORT | {"strengths": 2})
    ((drawn, epochs),) = seen
    assert epochs == 9
    assert len(drawn) == 100
    assert drawn[:, 0].min() < np.quantile(x[:, 0], 0.1)
    assert drawn[:, 0].max() > np.quantile(x[:, 0], 0.9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"warm_start": "down", "cv": [1]},
            "warm_start='down', cv=list. Leave them out",
        ),
        ({"cv": 1}, "`cv` must be at least 2 folds"),
        ({"y": None}, "`y` must be given with arrays"),
        ({"y": None, "memory": None}, "`y` must be given with arrays"),
        ({"memory": 1 << 16, "seeds": 50}, r"(\d+) lanes fit"),
    ],
)
def test_what_cannot_be_streamed_is_refused_before_any_training(diabetes, options, message):
    arguments = {"x": diabetes[0], "y": diabetes[1]} | SHORT | {"batch_size": 4} | options
    began = Callback()
    began.on_start = lambda *_: pytest.fail("it trained")
    with pytest.raises(InputError, match=message):
        taut.regularization_path(network(), **arguments, callbacks=[began])


def test_a_source_brings_its_targets(diabetes):
    with pytest.raises(InputError, match="must come from the source itself"):
        taut.regularization_path(network(), ArraySource(*diabetes), diabetes[1])


def test_training_batches_are_the_rows_outside_the_fold(diabetes):
    from taut.engine.data.reading import Layout
    from taut.engine.data.sources import first_rows

    source = ArraySource(*diabetes)
    batches = list(
        training_batches(source, Layout.of(first_rows(source, 1)), 1, RowFolds(3, 0), 64)
    )
    assert {len(y) for _, y, _ in batches[:-1]} == {64}
    rows = folds_of(*diabetes, 3)[1].train
    np.testing.assert_array_equal(np.concatenate([b[0] for b in batches]), diabetes[0][rows])
