"""The fixed-point law: full-batch, one layer, every optimizer reaches scikit-learn's solution."""

import keras
import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge

import taut
from tests.conftest import coefficients, minimise, one_layer, slow_elsewhere, some_everywhere

STEPS = 600


def decay(rate):
    return keras.optimizers.schedules.CosineDecay(rate, STEPS)


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "sgd momentum": lambda: keras.optimizers.SGD(0.02, momentum=0.9),
    "sgd nesterov": lambda: keras.optimizers.SGD(0.02, momentum=0.9, nesterov=True),
    "sgd schedule": lambda: keras.optimizers.SGD(decay(0.2), momentum=0.5),
    "sgd clipnorm": lambda: keras.optimizers.SGD(0.2, clipnorm=0.15),
    "sgd clipvalue": lambda: keras.optimizers.SGD(0.2, clipvalue=0.05),
    "sgd global_clipnorm": lambda: keras.optimizers.SGD(0.2, global_clipnorm=0.15),
    "adam": lambda: keras.optimizers.Adam(decay(0.05)),
    "adam amsgrad": lambda: keras.optimizers.Adam(decay(0.05), amsgrad=True),
    "adam clipnorm": lambda: keras.optimizers.Adam(decay(0.05), clipnorm=0.15),
    "adamw": lambda: keras.optimizers.AdamW(decay(0.05), weight_decay=0.0),
    "adamax": lambda: keras.optimizers.Adamax(decay(0.1)),
    "nadam": lambda: keras.optimizers.Nadam(decay(0.05)),
    "rmsprop": lambda: keras.optimizers.RMSprop(decay(0.02), rho=0.99),
    "rmsprop momentum": lambda: keras.optimizers.RMSprop(decay(0.02), momentum=0.5),
    # A constant gradient has no variance: with the default epsilon the step is lr/√1e-7.
    "rmsprop centered": lambda: keras.optimizers.RMSprop(
        decay(0.05), centered=True, momentum=0.5, epsilon=1e-3
    ),
    "adagrad": lambda: keras.optimizers.Adagrad(0.5),
    "adadelta": lambda: keras.optimizers.Adadelta(decay(30.0)),
    "lamb": lambda: keras.optimizers.Lamb(decay(0.1)),
    "adafactor": lambda: keras.optimizers.Adafactor(decay(0.5)),
    "adafactor clipped": lambda: keras.optimizers.Adafactor(
        0.2, relative_step=False, clip_threshold=0.5, clipnorm=0.3
    ),
}

every_optimizer = pytest.mark.parametrize(
    "name",
    some_everywhere(OPTIMIZERS, ("sgd clipnorm", "adam")),
)


def fitted(make, penalty, x, y, steps=STEPS):
    model = one_layer(x.shape[1], "mse", taut.Proximal(make(), penalty))
    minimise(model, x, y, steps)
    return model


@every_optimizer
def test_l1_is_the_lasso(name, diabetes):
    x, y = diabetes
    exact = Lasso(alpha=0.05, tol=1e-12, max_iter=10**5).fit(x, y).coef_
    model = fitted(OPTIMIZERS[name], taut.L1(0.1), x, y)
    found = coefficients(model)
    np.testing.assert_array_equal(found != 0, exact != 0)
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-6)
    assert taut.stationarity(model, x, y).largest < 1e-4


@slow_elsewhere
@pytest.mark.parametrize(
    "name", some_everywhere(["sgd momentum", "adam", "rmsprop", "adagrad"], ("adam",))
)
def test_l2_is_ridge(name, diabetes):
    x, y = diabetes
    exact = Ridge(alpha=0.2 * len(y) / 2, tol=1e-12).fit(x, y).coef_
    found = coefficients(fitted(OPTIMIZERS[name], taut.L2(0.2), x, y))
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-6)


