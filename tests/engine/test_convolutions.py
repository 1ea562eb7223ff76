"""Convolutions as matrix products over patches: the same numbers, in lanes and in layers."""

import keras
import numpy as np
import pytest

import taut
from taut._keras.over_patches import over_patches
from taut.engine import Lane, Split, train_lanes
from taut.engine.batchwise import may_mix_rows
from taut.engine.convolutions import are_products, rows_at_a_time
from taut.engine.data.batches import Batches

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")


@pytest.mark.parametrize(
    ("kind", "shape", "options"),
    [
        ("Conv1D", (9, 3), {}),
        ("Conv1D", (9, 3), {"padding": "causal", "dilation_rate": 2}),
        ("Conv2D", (8, 7, 2), {}),
        ("Conv2D", (8, 7, 2), {"strides": 2, "padding": "same"}),
        ("Conv2D", (8, 7, 2), {"strides": (2, 3), "padding": "valid"}),
        ("Conv2D", (9, 9, 2), {"dilation_rate": (2, 1), "padding": "same"}),
        ("Conv3D", (4, 5, 6, 2), {"padding": "same"}),
        ("Conv2D", (6, 6, 4), {"groups": 2}),  # stays what it is
    ],
)
def test_a_product_is_the_convolution_and_has_its_gradients(kind, shape, options):
    import jax

    size = {"Conv1D": 3, "Conv2D": (3, 2), "Conv3D": 2}[kind]
    layer = getattr(keras.layers, kind)(4, size, **options)
    x = np.random.default_rng(0).normal(size=(5, *shape)).astype("float32")
    layer.build(x.shape)
    kernel = layer.kernel.value

    def total(x, kernel):
        value, _ = layer.stateless_call([kernel, layer.bias.value], [], x)
        return (value**2).sum(), value

    (_, plain), expected = jax.value_and_grad(total, (0, 1), has_aux=True)(x, kernel)
    with over_patches():
        (_, product), found = jax.value_and_grad(total, (0, 1), has_aux=True)(x, kernel)
        code = str(jax.make_jaxpr(lambda x: total(x, kernel)[1])(x))
    assert ("conv_general_dilated" in code) == ("groups" in options)
    np.testing.assert_allclose(product, plain, atol=1e-5)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    assert "conv_general_dilated" in str(jax.make_jaxpr(lambda x: total(x, kernel)[1])(x))


@pytest.mark.parametrize(
    ("kind", "shape", "options", "cut"),
    [
        ("MaxPooling1D", (9, 3), {"pool_size": 2}, True),
        ("MaxPooling2D", (7, 8, 2), {"pool_size": (2, 3)}, True),
        ("MaxPooling3D", (4, 5, 6, 2), {"pool_size": 2}, True),
        ("MaxPooling2D", (7, 8, 2), {"pool_size": 3, "strides": 2}, False),
        ("MaxPooling2D", (7, 8, 2), {"pool_size": 2, "padding": "same"}, False),
    ],
)
def test_the_maximum_of_windows_has_the_gradients_of_pooling_also_among_equals(
    kind, shape, options, cut
):
    import jax

    layer = getattr(keras.layers, kind)(**options)
    draw = np.random.default_rng(0)
    x = draw.integers(0, 3, size=(4, *shape)).astype("float32")
    weight = draw.normal(size=layer(x).shape).astype("float32")

    def total(x):
        value = layer(x)
        return (value * weight).sum(), value

    (_, plain), expected = jax.value_and_grad(total, has_aux=True)(x)
    with over_patches():
        (_, value), found = jax.value_and_grad(total, has_aux=True)(x)
        assert ("reduce_window_max" in str(jax.make_jaxpr(total)(x))) != cut
    np.testing.assert_array_equal(value, plain)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def network(*extra, convolution=None, head=1, loss="mse"):
    layers = convolution or keras.layers.Conv2D(4, 3, activation="relu")
    dense = keras.layers.Dense(head, "softmax" if head > 1 else None)
    model = keras.Sequential(
        [keras.Input((7, 6, 2)), layers, *extra, keras.layers.Flatten(), dense]
    )
    model.compile(taut.Proximal(keras.optimizers.SGD(0.05), taut.L1()), loss=loss)
    return model


