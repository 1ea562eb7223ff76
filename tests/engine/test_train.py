"""The engine's laws: each lane is what training alone would be."""

import keras
import numpy as np
import pytest

import taut
from taut.engine import Lane, Split, predict_lanes, train_lanes
from taut.errors import InputError

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")


def network(optimizer=None, extra=()):
    model = keras.Sequential(
        [
            keras.Input((10,)),
            keras.layers.Dense(8, activation="relu"),
            *extra,
            keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer=optimizer or taut.Proximal("adam", taut.L1(0.1)), loss="mse")
    return model


@pytest.fixture(scope="module")
def splits():
    rows = np.random.default_rng(0).permutation(442)
    return [Split(rows[:330], rows[330:]), Split(rows[112:], rows[:112])]


LANES = [
    Lane((strength,), split, seed)
    for strength in (0.0, 0.01, 0.3)
    for split in (0, 1)
    for seed in (0, 1)
]


def assert_same(one, k, many, i, atol=0.0):
    for a, b in zip(one.trainable, many.trainable, strict=True):
        np.testing.assert_allclose(a[k], b[i], atol=atol, rtol=0)
    np.testing.assert_allclose(one.held_out_loss[k], many.held_out_loss[i], atol=atol * 10)
    assert one.status[k] == many.status[i]
    assert one.epochs[k] == many.epochs[i]


def test_a_lane_is_what_keras_would_train_on_the_same_batches(diabetes, splits):
    from taut.engine.data.batches import Batches

    x, y = diabetes
    model = network()
    lane = Lane((0.05,), 0, None)
    record = train_lanes(model, x, y, [lane], splits=splits, epochs=3, batch_size=32)
    model.optimizer.strengths[0].assign(0.05)
    batches = Batches(splits, 32)
    for epoch in range(3):
        losses = []
        for rows in batches.train(0, None, epoch):
            rows = rows[rows >= 0]
            losses.append((model.train_on_batch(x[rows], y[rows]), len(rows)))
            model.reset_metrics()
        expected = np.average([loss for loss, _ in losses], weights=[n for _, n in losses])
        assert record.train_loss[0, epoch] == pytest.approx(expected, rel=1e-4)
    for ours, theirs in zip(record.trainable, model.trainable_variables, strict=True):
        np.testing.assert_allclose(ours[0], theirs.numpy(), atol=1e-5)
    held_out = splits[0].held_out
    expected = ((model.predict(x[held_out], verbose=0).ravel() - y[held_out]) ** 2).mean()
    assert record.held_out_loss[0, -1] == pytest.approx(expected, rel=1e-4)


def test_a_second_study_of_the_same_shape_compiles_nothing(diabetes, splits):
    import jax

    compiled = []

    def listen(event, duration, **kwargs):
        del duration, kwargs
        if event.endswith("backend_compile_duration"):
            compiled.append(event)

    model = network()
    run = lambda: train_lanes(model, *diabetes, LANES, splits=splits, epochs=7)  # noqa: E731
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        assert run().compiles == 1
        assert compiled
        run()
        compiled.clear()
        assert run().compiles == 0
        assert not compiled
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def test_strength_acts_and_zeros_are_exact(diabetes, splits):
    record = train_lanes(network(), *diabetes, LANES, splits=splits, epochs=60)
    zeros = [int((record.trainable[0][k] == 0).sum()) for k in (0, 4, 8)]
    assert zeros[0] == 0 < zeros[2]
    assert zeros[1] < zeros[2]


def test_seeds_differ_and_none_starts_from_the_model(diabetes, splits):
    model = network()
    lanes = [Lane((0.0,), 0, 0), Lane((0.0,), 0, 1), Lane((0.0,), 0, None), Lane((0.0,), 0, 0)]
    still = keras.optimizers.SGD(0.0)
    model.compile(optimizer=taut.Proximal(still, taut.L1()), loss="mse")
    record = train_lanes(model, *diabetes, lanes, splits=splits, epochs=1)
    kernel = record.trainable[0]
    assert (kernel[0] != kernel[1]).any()
    np.testing.assert_array_equal(kernel[0], kernel[3])
    np.testing.assert_array_equal(kernel[2], model.get_weights()[0])


def test_values_set_any_variable(diabetes, splits):
    model = network(taut.Proximal(keras.optimizers.SGD(0.0), taut.L1()))
    path = model.trainable_variables[1].path
    lane = Lane((0.0,), 0, 0, {path: np.arange(8)})
    record = train_lanes(model, *diabetes, [lane], splits=splits, epochs=1)
    np.testing.assert_array_equal(record.trainable[1][0], np.arange(8))
    with pytest.raises(InputError, match="must name variables"):
        train_lanes(model, *diabetes, [Lane((0.0,), 0, 0, {"nope": 1})], splits=splits)


def test_predict_lanes_is_predict_with_the_lanes_weights(diabetes, splits):
    model = network()
    record = train_lanes(model, *diabetes, LANES[:3], splits=splits, epochs=2)
    predicted = predict_lanes(model, record, diabetes[0], width=2)
    for k in range(3):
        expected = record.apply(k, network()).predict(diabetes[0], verbose=0)
        np.testing.assert_allclose(predicted[k], expected, atol=1e-5)
    with pytest.raises(InputError, match="a row at least"):
        predict_lanes(model, record, diabetes[0][:0])


def test_sample_weights_of_whole_numbers_are_repeated_rows(diabetes):
    x, y = diabetes[0][:40], diabetes[1][:40]
    weight = np.where(np.arange(40) < 10, 2.0, 1.0).astype("float32")
    model = network(taut.Proximal(keras.optimizers.SGD(0.01), taut.L1()))
    lane = [Lane((0.0,), 0, 0)]
    weighted = train_lanes(model, x, y, lane, epochs=1, batch_size=40, sample_weight=weight * 0.8)
    twice = np.concatenate([np.arange(40), np.arange(10)])
    repeated = train_lanes(model, x[twice], y[twice], lane, epochs=1, batch_size=50)
    np.testing.assert_allclose(weighted.trainable[0], repeated.trainable[0], atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "`epochs` must be an integer >= 1"),
        ({"batch_size": 2.5}, "`batch_size` must be an integer >= 1"),
        ({"lanes": []}, "at least one lane"),
        ({"lanes": [Lane((-1.0,))]}, "finite numbers >= 0"),
        ({"lanes": [Lane(())]}, "one strength for each"),
        ({"lanes": [Lane((0.1,), 7)]}, "one of the 2 splits"),
        ({"splits": [Split(np.arange(500))]}, "row numbers must be from 0 to 441"),
        ({"splits": [Split(np.arange(9))], "patience": 2}, "need held-out rows"),
        ({"splits": [Split(np.arange(9), np.arange(9, 12)), Split(np.arange(9))]}, "or none"),
        ({"patience": 2, "keep_best": False}, "keeps the best epoch"),
        ({"lanes": [Lane((0.1,), seed=-1)]}, "`seed` must be an integer >= 0"),
        ({"lanes": [Lane((0.1,), 0, 0, {"learning_rate": [1, 2]})]}, "fit their variable"),
        (
            {"lanes": [Lane((0.1,)), Lane((0.1,), start=0)], "groups": [0, 0]},
            "begin and end together",
        ),
    ],
)
def test_bad_input_gets_one_clear_error(change, message, diabetes, splits):
    arguments = {"lanes": LANES[:1], "splits": splits, **change}
    lanes = arguments.pop("lanes")
    with pytest.raises(InputError, match=message):
        train_lanes(network(), *diabetes, lanes, **arguments)


