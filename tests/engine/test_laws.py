"""The laws of lanes, whatever the way in which rows reach them."""

import keras
import numpy as np
import pytest

import taut
from taut.engine import Callback, Halving, Lane, predict_lanes, train_lanes
from taut.errors import InputError
from tests.conftest import some_slow
from tests.engine.feeds import FEEDS, splits_of

FOLDS = 2
ROWS = 160
STRENGTHS = (0.0, 0.02, 0.4)
LANES = [Lane((s,), fold, seed) for s in STRENGTHS for fold in range(FOLDS) for seed in (0, 1)]


@pytest.fixture(params=some_slow(FEEDS, ("fit", "memory", "streamed")), scope="module")
def feed(request):
    def feed(*some, **options):
        return FEEDS[request.param](*some, **{"folds": FOLDS, "batch_size": 32, **options})

    feed.name = request.param
    return feed


@pytest.fixture(scope="module")
def data(diabetes):
    return diabetes[0][:ROWS], diabetes[1][:ROWS]


def network(*extra, rate=0.01, loss="mse", units=1):
    layer = keras.layers.Dense
    head = layer(units, "softmax") if units > 1 else layer(1)
    model = keras.Sequential([keras.Input((10,)), layer(8, "tanh"), *extra, head])
    model.compile(taut.Proximal(keras.optimizers.Adam(rate), taut.L1(0.1)), loss=loss)
    return model


def assert_same(one, k, many, i, atol=1e-5):
    for a, b in zip(one.trainable, many.trainable, strict=True):
        np.testing.assert_allclose(a[k], b[i], atol=atol, rtol=0)
    for name in ("train_loss", "held_out_loss"):
        ours, theirs = getattr(one, name)[k], getattr(many, name)[i]
        np.testing.assert_allclose(ours, theirs, atol=10 * atol)
    for name in ("status", "epochs", "best_epoch"):
        assert getattr(one, name)[k] == getattr(many, name)[i]


def test_lane_k_of_many_equals_lane_k_alone(feed, data):
    # Batch normalisation of lanes in memory is that of Keras: see test_padding.
    norm = [keras.layers.BatchNormalization()] if feed.name == "streamed" else []
    model = network(*norm, keras.layers.Dropout(0.3, seed=3))
    options = {"epochs": 4, "patience": 2}
    many = feed(model, *data, LANES[2:7], **options)
    assert_same(feed(model, *data, [LANES[5]], **options), 0, many, 3)
    if norm:
        assert np.abs(many.non_trainable[0][0] - many.non_trainable[0][1]).max() > 0


def test_the_model_is_left_as_it_was(feed, data):
    model = network(keras.layers.Dropout(0.3, seed=3))
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    before = [np.array(keras.ops.convert_to_numpy(v)) for v in variables]
    feed(model, *data, LANES[:2], epochs=2)
    after = [keras.ops.convert_to_numpy(v) for v in variables]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


def test_patience_ends_a_lane_and_keeps_its_best_epoch(feed, data):
    model = network(rate=0.1)
    record = feed(model, *data, LANES[:4], epochs=30, patience=3)
    assert "stopped" in record.status
    splits = splits_of(*data, FOLDS)
    predicted = predict_lanes(model, record, data[0])[..., 0]
    for k, lane in enumerate(record.lanes):
        ran, best = int(record.epochs[k]), int(record.best_epoch[k])
        for losses in (record.train_loss[k], record.held_out_loss[k]):
            assert np.isfinite(losses[:ran]).all()
            assert np.isnan(losses[ran:]).all()
        assert best == np.nanargmin(record.held_out_loss[k])
        if record.status[k] == "stopped":
            assert ran - 1 - best == 3
        rows = splits[lane.split].held_out
        loss = ((predicted[k, rows] - data[1][rows]) ** 2).mean()
        assert loss == pytest.approx(record.held_out_loss[k, best], rel=1e-4)


