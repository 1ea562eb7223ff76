"""Any Keras model is a lane: what `train_on_batch` does on the same batches, for each kind."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import taut
from taut._keras.model_calls import call_with_losses
from taut.engine import Lane, Split, train_lanes
from taut.engine.data.batches import Batches
from taut.engine.model_copy import copy_of
from taut.errors import UnsupportedError

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")

ROWS, BATCH = 48, 8
RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(size=(ROWS, 6)).astype("float32")
IMAGES = RNG.normal(size=(ROWS, 8, 8, 1)).astype("float32")
PIXELS = np.random.default_rng(1).integers(0, 256, size=IMAGES.shape).astype("uint8")
WORDS = RNG.integers(1, 20, size=(ROWS, 5)).astype("int32")
WORDS[:, 3:] = 0
SIGNALS = RNG.normal(size=(ROWS, 5, 3)).astype("float32")
TARGET = RNG.normal(size=(ROWS, 1)).astype("float32")
CLASSES = RNG.integers(0, 3, size=ROWS).astype("int32")
SPLITS = [Split(np.arange(32), np.arange(32, ROWS))]


@keras.saving.register_keras_serializable("taut.tests")
class Subclassed(keras.Model):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.first, self.last = layers.Dense(units, activation="tanh"), layers.Dense(1)

    def build(self, shape):
        self.first.build(shape)
        self.last.build((shape[0], self.units))

    def call(self, x):
        return self.last(self.first(x))

    def get_config(self):
        return {"units": self.units}


@keras.saving.register_keras_serializable("taut.tests")
class Shrinking(layers.Layer):
    """A layer that adds a loss of its own."""

    def call(self, x):
        self.add_loss(1e-2 * ops.mean(ops.square(x)))
        return x


def huber(y, prediction):
    error = ops.abs(y - prediction)
    return ops.mean(ops.where(error < 1, error**2 / 2, error - 0.5), axis=-1)


def sequential(shape, *some, dtype="float32"):
    return keras.Sequential([keras.Input(shape, dtype=dtype), *some])


def two_inputs():
    a, b = keras.Input((6,), name="a"), keras.Input((5,), dtype="int32", name="b")
    words = layers.GlobalAveragePooling1D()(layers.Embedding(20, 4)(b))
    joined = layers.Dense(8, activation="relu")(layers.Concatenate()([a, words]))
    number = layers.Dense(1, name="number")(joined)
    kind = layers.Dense(3, activation="softmax", name="kind")(joined)
    return keras.Model({"a": a, "b": b}, {"number": number, "kind": kind})


def attention():
    x = keras.Input((5, 3))
    y = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 2)(x, x))
    return keras.Model(x, layers.Dense(1)(layers.Flatten()(y)))


def subclassed():
    model = Subclassed(4)
    model.build((None, 6))
    return model


def word_tags():
    return sequential(
        (5,),
        layers.Embedding(20, 4, mask_zero=True),
        layers.LSTM(4),
        layers.Dense(1),
        dtype="int32",
    )


SPARSE = "sparse_categorical_crossentropy"
KINDS = {
    "two inputs, two outputs": (
        two_inputs,
        {"a": NUMBERS, "b": WORDS},
        {"number": TARGET, "kind": CLASSES},
        {"loss": {"number": "mse", "kind": SPARSE}, "loss_weights": {"number": 0.3, "kind": 1.0}},
    ),
    "convolutions": (
        lambda: sequential(
            (8, 8, 1),
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.DepthwiseConv2D(2),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ),
        IMAGES,
        CLASSES,
        {"loss": SPARSE},
    ),
    "augmented images of bytes": (
        lambda: sequential(
            (8, 8, 1),
            layers.Rescaling(1 / 255),
            layers.RandomFlip("horizontal", seed=1),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ),
        PIXELS,
        CLASSES,
        {"loss": SPARSE},
    ),
    "batch normalisation": (
        lambda: sequential(
            (6,), layers.Dense(5), layers.BatchNormalization(), layers.ReLU(), layers.Dense(1)
        ),
        NUMBERS,
        TARGET,
        {"loss": "mse"},
    ),
    "dropout": (
        lambda: sequential((6,), layers.Dense(8), layers.Dropout(0.5, seed=3), layers.Dense(1)),
        NUMBERS,
        TARGET,
        {"loss": "mse"},
    ),
    "LSTM on masked words": (word_tags, WORDS, TARGET, {"loss": "mse"}),
    "GRU": (
        lambda: sequential((5, 3), layers.GRU(4, recurrent_dropout=0.0), layers.Dense(1)),
        SIGNALS,
        TARGET,
        {"loss": "mae"},
    ),
    "attention": (attention, SIGNALS, TARGET, {"loss": "mse"}),
    "subclassed": (subclassed, NUMBERS, TARGET, {"loss": "mse"}),
    "a custom loss, a metric": (
        lambda: sequential((6,), layers.Dense(4), layers.Dense(1)),
        NUMBERS,
        TARGET,
        {"loss": huber, "metrics": [keras.metrics.RootMeanSquaredError()]},
    ),
    "a layer's own loss": (
        lambda: sequential((6,), layers.Dense(4), Shrinking(), layers.Dense(1)),
        NUMBERS,
        TARGET,
        {"loss": "mse"},
    ),
}


def trained_by_keras(model, x, y, epochs, weight=None):
    pick = lambda tree, rows: keras.tree.map_structure(lambda a: a[rows], tree)  # noqa: E731
    batches = Batches(SPLITS, BATCH)
    for epoch in range(epochs):
        for rows in batches.train(0, None, epoch):
            of = None if weight is None else pick(weight, rows)
            model.train_on_batch(pick(x, rows), pick(y, rows), sample_weight=of)
    return model


def compiled(make, arguments):
    model = make()
    penalty = taut.L1(0.01)
    keras.Model.compile(model, taut.Proximal(keras.optimizers.SGD(0.02, 0.9), penalty), **arguments)
    model.optimizer.build(model.trainable_variables)
    return model


def assert_weights(record, k, model, atol=2e-5):
    for ours, theirs in zip(record.trainable, model.trainable_variables, strict=True):
        np.testing.assert_allclose(ours[k], theirs.numpy(), atol=atol)
    for ours, theirs in zip(record.non_trainable, model.non_trainable_variables, strict=True):
        np.testing.assert_allclose(ours[k], theirs.numpy(), atol=atol)


@pytest.mark.parametrize("kind", KINDS)
def test_a_lane_of_many_is_what_keras_trains(kind):
    make, x, y, arguments = KINDS[kind]
    model = compiled(make, arguments)
    lanes = [Lane((0.3,), 0, 1), Lane((0.01,), 0, None), Lane((0.0,), 0, 2)]
    record = train_lanes(model, x, y, lanes, splits=SPLITS, epochs=3, batch_size=BATCH, width=3)
    assert record.status == ("finished",) * 3
    keras_trained = trained_by_keras(model, x, y, 3)
    assert_weights(record, 1, keras_trained)
    held_out = keras.tree.map_structure(lambda a: a[SPLITS[0].held_out], (x, y))
    loss = keras_trained.evaluate(*held_out, verbose=0, return_dict=True)["loss"]
    if kind != "a layer's own loss":  # which is not part of the data loss
        assert record.held_out_loss[1, -1] == pytest.approx(loss, rel=1e-4)
    assert np.abs(record.trainable[0][0] - record.trainable[0][2]).max() > 0


@pytest.mark.slow
def test_weights_of_classes_and_of_outputs_are_those_of_keras():
    make, x, y, arguments = KINDS["convolutions"]
    model = compiled(make, arguments)
    classes = {0: 2.0, 2: 0.5}
    record = train_lanes(
        model, x, y, [Lane((0.01,), 0, None)], splits=SPLITS, epochs=2, batch_size=BATCH,
        class_weight=classes,
    )  # fmt: skip
    weight = np.array([classes.get(int(k), 1.0) for k in y], "float32")
    assert_weights(record, 0, trained_by_keras(model, x, y, 2, weight))
    make, x, y, arguments = KINDS["two inputs, two outputs"]
    model = compiled(make, arguments)
    weights = {"number": RNG.uniform(size=ROWS).astype("float32"), "kind": np.ones(ROWS, "float32")}
    record = train_lanes(
        model, x, y, [Lane((0.01,), 0, None)], splits=SPLITS, epochs=2, batch_size=BATCH,
        sample_weight=weights,
    )  # fmt: skip
    assert_weights(record, 0, trained_by_keras(model, x, y, 2, weights))


@pytest.mark.slow
def test_a_path_of_several_inputs_and_outputs():
    make, x, y, arguments = KINDS["two inputs, two outputs"]
    model = compiled(make, arguments)
    result = taut.regularization_path(model, x, y, strengths=[0.1, 0.001], cv=3, epochs=4)
    assert len(result.table) == 6
    (trained,) = result.models(0.1)[:1]
    # Losses are weighted as in the user's own `compile`.
    assert trained._compile_config.config["loss_weights"] == arguments["loss_weights"]


@pytest.mark.slow
def test_a_path_measures_the_compiled_metrics_on_held_out_rows():
    make, x, y, _ = KINDS["convolutions"]
    model = compiled(make, {"loss": SPARSE, "metrics": ["accuracy"]})
    result = taut.regularization_path(model, x, y, strengths=[0.1, 0.001], cv=3, epochs=3)
    from taut.studies import folds

    splits = folds(y, 3, seed=0, x=x, classes=True)
    for fold, trained in enumerate(result.models(0.1)):
        rows = splits[fold].held_out
        right = (trained.predict(x[rows], verbose=0).argmax(-1) == y[rows]).mean()
        line = result.table.query("strength == 0.1 and fold == @fold")
        assert line["held_out_accuracy"].item() == pytest.approx(right, abs=1e-6)


class OwnStep(keras.Model):
    def train_step(self, *args):
        return super().train_step(*args)


def own_step():
    x = keras.Input((6,))
    return OwnStep(x, layers.Dense(1)(x))


def stateful():
    x = keras.Input(batch_shape=(BATCH, 5, 3))
    return keras.Model(x, layers.Dense(1)(layers.LSTM(4, stateful=True)(x)))


def strings():
    x = keras.Input((1,), dtype="string")
    return keras.Model(x, layers.Dense(1)(layers.Hashing(10)(x)))


@pytest.mark.parametrize(
    ("make", "message"), [(own_step, "has its own train_step"), (stateful, "stateful=True")]
)
def test_what_cannot_be_a_lane_is_refused_with_the_reason(make, message):
    model = compiled(make, {"loss": "mse"})
    with pytest.raises(UnsupportedError, match=message):
        train_lanes(model, NUMBERS, TARGET, [Lane((0.1,))])


STEPS = 8  # as many as rows in a batch: weights laid along the wrong axis would not be noticed


def tags(mask):
    return sequential(
        (STEPS,),
        layers.Embedding(20, 4, mask_zero=mask),
        layers.GRU(4, return_sequences=True),
        layers.Dense(3, activation="softmax"),
        dtype="int32",
    )


@pytest.mark.parametrize("mask", [False, True])
def test_a_loss_of_every_step_is_averaged_as_keras_does(mask):
    x = RNG.integers(1, 20, size=(ROWS, STEPS)).astype("int32")
    x[:, 5:] = 0
    y = RNG.integers(0, 3, size=(ROWS, STEPS)).astype("int32")
    model = compiled(lambda: tags(mask), {"loss": SPARSE})
    splits = [Split(np.arange(32))]
    record = train_lanes(
        model, x, y, [Lane((0.01,), 0, None)], splits=splits, epochs=2, batch_size=BATCH
    )
    assert_weights(record, 0, trained_by_keras(model, x, y, 2))


def test_pixels_too_and_the_last_batch_may_be_smaller():
    y = (IMAGES[..., 0] > 0).astype("int32")
    make = lambda: sequential(  # noqa: E731
        (8, 8, 1), layers.Conv2D(4, 3, padding="same"), layers.Conv2D(2, 1, activation="softmax")
    )
    model = compiled(make, {"loss": SPARSE})
    rows = np.arange(29)
    record = train_lanes(
        model, IMAGES, y, [Lane((0.01,), 0, None)], splits=[Split(rows)], epochs=2, batch_size=BATCH
    )
    batches = Batches([Split(rows)], BATCH)
    for epoch in range(2):
        for some in batches.train(0, None, epoch):
            some = some[some >= 0]
            model.train_on_batch(IMAGES[some], y[some])
    assert_weights(record, 0, model)


def one_number(y, prediction):
    return ops.mean(ops.square(y - prediction))


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (one_number, "one number for the batch"),
        (keras.losses.MeanSquaredError(reduction="sum"), "reduction='sum'"),
    ],
    ids=["one number", "sum"],
)
def test_losses_that_padding_would_change_are_refused(loss, message):
    model = compiled(lambda: sequential((6,), layers.Dense(1)), {"loss": loss})
    with pytest.raises(UnsupportedError, match=message):
        train_lanes(model, NUMBERS, TARGET, [Lane((0.1,))], batch_size=BATCH)


class Penalising(layers.Layer):
    def call(self, x):
        self.add_loss(ops.mean(ops.square(x)))
        return x


class AnyAddress(set):
    """The addresses of losses that an earlier call left, given again to new ones."""

    left = True

    def __contains__(self, address):
        return self.left or super().__contains__(address)

    def clear(self):
        self.left = False
        super().clear()


@pytest.mark.parametrize("used_before", [False, True])
def test_losses_of_layers_count_whatever_an_earlier_call_left(used_before):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), Penalising(), layers.Dense(2), Penalising()])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    x = SIGNALS[:8, 0]
    if used_before:
        for layer in model.layers:
            vars(layer)["_loss_ids"] = AnyAddress()
    copy = copy_of(model, x)
    assert len(call_with_losses(copy, *_state(copy), x, training=True)[2]) == 2
    added = call_with_losses(model, *_state(model), x, training=True)[2]
    assert [float(ops.convert_to_numpy(a)) for a in added] == pytest.approx(
        [np.square(x).mean(), np.square(ops.convert_to_numpy(model(x))).mean()], rel=1e-5
    )


def _state(model):
    return [
        [v.value for v in vs] for vs in (model.trainable_variables, model.non_trainable_variables)
    ]
