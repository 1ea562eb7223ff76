"""Gradients that are sparse, missing or of frozen layers: the law, or exactly what happens."""

import warnings

import keras
import numpy as np
import pytest

import taut
from tests.conftest import coefficients, fit_full_batches, minimise, one_layer

STEPS = 300
STRENGTH = 0.1


def decay(rate):
    return keras.optimizers.schedules.CosineDecay(rate, STEPS)


@pytest.fixture(scope="module")
def words():
    """One word a row, most words many times and the last one never, and the exact minimum."""
    rng = np.random.default_rng(0)
    tokens = np.minimum(rng.integers(0, 6, size=(80, 1)), 4)
    y = np.array([2, -1.0, 0.05, 0.6, -0.1])[tokens[:, 0]] + 0.1 * rng.normal(size=80)
    exact = np.zeros(6)
    for word in range(5):
        mean, share = y[tokens[:, 0] == word].mean(), (tokens == word).mean()
        exact[word] = np.sign(mean) * max(abs(mean) - STRENGTH / (2 * share), 0)
    return tokens, y.astype("float32"), exact


# TensorFlow's gradient of an embedding is a list of slices, in which a word may occur twice.
@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.optimizers.SGD(0.2, momentum=0.9),
        lambda: keras.optimizers.SGD(2.0, clipnorm=0.15),
        lambda: keras.optimizers.SGD(2.0, clipvalue=0.05),
        lambda: keras.optimizers.SGD(2.0, global_clipnorm=0.15),
        lambda: keras.optimizers.SGD(1.0, gradient_accumulation_steps=2),
        lambda: keras.optimizers.Adam(decay(0.1), clipnorm=0.15),
        lambda: keras.optimizers.Nadam(decay(0.1)),
        lambda: keras.optimizers.RMSprop(decay(0.1)),
        lambda: keras.optimizers.Adagrad(0.5),
        lambda: keras.optimizers.Adadelta(decay(50.0), clipnorm=0.3),
        lambda: keras.optimizers.Adafactor(decay(0.5)),
    ],
    ids=[
        *("momentum", "clipnorm", "clipvalue", "global_clipnorm", "accumulated", "adam"),
        *("nadam", "rmsprop", "adagrad", "adadelta", "adafactor"),
    ],
)
def test_an_embedding_reaches_its_minimum(make, words):
    tokens, y, exact = words
    model = keras.Sequential(
        [keras.Input((1,), dtype="int32"), keras.layers.Embedding(6, 1), keras.layers.Flatten()]
    )
    model.compile(taut.Proximal(make(), taut.L1(STRENGTH)), "mse")
    model.optimizer.build(model.trainable_variables)
    minimise(model, tokens, y, STEPS)
    found = coefficients(model)
    np.testing.assert_array_equal(found != 0, exact != 0)
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-5)