def test_the_last_epoch_is_kept_unless_the_best_is_asked_for(feed, data):
    model = network(rate=0.1)
    last = feed(model, *data, LANES[:2], epochs=12)
    best = feed(model, *data, LANES[:2], epochs=12, keep_best=True)
    assert last.best_epoch.tolist() == [11, 11]
    assert best.status == last.status == ("finished",) * 2
    np.testing.assert_allclose(best.held_out_loss, last.held_out_loss, atol=1e-5)
    assert best.best_epoch.tolist() == np.argmin(best.held_out_loss, axis=1).tolist()


def test_a_lane_that_diverges_ends_alone(feed, data):
    model = network()
    bias = model.trainable_variables[1].path
    bad = Lane((0.0,), 0, 0, {bias: np.full(8, np.nan)})
    good = [Lane((0.01,), 0, 0), Lane((0.01,), 1, 1)]
    record = feed(model, *data, [good[0], bad, good[1]], epochs=3)
    clean = feed(model, *data, good, epochs=3)
    assert record.status == ("finished", "diverged", "finished")
    assert record.epochs.tolist() == [3, 1, 3]
    assert np.isnan(record.trainable[1][1]).all()  # what it began with
    assert_same(clean, 0, record, 0)
    assert_same(clean, 1, record, 2)
    if feed.name == "memory":  # where all end so, it may be that of the inputs
        x = data[0].copy()
        x[7, 0] = np.nan
        options = {"splits": splits_of(*data, FOLDS), "batch_size": 32, "epochs": 3}
        with pytest.raises(InputError, match=r"`x` must be finite numbers.*first in row 7"):
            train_lanes(model, x, data[1], [good[0], good[0], good[1]], **options)


def test_a_lane_has_its_own_number_of_epochs(feed, data):
    lanes = [Lane((0.01,), 0, 0, epochs=2), Lane((0.01,), 0, 0)]
    record = feed(network(), *data, lanes, epochs=5)
    assert record.epochs.tolist() == [2, 5]
    assert record.best_epoch.tolist() == [1, 4]
    np.testing.assert_allclose(record.train_loss[0, :2], record.train_loss[1, :2], atol=1e-5)
    shorter = feed(network(), *data, lanes[1:], epochs=2)
    for ours, theirs in zip(record.trainable, shorter.trainable, strict=True):
        np.testing.assert_allclose(ours[0], theirs[0], atol=1e-5)


def test_lanes_of_a_group_keep_the_epoch_that_is_best_for_all(feed, data):
    model = network(rate=0.1)
    lanes = [Lane((s,), fold, 0) for s in (0.0, 0.1) for fold in range(FOLDS)]
    record = feed(model, *data, lanes, epochs=20, groups=[0, 0, 1, 1])
    boundaries = np.arange(1, 20, 2)  # of 20 epochs every second may be chosen
    for members in ([0, 1], [2, 3]):
        means = record.held_out_loss[members][:, boundaries].mean(axis=0)
        common = int(boundaries[np.argmin(means)])
        assert record.best_epoch[members].tolist() == [common, common]
        until = feed(model, *data, [lanes[k] for k in members], epochs=common + 1)
        for ours, theirs in zip(record.trainable, until.trainable, strict=True):
            np.testing.assert_allclose(ours[members], theirs, atol=1e-5)


def test_a_rung_drops_groups_and_the_others_do_not_notice(feed, data):
    strengths = (0.0, 0.01, 1.0, 3.0)
    lanes = [Lane((s,), fold, 0) for fold in range(FOLDS) for s in strengths]
    groups = [k % len(strengths) for k in range(len(lanes))]
    options = {"epochs": 6, "keep_best": True}
    full = feed(network(), *data, lanes, **options)
    ends = {}
    told = Callback()
    told.on_lane_end = lambda end: ends.update({end.number: end.status})
    halving = Halving(groups, (2, 4))
    record = feed(network(), *data, lanes, halving=halving, callbacks=[told], **options)
    dropped = np.array([status == "dropped" for status in record.status])
    assert dropped.any()
    assert not dropped.all()
    assert dropped[: len(strengths)].tolist() == dropped[len(strengths) :].tolist()
    assert ends == dict(enumerate(record.status))
    for k in range(len(lanes)):
        ran = int(record.epochs[k])
        assert ran in ((2, 4) if dropped[k] else (6,))
        np.testing.assert_allclose(
            record.held_out_loss[k, :ran], full.held_out_loss[k, :ran], atol=1e-5
        )
        assert record.best_epoch[k] == np.argmin(record.held_out_loss[k, :ran])


