"""Layers that learn statistics learn those of what reaches them, wherever they are."""

import keras
import numpy as np
import pytest
from keras import ops

import taut
from taut import layers
from taut.engine import ArraySource, Split
from taut.engine.data.hashing import fold_of, row_hash
from taut.errors import InputError, UnsupportedError
from taut.studies import fold_values

JAX = keras.backend.backend() == "jax"
ROWS = 60
SPLITS = [Split(np.arange(40), np.arange(40, 60)), Split(np.arange(20, 60), np.arange(20))]


def rows(*shape):
    return np.random.default_rng(3).normal(50, 4, (ROWS, *shape)).astype("float32")


def check(model, layer, reaching, *, x, splits=SPLITS):
    """The layer learns mean and deviation of what reaches it, [rows, …, columns]."""
    for values, split in zip(fold_values(model, x, splits), splits, strict=True):
        of_rows = reaching[split.train].reshape(-1, reaching.shape[-1]).astype("float64")
        np.testing.assert_allclose(values[layer.centre.path], of_rows.mean(0), rtol=1e-5, atol=1e-5)
        deviation = 1 / values[layer.multiplier.path]
        np.testing.assert_allclose(deviation, of_rows.std(0), rtol=1e-4)
    if JAX:
        check_streamed(model, layer, x)


def check_streamed(model, layer, x):
    """The same of rows in pieces as in memory, of every layer."""
    from taut.studies.streamed_folds import streamed_fold_values

    y = np.arange(ROWS, dtype="float32")
    for folds in (1, 3):
        found = streamed_fold_values(model, ArraySource(x, y), folds, seed=1, rows=7)
        fold = fold_of(row_hash(x, y), folds, 1)
        splits = [Split(np.flatnonzero((fold != k) | (folds == 1))) for k in range(folds)]
        for ours, theirs in zip(found, fold_values(model, x, splits), strict=True):
            assert ours.keys() == theirs.keys()
            assert layer.centre.path in ours
            for name, values in theirs.items():
                np.testing.assert_allclose(ours[name], values, rtol=1e-5, atol=1e-5, err_msg=name)


def test_behind_a_rescaling():
    layer = layers.Standardize()
    stack = [keras.Input((3,)), keras.layers.Rescaling(0.1, -5.0), layer, keras.layers.Dense(1)]
    x = rows(3)
    check(keras.Sequential(stack), layer, 0.1 * x - 5, x=x)


@pytest.mark.parametrize("container", [dict, list, tuple])
def test_inputs_that_are_a_tree(container):
    left, right = keras.Input((2,), name="left"), keras.Input((3,), name="right")
    layer = layers.Standardize()
    made = keras.layers.Dense(1)(layer(keras.layers.Concatenate()([left, right])))
    names = {"left": left, "right": right}
    tree = names if container is dict else container(names.values())
    x = {"left": rows(2), "right": -rows(3)}
    joined = np.concatenate(list(x.values()), axis=1)
    x = x if container is dict else container(x.values())
    check(keras.Model(tree, made), layer, joined, x=x)


@pytest.mark.slow
def test_steps_count_like_rows_and_masked_ones_do_not():
    x = rows(5, 2)
    x[10:30, 3:] = 0.0
    inputs = keras.Input((5, 2))
    for mask in (False, True):
        layer = layers.Standardize()
        masked = keras.layers.Masking(0.0)(inputs) if mask else inputs
        model = keras.Model(inputs, keras.layers.LSTM(2)(layer(masked)))
        there = np.full((ROWS, 5), True)
        there[10:30, 3:] = not mask
        for values, split in zip(fold_values(model, x, SPLITS), SPLITS, strict=True):
            own = x[split.train][there[split.train]].astype("float64")
            np.testing.assert_allclose(values[layer.centre.path], own.mean(0), rtol=1e-5)
            np.testing.assert_allclose(1 / values[layer.multiplier.path], own.std(0), rtol=1e-4)
        if JAX:
            check_streamed(model, layer, x)


def test_a_mask_goes_on_behind_it():
    x = rows(4, 2)
    x[:, 2:] = 0.0
    inputs = keras.Input((4, 2))
    layer, lstm = layers.Standardize(), keras.layers.LSTM(2)
    model = keras.Model(inputs, lstm(layer(keras.layers.Masking(0.0)(inputs))))
    layer.adapt(x[:, :2])
    short = lstm(layer(x[:, :2]))
    np.testing.assert_allclose(
        model.predict(x, verbose=0), ops.convert_to_numpy(short), rtol=1e-4, atol=1e-6
    )


def test_missing_values_are_filled_with_the_median_of_what_reaches_it():
    x = rows(2)
    x[::7, 1] = np.nan
    layer = layers.Standardize()
    model = keras.Sequential([keras.Input((2,)), keras.layers.Rescaling(2.0), layer])
    for values, split in zip(fold_values(model, x, SPLITS), SPLITS, strict=True):
        fill = np.nanmedian(2 * x[split.train], axis=0)
        np.testing.assert_allclose(values[layer.fill.path], fill, rtol=1e-6)
    if JAX:
        check_streamed(model, layer, x)