@slow_elsewhere
@pytest.mark.parametrize(
    "name", some_everywhere(["sgd nesterov", "adam", "rmsprop", "adagrad"], ("adam",))
)
@pytest.mark.parametrize(
    "penalty",
    [taut.ElasticNet(0.2, l1_ratio=0.3), taut.L1(0.06) + taut.L2(0.14)],
    ids=["one penalty", "sum"],
)
def test_elastic_net(name, penalty, diabetes):
    x, y = diabetes
    exact = ElasticNet(alpha=0.1, l1_ratio=0.3, tol=1e-12, max_iter=10**5).fit(x, y).coef_
    found = coefficients(fitted(OPTIMIZERS[name], penalty, x, y))
    np.testing.assert_array_equal(found != 0, exact != 0)
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("penalty", "l1_ratio", "solver"),
    [
        pytest.param(taut.L1(0.03), 1.0, "saga", id="L1"),
        pytest.param(
            taut.L2(0.03),
            0.0,
            "lbfgs",
            id="L2",
            marks=[] if keras.backend.backend() == "jax" else pytest.mark.slow,
        ),
    ],
)
@pytest.mark.parametrize("name", some_everywhere(["sgd", "adam"], ("adam",)))
def test_logistic_regression(name, penalty, l1_ratio, solver, breast_cancer):
    x, y = breast_cancer
    model = LogisticRegression(
        C=1 / (len(y) * 0.03), l1_ratio=l1_ratio, solver=solver, tol=1e-9, max_iter=10**5
    )
    exact = model.fit(x.astype("float64"), y).coef_.ravel()
    rates = {
        "sgd": keras.optimizers.SGD(1.0, momentum=0.9),
        "adam": keras.optimizers.Adam(decay(1.0)),
    }
    ours = one_layer(
        x.shape[1], "binary_crossentropy", taut.Proximal(rates[name], penalty), "sigmoid"
    )
    minimise(ours, x, y, STEPS)
    found = coefficients(ours)
    np.testing.assert_array_equal(found != 0, exact != 0)
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=2e-5)


@slow_elsewhere
@pytest.mark.parametrize("reached", [0, 1], ids=["none", "one"])
@pytest.mark.parametrize(
    "name", ["adam", "adam amsgrad", "adamax", "nadam", "rmsprop", "lamb", "adafactor"]
)
def test_a_weight_without_a_gradient_so_far_is_not_removed(name, reached):
    """The step of such a weight is the least of its array, and not one without end."""
    strength = 0.01
    layer = keras.layers.Dense(2)
    layer.build((3,))
    optimizer = taut.Proximal(OPTIMIZERS[name](), taut.L1(strength))
    optimizer.build([layer.kernel])
    gradient = np.zeros((3, 2))
    gradient[1] = reached * np.array([2, -3])
    for _ in range(2):
        layer.kernel.assign(np.full((3, 2), 0.5))
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [layer.kernel])
    found = keras.ops.convert_to_numpy(layer.kernel)[[0, 2]]
    assert (found < 0.5).all()
    assert found.min() > 0.49


def test_a_prox_with_the_bare_learning_rate_would_fail_this_law(diabetes, monkeypatch):
    """The law has teeth: Adam with another step than its metric misses the lasso."""
    from taut.optimizers import metric

    x, y = diabetes
    exact = Lasso(alpha=0.05, tol=1e-12).fit(x, y).coef_
    monkeypatch.setitem(metric.STEPS, keras.optimizers.Adam, lambda o, u, rate: rate)
    found = coefficients(fitted(OPTIMIZERS["adam"], taut.L1(0.1), x, y))
    assert np.abs(found - exact).max() > 0.01


def test_gradient_accumulation_steps_only_when_the_update_does(diabetes):
    x, y = diabetes
    make = lambda: keras.optimizers.SGD(0.1, gradient_accumulation_steps=3)  # noqa: E731
    model = one_layer(10, "mse", taut.Proximal(make(), taut.L1(0.1)))
    before = coefficients(model)
    minimise(model, x, y, 2)
    np.testing.assert_array_equal(coefficients(model), before)
    minimise(model, x, y, 1)
    assert (coefficients(model) != before).all()
    minimise(model, x, y, 3 * STEPS // 4)
    exact = Lasso(alpha=0.05, tol=1e-12).fit(x, y).coef_
    np.testing.assert_allclose(coefficients(model), exact, rtol=1e-4, atol=1e-6)