@pytest.mark.parametrize("class_weight", ["balanced", {1: 3.0}])
def test_weights_of_classes_are_weights_of_their_rows(feed, data, class_weight):
    x, y = data[0], (data[1] > 0.8).astype("int32")
    counts = np.bincount(y)
    by_class = len(y) / (2 * counts) if class_weight == "balanced" else np.array([1.0, 3.0])
    model = network(units=2, loss="sparse_categorical_crossentropy")
    lanes = LANES[4:6]
    weighted = feed(model, x, y, lanes, epochs=2, class_weight=class_weight)
    rows = by_class[y].astype("float32")
    by_hand = feed(model, x, y, lanes, epochs=2, sample_weight=rows)
    plain = feed(model, x, y, lanes, epochs=2)
    for k in range(2):
        assert_same(weighted, k, by_hand, k, atol=1e-6)
    assert np.abs(weighted.train_loss - plain.train_loss).min() > 1e-3


def test_classes_that_are_not_there_and_two_kinds_of_weights_are_refused(feed, data):
    x, y = data[0], (data[1] > 0).astype("int32")
    model = network(units=2, loss="sparse_categorical_crossentropy")
    with pytest.raises(InputError, match="must name classes of `y`"):
        feed(model, x, y, LANES[:1], epochs=1, class_weight={7: 2.0})
    both = {"class_weight": "balanced", "sample_weight": np.ones(len(y), "float32")}
    with pytest.raises(InputError, match="not both"):
        feed(model, x, y, LANES[:1], epochs=1, **both)


def test_callbacks_hear_of_every_lane_once_and_of_the_best(feed, data):
    class Listen(Callback):
        def __init__(self):
            self.told, self.ends, self.news = [], {}, []

        def on_start(self, lanes, epochs):
            self.told.append(("start", len(lanes), epochs))

        def on_lane_end(self, end):
            assert end.number not in self.ends
            self.ends[end.number] = end

        def on_update(self, news):
            self.news.append(news)

        def on_end(self):
            self.told.append("end")

    heard = Listen()
    record = feed(network(), *data, LANES[:3], epochs=3, callbacks=[heard])
    assert heard.told == [("start", 3, 3), "end"]
    assert sorted(heard.ends) == [0, 1, 2]
    for i, end in heard.ends.items():
        assert (end.lane, end.status) == (LANES[i], record.status[i])
        np.testing.assert_array_equal(end.held_out_loss, record.held_out_loss[i])
        np.testing.assert_array_equal(end.train_loss, record.train_loss[i])
    done = [news.lane_epochs for news in heard.news]
    assert done == sorted(done)
    last = heard.news[-1]
    assert (last.ended, last.lane_epochs, last.total_lane_epochs) == (3, 9, 9)
    best = int(np.nanmin(record.held_out_loss, axis=1).argmin())
    assert last.best == (LANES[best], pytest.approx(np.nanmin(record.held_out_loss)))


def test_an_interruption_is_not_swallowed_and_callbacks_end(feed, data):
    class Interrupt(Callback):
        ends = 0

        def on_update(self, news):
            raise KeyboardInterrupt

        def on_end(self):
            self.ends += 1

    interrupt = Interrupt()
    with pytest.raises(KeyboardInterrupt):
        feed(network(), *data, LANES[:2], epochs=50, callbacks=[interrupt])
    assert interrupt.ends == 1
