"""Dtype policies: the law holds in lower precision, and a step that is skipped skips its prox."""

import keras
import numpy as np
import pytest
from sklearn.linear_model import Lasso

import taut
from tests.conftest import coefficients, fit_full_batches, some_everywhere

STEPS = 250


def decay(rate):
    return keras.optimizers.schedules.CosineDecay(rate, STEPS)


@pytest.fixture(autouse=True)
def _float32_again():
    yield
    keras.config.set_dtype_policy("float32")


def compiled(policy, optimizer, inputs=10):
    keras.config.set_dtype_policy(policy)
    model = keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse")
    return model


LOWER = {
    "momentum": ("mixed_float16", lambda: keras.optimizers.SGD(0.02, momentum=0.9), 2e-3),
    "adam": ("mixed_float16", lambda: keras.optimizers.Adam(decay(0.05), clipnorm=0.3), 2e-3),
    "average": (
        "mixed_float16",
        lambda: keras.optimizers.SGD(0.15, use_ema=True, ema_momentum=0.9),
        2e-3,
    ),
    "accumulated": (
        "mixed_float16",
        lambda: keras.optimizers.SGD(0.15, gradient_accumulation_steps=2),
        2e-3,
    ),
    "lamb": ("mixed_float16", lambda: keras.optimizers.Lamb(decay(0.1)), 2e-3),
    "bfloat16": ("mixed_bfloat16", lambda: keras.optimizers.Adam(decay(0.05)), 5e-3),
    "all bfloat16": ("bfloat16", lambda: keras.optimizers.SGD(0.02, momentum=0.9), 2e-2),
}


@pytest.mark.parametrize("name", some_everywhere(LOWER, ("adam", "bfloat16")))
def test_the_lasso_in_lower_precision(name, diabetes):
    policy, make, precision = LOWER[name]
    x, y = diabetes
    exact = Lasso(alpha=0.05, tol=1e-12, max_iter=10**5).fit(x, y).coef_
    model = compiled(policy, taut.Proximal(make(), taut.L1(0.1)))
    fit_full_batches(model, x, y, STEPS)
    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (policy == "mixed_float16")
    found = coefficients(model)
    np.testing.assert_array_equal(found != 0, exact != 0)
    np.testing.assert_allclose(found, exact, atol=precision)
    assert taut.explain(model).variables[0].penalty == "L1"


def test_a_step_that_overflows_skips_its_prox(diabetes):
    x, y = diabetes
    # With this strength one prox makes every weight zero.
    inner = taut.Proximal(keras.optimizers.SGD(0.1), taut.L1(100.0))
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**40)
    model = compiled("mixed_float16", optimizer)
    before = coefficients(model)
    fit_full_batches(model, x, y, 10)
    assert float(model.optimizer.dynamic_scale.numpy()) == 2.0**30
    np.testing.assert_array_equal(coefficients(model), before)
    assert int(keras.ops.convert_to_numpy(inner.iterations)) == 0
    fit_full_batches(model, x, y, 30)
    assert int(keras.ops.convert_to_numpy(inner.iterations)) > 0
    assert not coefficients(model).any()


def test_a_fixed_loss_scale_changes_nothing(diabetes):
    x, y = diabetes
    models = [
        compiled("float32", taut.Proximal(keras.optimizers.SGD(0.1, **options), taut.L1(0.1)))
        for options in ({}, {"loss_scale_factor": 1024.0})
    ]
    models[1].set_weights(models[0].get_weights())
    for model in models:
        fit_full_batches(model, x, y, 20)
    np.testing.assert_allclose(*map(coefficients, models), rtol=1e-5, atol=1e-7)


def test_loss_scaling_of_keras_takes_a_model_of_ours(diabetes):
    x, y = diabetes
    keras.config.set_dtype_policy("mixed_float16")
    model = taut.models.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse", weight_regularizer=taut.L1(0.3))
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    history = model.fit(x, y, epochs=5, verbose=0).history
    size = np.abs(model.get_weights()[0]).sum()
    assert history["penalty"][-1] == pytest.approx(0.3 * size, rel=1e-3)
    assert (coefficients(model) == 0).any()
