"""Rows that only fill a batch are seen by nothing: each lane is what `train_on_batch` does."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import taut
from taut.engine import Lane, Split, train_lanes
from taut.engine.data.batches import Batches
from taut.engine.data.hashing import fold_of, row_hash
from taut.engine.data.sources import ArraySource
from taut.engine.stream import train_streamed
from taut.errors import UnsupportedError
from tests.conftest import some_slow

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")

BATCH, ROWS = 8, 50
RNG = np.random.default_rng(3)
X = RNG.normal(size=(ROWS, 6)).astype("float32")
Y = RNG.normal(size=(ROWS, 1)).astype("float32")
IMAGES = RNG.normal(size=(ROWS, 6, 6, 1)).astype("float32")
SIZES = 29, 31, 16  # last batches of 5, 7 and 8 rows, and one batch fewer
SPLITS = [Split(np.arange(n), np.arange(n, ROWS)) for n in SIZES]


@keras.saving.register_keras_serializable("taut.tests")
class Added(layers.Layer):
    def call(self, x):
        self.add_loss(0.3 * ops.mean(ops.square(x)))
        return x


@keras.saving.register_keras_serializable("taut.tests")
class Centred(layers.Layer):
    """Each row less the mean of its batch."""

    def call(self, x):
        return x - ops.mean(x, axis=0, keepdims=True)


def against_the_batch(y, prediction):
    return ops.mean(ops.square(y - prediction + ops.mean(prediction, axis=0)), axis=-1)


def graph():
    x = keras.Input((6,))
    y = layers.Dense(4)(x)
    return keras.Model(x, layers.Dense(1)(y / (1 + ops.mean(ops.abs(y), axis=0))))


def sequential(*some, shape=(6,)):
    return keras.Sequential([keras.Input(shape), *some])


KINDS = {
    "batch normalisation": lambda: sequential(
        layers.Dense(5), layers.BatchNormalization(), layers.Dense(1)
    ),
    "an added loss": lambda: sequential(layers.Dense(5), Added(), layers.Dense(1)),
    "an activity regularizer": lambda: sequential(
        layers.Dense(5, activity_regularizer=keras.regularizers.L2(0.1)), layers.Dense(1)
    ),
    "an own layer": lambda: sequential(layers.Dense(5), Centred(), layers.Dense(1)),
    "a lambda": lambda: sequential(
        layers.Dense(5), layers.Lambda(lambda x: x - ops.mean(x, axis=0)), layers.Dense(1)
    ),
    "an axis": lambda: sequential(
        layers.Dense(5), layers.Softmax(axis=0),
        layers.Dense(1),
    ),
    "operations": graph,
    "a loss": lambda: sequential(layers.Dense(5, activation="tanh"), layers.Dense(1)),
    "convolutions": lambda: sequential(
        layers.Conv2D(3, 3), layers.BatchNormalization(), layers.Flatten(), layers.Dense(1),
        shape=(6, 6, 1),
    ),
}  # fmt: skip


QUICK = "batch normalisation", "an added loss", "an own layer"


def compiled(kind):
    model = KINDS[kind]()
    model.compile(
        taut.Proximal(keras.optimizers.SGD(0.02, 0.9), taut.L1(0.01)),
        loss=against_the_batch if kind == "a loss" else "mse",
    )
    model.optimizer.build(model.trainable_variables)
    return model


def data(kind):
    return IMAGES if kind == "convolutions" else X


def assert_trained(record, k, model):
    for ours, theirs in zip(record.trainable, model.trainable_variables, strict=True):
        np.testing.assert_allclose(ours[k], theirs.numpy(), atol=2e-5)
    for ours, theirs in zip(record.non_trainable, model.non_trainable_variables, strict=True):
        np.testing.assert_allclose(ours[k], theirs.numpy(), atol=2e-5)


@pytest.mark.parametrize(
    ("kind", "width"),
    [
        *((kind, len(SPLITS)) for kind in QUICK),
        *(pytest.param(k, 1, marks=pytest.mark.slow) for k in KINDS),
        *(pytest.param(k, len(SPLITS), marks=pytest.mark.slow) for k in KINDS if k not in QUICK),
    ],
)
def test_the_last_batch_has_its_own_rows_alone(kind, width):
    x = data(kind)
    lanes = [Lane((0.01,), k, None) for k in range(len(SPLITS))]
    model = compiled(kind)
    record = train_lanes(model, x, Y, lanes, splits=SPLITS, epochs=2, batch_size=BATCH, width=width)
    values = [v.numpy() for v in (*model.variables, *model.optimizer.variables)]
    batches = Batches(SPLITS, BATCH)
    for k in range(len(SPLITS)):
        for variable, value in zip(
            (*model.variables, *model.optimizer.variables), values, strict=True
        ):
            variable.assign(value)
        model.optimizer.set_strengths((0.01,))
        for epoch in range(2):
            for rows in batches.train(k, None, epoch):
                rows = rows[rows >= 0]
                if len(rows):
                    model.train_on_batch(x[rows], Y[rows])
        assert_trained(record, k, model)
        held_out = SPLITS[k].held_out
        if kind != "an added loss" and kind != "an activity regularizer":  # no data losses
            loss = model.evaluate(x[held_out], Y[held_out], batch_size=ROWS, verbose=0)
            assert record.held_out_loss[k, -1] == pytest.approx(loss, rel=1e-4)


def test_an_order_of_rows_ends_with_the_smaller_batch():
    batches = Batches(SPLITS, BATCH)
    assert batches.ends == ((5, 7, 8), (19, 21, 34))
    for k, split in enumerate(SPLITS):
        drawn = batches.train(k, 0, 0)
        assert sorted(drawn[drawn >= 0]) == [*split.train]
        of_batch = (drawn >= 0).sum(axis=1)
        assert of_batch[-1] == (SIZES[k] - 1) % BATCH + 1
        assert set(of_batch[:-1]) <= {0, BATCH}


@pytest.mark.slow
@pytest.mark.parametrize("folds", [None, 3])
@pytest.mark.parametrize("kind", ["batch normalisation", "convolutions"])
def test_streamed_lanes_normalise_by_their_own_rows(kind, folds):
    x, model = data(kind), compiled(kind)
    lanes = [Lane((0.01,), k, None) for k in range(folds or 1)]
    record = train_streamed(
        model, ArraySource(x, Y), lanes, folds=folds, shuffle=False, epochs=2, batch_size=BATCH
    )
    values = [v.numpy() for v in (*model.variables, *model.optimizer.variables)]
    of_row = np.full(ROWS, -1) if folds is None else fold_of(row_hash(x, Y), folds)
    for k in range(folds or 1):
        for variable, value in zip(
            (*model.variables, *model.optimizer.variables), values, strict=True
        ):
            variable.assign(value)
        model.optimizer.set_strengths((0.01,))
        for _ in range(2):
            for start in range(0, ROWS, BATCH):
                rows = np.arange(start, min(start + BATCH, ROWS))
                rows = rows[of_row[rows] != k]
                if len(rows):
                    model.train_on_batch(x[rows], Y[rows])
        assert_trained(record, k, model)


@pytest.mark.parametrize(
    "kind",
    some_slow(
        [kind for kind in KINDS if kind not in ("batch normalisation", "convolutions")], QUICK
    ),
)
def test_streamed_lanes_refuse_what_mixes_rows(kind):
    with pytest.raises(UnsupportedError, match="whose layers add losses, or in which a row"):
        train_streamed(compiled(kind), ArraySource(X, Y), [Lane((0.01,), 0)], folds=2, epochs=1)
    # Every batch is whole.
    train_streamed(
        compiled(kind), ArraySource(X[:48], Y[:48]), [Lane((0.01,))], epochs=1, batch_size=BATCH
    )


def test_an_own_layer_that_keeps_rows_apart_is_streamed():
    @keras.saving.register_keras_serializable("taut.tests")
    class Squared(layers.Layer):
        def call(self, x):
            return ops.square(x)

    model = sequential(layers.Dense(5), layers.Dropout(0.5), Squared(), layers.Dense(1))
    model.compile(taut.Proximal(keras.optimizers.SGD(0.02), taut.L1()), loss="mse")
    record = train_streamed(model, ArraySource(X, Y), [Lane((0.01,), 0)], folds=2, epochs=1)
    assert record.status == ("finished",)
