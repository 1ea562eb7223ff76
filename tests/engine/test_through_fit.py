"""Lanes one by one, through `fit`, on every backend: the same as side by side on JAX."""

import keras
import numpy as np
import pytest

import taut
from taut.engine import Callback, Halving, Lane, Split, predict_lanes, train_lanes
from taut.engine.data.batches import Batches
from taut.engine.through_fit import predict_one_by_one
from taut.errors import UnsupportedError
from tests.engine.feeds import through_fit

on_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="compares with train_lanes")
RATE, L2 = 0.05, 0.02


@pytest.fixture(scope="module")
def splits():
    """Of 120 rows: the second has fewer, and a last batch of one row."""
    rows = np.random.default_rng(0).permutation(120)
    return [Split(rows[:90], rows[90:]), Split(rows[59:], rows[:59])]


@pytest.fixture(scope="module")
def data(diabetes):
    return diabetes[0][:120], diabetes[1][:120]


def linear(optimizer="sgd", penalty=None, seed=0):
    """One layer, with a ridge of Keras's own, from weights that are the same on each backend."""
    layer = keras.layers.Dense(1, kernel_regularizer=keras.regularizers.L2(L2))
    model = keras.Sequential([keras.Input((10,)), layer])
    if optimizer == "sgd":
        optimizer = keras.optimizers.SGD(RATE)
    model.compile(optimizer=taut.Proximal(optimizer, penalty or taut.L1(0.1)), loss="mse")
    model.optimizer.build(model.trainable_variables)
    model.set_weights([np.random.default_rng(seed).normal(0, 0.5, (10, 1)), np.zeros(1)])
    return model


def network(extra=(), optimizer="adam", loss="mse"):
    model = keras.Sequential(
        [keras.Input((10,)), keras.layers.Dense(8, "relu"), *extra, keras.layers.Dense(1)]
    )
    model.compile(optimizer=taut.Proximal(optimizer, taut.L1(0.1)), loss=loss)
    model.optimizer.build(model.trainable_variables)
    return model


def reference(model, x, y, lane, split, *, epochs, size, weight=None):
    """Proximal gradient steps on Σ w·l / n in NumPy; losses Σ w·l / Σ w and weights by epoch."""
    w, b = (a.astype(float) for a in model.get_weights())
    v = np.ones(len(y)) if weight is None else weight
    batches, found = Batches([split], size), []

    def loss(rows):
        return float(np.mean(v[rows] * (x[rows] @ w[:, 0] + b - y[rows]) ** 2))

    for epoch in range(epochs):
        total = 0.0
        for rows in batches.train(0, lane.seed, epoch):
            rows = rows[rows >= 0]
            if not len(rows):
                continue
            total += loss(rows) * len(rows)
            error = 2 * v[rows] * (x[rows] @ w[:, 0] + b - y[rows]) / len(rows)
            w = w - RATE * x[rows].T @ error[:, None]
            # The prox of both: that of the ridge, then a soft threshold.
            w = np.sign(w) * np.maximum(np.abs(w) - RATE * lane.strengths[0], 0)
            w = w / (1 + 2 * RATE * L2)
            b = b - RATE * error.sum()
        rows = split.held_out
        found.append((total / v[split.train].sum(), loss(rows) / v[rows].mean(), w, b))
    return found


def assert_same(one, other, atol=2e-5):
    assert one.status == other.status
    np.testing.assert_array_equal(one.epochs, other.epochs)
    np.testing.assert_array_equal(one.best_epoch, other.best_epoch)
    np.testing.assert_allclose(one.train_loss, other.train_loss, atol=atol)
    np.testing.assert_allclose(one.held_out_loss, other.held_out_loss, atol=atol)
    for kind in ("trainable", "non_trainable"):
        for a, b in zip(getattr(one, kind), getattr(other, kind), strict=True):
            np.testing.assert_allclose(a.astype(float), b.astype(float), atol=atol)


@pytest.mark.parametrize("weighted", [False, True])
def test_every_backend_takes_the_steps_of_a_numpy_reference(data, splits, weighted):
    x, y = data
    model = linear()
    weight = np.random.default_rng(3).uniform(0, 2, len(y)) if weighted else None
    # Batches are drawn from the number of the split too: one split, so that it is 0.
    lanes = [Lane((strength,), 0, None) for strength in (0.0, 0.05, 2.5)]
    record = through_fit(
        model, x, y, lanes, splits=splits[1:], sample_weight=weight, epochs=4, batch_size=15
    )
    assert record.status == ("finished",) * 3
    for k, lane in enumerate(lanes):
        found = reference(model, x, y, lane, splits[1], epochs=4, size=15, weight=weight)
        np.testing.assert_allclose(record.train_loss[k], [f[0] for f in found], rtol=1e-5)
        np.testing.assert_allclose(record.held_out_loss[k], [f[1] for f in found], rtol=1e-5)
        np.testing.assert_allclose(record.trainable[0][k], found[-1][2], atol=1e-6)
        np.testing.assert_allclose(record.trainable[1][k], found[-1][3], atol=1e-6)
        np.testing.assert_array_equal(record.trainable[0][k] == 0, found[-1][2] == 0)
    assert (record.trainable[0][2] == 0).sum() > 2


