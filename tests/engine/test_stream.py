"""The laws of streamed lanes: each is what training alone on its rows would be, read once."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import taut
from taut.engine import Lane, predict_lanes
from taut.engine.data.fold_batches import held_out_rows, steps_in, training_rows
from taut.engine.data.hashing import fold_of, row_hash
from taut.engine.data.parquet import ParquetRows
from taut.engine.data.reading import Budget, Layout, blocks, in_order
from taut.engine.data.sources import ArraySource, DatasetSource, Rows, first_rows
from taut.engine.news import Callback
from taut.engine.stream import train_streamed
from taut.errors import InputError, UnsupportedError

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")

MEMORY = 1 << 17  # some blocks of two batches
LANES = [Lane((s,), fold, seed) for s in (0.0, 0.01, 0.3) for fold in (0, 1) for seed in (0, 1)]


def network(optimizer=None, extra=(), rate=0.01):
    dense = keras.layers.Dense
    model = keras.Sequential([keras.Input((10,)), dense(8, "relu"), *extra, dense(1)])
    optimizer = optimizer or taut.Proximal(keras.optimizers.Adam(rate), taut.L1(0.1))
    model.compile(optimizer=optimizer, loss="mse")
    return model


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y, size=32):
        super().__init__()
        self.x, self.y, self.size, self.read = x, y, size, []

    def __len__(self):
        return -(-len(self.x) // self.size)

    def __getitem__(self, i):
        self.read.append(i)
        return tuple(a[i * self.size : (i + 1) * self.size] for a in (self.x, self.y))


def rows_in_order(source, seed, memory=MEMORY, folds=1, batch_size=32):
    """What a study reads, with its own division of the memory."""
    layout = Layout.of(first_rows(source, 1))
    budget = Budget.of(memory, layout, indices=folds, batch_size=batch_size, devices=1)
    pieces = in_order(source, layout, budget, seed, threading.Event())
    found = [(b.x[:n], b.y[:n]) for b, n in blocks(pieces, layout, 10_000)]
    return tuple(np.concatenate(part) for part in zip(*found, strict=True))


def assert_same(one, k, many, i, atol=1e-5):
    for a, b in zip(one.trainable, many.trainable, strict=True):
        np.testing.assert_allclose(a[k], b[i], atol=atol, rtol=0)
    np.testing.assert_allclose(one.held_out_loss[k], many.held_out_loss[i], atol=atol * 10)
    np.testing.assert_allclose(one.train_loss[k], many.train_loss[i], atol=atol * 10)
    for name in ("status", "epochs", "best_epoch"):
        assert getattr(one, name)[k] == getattr(many, name)[i]


@pytest.mark.parametrize(
    ("folds", "size"), [(None, 32), pytest.param(3, 32, marks=pytest.mark.slow), (2, 2)]
)
def test_a_lane_is_what_keras_would_train_on_its_rows_of_the_same_batches(diabetes, folds, size):
    # Of batches of two rows some have none for the lane: these are no step.
    x, y = (a[: 7 * size + 5] for a in diabetes)
    split = 0 if folds is None else folds - 1
    model, lane = network(), Lane((0.05,), split, None)
    source = ArraySource(x, y)
    options = {"folds": folds, "batch_size": size, "seed": 7, "memory": MEMORY}
    record = train_streamed(model, source, [lane], epochs=3, **options)
    model.optimizer.strengths[0].assign(0.05)
    fold = fold_of(row_hash(x, y), folds or 1)
    for epoch in range(3):
        a, b = rows_in_order(source, [7, epoch], folds=folds or 1, batch_size=size)
        own = np.ones(len(b), bool) if folds is None else fold_of(row_hash(a, b), folds) != split
        losses = []
        for at in range(0, len(b), size):
            rows = at + np.flatnonzero(own[at : at + size])
            if not len(rows):
                continue
            losses.append((model.train_on_batch(a[rows], b[rows]), len(rows)))
            model.reset_metrics()
        expected = np.average([loss for loss, _ in losses], weights=[n for _, n in losses])
        assert record.train_loss[0, epoch] == pytest.approx(expected, rel=1e-4)
    for ours, theirs in zip(record.trainable, model.trainable_variables, strict=True):
        np.testing.assert_allclose(ours[0], theirs.numpy(), atol=1e-5)
    if folds is None:
        assert np.isnan(record.held_out_loss).all()
        return
    assert 0 < (fold == split).sum() < len(y)
    expected = ((model.predict(x, verbose=0).ravel() - y)[fold == split] ** 2).mean()
    assert record.held_out_loss[0, -1] == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_lane_k_of_many_equals_lane_k_alone_whatever_the_width(diabetes):
    model, source = network(), ArraySource(*diabetes)
    run = lambda lanes, **more: train_streamed(  # noqa: E731
        model, source, lanes, folds=2, epochs=8, patience=2, memory=MEMORY, **more
    )
    many = run(LANES, width=2)
    assert many.width == 2
    assert len(set(many.status)) > 1
    for k in (0, 5, 11):
        assert_same(run([LANES[k]]), 0, many, k)
    some = (7, 2, 9, 0, 4)
    few = run([LANES[k] for k in some])
    for i, k in enumerate(some):
        assert_same(few, i, many, k)


@pytest.mark.slow
def test_patience_keeps_the_best_epoch_and_the_stack_shrinks(diabetes):
    model = network(rate=0.05)
    lanes = [Lane((s,), f, seed) for s in (0.0, 1e-3) for f in (0, 1) for seed in range(4)]
    lanes[3] = Lane((0.0,), 1, 3, epochs=5)
    source = ArraySource(*diabetes)
    options = {"folds": 2, "epochs": 30, "patience": 3, "memory": MEMORY}
    record = train_streamed(model, source, lanes, **options)
    assert {"stopped", "finished"} == set(record.status)
    assert record.compiles > 2  # it was cut, to a size or two
    assert record.compiles <= 2 * 5
    assert record.epochs[3] <= 5
    for k in range(len(lanes)):
        ran = int(record.epochs[k])
        losses = record.held_out_loss[k]
        assert np.isfinite(losses[:ran]).all()
        assert np.isnan(losses[ran:]).all()
        assert record.best_epoch[k] == np.nanargmin(losses)
        if record.status[k] == "stopped":
            assert ran - 1 - record.best_epoch[k] == 3
    x, y = diabetes
    fold = fold_of(row_hash(x, y), 2)
    predicted = predict_lanes(model, record, x)[..., 0]
    kept = record.kept_losses()[1]
    for k, lane in enumerate(lanes):
        loss = ((predicted[k] - y)[fold == lane.split] ** 2).mean()
        assert loss == pytest.approx(kept[k], rel=1e-4)
    assert train_streamed(model, source, lanes, **options).compiles == 0


def test_arrays_memory_maps_datasets_and_parquet_train_alike(diabetes, tmp_path):
    x, y = diabetes
    np.save(tmp_path / "x.npy", x)
    columns = {f"x{j:02}": x[:, j] for j in range(10)} | {"y": y}
    pq.write_table(pa.table(columns), tmp_path / "all.parquet", row_group_size=100)
    found = [
        train_streamed(model, source, LANES[:3], folds=2, epochs=2, shuffle=False, memory=MEMORY)
        for model in [network()]
        for source in (
            ArraySource(x, y),
            ArraySource(np.load(tmp_path / "x.npy", mmap_mode="r"), y.astype("float64")),
            DatasetSource(Batches(x, y)),
            ParquetRows(tmp_path, target="y"),
        )
    ]
    for other in found[1:]:
        for k in range(3):
            assert_same(found[0], k, other, k, atol=0)
    assert found[0].compiles == 2
    assert [record.compiles for record in found[1:]] == [0, 0, 0]


def test_a_lane_trains_on_the_rows_that_are_not_held_out_and_equal_rows_do_not_leak(diabetes):
    order = np.random.default_rng(0).permutation(3 * 442)
    x, y = np.tile(diabetes[0], (3, 1))[order], np.tile(np.arange(442), 3)[order]
    folds = fold_of(row_hash(x, y), 3)
    rows = Rows(*(np.concatenate([a, a[: 32 * 42 - len(y)]]) for a in (x, y)))
    training, held_out = (f(rows, folds, 3, 32) for f in (training_rows, held_out_rows))
    assert steps_in(training) == 42
    for fold in range(3):
        trained, measured = ([y[at[at >= 0]] for at in b[fold]] for b in (training, held_out))
        in_order = [y[k : k + 32][folds[k : k + 32] != fold] for k in range(0, len(y), 32)]
        assert all((a == b).all() for a, b in zip(trained, in_order, strict=True))
        np.testing.assert_array_equal(np.concatenate(measured), y[folds == fold])
        assert not {*np.concatenate(trained)} & {*np.concatenate(measured)}
        assert len(np.concatenate(trained)) + len(np.concatenate(measured)) == len(y)
        for batches in (training, held_out):  # places without a row are at the end
            assert (np.diff((batches[fold] >= 0).astype(int)) <= 0).all()


def test_the_rows_of_its_fold_do_not_touch_a_lane(diabetes):
    """A poisoned row, NaN in x, three times in the data, harms those that train on it alone."""
    x, y = diabetes[0].copy(), diabetes[1]
    x[17] = np.nan
    fold = int(fold_of(row_hash(x, y), 3)[17])
    order = np.random.default_rng(0).permutation(3 * len(y))
    source = ArraySource(np.tile(x, (3, 1))[order], np.tile(y, 3)[order])
    norm = [keras.layers.BatchNormalization()]
    lanes = [Lane((0.0,), k, 0) for k in range(3)]
    options = {"folds": 3, "epochs": 2, "memory": MEMORY}
    record = train_streamed(network(extra=norm), source, lanes, **options)
    assert record.status == ("diverged",) * 3  # where the row is held out, by the held-out loss
    for k in range(3):
        assert np.isfinite(record.train_loss[k, 0]) == (k == fold)
        assert not np.isfinite(record.held_out_loss[k, 0])


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [1, 12])
def test_each_batch_is_read_once_a_pass_whatever_the_lanes(diabetes, lanes):
    data = Batches(*diabetes)
    options = {"folds": 2, "epochs": 2, "memory": MEMORY}
    train_streamed(network(), DatasetSource(data), LANES[:lanes], **options)
    first, passes = data.read[0], data.read[1:]
    assert first == 0  # its shapes
    each = [passes[k : k + len(data)] for k in range(0, len(passes), len(data))]
    assert len(each) == 4
    assert all(sorted(one) == list(range(len(data))) for one in each)
    assert each[0] != each[2] != sorted(each[2])
    assert each[1] == each[3] == sorted(each[1])


def test_sample_weights_of_whole_numbers_are_repeated_rows(diabetes):
    x, y = diabetes[0][:40], diabetes[1][:40]
    again = np.concatenate([np.arange(40), np.arange(10)])
    still = taut.Proximal(keras.optimizers.SGD(0.1), taut.L1())
    options = {"epochs": 3, "batch_size": 50, "memory": MEMORY}
    repeated = train_streamed(network(still), ArraySource(x[again], y[again]), LANES[:1], **options)
    weight = np.where(np.arange(40) < 10, 2.0, 1.0) * 40 / 50  # Keras divides by the rows
    source = ArraySource(x, y, weight.astype("float32"))
    weighted = train_streamed(network(still), source, LANES[:1], **options)
    assert_same(repeated, 0, weighted, 0)


def test_a_target_that_does_not_count_may_be_anything(diabetes):
    x, y = diabetes[0][:40], diabetes[1][:40]
    weight = np.where(np.arange(40) % 4 == 3, 0.0, 1.0).astype("float32")
    options = {"epochs": 2, "folds": 2, "batch_size": 8, "memory": MEMORY}
    zero, unknown = (
        train_streamed(
            network(), ArraySource(x, np.where(weight > 0, y, value), weight), LANES[:2], **options
        )
        for value in (np.float32(0), np.float32(np.nan))
    )
    for k in range(2):
        assert_same(zero, k, unknown, k)


@pytest.mark.parametrize("weight", [[-1.0, 1.0], [np.nan, 1.0], [0.0, 0.0]])
def test_weights_that_cannot_be_are_refused_as_with_arrays(diabetes, weight):
    x, y = diabetes[0][:40], diabetes[1][:40]
    weight = np.where(np.arange(40) == 30, *weight).astype("float32")
    with pytest.raises(InputError, match="not zero everywhere"):
        train_streamed(network(), ArraySource(x, y, weight), LANES[:1], epochs=1, memory=MEMORY)


def test_errors_of_the_reader_and_interrupts_end_the_call_and_its_thread(diabetes):
    class Broken(Batches):
        def __getitem__(self, i):
            if len(self.read) == 9:
                self.fail()
            return super().__getitem__(i)

    def unreadable():
        raise OSError("the disk is gone")

    for fail, error in (
        (unreadable, OSError),
        (lambda: os.kill(os.getpid(), signal.SIGINT), KeyboardInterrupt),
    ):
        data, ends = Broken(*diabetes), []
        data.fail = fail
        told = Callback()
        told.on_end = lambda ends=ends: ends.append(1)
        with pytest.raises(error):
            train_streamed(
                network(),
                DatasetSource(data),
                LANES[:2],
                folds=2,
                epochs=1000,
                memory=MEMORY,
                callbacks=[told],
            )
        assert ends == [1]
        assert not [t for t in threading.enumerate() if "taut" in t.name]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory": 1 << 10}, r"`memory` must hold some batches"),
        ({"memory": 1 << 16, "batch_size": 4, "lanes": LANES * 4}, r"(\d+) lanes fit"),
        ({"folds": 0}, "`folds` must be an integer"),
        ({"memory": 2.5}, "`memory` must be an integer"),
        ({"folds": None}, "`split` must name one of the 1 splits"),
        ({"folds": None, "lanes": LANES[:2], "patience": 3}, "need held-out rows"),
        ({"lanes": [LANES[0], Lane((0.1,), start=0)]}, "none starts from another's"),
        ({"lanes": [Lane(())]}, "one strength for each"),
        ({"folds": 400, "lanes": [Lane((0.0,), k) for k in range(400)]}, "Every fold needs rows"),
    ],
)
def test_what_cannot_be_trained_is_refused(diabetes, options, message):
    options = {"lanes": LANES, "folds": 2, "memory": 1 << 23, "epochs": 1} | options
    with pytest.raises(InputError, match=message):
        train_streamed(network(), ArraySource(*diabetes), **options)


def test_a_warm_start_is_unsupported(diabetes):
    with pytest.raises(UnsupportedError):
        train_streamed(network(), ArraySource(*diabetes), [LANES[0], Lane((0.1,), start=0)])


RESIDENT = """
    import os, sys, threading, time
    os.environ["KERAS_BACKEND"] = "jax"
    import taut, keras, numpy as np
    from taut.engine import Lane
    from taut.engine.data.sources import ArraySource
    from taut.engine.stream import train_streamed

    folder, bound = sys.argv[1], int(sys.argv[2])
    rows, columns = 750_000, 200
    x = np.lib.format.open_memmap(f"{folder}/x.npy", "w+", "float32", (rows, columns))
    block = np.random.default_rng(0).normal(size=(50_000, columns)).astype("float32")
    for at in range(0, rows, len(block)):
        x[at : at + len(block)] = block + at
    del x, block
    x = np.load(f"{folder}/x.npy", mmap_mode="r")
    y = np.zeros(rows, "float32")

    def resident(kinds=("RssAnon", "RssFile")):
        lines = open("/proc/self/status").read().splitlines()
        return sum(int(l.split()[1]) << 10 for l in lines if l.startswith(kinds))

    model = keras.Sequential([keras.Input((columns,)), keras.layers.Dense(1)])
    model.compile(taut.Proximal("sgd", taut.L1()), loss="mse")
    lanes = [Lane((float(s),), f) for s in range(2) for f in range(2)]
    run = lambda source, bound: train_streamed(
        model, source, lanes, folds=2, epochs=1, batch_size=1000, memory=bound
    )
    run(ArraySource(np.array(x[:4000]), y[:4000]), bound)  # compiled
    before, peak, done = resident(), [0], threading.Event()

    def watch():
        while not done.is_set():
            peak[0] = max(peak[0], resident() - before)
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert run(ArraySource(x, y), bound).compiles == 0
    done.set()
    watcher.join()
    print(x.nbytes, peak[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")
@pytest.mark.slow
def test_resident_memory_stays_under_the_bound(tmp_path):
    bound = 200 << 20
    run = [sys.executable, "-c", textwrap.dedent(RESIDENT), str(tmp_path), str(bound)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    size, peak = map(int, done.stdout.split())
    assert size >= 600_000_000
    # It is used, too: the shuffle buffer alone is a quarter.
    assert bound / 4 < peak < bound
