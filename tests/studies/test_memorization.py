"""What a model fits of permuted labels: little if it is small, all if it is large."""

import keras
import numpy as np
import pytest

import taut
from taut.engine import Lane, train_lanes
from taut.errors import InputError
from taut.studies.base_rate import accuracy, base_accuracy, base_loss, data_loss, least_loss
from taut.studies.permutations import dealt

jax_only = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")

ROWS = 100


def network(units=(), inputs=4, loss="binary_crossentropy", activation="sigmoid", outputs=1):
    hidden = [keras.layers.Dense(n, activation="relu") for n in units]
    last = keras.layers.Dense(outputs, activation=activation)
    model = keras.Sequential([keras.Input((inputs,)), *hidden, last])
    model.compile(keras.optimizers.Adam(0.02), loss)
    return model


@pytest.fixture(scope="module")
def rows():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(ROWS, 4)).astype("float32")
    return x, (x[:, 0] + x[:, 1] > 0).astype("float32")


@pytest.fixture(scope="module")
def large(rows):
    settings = {"cv": 2, "permutations": 3, "epochs": 200, "batch_size": 50, "callbacks": []}
    return taut.memorization(network([128]), *rows, **settings)


@jax_only
def test_a_large_network_fits_noise_and_more_slowly_than_labels(large):
    assert large.fitted > 0.8
    assert large.accuracy > 0.95 > 0.8 > large.base_accuracy
    assert large.fitted_true > large.fitted
    assert large.half_epoch_true < large.half_epoch
    assert large.held_out_loss < large.base_loss
    assert 0 < large.fitted_error < 0.1


@jax_only
def test_a_linear_model_of_few_weights_fits_hardly_any(rows):
    settings = {"cv": 2, "permutations": 3, "epochs": 60, "batch_size": 50, "callbacks": []}
    small = taut.memorization(network(), *rows, **settings)
    # Of 5 weights on 50 rows, 5/(2·50) nats of 0.69 are removed by chance.
    assert 0 <= small.fitted < 0.2
    assert small.fitted_true > 0.5


@jax_only
def test_a_lane_of_a_permuted_target_is_a_training_on_it(rows, large):
    x, y = rows
    draw, split = np.random.default_rng(0), large.record.lanes[2].split
    splits = taut.studies.folds(y, 2, classes=True)
    permuted = y.copy()
    for part in (splits[split].train, splits[split].held_out):
        permuted[part] = y[dealt(part, draw, None)]
    lane = Lane((), split, large.record.lanes[2].seed)
    settings = {"splits": splits, "epochs": 200, "batch_size": 50}
    alone = train_lanes(network([128]), x, permuted, [lane], **settings)
    np.testing.assert_allclose(
        alone.train_loss[0], large.record.train_loss[2], rtol=0.02, atol=1e-3
    )


@jax_only
def test_tables_curves_texts_and_the_chart_have_the_numbers(large):
    frame, curves = large.to_frame(), large.curves()
    assert frame["labels"].tolist() == ["true"] * 2 + ["permuted"] * 3
    assert frame["fitted"][2:].mean() == pytest.approx(large.fitted)
    assert len(curves) == 2 * 200
    last = curves[(curves["labels"] == "permuted") & (curves["epoch"] == 200)]
    assert last["train_share"].item() == pytest.approx(1 - large.fitted, abs=0.05)
    assert f"{large.fitted:.1%}" in repr(large)
    assert f"{large.fitted:.1%}" in large._repr_html_()
    assert "permuted" in large.plot().to_json()
    with pytest.raises(AttributeError):
        large.fitted = 0.0


@pytest.mark.parametrize(
    ("loss", "activation", "outputs", "y"),
    [
        ("binary_crossentropy", "sigmoid", 1, [0.0, 0, 0, 1]),
        (keras.losses.BinaryCrossentropy(from_logits=True), None, 1, [0.0, 0, 0, 1]),
        ("sparse_categorical_crossentropy", "softmax", 3, [0, 0, 2, 1]),
        (keras.losses.CategoricalCrossentropy(from_logits=True), None, 3, "one-hot"),
        ("mse", None, 1, [0.0, 1, 2, 9]),
        ("mae", None, 1, [0.0, 1, 2, 9]),
    ],
)
def test_no_constant_is_better_than_the_base_rate_and_none_worse_than_the_targets(
    loss, activation, outputs, y
):
    model = network(loss=loss, activation=activation, outputs=outputs)
    y = np.eye(3)[[0, 0, 2, 1]] if isinstance(y, str) else np.array(y)
    base, least = base_loss(model, y, (outputs,)), least_loss(model, y, (outputs,))
    assert least < 1e-4
    assert base > 0.3
    draw = np.random.default_rng(0)
    for _ in range(30):
        constant = draw.normal(size=outputs) * 2 + 1
        if activation:
            constant = np.exp(constant) / (
                1 + np.exp(constant) if outputs == 1 else np.exp(constant).sum()
            )
        assert data_loss(model, y, np.tile(constant, (4, 1))) > base - 1e-5


def test_accuracy_is_that_of_the_named_classes():
    model = network(loss="sparse_categorical_crossentropy", activation="softmax", outputs=3)
    y = np.array([0, 0, 2, 1])
    outputs = np.eye(3)[[0, 1, 2, 1]]
    assert accuracy(model, y, outputs) == 0.75
    assert base_accuracy(model, y, (3,)) == 0.5
    number = network(loss="mse", activation=None)
    assert np.isnan(accuracy(number, y, outputs[:, :1]))
    binary = keras.losses.BinaryCrossentropy(from_logits=True)
    logits = np.array([[0.3], [-0.2]])
    assert base_accuracy(network(loss=binary), np.array([1, 0, 0, 0]), (1,)) == 0.75
    assert accuracy(network(loss=binary, activation=None), np.array([1, 0]), logits) == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda x, y: (x, np.ones_like(y)), "two classes at least"),
        (lambda x, y: (x[:10], np.resize([0.0, 1.0], 10)), "20 rows"),
        (lambda x, y: (x, np.where(np.arange(len(y)) == 3, np.nan, y)), "finite"),
        (lambda x, y: (np.where(x == x[3], np.nan, x), y), "NaN"),
        (lambda x, y: (x, None), "y"),
    ],
)
def test_bad_rows_are_one_error_before_training(rows, wrong, message):
    with pytest.raises(InputError, match=message):
        taut.memorization(network(), *wrong(*rows), epochs=10**6)


@pytest.mark.parametrize("wrong", [{"permutations": 0}, {"seeds": 0}, {"epochs": 0}])
def test_bad_numbers_are_refused(rows, wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        taut.memorization(network(), *rows, **wrong)


def test_several_outputs_are_refused(rows):
    x, y = rows
    inside = keras.Input((4,))
    outside = [keras.layers.Dense(1, name=name)(inside) for name in "ab"]
    model = keras.Model(inside, outside)
    model.compile("adam", ["mse", "mse"])
    with pytest.raises(InputError, match="one output"):
        taut.memorization(model, x, [y, y], epochs=10**6)


@jax_only
@pytest.mark.parametrize("study", ["memorization", "label_noise", "stability_selection"])
def test_trainings_that_all_diverge_are_an_error(rows, study):
    model = network(loss="mse", activation=None)
    model.compile(keras.optimizers.SGD(1e12), "mse")
    settings = {"epochs": 3, "callbacks": []}
    if study == "stability_selection":
        settings |= {"strengths": [0.1, 0.01], "pairs": 2, "per_half": 1, "threshold": 0.9}
    with pytest.raises(InputError, match="diverge everywhere"):
        getattr(taut, study)(model, *rows, **settings)