def test_a_lane_that_diverges_ends_alone(data, splits):
    x, y = data
    model = linear()
    path = model.trainable_variables[0].path
    lanes = [Lane((0.1,), 0, None, {path: np.full((10, 1), np.inf)}), Lane((0.1,), 0, None)]
    options = {"splits": splits, "epochs": 3, "batch_size": 30}
    both = through_fit(model, x, y, lanes, **options)
    alone = through_fit(model, x, y, lanes[1:], **options)
    assert both.status == ("diverged", "finished")
    assert both.epochs.tolist() == [1, 3]
    assert np.isnan(both.train_loss[0, 1:]).all()
    np.testing.assert_array_equal(both.trainable[0][0], np.inf)  # what it started from
    np.testing.assert_array_equal(both.held_out_loss[1], alone.held_out_loss[0])
    grouped = through_fit(model, x, y, lanes, groups=[0, 0], **options)
    assert grouped.best_epoch.tolist() == [0, 2]


def test_a_lane_starts_anew_whatever_came_before(data, splits):
    model = network([keras.layers.BatchNormalization(), keras.layers.Dropout(0.3)])
    lanes = [Lane((0.01,), 0, 3), Lane((0.2,), 1, None), Lane((0.01,), 0, 3), Lane((0.01,), 0, 4)]
    options = {"splits": splits, "epochs": 2, "batch_size": 30}
    many = through_fit(model, *data, lanes, **options)
    keras.utils.set_random_seed(9)  # torch draws all dropout from one stream
    alone = through_fit(model, *data, lanes[:1], **options)
    second = through_fit(model, *data, lanes[1:2], **options)
    np.testing.assert_array_equal(many.train_loss[1], second.train_loss[0])
    for losses in (many.train_loss[0], many.train_loss[2]):
        np.testing.assert_array_equal(losses, alone.train_loss[0])
    assert (many.train_loss[3] != many.train_loss[0]).all()


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="only torch has such a stream")
def test_the_stream_of_torch_is_left_as_it_was(data, splits):
    import torch

    model = network([keras.layers.Dropout(0.3)])
    before = torch.get_rng_state()
    lanes = [Lane((0.01,), 0, None)]
    through_fit(model, *data, lanes, splits=splits, epochs=1, batch_size=30)
    assert torch.equal(before, torch.get_rng_state())


def test_the_model_is_left_as_it_was_also_by_an_interrupt(data, splits):
    class Stop(Callback):
        ends = 0

        def on_update(self, news):
            raise KeyboardInterrupt

        def on_end(self):
            self.ends += 1

    model = network([keras.layers.BatchNormalization()])
    model.fit(*data, epochs=1, verbose=0)
    variables = [*model.variables, *model.optimizer.variables]
    before = [np.array(keras.ops.convert_to_numpy(v)) for v in variables]
    history, stop = model.history, Stop()
    options = {"splits": splits, "epochs": 2, "batch_size": 30}
    through_fit(model, *data, [Lane((0.3,), 0, None)], **options)
    with pytest.raises(KeyboardInterrupt):
        through_fit(model, *data, [Lane((0.3,), 0, None)], callbacks=[stop], **options)
    assert stop.ends == 1
    for variable, value in zip(variables, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), value)
    assert model.history is history
    model.fit(*data, epochs=1, verbose=0)  # its own compilation works on


@pytest.mark.parametrize("shorter", [None, 2])  # with 2, nothing runs on after the rung
def test_what_a_rung_drops_is_told(data, splits, shorter):
    ends = []

    class Listen(Callback):
        def on_lane_end(self, end):
            ends.append((end.number, end.status, len(end.held_out_loss)))

    lanes = [Lane((5.0,), 0, None, epochs=shorter), Lane((0.0,), 0, None)]
    model = linear(keras.optimizers.SGD(0.01))
    record = through_fit(
        model,
        *data,
        lanes,
        splits=splits,
        epochs=4,
        batch_size=30,
        keep_best=True,
        halving=Halving([0, 1], [2]),
        callbacks=[Listen()],
    )
    assert record.status == ("finished", "dropped")
    assert record.epochs.tolist() == [shorter or 4, 2]
    assert sorted(ends) == [(0, "finished", shorter or 4), (1, "dropped", 2)]


