"""`taut.layers`: Keras's layers, the tutorials' names, and Standardize."""

import keras
import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

import taut
from taut import layers


def test_every_keras_layer_is_there_and_the_lower_case_names_are_penalties():
    assert layers.Dense is keras.layers.Dense
    assert layers.l1(0.1) == taut.L1(0.1)
    assert layers.l2(0.1) == taut.L2(0.1)
    assert {"Dense", "LSTM", "l1", "Standardize"} <= set(dir(layers))
    with pytest.raises(AttributeError):
        _ = layers.nothing


def test_standardize_is_scikit_learns_scaler():
    x = np.random.default_rng(0).normal(3, 2, (50, 4))
    x[:, 3] = 7.0
    layer = layers.Standardize()
    layer.adapt(x)
    expected = StandardScaler().fit_transform(x)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(x)), expected, atol=1e-5)


def test_standardize_fills_with_the_median():
    x = np.array([[1.0, np.nan], [3.0, np.nan], [20.0, np.nan], [np.nan, np.nan]])
    layer = layers.Standardize()
    layer.adapt(x)
    z = keras.ops.convert_to_numpy(layer(x))
    assert np.isfinite(z).all()
    filled = np.array([1.0, 3.0, 20.0, 3.0])
    np.testing.assert_allclose(z[:, 0], (filled - filled.mean()) / filled.std(), rtol=1e-5)
    assert (z[:, 1] == 0).all()


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")
def test_a_study_adapts_it_inside_each_fold(diabetes):
    from taut.studies import folds

    x, y = 5 + 3 * diabetes[0], diabetes[1]
    layer = layers.Standardize()
    model = keras.Sequential([keras.Input((10,)), layer, keras.layers.Dense(1)])
    model.compile("adam", loss="mse")
    result = taut.regularization_path(model, x, y, strengths=[0.01], cv=3, epochs=2)
    for trained, split in zip(result.models(0.01), folds(y, 3), strict=True):
        centre = trained.layers[0].centre.numpy()
        np.testing.assert_allclose(centre, x[split.train].mean(axis=0), rtol=1e-5)
    assert (layer.centre.numpy() == 0).all(), "the user's model is left as it was"