@pytest.fixture(scope="module")
def images():
    draw = np.random.default_rng(1)
    x = draw.normal(size=(75, 7, 6, 2)).astype("float32")
    return x, x[:, 2, 3, 0] + 0.5 * x[:, 4, 1, 1]


@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_of_pieces_of_a_batch_are_those_of_the_batch(images, weighted):
    """Batches of 20 rows in pieces of 16 and 4, the last of an epoch of 15."""
    x, y = images
    weight = np.linspace(0, 2, len(y)).astype("float32") if weighted else None
    model = network()
    assert rows_at_a_time(model, x, y) == 16
    lanes = [Lane((0.01,), 0, None), Lane((0.3,), 1, None)]
    splits = [Split(np.arange(55), np.arange(55, 75)), Split(np.arange(20, 75), np.arange(20))]
    record = train_lanes(
        model, x, y, lanes, splits=splits, sample_weight=weight, epochs=2, batch_size=20
    )
    batches = Batches(splits, 20)
    start = model.get_weights()
    for k, lane in enumerate(lanes):
        model.set_weights(start)
        model.optimizer.strengths[0].assign(lane.strengths[0])
        for epoch in range(2):
            for rows in batches.train(lane.split, None, epoch):
                rows = rows[rows >= 0]
                own = None if weight is None else weight[rows]
                model.train_on_batch(x[rows], y[rows], sample_weight=own)
        for ours, theirs in zip(record.trainable, model.get_weights(), strict=False):
            np.testing.assert_allclose(ours[k], theirs, atol=1e-6)
        held_out = splits[lane.split].held_out
        errors = (model.predict(x[held_out], verbose=0)[:, 0] - y[held_out]) ** 2
        mean = np.average(errors, weights=None if weight is None else weight[held_out])
        assert record.held_out_loss[k, -1] == pytest.approx(mean, rel=1e-5)


def test_what_looks_across_rows_is_not_cut(images):
    layers = keras.layers
    assert rows_at_a_time(network(layers.BatchNormalization()), *images) is None
    assert rows_at_a_time(network(layers.Dropout(0.1)), *images) == 16
    assert rows_at_a_time(network(layers.RandomFlip()), *images) == 16
    assert may_mix_rows(network(layers.RandomCrop(4, 4)))  # one place for all
    for name in ("MixUp", "CutMix"):  # of some versions of Keras
        assert not hasattr(layers, name) or may_mix_rows(network(getattr(layers, name)()))
    assert are_products(network())
    for other in (
        layers.Conv2D(4, 3, groups=2),
        layers.DepthwiseConv2D(3),
        layers.Conv2DTranspose(4, 3),
    ):
        assert not are_products(network(convolution=other))


@pytest.mark.parametrize("kind", ["DepthwiseConv2D", "SeparableConv2D", "BatchNormalization"])
def test_other_convolutions_and_normalisation_train_as_in_keras(images, kind):
    x, y = images
    if kind == "BatchNormalization":
        model = network(keras.layers.BatchNormalization())
    else:
        size = (3,) if kind == "DepthwiseConv2D" else (4, 3)
        model = network(convolution=getattr(keras.layers, kind)(*size))
    record = train_lanes(model, x, y, [Lane((0.01,), 0, None)], epochs=1, batch_size=20)
    model.optimizer.strengths[0].assign(0.01)
    for rows in Batches([Split(np.arange(75))], 20).train(0, None, 0):
        model.train_on_batch(x[rows[rows >= 0]], y[rows[rows >= 0]])
    for ours, variable in zip(record.trainable, model.trainable_variables, strict=True):
        np.testing.assert_allclose(ours[0], variable, atol=1e-5)