def test_an_embedding_in_fit(words):
    tokens, y, exact = words
    model = keras.Sequential(
        [keras.Input((1,), dtype="int32"), keras.layers.Embedding(6, 1), keras.layers.Flatten()]
    )
    optimizer = keras.optimizers.SGD(2.0, momentum=0.5, clipnorm=0.15)
    model.compile(taut.Proximal(optimizer, taut.L1(STRENGTH)), "mse")
    fit_full_batches(model, tokens, y, 150)
    np.testing.assert_allclose(coefficients(model), exact, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_a_variable_that_is_not_in_a_step_stays(momentum):
    variables = [keras.Variable(np.ones(3), name=name) for name in ("a", "b")]
    optimizer = taut.Proximal(
        keras.optimizers.SGD(0.5, momentum=momentum), {lambda variable: True: taut.L1(0.2)}
    )
    optimizer.build(variables)
    zero = keras.ops.zeros(3)

    def values():
        return [keras.ops.convert_to_numpy(v)[0] for v in variables]

    optimizer.apply([zero], variables[:1])
    assert values() == pytest.approx([0.9, 1.0])
    optimizer.apply([zero, zero], variables)
    # The summed step of momentum has grown for the first alone.
    assert values() == pytest.approx([0.9 - 0.2 * 0.5 * (1 + momentum), 0.9])


@pytest.mark.parametrize("make", [keras.optimizers.SGD, keras.optimizers.Adam])
def test_no_gradient_is_a_gradient_of_zeros(make):
    """Where no loss depends on a weight, torch and TensorFlow give None, and JAX zeros."""
    found = []
    for missing in (None, keras.ops.zeros(3)):
        variables = [keras.Variable(np.ones(3), name=name) for name in ("a", "b", "bias")]
        optimizer = taut.Proximal(make(0.1), {"a|b": taut.L1(0.2)})
        optimizer.build(variables)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Gradients do not exist")
            for _ in range(3):
                optimizer.apply([keras.ops.ones(3), missing, missing], variables)
        found.append([keras.ops.convert_to_numpy(v) for v in variables])
    np.testing.assert_array_equal(*found)
    assert (found[0][1] < 1).all()
    np.testing.assert_array_equal(found[0][2], 1)


def test_a_group_of_which_a_part_is_not_in_a_step_stays_there():
    model = taut.models.Sequential(
        [keras.Input((2,)), keras.layers.Dense(3, name="first"), keras.layers.Dense(1)]
    )
    penalty = taut.GroupLasso(0.5, groups="units", weights="unit")
    model.compile(keras.optimizers.SGD(0.5), "mse", weight_regularizer=penalty)
    optimizer, layer = model.optimizer, model.get_layer("first")
    optimizer.build(model.trainable_variables)
    kernel = np.array([[3.0, 3.0, 3.0], [4.0, 4.0, 4.0]], "float32")
    layer.set_weights([kernel, np.ones(3)])
    zero = keras.ops.zeros((2, 3))
    optimizer.apply([zero], [layer.kernel])
    found, bias = layer.get_weights()
    np.testing.assert_array_equal(bias, 1)
    assert (found < kernel).all()
    # u = w·r/(r + s·α) for the weights that move, with Σ u² + 1 = r² over the group.
    size = np.sqrt((found**2).sum(0) + 1)
    np.testing.assert_allclose(found, kernel * size / (size + 0.25), rtol=1e-5)


def test_a_frozen_layer_is_not_penalised(diabetes):
    x, y = diabetes
    model = keras.Sequential(
        [
            keras.Input((10,)),
            keras.layers.Dense(4, name="frozen", trainable=False),
            keras.layers.Dense(1, name="last"),
        ]
    )
    model.compile(taut.Proximal(keras.optimizers.SGD(0.1), taut.L1(10.0)), "mse")
    before = model.get_layer("frozen").kernel.numpy()
    model.fit(x, y, epochs=3, verbose=0)
    np.testing.assert_array_equal(model.get_layer("frozen").kernel.numpy(), before)
    assert not model.get_layer("last").kernel.numpy().any()
    assert [v.path.split("/")[-2] for v in taut.explain(model).variables] == ["last", "last"]


def test_a_layer_frozen_while_training_stays(diabetes):
    x, y = diabetes
    model = keras.Sequential(
        [keras.Input((10,)), keras.layers.Dense(4, name="first"), keras.layers.Dense(1)]
    )
    model.compile(taut.Proximal(keras.optimizers.Adam(0.01), taut.L1(0.3)), "mse")
    model.fit(x, y, epochs=3, verbose=0)
    before = model.get_layer("first").kernel.numpy()
    assert before.any()
    model.get_layer("first").trainable = False
    # Keras says that a model must be compiled again; on JAX it cannot go on without.
    model.compile(taut.Proximal(keras.optimizers.Adam(0.01), taut.L1(0.3)), "mse")
    model.fit(x, y, epochs=3, verbose=0)
    np.testing.assert_array_equal(model.get_layer("first").kernel.numpy(), before)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="Keras for JAX compiles again")
def test_a_layer_frozen_without_compiling_again_stays(diabetes):
    x, y = diabetes
    model = keras.Sequential(
        [keras.Input((10,)), keras.layers.Dense(4, name="first"), keras.layers.Dense(1)]
    )
    model.compile(taut.Proximal(keras.optimizers.Adam(0.01), taut.L1(0.3)), "mse")
    model.optimizer.build(model.trainable_variables)
    model.get_layer("first").trainable = False
    before = model.get_layer("first").kernel.numpy()
    last = model.layers[-1].kernel.numpy()
    model.fit(x, y, epochs=3, verbose=0)
    np.testing.assert_array_equal(model.get_layer("first").kernel.numpy(), before)
    assert (model.layers[-1].kernel.numpy() != last).all()


@pytest.mark.parametrize("clipping", ["clipnorm", "global_clipnorm"])
def test_a_weight_that_a_batch_does_not_reach_is_clipped_as_the_others(clipping):
    """Otherwise it would be shrunk more by the batches without it than by those with it."""
    variables = [keras.Variable(np.ones(2), name=name) for name in ("a", "b")]
    optimizer = keras.optimizers.SGD(0.1, **{clipping: 0.5})
    optimizer = taut.Proximal(optimizer, {lambda variable: True: taut.L1(0.2)})
    optimizer.build(variables)
    gradients = [keras.ops.convert_to_tensor(g, "float32") for g in ([5, 0], [0, 0])]
    optimizer.apply(gradients, variables)
    moved, other = (keras.ops.convert_to_numpy(v) for v in variables)
    assert moved == pytest.approx([1 - 0.1 * 0.1 * (5 + 0.2), 1 - 0.1 * 0.1 * 0.2])
    alone = 1 if clipping == "clipnorm" else 0.1  # by itself it is not clipped
    assert other == pytest.approx(1 - 0.1 * alone * 0.2)


def test_clipping_leaves_what_is_not_clipped(diabetes):
    x, y = diabetes
    options = [{}, {"clipnorm": 1e6}, {"clipvalue": 1e6}, {"global_clipnorm": 1e6}]
    models = [
        one_layer(10, "mse", taut.Proximal(keras.optimizers.Adam(0.05, **kw), taut.L1(0.1)))
        for kw in options
    ]
    for model in models:
        model.set_weights(models[0].get_weights())
    for model in models:
        minimise(model, x, y, 20)
    for model in models[1:]:
        np.testing.assert_allclose(coefficients(model), coefficients(models[0]), rtol=1e-5)
