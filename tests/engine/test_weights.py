"""Every output with a loss is checked and weighted on its own, on every backend, as Keras does."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import taut
from taut._losses import data_loss_value, loss_parts
from taut._weights import checked_targets
from taut.engine import Lane, Split, train_lanes
from taut.engine.data.batches import Batches
from taut.errors import InputError, UnsupportedError

RNG = np.random.default_rng(0)
ROWS, STEPS = 12, 4  # batches of STEPS rows: weights laid along the wrong axis would fit too
X = RNG.normal(size=(ROWS, STEPS, 3)).astype("float32")
SEQ = RNG.normal(size=(ROWS, STEPS, 1)).astype("float32")
ONE = RNG.normal(size=(ROWS, 1)).astype("float32")
WEIGHT = RNG.uniform(0.2, 3, size=ROWS).astype("float32")
BY_STEP = RNG.uniform(0.2, 3, size=(ROWS, STEPS)).astype("float32")
ALL = [Split(np.arange(10), np.arange(10, ROWS))]  # batches of 4, 4 and 2


def two(kind):
    x = keras.Input((STEPS, 3))
    seq = layers.Dense(1, name="seq")(x)
    one = layers.Dense(1, name="one")(layers.Flatten()(x))
    if kind == "list":
        return keras.Model(x, [one, seq])
    if kind == "nested":
        return keras.Model(x, {"a": {"one": one}, "b": seq})
    return keras.Model(x, {"one": one, "seq": seq})


def compiled(model, loss, **arguments):
    optimizer = taut.Proximal(keras.optimizers.SGD(0.1), taut.L1(0.01))
    model.compile(optimizer=optimizer, loss=loss, **arguments)
    optimizer.build(model.trainable_variables)
    return model


CASES = {
    "one of two, by name": ("dict", {"seq": "mse"}, {"seq": SEQ}, {}, [WEIGHT]),
    "one of two, None": ("list", [None, "mse"], [ONE, SEQ], {}, [WEIGHT, WEIGHT]),
    "both, one target each": ("list", ["mse", "mae"], [ONE, SEQ], {}, [2 * WEIGHT, WEIGHT]),
    "loss weights": (
        "dict",
        {"one": "mse", "seq": "mae"},
        {"one": ONE, "seq": SEQ},
        {"loss_weights": {"one": 0.3, "seq": 2.0}},
        [WEIGHT, BY_STEP],
    ),
    "one loss for all": ("list", "mse", [ONE, SEQ], {}, [WEIGHT, WEIGHT]),
    "nested": ("nested", "mse", {"a": {"one": ONE}, "b": SEQ}, {}, [WEIGHT, BY_STEP]),
}


def as_keras_has_them(y, weights):
    """By the axes of the losses: Keras lays [rows] along the last axis."""
    shaped = [
        np.broadcast_to(w.reshape(ROWS, -1), a.shape[:2]) if a.ndim == 3 else w
        for a, w in zip(keras.tree.flatten(y), weights, strict=True)
    ]
    return keras.tree.pack_sequence_as(y, shaped)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")  # of Keras, but for JAX
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_a_lane_of_several_outputs_is_what_keras_trains(case, weighted):
    kind, loss, y, more, weights = CASES[case]
    model = compiled(two(kind), loss, **more)
    given = keras.tree.pack_sequence_as(y, weights) if weighted else None
    record = train_lanes(
        model, X, y, [Lane((0.01,), 0, None)], splits=ALL, epochs=2, batch_size=STEPS,
        sample_weight=given,
    )  # fmt: skip
    shaped = as_keras_has_them(y, weights) if weighted else None
    take = lambda some, rows: keras.tree.map_structure(lambda a: a[rows], some)  # noqa: E731
    for epoch in range(2):
        for rows in Batches(ALL, STEPS).train(0, None, epoch):
            rows = rows[rows >= 0]
            own = None if shaped is None else take(shaped, rows)
            model.train_on_batch(X[rows], take(y, rows), sample_weight=own)
    rows = ALL[0].held_out
    own = None if shaped is None else take(shaped, rows)
    held_out = model.test_on_batch(X[rows], take(y, rows), sample_weight=own, return_dict=True)
    for values, variable in zip(record.trainable, model.trainable_variables, strict=True):
        np.testing.assert_allclose(
            values[0], ops.convert_to_numpy(variable), atol=2e-6, err_msg=variable.path
        )
    # Keras's loss is Σ w·l / n; a record's Σ w·l / Σ w, which other rows' can be compared with.
    counted = np.mean([w[rows].mean() for w in weights]) if weighted else 1.0
    assert record.held_out_loss[0, -1] == pytest.approx(held_out["loss"] / counted, rel=1e-5)


def one_number(y, prediction):
    return ops.mean(ops.square(y - prediction))


def by_step(y, prediction):
    return ops.mean(ops.square(y - prediction), axis=0)


class OwnCall(keras.losses.Loss):
    def __call__(self, y_true, y_pred, sample_weight=None):
        return ops.sum(ops.square(y_true - y_pred))


MSE = keras.losses.MeanSquaredError
REFUSED = {
    "sum": (lambda: MSE(reduction="sum"), "reduction='sum'"),
    "none": (lambda: MSE(reduction="none"), "reduction='none'"),
    "None": (lambda: MSE(reduction=None), "reduction=None"),
    "by weight": (lambda: MSE(reduction="mean_with_sample_weight"), "mean_with_sample_weight"),
    "one number": (lambda: one_number, "one number for the batch"),
    "steps alone": (lambda: by_step, "without an axis of rows"),
    "its own call": (OwnCall, "`__call__` of its own"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_loss_that_is_no_mean_of_rows_is_refused_beside_an_output_without_a_loss(case):
    loss, message = REFUSED[case]
    model = compiled(two("dict"), {"seq": loss()})
    before = [np.array(w) for w in model.get_weights()]
    with pytest.raises(UnsupportedError, match=message):
        train_lanes(model, X, {"seq": SEQ}, [Lane((0.1,))], batch_size=STEPS, epochs=1)
    with pytest.raises(UnsupportedError, match=message):
        taut.regularization_path(model, X, {"seq": SEQ}, strengths=[0.1], cv=2, epochs=1)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_of_another_shape_are_refused_before_training():
    model = compiled(two("list"), [None, "mse"])
    for weight in (
        np.ones((ROWS, 3)),
        np.ones(ROWS - 1),
        np.ones((ROWS, STEPS, 2)),
        np.zeros(ROWS),
    ):
        with pytest.raises(InputError, match="`sample_weight` must"):
            checked_targets(model, X, [ONE, SEQ], [WEIGHT, weight])


@pytest.mark.parametrize(
    ("y", "weights"),
    [
        ([ONE, SEQ], [WEIGHT] * 3),
        ([ONE, SEQ], [WEIGHT]),
        ([ONE, SEQ], {"one": WEIGHT, "seq": WEIGHT}),
        ({"one": ONE, "seq": SEQ}, {"one": WEIGHT}),
        ({"one": ONE, "seq": SEQ}, {"one": WEIGHT, "other": WEIGHT}),
        ({"one": ONE, "seq": SEQ}, [WEIGHT, WEIGHT]),
    ],
)
def test_no_output_gets_the_weights_of_another(y, weights):
    model = compiled(two("dict" if isinstance(y, dict) else "list"), "mse")
    with pytest.raises(InputError, match="or one for each in `y`, by the same names"):
        checked_targets(model, X, y, weights)


def test_weights_may_be_a_list_of_numbers():
    model = compiled(two("list"), "mse")
    _, found = checked_targets(model, X, [ONE, SEQ], WEIGHT.tolist())
    np.testing.assert_array_equal(found, WEIGHT)
    _, both = checked_targets(model, X, [ONE, SEQ], [WEIGHT, BY_STEP])
    assert [w.shape for w in both] == [WEIGHT.shape, BY_STEP.shape]


def test_the_weighted_loss_is_that_of_a_sum_over_rows():
    model = compiled(two("dict"), {"seq": "mse", "one": "mae"})
    y = {"one": ONE, "seq": SEQ}
    prediction = model(X)
    value = data_loss_value(model, y, prediction, WEIGHT)
    seq, one = (ops.convert_to_numpy(prediction[k]) for k in ("seq", "one"))
    expected = (WEIGHT[:, None] * (seq - SEQ)[..., 0] ** 2).mean()
    expected += (WEIGHT * np.abs(one - ONE)[:, 0]).mean()
    assert float(ops.convert_to_numpy(value)) == pytest.approx(expected, rel=1e-5)


def classifier(shape, classes, loss, activation="softmax"):
    model = keras.Sequential([keras.Input(shape), layers.Dense(classes, activation=activation)])
    return compiled(model, loss)


LABELS = RNG.integers(0, 3, size=ROWS)
CLASSES = {0: 2.0, 2: 0.25}
FLAT = RNG.normal(size=(ROWS, 3)).astype("float32")
SOFT = RNG.dirichlet(np.ones(3), size=ROWS).astype("float32")
SPARSE, SHARES = "sparse_categorical_crossentropy", "categorical_crossentropy"


@pytest.mark.parametrize(
    ("y", "units", "loss", "activation"),
    [
        (LABELS, 3, SPARSE, "softmax"),
        (LABELS[:, None], 3, SPARSE, "softmax"),
        (np.eye(3)[LABELS], 3, SHARES, "softmax"),
        (SOFT, 3, SHARES, "softmax"),
        (np.linspace(0, 2, ROWS)[:, None], 1, "mse", "linear"),
        (np.linspace(0, 1, ROWS), 1, "mse", "linear"),
        ((SOFT > 0.3).astype(int), 3, "bce", "sigmoid"),
    ],
    ids=["[rows]", "[rows, 1]", "one-hot", "shares", "soft", "numbers", "several labels"],
)
def test_class_weights_of_rows_are_those_of_keras(y, units, loss, activation):
    from keras.src.trainers.data_adapters.data_adapter_utils import class_weight_to_sample_weights

    model = classifier((3,), units, loss, activation)
    _, found = checked_targets(model, FLAT, y, None, CLASSES)
    np.testing.assert_array_equal(found, class_weight_to_sample_weights(y, CLASSES))


def test_class_weights_of_steps_are_those_of_each_step():
    labels = RNG.integers(0, 3, size=(ROWS, STEPS))
    expected = np.array([CLASSES.get(k, 1.0) for k in labels.ravel()]).reshape(labels.shape)
    sparse = classifier((STEPS, 3), 3, SPARSE)
    one_hot = np.eye(3, dtype="float32")[labels]
    shares = classifier((STEPS, 3), 3, SHARES)
    for model, y in ((sparse, labels), (sparse, labels[..., None]), (shares, one_hot)):
        _, found = checked_targets(model, X, y, None, CLASSES)
        np.testing.assert_allclose(found, expected)


def test_balanced_class_weights_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_sample_weight

    model = classifier((3,), 3, SPARSE)
    _, found = checked_targets(model, FLAT, LABELS, None, "balanced")
    np.testing.assert_allclose(found, compute_sample_weight("balanced", LABELS), rtol=1e-6)


@pytest.mark.parametrize("loss", [SPARSE, SHARES])
def test_a_class_that_no_row_has_may_have_a_weight(loss):
    there = np.minimum(LABELS, 1)
    y = there if loss == SPARSE else np.eye(3)[there]
    _, found = checked_targets(classifier((3,), 3, loss), FLAT, y, None, {0: 2.0, 2: 5.0})
    np.testing.assert_array_equal(found, np.where(there == 0, 2.0, 1.0))


@pytest.mark.parametrize(
    "wrong",
    [
        {0: -1.0},
        {0: np.nan},
        {1: np.inf},
        {"a": 1.0},
        {0.5: 1.0},
        {0: 0.0, 1: 0, 2: 0.0},
        {7: 2.0},
        {1: 1.0, 2: 1.0, 3: 2.0},  # of three classes, counted from 1
        "equal",
        3,
    ],
    ids=repr,
)
def test_wrong_class_weights_are_refused(wrong):
    with pytest.raises(InputError, match="`class_weight` must"):
        checked_targets(classifier((3,), 3, SPARSE), FLAT, LABELS, None, wrong)


def test_the_parts_of_a_loss_are_known_without_computing_it():
    parts = loss_parts(compiled(two("list"), [None, "mse"]), X, [ONE, SEQ])
    assert [(part.shape[1:], part.leaves, part.masked) for part in parts] == [
        ((STEPS,), (1,), False)
    ]
