"""`use_ema`: the weights that are evaluated are averages, and keep their zeros."""

import keras
import numpy as np
import pytest
from sklearn.linear_model import Lasso

import taut
from tests.conftest import coefficients, minimise, one_layer, some_everywhere, standardised

STEPS = 600


def decay(rate):
    return keras.optimizers.schedules.CosineDecay(rate, STEPS)


def averaged(kind, *args, beta=0.9, **kwargs):
    return kind(*args, use_ema=True, ema_momentum=beta, **kwargs)


def finalize(model):
    """What `fit` does after its last epoch."""
    model.optimizer.finalize_variable_values(model.trainable_variables)


@pytest.fixture(scope="module")
def noisy():
    """100 inputs of which 10 matter, and their Lasso."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 100)).astype("float32")
    weights = np.zeros(100)
    weights[:10] = rng.normal(size=10)
    y = standardised(x @ weights + rng.normal(size=600))
    return x, y, Lasso(alpha=0.05, tol=1e-6, max_iter=10**5).fit(x, y).coef_


AVERAGED = {
    "sgd": lambda: averaged(keras.optimizers.SGD, 0.1),
    "decaying": lambda: averaged(keras.optimizers.SGD, decay(0.2), momentum=0.5),
    "adam": lambda: averaged(keras.optimizers.Adam, decay(0.05), clipnorm=0.15),
    "lamb": lambda: averaged(keras.optimizers.Lamb, decay(0.1)),
    "overwriting": lambda: averaged(
        keras.optimizers.SGD, 0.2, momentum=0.5, ema_overwrite_frequency=7
    ),
}
PENALTIES = {
    "groups": taut.GroupLasso(0.2, groups=[[0, 1], [2], [3, 4, 5], [6, 7, 8, 9]]),
    "one step": taut.NuclearNorm(0.3),
}


@pytest.mark.parametrize("name", some_everywhere(AVERAGED, ("adam", "overwriting")))
def test_the_average_is_the_lasso(name, diabetes):
    x, y = diabetes
    exact = Lasso(alpha=0.05, tol=1e-12, max_iter=10**5).fit(x, y).coef_
    model = one_layer(10, "mse", taut.Proximal(AVERAGED[name](), taut.L1(0.1)))
    minimise(model, x, y, STEPS)
    finalize(model)
    found = coefficients(model)
    np.testing.assert_array_equal(found != 0, exact != 0)
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", some_everywhere(PENALTIES, ("one step",)))
def test_averages_of_groups_and_of_matrices(name, diabetes):
    (x, y), penalty = diabetes, PENALTIES[name]
    model = taut.models.Sequential([keras.Input((10,)), keras.layers.Dense(2)])
    optimizer = averaged(keras.optimizers.Adam, decay(0.05))
    model.compile(optimizer, "mse", weight_regularizer=penalty)
    model.optimizer.build(model.trainable_variables)
    minimise(model, x, np.stack([y, y**2], 1), 400)
    assert taut.stationarity(model, x, np.stack([y, y**2], 1)).largest < 1e-3
    raw = model.get_weights()[0]
    finalize(model)
    found = model.get_weights()[0]
    np.testing.assert_array_equal(found != 0, raw != 0)
    np.testing.assert_allclose(found, raw, rtol=1e-3, atol=1e-4)
    smallest = np.linalg.svd(found)[1].min()
    assert smallest < 1e-6 if isinstance(penalty, taut.NuclearNorm) else (found == 0).any()


@pytest.mark.parametrize(
    "make",
    [
        lambda: averaged(keras.optimizers.SGD, 0.02, beta=0.99),
        lambda: averaged(keras.optimizers.Adam, 0.02, beta=0.98),
    ],
    ids=["sgd", "adam"],
)
def test_noise_is_averaged_and_the_zeros_stay(make, noisy):
    x, y, exact = noisy
    raw = {}
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: raw.update(w=coefficients(model))
    )
    model = one_layer(100, "mse", taut.Proximal(make(), taut.L1(0.1)))
    model.fit(x, y, batch_size=20, epochs=20, verbose=0, callbacks=[keep])
    found = coefficients(model)
    zeros, distance = (found == 0).sum(), np.linalg.norm(found - exact)
    assert 100 > zeros > 0.9 * (raw["w"] == 0).sum()
    assert zeros > 0.75 * (exact == 0).sum()
    assert distance < 0.6 * np.linalg.norm(raw["w"] - exact)


def test_without_a_penalty_it_is_the_average_of_keras(diabetes):
    x, y = diabetes
    make = lambda: averaged(keras.optimizers.Adam, 0.05)  # noqa: E731
    plain = one_layer(10, "mse", make())
    start = plain.get_weights()
    # The strength of 0 says that there is nothing to threshold, but all else is done.
    ours = one_layer(10, "mse", taut.Proximal(make(), taut.L1(0.0)))
    for model in (plain, ours):
        model.set_weights(start)
        model.fit(x, y, batch_size=100, epochs=3, shuffle=False, verbose=0)
    for found, expected in zip(ours.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_overwriting_puts_the_average_into_the_model(noisy):
    x, y, _ = noisy
    optimizer = averaged(keras.optimizers.SGD, 0.02, ema_overwrite_frequency=5)
    model = one_layer(100, "mse", taut.Proximal(optimizer, taut.L1(0.1)))
    equal = []
    for steps in (29, 1, 4, 1):
        minimise(model, x, y, steps)
        average = keras.ops.convert_to_numpy(model.optimizer._model_variables_moving_average[0])
        equal.append(bool((average.ravel() == coefficients(model)).all()))
    assert equal == [False, True, False, True]
    assert (coefficients(model) == 0).any()


def test_accumulation_averages_updates_not_batches(diabetes):
    x, y = diabetes
    plain = averaged(keras.optimizers.SGD, 0.1, beta=0.5**3)
    slow = averaged(keras.optimizers.SGD, 0.1, beta=0.5, gradient_accumulation_steps=3)
    models = [one_layer(10, "mse", taut.Proximal(o, taut.L1(0.1))) for o in (plain, slow)]
    models[1].set_weights(models[0].get_weights())
    for model, steps in zip(models, (6, 18), strict=True):
        minimise(model, x, y, steps)
        finalize(model)
    np.testing.assert_allclose(*map(coefficients, models), rtol=1e-4, atol=1e-6)


def test_overwriting_before_the_first_update_leaves_the_weights(diabetes):
    x, y = diabetes
    optimizer = averaged(
        keras.optimizers.SGD, 0.1, gradient_accumulation_steps=3, ema_overwrite_frequency=1
    )
    model = one_layer(10, "mse", taut.Proximal(optimizer, taut.L1(0.1)))
    before = coefficients(model)
    minimise(model, x, y, 2)
    np.testing.assert_allclose(coefficients(model), before, rtol=1e-6)
    finalize(model)
    np.testing.assert_allclose(coefficients(model), before, rtol=1e-6)


def test_keras_evaluates_the_average_during_training(noisy):
    x, y, _ = noisy
    optimizer = averaged(keras.optimizers.SGD, 0.02, beta=0.95)
    model = one_layer(100, "mse", taut.Proximal(optimizer, taut.L1(0.1)))
    seen = []

    class See(keras.callbacks.Callback):
        def on_test_end(self, logs=None):
            seen.append(coefficients(model))

    callbacks = [See(), keras.callbacks.SwapEMAWeights()]
    model.fit(
        x, y, batch_size=20, epochs=3, verbose=0, validation_data=(x, y), validation_batch_size=600,
        callbacks=callbacks,
    )  # fmt: skip
    assert len(seen) == 3
    assert all((w == 0).any() for w in seen)
    np.testing.assert_allclose(coefficients(model), seen[-1], rtol=1e-4, atol=1e-6)


def test_a_saved_model_goes_on_with_its_averages(noisy, tmp_path):
    x, y, _ = noisy
    optimizer = averaged(keras.optimizers.Adam, 0.005, beta=0.95)
    model = one_layer(100, "mse", taut.Proximal(optimizer, taut.L1(0.1)))
    options = {"batch_size": 20, "shuffle": False, "verbose": 0}
    model.fit(x, y, **options)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for one in (model, again):
        one.fit(x, y, **options)
    np.testing.assert_allclose(coefficients(again), coefficients(model), rtol=1e-5, atol=1e-7)