@pytest.mark.parametrize("kind", [dict, list])
def test_several_inputs_and_outputs_are_trained_as_keras_does(data, splits, kind):
    x, y = data
    a, b = keras.Input((4,), name="a"), keras.Input((6,), name="b")
    both = keras.layers.Dense(5, "tanh")(keras.layers.Concatenate()([a, b]))
    outputs = [keras.layers.Dense(1, name=name)(both) for name in ("first", "second")]
    model = keras.Model({"a": a, "b": b} if kind is dict else [a, b], outputs)
    model.compile(
        optimizer=taut.Proximal(keras.optimizers.SGD(0.1), taut.L1(0.01)),
        loss=["mse", "mae"],
        loss_weights=[1.0, 0.5],
    )
    model.optimizer.build(model.trainable_variables)
    inputs, targets = {"a": x[:, :4], "b": x[:, 4:]}, [y[:, None], y[:, None] ** 2]
    inputs = inputs if kind is dict else list(inputs.values())
    # A batch of each length, so that nothing hangs on how padding is treated.
    record = through_fit(
        model, inputs, targets, [Lane((0.01,), 0, None)], splits=splits, epochs=2, batch_size=45
    )
    take = lambda tree, rows: keras.tree.map_structure(lambda v: v[rows], tree)  # noqa: E731
    for epoch in range(2):
        losses = []
        for rows in Batches(splits, 45).train(0, None, epoch):
            model.reset_metrics()
            found = model.train_on_batch(take(inputs, rows), take(targets, rows), return_dict=True)
            losses.append(float(found["loss"]))
        assert record.train_loss[0, epoch] == pytest.approx(np.mean(losses), rel=1e-4)
    for ours, theirs in zip(record.trainable, model.get_weights(), strict=True):
        np.testing.assert_allclose(ours[0], theirs, atol=1e-5)
    rows = splits[0].held_out
    first, second = model.predict(take(inputs, rows), verbose=0)
    expected = ((first[:, 0] - y[rows]) ** 2).mean()
    expected += 0.5 * np.abs(second[:, 0] - y[rows] ** 2).mean()
    assert record.held_out_loss[0, -1] == pytest.approx(expected, rel=1e-4)


def test_predictions_are_those_of_the_lanes(data, splits):
    model = network()
    lanes = [Lane((0.0,), 0, seed) for seed in (0, 1)]
    record = through_fit(model, *data, lanes, splits=splits, epochs=1, batch_size=30)
    found = predict_one_by_one(model, record, data[0], lanes=[1, 0], batch_size=50)
    assert found.shape == (2, 120, 1)
    for k, lane in enumerate((1, 0)):
        expected = record.apply(lane, model).predict(data[0], verbose=0)
        np.testing.assert_allclose(found[k], expected, atol=1e-6)


def test_keras_must_not_end_a_lane_early(data, splits, monkeypatch):
    keras.config.set_max_epochs(1)
    try:
        with (
            pytest.warns(UserWarning, match="Limiting"),
            pytest.raises(UnsupportedError, match="KERAS_MAX_EPOCHS"),
        ):
            through_fit(
                linear(), *data, [Lane((0.1,), 0, None)], splits=splits, epochs=2, batch_size=30
            )
    finally:
        keras.config.set_max_epochs(None)


LANES = [Lane((s,), split, seed) for s in (0.0, 0.05) for split in (0, 1) for seed in (0, None)]
EXTRA = {
    "dense": lambda: [],
    "batch norm and dropout": lambda: [
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.2),
    ],
}


@on_jax
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"patience": 2},
        {"keep_best": True},
        {"groups": [0, 0, 1, 1, 2, 2, 3, 3]},
        {"halving": Halving([0, 0, 1, 1, 2, 2, 3, 3], [2, 5]), "keep_best": True},
    ],
    ids=lambda o: " ".join(o) or "plain",
)
def test_one_by_one_is_side_by_side(options, data, splits):
    model = network(optimizer=keras.optimizers.Adam(0.1))
    common = {"splits": splits, "epochs": 18, "batch_size": 20, **options}
    one = through_fit(model, *data, LANES, **common)
    assert_same(one, train_lanes(model, *data, LANES, **common), atol=1e-4)
    if "patience" in options:
        assert "stopped" in one.status
    if "halving" in options:
        assert 0 < one.status.count("dropped") < len(LANES)  # which, the initial weights decide


@pytest.mark.slow
@on_jax
def test_states_of_layers_are_those_of_side_by_side(data, splits):
    model = network([keras.layers.BatchNormalization(), keras.layers.Dropout(0.2)])
    # Batches of one size: side by side the last is padded, which these layers see.
    even = [Split(s.train[:60], s.held_out) for s in splits]
    weight = np.random.default_rng(1).uniform(0, 2, 120).astype("float32")
    common = {"splits": even, "epochs": 5, "batch_size": 20, "sample_weight": weight}
    one = through_fit(model, *data, LANES, **common)
    assert_same(one, train_lanes(model, *data, LANES, **common))


@on_jax
def test_lanes_of_every_kind_are_those_of_side_by_side(data, splits):
    x, y = data
    model = network()
    lanes = [
        Lane((0.0,), 0, 1),
        Lane((0.1,), 0, 1, start=0),
        Lane((0.1,), 1, 2, {"learning_rate": 0.05}, target=1),
        Lane((0.1,), 1, 2, epochs=3),
    ]
    common = {"splits": splits, "targets": [y, y[::-1]], "epochs": 5, "batch_size": 30}
    one = through_fit(model, x, None, lanes, **common)
    assert_same(one, train_lanes(model, x, None, lanes, **common))
    np.testing.assert_allclose(
        predict_one_by_one(model, one, x), predict_lanes(model, one, x), atol=1e-6
    )