@pytest.mark.parametrize(
    "penalty",
    [
        taut.L2SP(10.0, reference=np.full((10, 1), 3.0)),
        taut.WeightedL1(0.2, weights=np.linspace(0, 5, 10)[:, None]),
    ],
    ids=["L2SP", "WeightedL1"],
)
def test_a_lane_keeps_the_arrays_of_its_penalty(penalty, diabetes):
    x, y = diabetes
    model = taut.models.Sequential(
        [keras.Input((10,)), keras.layers.Dense(1, kernel_initializer="zeros")]
    )
    model.compile(keras.optimizers.SGD(0.05), "mse", weight_regularizer=penalty)
    model.optimizer.build(model.trainable_variables)
    rows = np.arange(len(x))
    lane = Lane((penalty.strength,), 0, None)
    record = taut.train_lanes(model, x, y, [lane], splits=[Split(rows)], epochs=300, batch_size=442)
    model.fit(x, y, epochs=300, batch_size=442, verbose=0)
    np.testing.assert_allclose(record.trainable[0][0], model.get_weights()[0], atol=1e-5)


def test_averages_are_refused(diabetes):
    x, y = diabetes
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    model.compile(taut.Proximal(keras.optimizers.SGD(0.1, use_ema=True), "l1"), "mse")
    model.optimizer.build(model.trainable_variables)
    with pytest.raises(InputError, match="use_ema"):
        taut.train_lanes(model, x, y, [Lane((0.1,))], splits=[Split(np.arange(9))], epochs=1)


def test_inputs_must_have_the_same_rows(diabetes):
    a, b = keras.Input((10,), name="a"), keras.Input((10,), name="b")
    model = keras.Model({"a": a, "b": b}, keras.layers.Dense(1)(keras.layers.Add()([a, b])))
    model.compile(taut.Proximal("adam", taut.L1()), "mse")
    x, y = diabetes
    with pytest.raises(InputError, match="with the same rows"):
        train_lanes(model, {"a": x, "b": x[:20]}, y, [Lane((0.1,))])


def test_rows_that_no_split_has_do_no_harm(diabetes):
    x, y = diabetes[0].copy(), diabetes[1]
    x[0] = np.nan
    splits = [Split(np.arange(1, 300), np.arange(300, 442)), Split(np.arange(1, 60), [400])]
    splits[1] = Split(splits[1].train, np.arange(400, 402))
    lanes = [Lane((0.1,), 0), Lane((0.1,), 1)]
    assert train_lanes(network(), x, y, lanes, splits=splits, epochs=2).status == ("finished",) * 2
