"""Models with proximal optimizers are saved and go on training from where they were."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

import taut

OPTIMIZERS = {
    "momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "adam": lambda: keras.optimizers.Adam(0.01, amsgrad=True),
    "average": lambda: keras.optimizers.SGD(0.05, momentum=0.9, use_ema=True),
    "accumulated": lambda: keras.optimizers.SGD(0.05, momentum=0.9, gradient_accumulation_steps=2),
    "lamb": lambda: keras.optimizers.Lamb(0.01),
}


def trained(make, data):
    dense = keras.layers.Dense
    model = keras.Sequential([keras.Input((10,)), dense(3), dense(1)])
    optimizer = taut.Proximal(make(), taut.L1(0.01) + taut.L2(0.02))
    model.compile(optimizer, keras.losses.MeanSquaredError())
    return more(model, data)


def more(model, data):
    model.fit(*data, epochs=2, shuffle=False, verbose=0)
    return model


def values(variables):
    return [np.array(ops.convert_to_numpy(v)) for v in variables]


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=list(OPTIMIZERS))
def test_a_saved_model_goes_on_as_if_it_had_not_been(make, diabetes, tmp_path):
    model = trained(make, diabetes)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    pairs = zip(values(model.optimizer.variables), values(loaded.optimizer.variables), strict=True)
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours, theirs)
    for one in (model, loaded):
        more(one, diabetes)
    for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=list(OPTIMIZERS))
def test_an_hdf5_file_is_written_and_trains_on(make, diabetes, tmp_path):
    """Keras itself reads no optimizer's state from one: it begins anew, with its penalties."""
    model = trained(make, diabetes)
    paths = [v.path for v in model.optimizer.variables]
    assert len(set(paths)) == len(paths)
    model.save(tmp_path / "model.h5")
    loaded = keras.saving.load_model(tmp_path / "model.h5")
    for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    more(loaded, diabetes)
    assert len(loaded.optimizer.terms) == 2
    assert len(loaded.optimizer.variables) == len(paths)


@pytest.mark.parametrize("models", [keras, taut])
@pytest.mark.parametrize(
    "penalty",
    [{"first": taut.L1(0.1)}, {"first": taut.L1(0.1), None: taut.GroupLasso(0.1, groups="inputs")}],
)
def test_a_model_that_was_frozen_before_it_was_saved_is_read(models, penalty, diabetes, tmp_path):
    model = models.Sequential(
        [
            keras.Input((10,)),
            keras.layers.Dense(3, name="first"),
            keras.layers.Dense(3, name="second"),
            keras.layers.Dense(1, name="third"),
        ]
    )
    model.compile(taut.Proximal("sgd", penalty).bind(model), "mse")
    more(model, diabetes)
    for names in (["first"], ["first", "second", "third"]):
        for name in names:
            model.get_layer(name).trainable = False
        model.save(tmp_path / "model.keras")
        with warnings.catch_warnings():
            # Of Keras: the optimizer's state was that of more variables.
            warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
            loaded = keras.saving.load_model(tmp_path / "model.keras")
        for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        if names == ["first"]:
            more(loaded, diabetes)
            assert len(loaded.optimizer.terms) == len(penalty) * 2 - 2