def test_one_behind_another_learns_from_what_that_makes_in_each_fold():
    first, second = layers.Standardize(), layers.Standardize()
    inputs = keras.Input((2,))
    model = keras.Model(inputs, second(ops.square(first(inputs))))
    x = rows(2)
    for values, split in zip(fold_values(model, x, SPLITS), SPLITS, strict=True):
        own = x[split.train].astype("float64")
        squares = ((own - own.mean(0)) / own.std(0)) ** 2
        np.testing.assert_allclose(values[second.centre.path], squares.mean(0), rtol=1e-4)
        np.testing.assert_allclose(1 / values[second.multiplier.path], squares.std(0), rtol=1e-3)
    if JAX:
        check_streamed(model, second, x)


def test_a_shared_one_learns_from_all_its_calls():
    left, right = keras.Input((3, 2)), keras.Input((5, 2))
    layer, pool = layers.Standardize(), keras.layers.GlobalAveragePooling1D()
    model = keras.Model([left, right], pool(layer(left)) + pool(layer(right)))
    x = [rows(3, 2), 10 + rows(5, 2)]
    for values, split in zip(fold_values(model, x, SPLITS), SPLITS, strict=True):
        own = np.concatenate([a[split.train].reshape(-1, 2) for a in x]).astype("float64")
        np.testing.assert_allclose(values[layer.centre.path], own.mean(0), rtol=1e-5)
    if JAX:
        check_streamed(model, layer, x)


def test_branches_beside_trained_layers():
    """What is beside it may be trained; what is before it may not."""
    inputs = keras.Input((3,))
    layer = layers.Standardize()
    branch = layer(keras.layers.Rescaling(3.0)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3, "relu")(inputs) + branch)
    x = rows(3)
    check(model, layer, 3 * x, x=x)


def test_inside_a_nested_and_a_subclassed_model():
    layer = layers.Standardize(name="own")
    inner = keras.Sequential([keras.Input((3,)), layer, keras.layers.Dense(2)], name="inner")

    class Outer(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = inner

        def call(self, x):
            return self.inner(x / 2)

    x, model = rows(3), Outer()
    model(x[:1])
    check(model, layer, x / 2, x=x)


def test_two_dimensional_steps_of_an_integer_input():
    layer = layers.Standardize()
    model = keras.Sequential([keras.Input((4, 4, 1), dtype="uint8"), layer, keras.layers.Flatten()])
    x = np.random.default_rng(0).integers(0, 255, (ROWS, 4, 4, 1)).astype("uint8")
    check(model, layer, x, x=x)


class _Off(keras.layers.Layer):
    def call(self, x):
        return ops.relu(x - 1e6)


@pytest.mark.parametrize(
    "before",
    [
        lambda: [keras.layers.Dense(3)],
        lambda: [keras.layers.Dense(3), _Off()],  # no weight of it is felt, as it is now
        lambda: [keras.layers.Dense(3), layers.Standardize(name="first")],  # which fills NaN
        lambda: [keras.layers.BatchNormalization(center=False, scale=False)],
    ],
    ids=["dense", "off", "filled", "moving averages"],
)
def test_what_is_trained_before_it_is_refused(before):
    model = keras.Sequential([keras.Input((3,)), *before(), layers.Standardize(name="own")])
    with pytest.raises(InputError, match=r"nothing before it may change.*(own|first).*behind"):
        fold_values(model, rows(3), SPLITS)


def test_a_frozen_layer_before_it_is_well():
    dense, layer = keras.layers.Dense(3, trainable=False), layers.Standardize()
    model = keras.Sequential([keras.Input((3,)), dense, layer, keras.layers.Dense(1)])
    x = rows(3)
    check(model, layer, ops.convert_to_numpy(dense(x)), x=x)


def test_a_circle_a_name_twice_and_a_layer_aside_are_refused():
    inputs = keras.Input((3,))
    layer = layers.Standardize(name="own")
    with pytest.raises(InputError, match="'own' behind own/"):
        fold_values(keras.Model(inputs, layer(layer(inputs))), rows(3), SPLITS)

    def part():
        own = keras.Input((3,))
        return keras.Model(own, keras.layers.Dense(1)(layers.Standardize(name="own")(own)))

    model = keras.Model(inputs, part()(inputs) + part()(inputs))
    with pytest.raises(InputError, match="must differ in their names"):
        fold_values(model, rows(3), SPLITS)

    class Aside(keras.Model):
        def __init__(self):
            super().__init__()
            self.own, self.dense = layers.Standardize(name="own"), keras.layers.Dense(1)
            self.own.build((None, 3))

        def call(self, x):
            return self.dense(x)

    model = Aside()
    model(rows(3))
    with pytest.raises(UnsupportedError, match=r"must be reached.*own"):
        fold_values(model, rows(3), SPLITS)


def test_a_path_learns_what_reaches_it(diabetes):
    """The issue's case: the chosen models' means are of the rescaled inputs."""
    x, y = 50 + diabetes[0], diabetes[1]
    layer = layers.Standardize()
    stack = [keras.Input((10,)), keras.layers.Rescaling(1.0, -50.0), layer, keras.layers.Dense(1)]
    model = keras.Sequential(stack)
    model.compile("adam", loss="mse")
    result = taut.regularization_path(model, x, y, strengths=[0.01], cv=2, epochs=2)
    for trained, split in zip(result.models(), taut.studies.folds(y, 2), strict=True):
        centre = ops.convert_to_numpy(trained.layers[1].centre)
        np.testing.assert_allclose(centre, (x[split.train] - 50).mean(0), atol=1e-4)
    assert (ops.convert_to_numpy(layer.centre) == 0).all(), "the user's model is left as it was"
