"""The gap bounds how far above its minimum a convex J' is, and `converged` means it."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from sklearn.linear_model import ElasticNet, Lasso

import taut

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="thousands of steps that only JAX compiles"
)

PENALTIES = {
    "L1": taut.L1(0.05),
    "L2": taut.L2(0.05),
    "ElasticNet": taut.ElasticNet(0.05),
    "L1 + L2": taut.L1(0.05) + taut.L2(0.05),
    "WeightedL1": taut.WeightedL1(0.05, weights=np.linspace(0.5, 2, 10).reshape(10, 1)),
    "NonNegative + L1": taut.NonNegative() + taut.L1(0.05),
    "GroupLasso": taut.GroupLasso(0.05, groups="inputs"),
    "SparseGroupLasso": taut.SparseGroupLasso(0.05, groups="inputs"),
}


def linear(penalty, *, loss="mse", activation=None, bias=True, units=1):
    inputs = keras.Input((10,))
    dense = layers.Dense(units, activation=activation, use_bias=bias)
    model = taut.models.Model(inputs, dense(inputs))
    model.compile("sgd", loss, weight_regularizer=penalty)
    return model


def objective(model, x, y):
    """J'(w) in double precision, of a linear model under the squared error."""
    kernel, *bias = (np.asarray(v, "float64") for v in model.trainable_variables)
    prediction = x.astype("float64") @ kernel + (bias[0] if bias else 0)
    optimizer = model.optimizer
    penalty = sum(
        float(term.value(term.values(), optimizer.strengths_of(term))) for term in optimizer.terms
    )
    return ((prediction[:, 0] - y) ** 2).mean() + penalty


def least_of_lasso(alpha, x, y):
    """The minimum of the squared error + α‖w‖₁ without intercept, by scikit-learn."""
    x, y = x.astype("float64"), y.astype("float64")
    exact = Lasso(alpha / 2, fit_intercept=False, tol=1e-10, max_iter=10**6).fit(x, y)
    return ((x @ exact.coef_ - y) ** 2).mean() + alpha * np.abs(exact.coef_).sum()


@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES.keys())
def test_the_gap_is_above_the_true_one_and_goes_to_zero(penalty, diabetes):
    x, y = diabetes
    model = linear(penalty)
    taut.FISTA(tolerance=1e-6).minimise(model, x, y)
    least, best = objective(model, x, y), model.get_weights()
    gaps = []
    for step in (0.5, 0.1, 0.01, 1e-3, 0.0):
        away = np.random.default_rng(1).normal(size=(10, 1)) * step
        away = np.abs(away) if "NonNegative" in repr(penalty) else away
        model.set_weights([best[0] + away, best[1]])
        found = taut.stationarity(model, x, y)
        true = objective(model, x, y) - least
        assert true - 1e-6 <= found.gap
        gaps.append(found.gap)
    assert gaps[-1] < 1e-5 * least
    assert gaps[0] > gaps[2] > gaps[-1]
    assert f"at most {gaps[-1]:.2e} above its global minimum" in found.note


@pytest.mark.parametrize("spread", [1, 30, 300])
def test_converged_means_a_share_of_the_objective_whatever_the_scales_of_the_inputs(
    spread, diabetes
):
    x, y = diabetes
    x = (x * np.geomspace(1, 1 / spread, 10)).astype("float32")
    alpha = 2e-4
    least = least_of_lasso(alpha, x, y)
    model = linear(taut.L1(alpha), bias=False)
    tolerance = 1e-3
    found = taut.FISTA(tolerance=tolerance, max_iterations=20_000).minimise(model, x, y)
    share = (objective(model, x, y) - least) / least
    assert found.gap >= objective(model, x, y) - least - 1e-7
    assert found.converged
    assert share <= tolerance
    assert "of it), at most the tolerance" in found.note


def test_a_small_residual_alone_is_not_converged(diabetes):
    """Inputs of small scale left out: their residual is small beside the rows' gradients."""
    x, y = diabetes
    x = (x * np.where(np.arange(10) < 5, 100, 1e-3)).astype("float32")
    alpha = 1e-5
    few = Lasso(alpha / 2, fit_intercept=False, tol=1e-10, max_iter=10**6)
    few.fit(x[:, :5].astype("float64"), y.astype("float64"))
    model = linear(taut.L1(alpha), bias=False)
    model.set_weights([np.concatenate([few.coef_, np.zeros(5)]).reshape(10, 1)])
    found = taut.FISTA(tolerance=1e-3, max_iterations=1).minimise(model, x, y)
    assert found.residual < 1e-3
    assert objective(model, x, y) > 1.01 * least_of_lasso(alpha, x, y)
    assert not found.converged
    assert "not at most the tolerance" in found.note


def test_the_elastic_net_of_scikit_learn_has_no_gap(diabetes):
    x, y = diabetes
    exact = ElasticNet(0.05, l1_ratio=0.7, tol=1e-12).fit(x, y)
    model = linear(taut.ElasticNet(0.1, l1_ratio=0.7))
    model.set_weights([exact.coef_.reshape(10, 1), np.array([exact.intercept_])])
    assert taut.stationarity(model, x, y).gap < 1e-6


CONVEX = {
    "squared error": (None, "mse", 1),
    "absolute error": (None, keras.losses.MeanAbsoluteError(), 1),
    "logistic": ("sigmoid", "binary_crossentropy", 1),
    "logits": (None, keras.losses.BinaryCrossentropy(from_logits=True), 1),
    "softmax": ("softmax", ["sparse_categorical_crossentropy"], 3),
}
NOT_KNOWN = {
    "squared error of a sigmoid": ("sigmoid", "mse", 1),
    "logits that are not": (None, "binary_crossentropy", 1),
    "an own loss": (None, lambda y, p: ops.mean(ops.square(y - p) - 1, axis=-1), 1),
    "negative": (None, "poisson", 1),
    "a bend": ("relu", "mse", 1),
}


@pytest.mark.parametrize("case", [*CONVEX, *NOT_KNOWN])
def test_what_is_known_to_be_convex_has_a_gap(case, diabetes):
    activation, loss, units = {**CONVEX, **NOT_KNOWN}[case]
    x, y = diabetes[0], (diabetes[1] > 0).astype("float32")
    model = linear(taut.L1(0.01), loss=loss, activation=activation, units=units)
    assert (taut.stationarity(model, x, y).gap is not None) == (case in CONVEX)


def test_networks_concave_penalties_and_factors_have_no_gap(diabetes):
    x, y = diabetes
    inputs = keras.Input((10,))
    hidden = layers.Dense(3)
    network = taut.models.Model(inputs, layers.Dense(1)(hidden(inputs)))
    network.compile("sgd", "mse", weight_regularizer=taut.L1(0.01))
    assert taut.stationarity(network, x, y).gap is None
    hidden.trainable = False  # features that are not trained
    network.compile("sgd", "mse", weight_regularizer=taut.L1(0.01))
    assert taut.stationarity(network, x, y).gap is not None
    assert taut.stationarity(linear(taut.MCP(0.05)), x, y).gap is None
    adapted = linear(None)
    adapted.layers[-1].enable_lora(1)
    adapted.compile("sgd", "mse", weight_regularizer=taut.L1(0.01))
    assert taut.stationarity(adapted, x, y).gap is None
